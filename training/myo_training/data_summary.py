"""What a data set holds, in figures: one pass over its recordings."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_pipeline.reference import window_ends
from myo_training.recordings import DataSet, DataSetInfo, Recording

WINDOW_S = 0.25
SPECTRUM_RECORDINGS = 40  # of a person; more change nothing that can be seen
DRAWN_S = 30.0
SHORTEST_DRAWN_S = 1.0
MAX_SPREAD = 24


@dataclass(frozen=True)
class SetSummary:
    """What :func:`summarize_set` found.

    Attributes
    ----------
    info
        What the set says of itself.
    persons
        Those read, sorted.
    n_sessions, n_recordings
        Of these persons.
    lengths_s
        Seconds of each recording.
    windows
        Windows of 250 ms, one after the other, by person and class: int64 (n_persons, n_classes). Of a set of values, by
        person and tenth of the first value's range: (n_persons, 10).
    lowest, highest
        Of each value, float64 (n_outputs,); empty for classes.
    smallest, largest
        Of all counts.
    frequencies_hz, densities
        Frequencies, and for each person the root of the power density, the median of the channels, in counts per root hertz:
        (n_frequencies,), (n_persons, n_frequencies).
    drawn
        Recordings of one session that show its classes; where it has few of the set's, recordings of several persons.
    """

    info: DataSetInfo
    persons: tuple[str, ...]
    n_sessions: int
    n_recordings: int
    lengths_s: NDArray[np.float64]
    windows: NDArray[np.int64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    smallest: int
    largest: int
    frequencies_hz: NDArray[np.float64]
    densities: NDArray[np.float64]
    drawn: tuple[Recording, ...]

    @property
    def bits(self) -> int:
        """Bits of the smallest signed converter that holds all counts: ``sensor.adc_bits`` of a spec."""
        return max(2, 1 + max(self.largest, -1 - self.smallest, 1).bit_length())

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a machine."""
        info = self.info
        return {
            "name": info.name, "description": info.description, "licence": info.licence, "citation": info.citation,
            "source": info.source, "rate_hz": info.rate_hz, "lsb_uv": info.lsb_uv, "channels": info.n_channels,
            "channel_names": list(info.channels), "kind": info.kind, "outputs": list(info.outputs),
            "faults": list(info.faults), "persons": list(self.persons), "sessions": self.n_sessions,
            "recordings": self.n_recordings, "seconds": round(float(self.lengths_s.sum()), 3), "adc_bits": self.bits,
            "windows": self.windows.tolist(), "lowest": self.lowest.tolist(), "highest": self.highest.tolist(),
        }  # fmt: skip


