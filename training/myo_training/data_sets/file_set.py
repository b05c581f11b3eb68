"""A data set that is a folder of files: what all of them share.

A set's own module finds its files by name (:class:`Source`: whose they are, and of which sessions) and cuts the content of
one into :class:`Piece`; here the pieces are put in order, checked against what the set promises, and become recordings.
Nothing is read before a recording is asked for, and files are read one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import DataError
from myo_training.data_sets.entry import CLASSES
from myo_training.recordings import DataSet, DataSetInfo, Recording

Labels = NDArray[np.int64] | NDArray[np.float64]
AGAIN = "get the file again"
MIN_COUNTS = 4  # of the largest sample: a recording has noise above it, whatever its converter


@dataclass(frozen=True, order=True)
class Source:
    """A file of a set.

    Attributes
    ----------
    person, sessions
        Whose it is, and the sessions in it.
    trial
        What its trials' names begin with; where that tells all of a session's files apart, they are read one by one.
    path, beside
        Where it is, and files that are read together with it, such as a force beside a signal.
    """

    person: str
    sessions: tuple[str, ...]
    trial: str
    path: Path
    beside: tuple[Path, ...] = ()


class Piece(NamedTuple):
    """One uninterrupted recording of a file: session, trial, counts (n, n_channels), labels and streams as in ``Recording``."""

    session: str
    trial: str
    emg: NDArray[Any]
    labels: NDArray[Any]
    aux: Mapping[str, AuxSamples] = MappingProxyType({})


class FileSet(DataSet):
    """Recordings in a folder of files.

    Parameters
    ----------
    info
        What the set holds.
    folder
        The set's folder, for messages.
    sources
        Its files.
    read
        ``read(source)`` yields what the file holds.
    expected
        The layout in words, for the message where there is no file of it.

    Raises
    ------
    DataError
        If there are no files.
    """

    def __init__(
        self, info: DataSetInfo, folder: Path, sources: Iterable[Source],
        read: Callable[[Source], Iterable[Piece]], expected: str,
    ) -> None:  # fmt: skip
        self.info = info
        self._sources = sorted(sources)
        self._read = read
        if not self._sources:
            raise DataError(f"{folder}: no {expected}; give the folder that holds {info.name}")

    def sessions(self) -> list[tuple[str, str]]:
        """Return every (person, session), sorted."""
        return sorted({(source.person, session) for source in self._sources for session in source.sessions})

    def files(self) -> list[Path]:
        """Return the files that are read."""
        return [path for source in self._sources for path in (source.path, *source.beside)]

    def recordings(self, persons: Collection[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings of the persons given (of all without), sorted by person, session and trial."""
        for group in self._group(persons):
            pieces = [(piece, source) for source in group for piece in self._read(source)]
            last = ("", "")
            for piece, source in sorted(pieces, key=lambda item: item[0][:2]):
                where = f"{source.path}:{piece.session}/{piece.trial}"
                if piece[:2] == last:
                    raise DataError(f"{where}: this session and trial are there twice; remove one file")
                if piece.session not in source.sessions:
                    raise DataError(
                        f"{where}: the file's name says session {', '.join(source.sessions)[:80]}; correct the name"
                    )
                last = piece[:2]
                yield self._check(piece, source.person, where)

    def _group(self, persons: Collection[str] | None) -> Iterator[list[Source]]:
        """Yield the files of one person, session and trial together: the order of what is in them is not known before."""
        group: list[Source] = []
        for source in self._sources:
            if persons is not None and source.person not in persons:
                continue
            if group and (source.person, source.sessions, source.trial) != (
                group[0].person,
                group[0].sessions,
                group[0].trial,
            ):
                yield group
                group = []
            group.append(source)
        if group:
            yield group

    def _check(self, piece: Piece, person: str, where: str) -> Recording:
        info, emg, labels = self.info, piece.emg, piece.labels
        if emg.ndim != 2 or emg.shape[1] != info.n_channels:
            raise DataError(
                f"{where}: signal of shape {emg.shape}, expected (n_samples, {info.n_channels}); {AGAIN}"
            )
        classes = info.kind == CLASSES
        shape = (len(emg),) if classes else (len(emg), len(info.outputs))
        if labels.shape != shape:
            raise DataError(f"{where}: labels of shape {labels.shape}, expected {shape}; {AGAIN}")
        if classes and labels.size and not 0 <= labels.min() <= labels.max() < len(info.outputs):
            raise DataError(
                f"{where}: labels {labels.min():g} .. {labels.max():g}, expected 0 .. {len(info.outputs) - 1}; {AGAIN}"
            )
        if not classes and not np.isfinite(labels).all():
            row = int(np.argmin(np.isfinite(labels).all(axis=1)))
            raise DataError(f"{where}: the value at sample {row} is not finite; cut the recording there")
        typed: Labels = labels.astype(np.int64) if classes else labels.astype(np.float64)
        return Recording(
            np.ascontiguousarray(emg, np.int32), typed, info.rate_hz, info.lsb_uv, person, piece.session,
            piece.trial, where, dict(piece.aux),
        )  # fmt: skip


