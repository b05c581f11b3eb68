"""Recordings in HDF5 files, and so in MATLAB files of version 7.3: the signal in ``emg``, the rest beside it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_pipeline.recording.csv_file import pack_facts
from myo_pipeline.recording.mat_file import find_rate, find_signal, read_facts
from myo_pipeline.recording.recording import Recording, check_finite, to_counts

_STEP = 1 << 16  # frames at once


def read_hdf5(path: Path, rate_hz: float | None, unit: str | None) -> Recording:
    """Open the data set ``emg`` in whatever group, or the only matrix there is; it is read as it is asked for.

    The sample rate is an attribute of the signal, of its group or of the file, or a number beside it.

    Raises
    ------
    DataError
        If there is no signal, there are several, the rate is not told, or the file is damaged.
    """
    import h5py

    try:
        file = h5py.File(path, "r")
        arrays: dict[str, Any] = {}
        file.visititems(
            lambda name, node: arrays.update({name: node} if isinstance(node, h5py.Dataset) else {})
        )
        signal = arrays[find_signal(path, arrays)]
        told = {name.rpartition("/")[2]: array[()] for name, array in arrays.items() if array.size == 1}
        told |= {**file.attrs, **signal.parent.attrs, **signal.attrs}
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(f"{path}: not readable as an HDF5 file ({error}); save it again") from None
    stored = file.attrs.get("myopatch")
    is_row = (
        stored is None and signal.shape[0] < signal.shape[1]
    )  # a channel a row, as MATLAB and many others write it
    n_samples, n_channels = signal.shape[::-1] if is_row else signal.shape
    values = read_facts(path, stored, n_channels)
    rate = values.pop("rate_hz", None) or find_rate(path, told, rate_hz)

    def load(start: int, stop: int) -> NDArray[Any]:
        try:
            part = signal[:, start:stop].T if is_row else signal[start:stop]
        except OSError as error:
            raise DataError(
                f"{path}: samples {start} .. {stop} are not readable ({error}); save it again"
            ) from None
        if values["is_counts"]:
            return to_counts(str(path), part)
        check_finite(str(path), part.astype(np.float64), start)
        return np.asarray(part, np.float64)

    if "is_counts" not in values:
        if unit or signal.dtype.kind != "f":
            values["is_counts"] = unit != "uv"
        else:
            values["is_counts"] = False
            parts = (load(k, min(k + _STEP, n_samples)) for k in range(0, n_samples, _STEP))
            values["is_counts"] = all(bool((part == np.rint(part)).all()) for part in parts)
    first = Recording.from_array(str(path), load(0, 1), rate, **values)
    return dataclasses.replace(first, n_samples=n_samples, load=load)


def write_hdf5(path: Path, recording: Recording) -> list[str]:
    """Write ``emg`` (int32 counts or microvolts; deflated) with ``rate_hz`` and ``lsb_uv``; the rest as JSON in ``myopatch``."""
    import h5py

    shape = (recording.n_samples, len(recording.channels))
    with h5py.File(path, "x") as file:
        signal = file.create_dataset(
            "emg", shape, np.int32 if recording.is_counts else np.float64, chunks=(min(4096, shape[0]), shape[1]),
            compression="gzip", shuffle=True,
        )  # fmt: skip
        for start in range(0, shape[0], _STEP):
            signal[start : start + _STEP] = recording.read(start, start + _STEP)
        signal.attrs["rate_hz"], signal.attrs["lsb_uv"] = recording.rate_hz, recording.lsb_uv
        file.attrs["myopatch"] = json.dumps(pack_facts(recording) | {"channels": list(recording.channels)})
    return []
