"""``ninapro_db1`` to ``ninapro_db8``: hand movements of sound and amputated persons, one folder of MATLAB files a database.

Layout, as the databases' pages and readmes have it: below the folder, at any depth, ``S<person>_E<exercise>_A1.mat``
(DB1 and the Dryad copy of DB3: ``S<person>_A1_E<exercise>.mat``); of DB6 ``S<person>_D<day>_T<1 morning, 2 afternoon>.mat``;
of DB8 ``S<person>_E1_A<1 .. 3>.mat``. In a file, a row a sample: ``emg``, ``restimulus`` and ``rerepetition`` (movement and its
repetition, relabelled afterwards to what the person did; ``stimulus`` is what the person was shown, and not read), of DB8 also
``glove`` (18 columns). The files are one recording from the first movement to the last; they are cut in the rests between
movements, so that a trial is one movement once, named ``<exercise>-<place in time>-M<movement>-R<repetition>``.

Movements are numbered through all exercises in most releases and from 1 in each exercise in others; the smallest number in a file
tells which. The classes are rest and the movements of the exercises whose files are there, so that a folder of one exercise
makes a set of that exercise.

The unit is not on the pages. The Delsys Trigno reports volts, and so the databases recorded with it are read; a signal that does
not fit is refused. A Myo (DB5) gives whole counts of unknown worth, the Otto Bock electrodes (DB1) a rectified and smoothed
voltage behind their own amplifier, and of the Cometa (DB4) nothing was found: no microvolts are claimed for these.

References
----------
ninapro.hevs.ch/instructions/DB1.html .. DB8.html; the readme of DB3 at datadryad.org. Atzori et al.
(2014), Scientific Data 1:140053 (DB1-3); Pizzolato et al. (2017), PLoS ONE 12:e0186132 (DB4, DB5); Palermo et al. (2017), ICORR
(DB6); Krasoulis et al. (2017), J NeuroEng Rehabil 14:71 (DB7); Krasoulis et al. (2019), Front Neurosci 13:891 (DB8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_training.data_sets.array_file import read_mat
from myo_training.data_sets.entry import CLASSES, VALUES, CatalogueEntry
from myo_training.data_sets.file_set import AGAIN, FileSet, Piece, Source, cut_by_trial, to_counts
from myo_training.recordings import DataSet, DataSetInfo

_EXERCISE = (re.compile(r"S(?P<person>\d+)_E(?P<exercise>\d)_A(?P<part>\d)\.mat", re.IGNORECASE),
             re.compile(r"S(?P<person>\d+)_A(?P<part>\d)_E(?P<exercise>\d)\.mat", re.IGNORECASE))  # fmt: skip
_DAY = (re.compile(r"S(?P<person>\d+)_D(?P<day>\d)_T(?P<time>\d)\.mat", re.IGNORECASE),)
_EMPTY_OF_DB6 = (8, 9)  # of 16 columns; the page says that two are empty, the files show which
_GLOVE = tuple(f"glove{k}" for k in range(1, 19))

_TRIGNO = (1e6, 0.1, "microvolts take the files to be in volts, as the Trigno reports; the pages do not say")
_RELABELLED = "the labels were moved to the movements by the authors; a patch in use has no such help"


@dataclass(frozen=True)
class _Database:
    """What the pages say of one database; ``exercises`` are its movements' numbers, exercise by exercise."""

    number: int
    what: str
    rate_hz: float
    n_channels: int
    exercises: tuple[tuple[int, ...], ...]
    unit: tuple[
        float, float, str
    ]  # microvolts of a file's unit, microvolts a count (1.0: unknown), and a fault
    citation: str
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"ninapro_db{self.number}"


def _count(*sizes: int) -> tuple[tuple[int, ...], ...]:
    ends = np.cumsum(sizes)
    return tuple(
        tuple(range(int(end) - size + 1, int(end) + 1)) for size, end in zip(sizes, ends, strict=True)
    )


_ATZORI = "Atzori et al. 2014, Scientific Data 1:140053"
_PIZZOLATO = "Pizzolato et al. 2017, PLoS ONE 12:e0186132"
_OTTO_BOCK = (1e4, 1.0, "the signal is the electrodes' rectified and smoothed output: no filter of a raw signal applies; "
              "a count is 0.1 mV of that output, microvolts at the skin are not known")  # fmt: skip
_DATABASES = (
    _Database(1, "27 persons, 52 movements, 10 smoothed channels, 100 Hz", 100.0, 10, _count(12, 17, 23), _OTTO_BOCK, _ATZORI),
    _Database(2, "40 persons, 49 movements, 12 channels, 2 kHz", 2000.0, 12, _count(17, 23, 9), _TRIGNO, _ATZORI),
    _Database(3, "11 amputees, up to 49 movements, 12 channels, 2 kHz", 2000.0, 12, _count(17, 23, 9), _TRIGNO, _ATZORI,
              ("two persons were recorded with ten electrodes, and not everybody made every movement",)),
    _Database(4, "10 persons, 52 movements, 12 channels, 2 kHz", 2000.0, 12, _count(12, 17, 23),
              (1e7, 1.0, "the unit is not known: a count is 1e-7 of the files' unit"), _PIZZOLATO),
    _Database(5, "10 persons, 52 movements, two 8-channel armbands, 200 Hz", 200.0, 16, _count(12, 17, 23),
              (1.0, 1.0, "whole counts of the armband; microvolts are not known"), _PIZZOLATO),
    _Database(6, "10 persons, 10 sessions on 5 days, 7 grasps, 14 channels, 2 kHz", 2000.0, 14, ((1, 3, 4, 6, 9, 10, 11),),
              _TRIGNO, "Palermo et al. 2017, ICORR, 1154"),
    _Database(7, "20 persons and 2 amputees, 40 movements, 12 channels, 2 kHz", 2000.0, 12, _count(17, 23), _TRIGNO,
              "Krasoulis et al. 2017, Journal of NeuroEngineering and Rehabilitation 14:71",
              ("person 21 did not make the last two movements",)),
    _Database(8, "10 persons and 2 amputees, finger positions from a glove, 16 channels, 2 kHz", 2000.0, 16, _count(9), _TRIGNO,
              "Krasoulis et al. 2019, Frontiers in Neuroscience 13:891",
              ("the EMG was sampled at 1111 Hz and made 2 kHz afterwards: nothing above 555 Hz is signal",
               "the glove is on the other hand, which mirrored the movement")),
)  # fmt: skip


