"""Recordings as tables of features, for study_gestures.py: every window once, computed by the product's own stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.feature_stage import choose_word_shift, compile_spec_features
from myo_pipeline.feature_windows import compute_set
from myo_pipeline.reference import cut_windows, filter_counts, window_ends
from myo_pipeline.spec import PatchSpec
from myo_training.bouts import find_bouts, is_steady
from myo_training.datasets import open_known

HOP_MS: Final = 100.0  # five windows of 250 ms: 650 ms from the first sample to the decision
CHUNK: Final = 4096

Signal = tuple[NDArray[np.floating], NDArray[Any], str, str, str, bool]


@dataclass(frozen=True)
class Table:
    """Windows of a set.

    Attributes
    ----------
    x
        Features, float32 (n_windows, n_components, n_channels).
    labels
        As the set has them, at each window's last sample.
    works
        Whether the muscle works, by ``bouts.find_bouts``: from the signal alone.
    steady
        At least half a second from where that changes.
    seconds
        From the recording's start to the window's end.
    trial
        Number of the recording, (n_windows,), ascending.
    persons, sessions, trials
        Names, one a recording.
    reach
        Of each component, see ``armband.turn_ring``.
    """

    x: NDArray[np.float32]
    labels: NDArray[Any]
    works: NDArray[np.bool_]
    steady: NDArray[np.bool_]
    seconds: NDArray[np.float32]
    trial: NDArray[np.int64]
    persons: NDArray[np.str_]
    sessions: NDArray[np.str_]
    trials: NDArray[np.str_]
    reach: NDArray[np.int64]

    @property
    def person(self) -> NDArray[np.str_]:
        """Person of each window."""
        return self.persons[self.trial]

    def rows_of(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the windows of the recordings ``chosen``, (n_recordings,)."""
        return np.flatnonzero(chosen[self.trial])

    def list_sessions(self, person: str) -> list[str]:
        """Return a person's sessions, sorted."""
        return sorted(set(self.sessions[self.persons == person].tolist()))

    def rows_in(self, person: str, session: str) -> NDArray[np.int64]:
        """Return a session's windows."""
        return self.rows_of((self.persons == person) & (self.sessions == session))


def place_context(trial: NDArray[np.int64], n_windows: int) -> NDArray[np.int64]:
    """Return the rows of each window and those before it, (n, n_windows), the oldest first.

    Before a recording's first window, that one stands for what is not there; the patch decides nothing until then.
    """
    back = np.arange(len(trial))[:, None] - np.arange(n_windows)[::-1]
    return np.maximum(back, np.searchsorted(trial, trial)[:, None])


