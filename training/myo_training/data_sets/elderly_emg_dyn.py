"""``elderly_emg_dyn``: isometric contractions of the leg with the force of a load cell, 30 persons of 64 to 82 years.

Layout: ``ID<n>.npz`` with ``EMG_VL``, ``EMG_BF``, ``EMG_TA``, ``EMG_LG`` int16 (n_samples, 4) and ``DNM`` float32 kgf
(n_samples, 4). By the set's public README, a matrix is one contraction, its name the muscle that was to contract, and its
columns are the four electrodes recorded together (VL, BF, TA, LG); column k of ``DNM`` is the force of contraction k. The
data agree: the RMS of a muscle's electrode follows its contraction's force at r = 0.60 and another contraction's at 0.11, means
of 90 and 180, and what ID5 and ID6 have shortened are EMG_VL, EMG_BF and columns 1 and 2 of the force.

The electrode over LG shows 1.4 counts of noise in every contraction of every person looked at, with or without effort.
That column is left out, and so is the contraction of LG, of which no working electrode tells.

References
----------
Silva et al. (2024), Biomedical Signal Processing and Control 88:105635, doi:10.1016/j.bspc.2023.105635;
github.com/hermescb/Electromyography-and-Dynamometry-of-the-Lower-Limb-of-the-Elderly (README.md, attribute information).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from myo_pipeline.errors import DataError
from myo_training.data_sets.array_file import read_npz
from myo_training.data_sets.entry import VALUES, CatalogueEntry
from myo_training.data_sets.file_set import AGAIN, FileSet, Piece, Source
from myo_training.recordings import DataSet, DataSetInfo

NAME = "elderly_emg_dyn"
URL = "https://github.com/hermescb/Electromyography-and-Dynamometry-of-the-Lower-Limb-of-the-Elderly"
CONTRACTIONS = ("VL", "BF", "TA")  # in the order of the electrodes' columns and the force's
_MISSPELT = {("ID6", "TA"): "EMB_TA"}
_FILE = re.compile(r"ID(\d+)\.npz")

INFO = DataSetInfo(
    name=NAME,
    description="30 elderly persons, isometric contractions of 3 leg muscles with force, 3 channels, 2 kHz",
    rate_hz=2000.0,
    lsb_uv=1.0,
    n_channels=len(CONTRACTIONS),
    kind=VALUES,
    outputs=("force_kgf",),
    licence="CC0-1.0",
    citation="Silva et al. 2024, Biomedical Signal Processing and Control 88:105635, doi:10.1016/j.bspc.2023.105635",
    source="recorded from persons, packed by person",
    faults=(
        "a count is a tenth of the 12-bit converter's; microvolts are not known",
        "column 4, the electrode over the lateral gastrocnemius, is noise of 1.4 counts: left out, and with it that "
        "muscle's contraction",
        "8 samples of ID5, ID26 and ID28 lie beyond what 12 bits hold",
        "a contraction is one trial of about 10 s a person; of ID5 and ID6 those of VL and BF last 5 s",
        "the force is what the load cell said: its zero differs by person (-1.6 kgf to 13 kgf at the least)",
    ),
    channels=("vastus lateralis", "biceps femoris", "tibialis anterior"),
)


def open_folder(folder: Path, _kind: str) -> DataSet:
    """Open the folder of packed persons."""
    sources = [
        Source(path.stem, ("1",), "", path) for path in folder.glob("ID*.npz") if _FILE.fullmatch(path.name)
    ]
    return FileSet(INFO, folder, sources, _read, "ID<n>.npz")


def _read(source: Source) -> Iterator[Piece]:
    names = {muscle: _MISSPELT.get((source.person, muscle), f"EMG_{muscle}") for muscle in CONTRACTIONS}
    arrays = read_npz(source.path, ["DNM", *names.values()])
    force = arrays["DNM"]
    for k, muscle in enumerate(CONTRACTIONS):
        emg = arrays[names[muscle]]
        if emg.ndim != 2 or emg.shape[1] != 4 or force.ndim != 2 or force.shape[1] != 4:
            raise DataError(
                f"{source.path}: {names[muscle]} is {emg.shape}, DNM {force.shape}, expected four columns; {AGAIN}"
            )
        n = min(len(emg), len(force))
        if np.isfinite(force[n:, k]).any():
            raise DataError(
                f"{source.path}: {names[muscle]} ends after {n} of {len(force)} samples of force; {AGAIN}"
            )
        yield Piece("1", muscle, emg[:n, : len(CONTRACTIONS)], force[:n, k : k + 1])


ENTRY = CatalogueEntry(NAME, INFO.description, INFO.licence, URL, open_folder, (VALUES,))
