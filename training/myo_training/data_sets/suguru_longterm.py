"""``suguru_longterm``: 22 forearm motions of 4 persons on 30 days.

Public layout: ``sub<N>/day<D>/D<D>M<M>T<T>.csv``, at any depth: a trial of 1.5 s of one motion, a sample a line, eight numbers
of the armband's normalised amplitude. Packed: ``sub<N>.npz`` with ``emg`` int16 (30 days, 22 motions, 4 trials, 300 samples, 8
channels), a count 6.25e-5 of that amplitude; both give the same counts. A day is a session, a motion and its trial are a trial.
The labels are the motions' numbers in the set, M1 being rest.

References
----------
Kanoga et al. (2020), Biomedical Signal Processing and Control, the Wearable Sensor Long-term sEMG Dataset
(github.com/Suguru55/Wearable_Sensor_Long-term_sEMG_Dataset, README.md and data/).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from myo_pipeline.errors import DataError
from myo_training.data_sets.array_file import read_npz
from myo_training.data_sets.entry import CatalogueEntry
from myo_training.data_sets.file_set import AGAIN, FileSet, Piece, Source, to_counts
from myo_training.recordings import DataSet, DataSetInfo

NAME = "suguru_longterm"
URL = "https://github.com/Suguru55/Wearable_Sensor_Long-term_sEMG_Dataset"
DAYS, MOTIONS, TRIALS, SAMPLES, CHANNELS = SHAPE = (30, 22, 4, 300, 8)
AMPLITUDE = 6.25e-5  # of a count; the widest trial fits 16 bits
_FILE = re.compile(r"sub(\d+)\.npz")
_PUBLIC = re.compile(r"D(\d+)M(\d+)T(\d+)\.csv")

INFO = DataSetInfo(
    name=NAME,
    description="4 persons, 30 days, 22 forearm motions of 1.5 s, 8-channel armband, 200 Hz",
    rate_hz=200.0,
    lsb_uv=1.0,
    n_channels=CHANNELS,
    kind="classes",
    outputs=tuple(f"M{k}" for k in range(1, MOTIONS + 1)),
    licence="Apache-2.0",
    citation="Kanoga et al. 2020, Biomedical Signal Processing and Control; Suguru55/Wearable_Sensor_Long-term_sEMG_Dataset",
    source="recorded from persons, packed by person",
    faults=(
        "the unit is the armband's own, normalised; a count is 1/16000 of it, microvolts are not known",
        "a trial is 1.5 s of one motion with no rest before it: it says nothing about transitions",
    ),
)


def open_folder(folder: Path, _kind: str) -> DataSet:
    """Open the folder of packed persons, or of the public files."""
    days = tuple(f"{day:02d}" for day in range(1, DAYS + 1))
    sources = [
        Source(path.stem, days, "", path) for path in folder.glob("sub*.npz") if _FILE.fullmatch(path.name)
    ]
    if sources:
        return FileSet(INFO, folder, sources, _read, "sub<N>.npz")
    info = dataclasses.replace(INFO, source="recorded from persons, public layout")
    return FileSet(
        info, folder, _find_public(folder), _read_public, "sub<N>.npz or sub<N>/day<D>/D<D>M<M>T<T>.csv"
    )


def _find_public(folder: Path) -> Iterator[Source]:
    for path in folder.glob("**/sub*/day*/*.csv"):
        match = _PUBLIC.fullmatch(path.name)
        if match and 1 <= int(match[2]) <= MOTIONS:
            trial = f"M{int(match[2]):02d}-{match[3]}"
            yield Source(path.parent.parent.name, (f"{int(match[1]):02d}",), trial, path)


def _read_public(source: Source) -> Iterator[Piece]:
    try:
        table = np.loadtxt(source.path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{source.path}: not eight numbers a line ({str(error).splitlines()[0]}); {AGAIN}"
        ) from None
    counts = to_counts(table, 1.0, AMPLITUDE, str(source.path))
    yield Piece(source.sessions[0], source.trial, counts, np.full(len(counts), int(source.trial[1:3]) - 1))


def _read(source: Source) -> Iterator[Piece]:
    emg = read_npz(source.path, ["emg"])["emg"]
    if emg.shape != SHAPE or emg.dtype != np.int16:
        raise DataError(f"{source.path}: emg is {emg.dtype} {emg.shape}, expected int16 {SHAPE}; {AGAIN}")
    for day, motion, trial in np.ndindex(DAYS, MOTIONS, TRIALS):
        labels = np.full(SAMPLES, motion, np.int64)
        yield Piece(source.sessions[day], f"M{motion + 1:02d}-{trial + 1}", emg[day, motion, trial], labels)


ENTRY = CatalogueEntry(NAME, INFO.description, INFO.licence, URL, open_folder)