def to_counts(signal: NDArray[Any], uv_per_unit: float, lsb_uv: float, where: str) -> NDArray[np.int32]:
    """Return counts of a signal in a physical unit, rounded to nearest.

    Parameters
    ----------
    signal
        Any shape, in some unit.
    uv_per_unit
        Microvolts of that unit: 1e3 of millivolts.
    lsb_uv
        Microvolts a count.
    where
        For messages.

    Raises
    ------
    DataError
        If a number is not finite, beyond 24 bits, or all are so small that the unit must be another.
    """
    counts = np.rint(np.asarray(signal, np.float64) * (uv_per_unit / lsb_uv))
    if counts.size and np.abs(counts).max() < MIN_COUNTS and np.any(signal):
        raise DataError(
            f"{where}: {np.abs(signal).max():.3g} at the most, below {MIN_COUNTS} counts; the unit is another than expected"
        )
    if not np.isfinite(counts).all():
        row = int(np.argmin(np.isfinite(counts).reshape(len(counts), -1).all(axis=1)))
        raise DataError(f"{where}: sample {row} is not a finite number; cut the recording there")
    if counts.size and np.abs(counts).max() > 2**23:
        raise DataError(
            f"{where}: {np.abs(counts).max() * lsb_uv:.3g} uV is beyond 24 bits; the unit is another"
        )
    return counts.astype(np.int32)


def cut_by_trial(
    labels: NDArray[np.integer], repetition: NDArray[np.integer]
) -> list[tuple[int, int, int, int]]:
    """Cut a session that was recorded in one go into one piece a movement and repetition.

    The cuts lie in the middle of the rests between, so that each piece holds its movement with both transitions,
    and the pieces, one after the other, are the whole session.

    Parameters
    ----------
    labels, repetition
        Class and repetition of each sample, shape (n_samples,); class 0 is rest.

    Returns
    -------
    list of (label, repetition, start, stop)
        In the order of time; one piece of label 0 where nothing moves.
    """
    key = np.where(labels != 0, labels.astype(np.int64) * 10_000 + repetition, 0)
    edges = np.flatnonzero(np.diff(key)) + 1
    starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [len(key)]])
    moves: list[tuple[int, int]] = []
    for a, b in zip(starts.tolist(), stops.tolist(), strict=True):
        if a < b and key[a]:
            again = moves and key[moves[-1][0]] == key[a]  # a gap in the labels inside of one repetition
            moves[-1:] = [(moves[-1][0], b)] if again else [*moves[-1:], (a, b)]
    if not moves:
        return [(0, 0, 0, len(key))]
    cuts = [0, *((b + a) // 2 for (_, b), (a, _) in pairwise(moves)), len(key)]
    return [
        (int(labels[a]), int(repetition[a]), start, stop)
        for (a, _), start, stop in zip(moves, cuts, cuts[1:], strict=False)
    ]