def _find_sources(database: _Database, folder: Path) -> Iterator[Source]:
    for path in folder.rglob("*.mat"):
        for pattern in _DAY if database.number == 6 else _EXERCISE:
            match = pattern.fullmatch(path.name)
            if match is None:
                continue
            found = match.groupdict()
            person = f"S{int(found['person']):02d}"
            if database.number == 6:
                yield Source(person, (f"D{found['day']}T{found['time']}",), "E1", path)
            elif database.number == 8:
                yield Source(person, ("1",), f"A{found['part']}", path)
            elif 1 <= int(found["exercise"]) <= len(database.exercises):
                yield Source(person, ("1",), f"E{found['exercise']}", path)


def _open(database: _Database, folder: Path, kind: str) -> DataSet:
    sources = list(_find_sources(database, folder))
    one = database.number in (6, 8)  # of one exercise, whatever the files' names count
    there = [1] if one else sorted({int(source.trial[1:]) for source in sources})
    movements = (0, *(m for exercise in there for m in database.exercises[exercise - 1]))
    classes = ("rest", *(f"M{m:02d}" for m in movements[1:]))
    info = DataSetInfo(
        name=database.name,
        description=database.what,
        rate_hz=database.rate_hz,
        lsb_uv=database.unit[1],
        n_channels=database.n_channels,
        kind=kind,
        outputs=classes if kind == CLASSES else _GLOVE,
        licence="not stated; the pages ask to cite",
        citation=database.citation,
        source="recorded from persons, public layout",
        faults=(database.unit[2], _RELABELLED, *database.faults),
    )
    layout = "S<person>_D<day>_T<time>.mat" if database.number == 6 else "S<person>_E<exercise>_A<part>.mat"
    return FileSet(info, folder, sources, partial(_read, database, movements, kind), layout)


def _read(database: _Database, movements: tuple[int, ...], kind: str, source: Source) -> Iterator[Piece]:
    path = source.path
    names = ["emg", "restimulus", "rerepetition", *(["glove"] if kind == VALUES else [])]
    arrays = read_mat(path, names)
    n = min(len(array) for array in arrays.values())  # some files end a few rows apart
    emg = _choose_channels(database, arrays["emg"][:n], path)
    counts = to_counts(emg, database.unit[0], database.unit[1], str(path))
    movement = arrays["restimulus"][:n, 0].astype(np.int64)
    labels = _number_classes(database, movement, movements, source)
    repetition = arrays["rerepetition"][:n, 0].astype(np.int64)
    values = arrays["glove"][:n] if kind == VALUES else labels
    for place, (label, rep, start, stop) in enumerate(cut_by_trial(labels, repetition)):
        trial = f"{source.trial}-{place:03d}-M{movements[label]:02d}-R{rep:02d}"
        yield Piece(source.sessions[0], trial, counts[start:stop], values[start:stop])


def _choose_channels(database: _Database, emg: NDArray[Any], path: Path) -> NDArray[Any]:
    if database.number != 6 or emg.shape[1] != 16:
        return emg
    for column in _EMPTY_OF_DB6:
        if emg[:, column].any():
            raise DataError(
                f"{path}: emg column {column + 1} holds a signal, expected the empty one; {AGAIN}"
            )
    return np.delete(emg, _EMPTY_OF_DB6, axis=1)


def _number_classes(
    database: _Database, movement: NDArray[np.int64], movements: tuple[int, ...], source: Source
) -> NDArray[np.int64]:
    """Return places in ``movements`` of a file's movement numbers, which may begin anew in each exercise."""
    exercise = int(source.trial[1:]) if source.trial.startswith("E") else 1
    own = database.exercises[exercise - 1]
    moving = movement[movement != 0]
    if moving.size and moving.min() < own[0]:
        movement = np.where(movement != 0, movement + own[0] - 1, 0)
    places = {number: place for place, number in enumerate(movements)}
    numbers, index = np.unique(movement, return_inverse=True)
    strange = [number for number in numbers.tolist() if number and number not in own]
    if strange:
        raise DataError(
            f"{source.path}: restimulus {strange[0]}, expected 0 or {own[0]} .. {own[-1]} of this exercise; {AGAIN}"
        )
    return np.array([places[number] for number in numbers.tolist()], np.int64)[index]


ENTRIES = tuple(
    CatalogueEntry(
        database.name,
        database.what,
        "not stated; cite",
        f"https://ninapro.hevs.ch/instructions/DB{database.number}.html",
        partial(_open, database),
        (VALUES, CLASSES) if database.number == 8 else (CLASSES,),
    )
    for database in _DATABASES
)
