"""``fatigue_plux``: a biceps flexed until it tires, and bursts of contraction, one channel each.

Layout: ``emg_fatigue.h5`` and ``emg_bursts.h5`` as OpenSignals writes them, ``<address>/raw/channel_<n>`` (n_samples, 1) with
``sampling rate`` and ``resolution`` among the address' attributes. 12-bit counts become 16-bit ones; the maker's transfer
function of its EMG sensor, ((count / 2^bits - 1/2) 3 V) / 1000, gives the worth of a count. There are no labels: the one class is
``unlabelled``, and the set is for signal processing, trends and demonstrations.

References
----------
PLUX, electromyography (EMG) sensor datasheet (transfer function); biosignalsnotebooks (the files).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from myo_pipeline.errors import DataError
from myo_training.data_sets.entry import CatalogueEntry
from myo_training.data_sets.file_set import AGAIN, FileSet, Piece, Source
from myo_training.recordings import DataSet, DataSetInfo

NAME = "fatigue_plux"
URL = "https://github.com/pluxbiosignals/biosignalsnotebooks"
BITS = 16
SUPPLY_UV, GAIN = 3e6, 1000

INFO = DataSetInfo(
    name=NAME,
    description="biceps until tired, and bursts of contraction, 1 channel, 1 kHz, no labels",
    rate_hz=1000.0,
    lsb_uv=SUPPLY_UV / GAIN / 2**BITS,
    n_channels=1,
    kind="classes",
    outputs=("unlabelled",),
    licence="MIT",
    citation="biosignalsnotebooks, PLUX Wireless Biosignals",
    source="recorded from persons, public layout",
    faults=(
        "no labels, and nothing about the persons: the two files may be one person or two",
        "emg_fatigue has 12 bits: its counts are multiples of 16",
    ),
    channels=("biceps brachii",),
)


def open_folder(folder: Path, _kind: str) -> DataSet:
    """Open the folder of HDF5 files."""
    sources = [Source(path.stem.removeprefix("emg_"), ("1",), "1", path) for path in folder.glob("emg_*.h5")]
    return FileSet(INFO, folder, sources, _read, "emg_<name>.h5")


def _read(source: Source) -> Iterator[Piece]:
    import h5py

    path = source.path
    try:
        with h5py.File(path, "r") as file:
            device: Any = next(iter(file.values()))
            told = device.attrs
            rate_hz, bits = float(told["sampling rate"]), int(np.ravel(told["resolution"])[0])
            raw = next(node for name, node in device["raw"].items() if name.startswith("channel_"))
            counts = np.asarray(raw[:, :1], np.int64)
    except (OSError, RuntimeError, KeyError, ValueError, AttributeError, StopIteration) as error:
        raise DataError(f"{path}: not a whole OpenSignals file ({error}); {AGAIN}") from None
    if rate_hz != INFO.rate_hz or not 1 <= bits <= BITS:
        raise DataError(
            f"{path}: {rate_hz:g} Hz and {bits} bits, expected {INFO.rate_hz:g} Hz and up to {BITS}; {AGAIN}"
        )
    emg = (counts - (1 << (bits - 1))) << (BITS - bits)
    yield Piece("1", "1", emg, np.zeros(len(emg), np.int64))


ENTRY = CatalogueEntry(NAME, INFO.description, INFO.licence, URL, open_folder)
