"""Scores of the gesture study: the floor, votes, the int8 twin, figures of a person, and a check that no split leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gesture_sets import Table
from myo_pipeline.errors import DataError
from myo_training.convert import convert_model, read_quantization
from myo_training.dense_net import DenseNet, soften, to_keras
from myo_training.metrics import count_confusion, estimate_mean, measure_macro
from myo_training.runtime import quantize_input, run_model

Floats = NDArray[np.float32]
Predict = Callable[[Floats], NDArray[np.floating]]

VOTE: Final = 5
FLOOR_COMPONENTS: Final = 4  # mav and wl (log2), zc, ssc
N_REPRESENTATIVE: Final = 256
SHRINKAGES: Final = (0.01, 0.1, 0.3, 0.6)


def check_disjoint(
    table: Table, train: NDArray[np.int64], test: NDArray[np.int64], gap_s: float | None = None
) -> None:
    """Refuse a split of which a test window shares a sample with a training window.

    Parameters
    ----------
    table
        The windows.
    train, test
        Rows of the table.
    gap_s
        None: no recording may stand on both sides. Else recordings may, where test windows end at least so much after the last
        training window of their recording, which is a window's length or more.

    Raises
    ------
    DataError
        Naming the first recording that leaks.
    """
    for trial in np.intersect1d(np.unique(table.trial[train]), np.unique(table.trial[test])):
        last = table.seconds[train[table.trial[train] == trial]].max()
        first = table.seconds[test[table.trial[test] == trial]].min()
        if gap_s is None or first < last + gap_s:
            where = f"{table.persons[trial]} session {table.sessions[trial]} trial {table.trials[trial]}"
            raise DataError(
                f"split: {where} is tested from {first:.2f} s and trained on up to {last:.2f} s, expected no shared sample; "
                "split by whole recordings"
            )


class Lda:
    """Linear discriminant analysis with shrinkage towards the variances: the floor."""

    def __init__(
        self, x: NDArray[np.floating], labels: NDArray[np.int64], n_classes: int, shrinkage: float
    ) -> None:
        flat = x.reshape(len(x), -1).astype(np.float64)
        means = np.stack(
            [
                flat[labels == c].mean(axis=0) if (labels == c).any() else flat.mean(axis=0)
                for c in range(n_classes)
            ]
        )
        centred = flat - means[labels]
        spread = centred.T @ centred / len(flat)
        spread = (1 - shrinkage) * spread + shrinkage * np.diag(np.diag(spread)) + 1e-6 * np.eye(len(spread))
        self._weights = np.linalg.solve(spread, means.T)
        self._offsets = -0.5 * (means.T * self._weights).sum(axis=0)

    def predict(self, x: NDArray[np.floating]) -> Floats:
        """Return probabilities, (n, n_classes)."""
        return soften(x.reshape(len(x), -1) @ self._weights + self._offsets)


def choose_lda(
    x: NDArray[np.floating], labels: NDArray[np.int64], groups: NDArray[Any], n_classes: int
) -> Lda:
    """Fit the floor with the shrinkage that serves the other half of the training groups best."""
    names = np.unique(groups)
    half = np.isin(groups, names[::2])
    if half.all():
        half = np.arange(len(x)) % 2 == 0

    def rate(shrinkage: float) -> float:
        total = 0.0
        for fit, check in ((half, ~half), (~half, half)):
            decided = Lda(x[fit], labels[fit], n_classes, shrinkage).predict(x[check]).argmax(axis=1)
            total += measure_macro(count_confusion(labels[check], decided, n_classes))
        return total

    return Lda(x, labels, n_classes, max(SHRINKAGES, key=rate))


def vote(p: NDArray[np.floating], trial: NDArray[np.int64], n: int = VOTE) -> NDArray[np.float64]:
    """Mean of the last ``n`` outputs within each recording, fewer at its beginning; rows in the order of time."""
    total = np.concatenate([np.zeros((1, p.shape[1])), np.cumsum(p, axis=0, dtype=np.float64)])
    place = np.arange(len(p))
    first = np.maximum(np.searchsorted(trial, trial), place - n + 1)
    return np.asarray((total[place + 1] - total[first]) / (place + 1 - first)[:, None])


class Twin:
    """A network as the patch runs it: full int8, through ``tflite_micro``."""

    def __init__(self, net: DenseNet, representative: Floats, *, classes: bool = True) -> None:
        """Convert; activations are measured on ``representative`` inputs (n, [n_windows,] n_components, n_channels)."""
        step = max(1, len(representative) // N_REPRESENTATIVE)
        chosen = _with_windows(representative[::step][:N_REPRESENTATIVE]).copy()
        chosen[0, 0, 0, 0], chosen[0, 0, -1, -1] = -1.0, 127 / 128  # the input's scale is 1/128
        self.flatbuffer = convert_model(to_keras(net, chosen.shape[1:], classes=classes), chosen)
        self._input, self._output = (read_quantization(self.flatbuffer, t) for t in ("input", "output"))

    def predict(self, x: Floats) -> NDArray[np.float64]:
        """Return outputs in real units, (n, n_outputs)."""
        y = run_model(self.flatbuffer, quantize_input(_with_windows(x), *self._input))
        return (np.asarray(y, np.float64) - self._output[1]) * self._output[0]


def _with_windows(x: Floats) -> Floats:
    """Give inputs an axis of windows, be they of one."""
    return x[:, None] if x.ndim == 3 else x


class Figures:
    """Macro accuracy of persons, as labelled and trimmed, of several ways to decide."""

    def __init__(self, n_classes: int) -> None:
        self._n_classes = n_classes
        self._cells: dict[str, dict[str, list[list[float]]]] = {}
        self.confusions: dict[str, NDArray[np.int64]] = {}

    def add(
        self,
        way: str,
        person: str,
        p: NDArray[np.floating],
        labels: NDArray[np.int64],
        trial: NDArray[np.int64],
        counted: NDArray[np.bool_],
        trimmed: NDArray[np.bool_],
        n_voted: int = VOTE,
    ) -> None:
        """Score voted decisions of windows in the order of time, of which ``counted`` are test windows."""
        decided = vote(p, trial, n_voted).argmax(axis=1)
        tables = [
            count_confusion(labels[mask], decided[mask], self._n_classes)
            for mask in (counted, counted & trimmed)
        ]
        self._cells.setdefault(way, {}).setdefault(person, []).append([measure_macro(t) for t in tables])
        self.confusions[way] = self.confusions.get(way, np.zeros_like(tables[1])) + tables[1]

    def as_dict(self) -> dict[str, Any]:
        """Return per way and person the mean over what was added (sessions, days): [as labelled, trimmed]."""
        return {
            way: {p: np.round(np.nanmean(rows, axis=0), 5).tolist() for p, rows in sorted(cells.items())}
            for way, cells in self._cells.items()
        }


def summarize(ways: dict[str, dict[str, list[float]]], floor: str | None) -> dict[str, Any]:
    """Mean and 95 % interval over persons of each way, and a paired test against the floor."""
    found: dict[str, Any] = {}
    for way, persons in ways.items():
        row: dict[str, Any] = {}
        for k, kind in enumerate(("as_labelled", "trimmed")):
            values = [v[k] for v in persons.values() if len(v) > k]
            if not values:
                continue
            row[kind] = asdict(estimate_mean(values, -1.0, 1.0))
            if floor and way != floor and floor in ways:
                gain = np.array([v[k] - ways[floor][p][k] for p, v in persons.items()])
                test = stats.ttest_1samp(gain, 0.0) if len(gain) > 1 and gain.std() > 0 else None
                row[kind]["gain_on_floor"] = float(gain.mean())
                row[kind]["p_value"] = float(test.pvalue) if test else None
        found[way] = row
    return found


def split_persons(persons: Iterable[str], n_folds: int, seed: int) -> list[list[str]]:
    """Deal persons to folds, in an order drawn by the seed."""
    names = np.random.default_rng(seed).permutation(sorted(set(persons)))
    return [sorted(part.tolist()) for part in np.array_split(names, n_folds)]