def make_spec(
    n_channels: int,
    rate_hz: float,
    *,
    adc_bits: int,
    band: list[dict[str, Any]],
    threshold: float,
    more: Sequence[dict[str, Any]] = (),
) -> PatchSpec:
    """Make the patch that computes the study's features."""
    features: list[dict[str, Any]] = [
        {"kind": "mav", "log": True},
        {"kind": "wl", "log": True},
        {"kind": "zc", "threshold": threshold},
        {"kind": "ssc", "threshold": threshold},
        {"kind": "autocorrelation", "lags": 4},
        {"kind": "ring_correlation", "reach": n_channels // 2},
        *more,
    ]
    return PatchSpec.model_validate(
        {
            "format": 1,
            "name": "gestures",
            "sensor": {"channels": n_channels, "rate_hz": rate_hz, "lsb_uv": 1.0, "adc_bits": adc_bits},
            "stage": band,
            "features": features,
            "window": {"window_ms": 250.0, "hop_ms": HOP_MS},
            "model": {"kind": "mlp", "hidden": [192, 64]},
            "output": {"kind": "classes", "labels": ["rest", "movement"]},
            "decision": {"vote": 5},
            "training": {"data": "myo_readings"},
        }
    )


def read_reach(spec: PatchSpec) -> NDArray[np.int64]:
    """Return how far each component of a spec's features reaches around the ring."""
    names = compile_spec_features(spec, choose_word_shift(spec)).names
    return np.array([int(n.split("[")[1][:-1]) if n.startswith("ring_correlation") else 0 for n in names])


def _features(spec: PatchSpec, filtered: NDArray[np.float64], hop: int) -> NDArray[np.float32]:
    config = compile_spec_features(spec, choose_word_shift(spec))
    windows = cut_windows(filtered, spec.window_samples, hop)
    parts = [np.asarray(windows[k : k + CHUNK], np.float64) for k in range(0, len(windows), CHUNK)]
    return np.concatenate([compute_set(config, part) for part in parts]).astype(np.float32)


def tabulate(spec: PatchSpec, signals: Iterator[Signal], *, stays_s: tuple[float, float]) -> Table:
    """Compute the table of a set.

    Parameters
    ----------
    spec
        The patch.
    signals
        Each recording: counts, labels a sample, person, session, trial, and whether it holds movements at all.
    stays_s
        Shortest and longest stay in rest or movement; (0, 0) where the set is no alternation of both.
    """
    hop = spec.hop_samples
    a_second = spec.front_end_rate_hz / hop
    found: list[tuple[Any, ...]] = []
    names: list[tuple[str, str, str]] = []
    for counts, labels, person, session, trial, moves in signals:
        x = _features(spec, filter_counts(spec, counts), hop)
        ends = window_ends(len(counts), spec.window_samples, hop)
        works, steady = np.zeros(len(x), bool), np.ones(len(x), bool)
        if moves and stays_s[1]:
            shortest, longest = (round(s * a_second) for s in stays_s)
            works = find_bouts(x[:, 0].mean(axis=1), shortest, longest)
            steady = is_steady(works, round(0.5 * a_second))
        found.append(
            (x, labels[ends - 1], works, steady, ends / spec.front_end_rate_hz, np.full(len(x), len(names)))
        )
        names.append((person, session, trial))
    x, y, works, steady, seconds, number = (np.concatenate(column) for column in zip(*found, strict=True))
    persons, sessions, trials = (np.array(column) for column in zip(*names, strict=True))
    return Table(
        x, y, works, steady, seconds.astype(np.float32), number, persons, sessions, trials, read_reach(spec)
    )


def load(path: Path, key: dict[str, Any], make: Callable[[], Table]) -> Table:
    """Take a table from ``path``, or make it and keep it, with a digest of what decided it in its name."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    path = path.with_name(f"{path.name}_{digest}.npz")
    if not path.exists():
        table = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez(file, **vars(table))
    with np.load(path) as arrays:
        return Table(**{name: arrays[name] for name in arrays.files})


def read_signals(folder: Path, name: str) -> Iterator[Signal]:
    """Give the recordings of one of the shared sets; of a value the first output."""
    for recording in open_known(name, folder / name).recordings():
        labels = recording.labels if recording.labels.ndim == 1 else recording.labels[:, 0]
        moves = name == "myo_readings" and recording.trial != "0"
        yield recording.emg, labels, recording.person, recording.session, recording.trial, moves


UCI: Final = ("gait", "sitting", "standing")
TIMES: Final = {
    "kind": "stft_power",
    "segment_ms": 100.0,
    "step_ms": 50.0,
}  # and bands_hz: sizes at four times of a window

SPECS: Final[dict[str, Callable[[], PatchSpec]]] = {
    "myo_readings": lambda: make_spec(
        8, 200.0, adc_bits=8, threshold=1.0,
        band=[{"kind": "highpass", "cutoff_hz": 15.0, "order": 4}, {"kind": "notch", "frequency_hz": 50.0, "q": 20.0}],
    ),
    "suguru_longterm": lambda: make_spec(
        8, 200.0, adc_bits=16, threshold=64.0, band=[{"kind": "highpass", "cutoff_hz": 15.0, "order": 4}],
        more=[TIMES | {"bands_hz": [[15.0, 100.0]]}],
    ),
    "uci_lower_limb": lambda: make_spec(
        4, 1000.0, adc_bits=16, threshold=20.0, band=[{"kind": "highpass", "cutoff_hz": 20.0, "order": 4}],
        more=[TIMES | {"bands_hz": [[20.0, 450.0]]}, {"kind": "wavelet_energy", "wavelet": "db2", "levels": 5}],
    ),
    "elderly_emg_dyn": lambda: make_spec(
        3, 2000.0, adc_bits=16, threshold=20.0, band=[{"kind": "bandpass", "low_hz": 20.0, "high_hz": 450.0, "order": 4}]
    ),
}  # fmt: skip


def open_table(folder: Path, name: str, work: Path) -> Table:
    """Give the table of a shared set, kept below ``work``."""
    spec = SPECS[name]()
    stays = (3.5, 7.5) if name == "myo_readings" else (0.0, 0.0)
    key = {"spec": spec.model_dump(mode="json", exclude_unset=True), "stays_s": stays, "table": 2}
    return load(work / name, key, lambda: tabulate(spec, read_signals(folder, name), stays_s=stays))
