"""``capgmyo_dba``, ``capgmyo_dbb``, ``capgmyo_dbc``: 8 or 12 hand gestures under an 8 x 16 grid of electrodes, preprocessed.

Layout: below the folder, at any depth, ``SSS-GGG-TTT.mat`` (subject, gesture, trial), each with ``data`` (1000, 128), the middle
second of a gesture at 1 kHz, band-passed from 20 to 380 Hz, in units of 2.5 mV and of 16 bits. Gestures 100 and 101 are
efforts of calibration and not read. In DB-b the subjects 2k - 1 and 2k are one person's two sessions.

References
----------
Geng et al. (2016), Scientific Reports 6:36571; Du et al. (2017), Sensors 17:458, doi:10.3390/s17030458 (units, DB-b's
sessions); figshare.com/articles/dataset/7210397.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from myo_training.data_sets.array_file import read_mat
from myo_training.data_sets.entry import CatalogueEntry
from myo_training.data_sets.file_set import FileSet, Piece, Source, to_counts
from myo_training.recordings import DataSet, DataSetInfo

FULL_SCALE_UV = 2500.0
LSB_UV = FULL_SCALE_UV / 32768
CHANNELS = tuple(f"array{array}-{row}" for array in range(1, 9) for row in range(1, 17))
_FILE = re.compile(r"(\d{3})-(\d{3})-(\d{3})\.mat")
_SETS = {"a": (18, 1, 8), "b": (10, 2, 8), "c": (10, 1, 12)}  # persons, sessions of a person, gestures


def _describe(letter: str) -> str:
    persons, sessions, gestures = _SETS[letter]
    return f"{persons} persons, {sessions} session{'s' * (sessions > 1)}, {gestures} gestures, 8 x 16 electrodes, 1 kHz"


def _open(letter: str, folder: Path, _kind: str) -> DataSet:
    _, sessions, gestures = _SETS[letter]
    sources = []
    for path in folder.rglob("*-*-*.mat"):
        match = _FILE.fullmatch(path.name)
        if match and 1 <= int(match[2]) <= gestures:
            subject = int(match[1]) - 1
            person, session = f"S{subject // sessions + 1:02d}", str(subject % sessions + 1)
            sources.append(Source(person, (session,), f"G{match[2][1:]}-{match[3][1:]}", path))
    info = DataSetInfo(
        name=f"capgmyo_db{letter}",
        description=_describe(letter),
        rate_hz=1000.0,
        lsb_uv=LSB_UV,
        n_channels=len(CHANNELS),
        kind="classes",
        outputs=tuple(f"G{k:02d}" for k in range(1, gestures + 1)),
        licence="not stated; the authors ask to cite",
        citation="Du et al. 2017, Sensors 17:458, doi:10.3390/s17030458",
        source="recorded from persons, public layout, preprocessed by the authors",
        faults=(
            "a trial is the steady second of a gesture: there is no rest class, and nothing about transitions",
            "the authors' band-pass from 20 to 380 Hz is in the signal",
        ),
        channels=CHANNELS,
    )
    return FileSet(info, folder, sources, _read, "SSS-GGG-TTT.mat")


def _read(source: Source) -> Iterator[Piece]:
    signal = read_mat(source.path, ["data"])["data"]
    counts = to_counts(signal, FULL_SCALE_UV, LSB_UV, str(source.path))
    gesture = int(source.trial[1:3]) - 1
    yield Piece(source.sessions[0], source.trial, counts, np.full(len(counts), gesture))


ENTRIES = tuple(
    CatalogueEntry(
        f"capgmyo_db{letter}", _describe(letter), "not stated; cite",
        "https://figshare.com/articles/dataset/7210397" if letter == "a" else "http://zju-capg.org/research_en_electro_capgmyo.html",
        partial(_open, letter),
    )
    for letter in _SETS
)  # fmt: skip