def summarize_set(
    data: DataSet,
    persons: Collection[str] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> SetSummary:
    """Read a data set once and count what it holds.

    Parameters
    ----------
    data
        The set.
    persons
        Read only these; all without.
    progress
        Called with a person's name and a fraction of 0 .. 1.

    Raises
    ------
    DataError
        If there is no such person, or a recording is damaged.
    """
    known = data.persons()
    if strange := sorted(set(persons or ()) - set(known)):
        raise DataError(f"{data.info.name}: no person {strange[0]!r}; known: {', '.join(known)[:120]}")
    chosen = [person for person in known if persons is None or person in persons]
    count = _Counter(data.info, len(chosen), chosen[(len(chosen) - 1) // 2])
    for number, person in enumerate(chosen):
        if progress is not None:
            progress(person, number / len(chosen))
        for recording in data.recordings([person]):
            count.add(number, recording)
    n_sessions = sum(person in chosen for person, _ in data.sessions())
    return count.finish(tuple(chosen), n_sessions)


class _Counter:
    """Adds up recordings; the session drawn is the first of the person ``drawn``, the middle one of those read."""

    def __init__(self, info: DataSetInfo, n_persons: int, drawn: str) -> None:
        self._info, self._drawn_person = info, drawn
        self._lengths: list[float] = []
        self._ends: list[list[NDArray[Any]]] = [[] for _ in range(n_persons)]
        self._power: list[list[NDArray[np.float64]]] = [[] for _ in range(n_persons)]
        self._segment = 0
        self._session: list[Recording] = []  # of one person, to draw
        self._spread: list[Recording] = []  # of anybody
        self._limits = [0, 0]

    def add(self, person: int, recording: Recording) -> None:
        rate_hz, n = recording.rate_hz, len(recording.emg)
        self._lengths.append(n / rate_hz)
        self._limits = [
            min(self._limits[0], int(recording.emg.min())),
            max(self._limits[1], int(recording.emg.max())),
        ]
        window = max(1, round(WINDOW_S * rate_hz))
        self._ends[person].append(recording.labels[window_ends(n, window, window) - 1])
        self._add_spectrum(person, recording)
        is_next = not self._session or recording.session == self._session[0].session
        if recording.person == self._drawn_person and is_next:
            _keep_if_new(self._session, recording)
        if len(self._spread) < MAX_SPREAD:
            _keep_if_new(self._spread, recording)

    def _add_spectrum(self, person: int, recording: Recording) -> None:
        from scipy import signal

        if not self._segment:
            wanted = min(recording.rate_hz, len(recording.emg))
            self._segment = 1 << max(3, int(np.log2(max(8, wanted))))
        if len(self._power[person]) < SPECTRUM_RECORDINGS and len(recording.emg) >= self._segment:
            _, power = signal.welch(
                recording.emg.astype(np.float64), recording.rate_hz, nperseg=self._segment, axis=0
            )
            self._power[person].append(np.median(power, axis=1))

    def finish(self, persons: tuple[str, ...], n_sessions: int) -> SetSummary:
        info, outputs = self._info, len(self._info.outputs)
        session, spread = self._session, self._spread
        nothing = np.zeros(0) if info.kind == "classes" else np.zeros((0, outputs))
        ends = [np.concatenate([nothing, *labels]) for labels in self._ends]
        lowest = highest = np.zeros(0)
        if info.kind == "classes":
            windows = np.stack([np.bincount(labels.astype(np.int64), minlength=outputs) for labels in ends])
        else:
            every = np.concatenate(ends)
            if not len(every):
                raise DataError(
                    f"{info.name}: no recording is as long as {WINDOW_S * 1e3:g} ms; record longer"
                )
            lowest, highest = every.min(axis=0), every.max(axis=0)
            edges = np.linspace(lowest[0], max(highest[0], lowest[0] + 1e-9), 11)
            windows = np.stack([np.histogram(values[:, 0], edges)[0] for values in ends])
        n_bins = self._segment // 2 + 1
        densities = np.stack(
            [np.sqrt(np.mean(power, axis=0)) if power else np.full(n_bins, np.nan) for power in self._power]
        )
        return SetSummary(
            info, persons, n_sessions, len(self._lengths), np.array(self._lengths), windows, lowest, highest,
            self._limits[0], self._limits[1], np.arange(n_bins) * info.rate_hz / self._segment, densities,
            tuple(spread if _count_classes(spread) > 1.5 * _count_classes(session) else session),
        )  # fmt: skip


def _classes(recording: Recording) -> set[int]:
    """Return the classes in a recording; values count as one."""
    return set(np.unique(recording.labels).tolist()) if recording.labels.ndim == 1 else {0}


def _count_classes(recordings: list[Recording]) -> int:
    return len(set().union(*map(_classes, recordings)))


def _keep_if_new(kept: list[Recording], recording: Recording) -> None:
    """Keep a recording if it shows a class that those kept do not; of values, the first."""
    if _classes(recording) - set().union(*map(_classes, kept)):
        kept.append(recording)


def cut_drawn(recordings: tuple[Recording, ...]) -> list[tuple[Recording, slice]]:
    """Choose of each recording drawn the part to show, around its first change of class, so that all fit into 30 s."""
    parts = []
    for recording in recordings:
        n, rate_hz = len(recording.emg), recording.rate_hz
        wanted = min(n, round(max(SHORTEST_DRAWN_S, DRAWN_S / len(recordings)) * rate_hz))
        centre = n // 2
        if recording.labels.ndim == 1 and (changes := np.flatnonzero(np.diff(recording.labels))).size:
            centre = int(changes[0])
        start = min(max(0, centre - wanted // 2), n - wanted)
        parts.append((recording, slice(start, start + wanted)))
    return parts
