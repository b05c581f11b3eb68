"""Figures of merit, always per person first: windows of one person are no independent trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """Mean over persons and its confidence interval; no interval below two persons."""

    mean: float
    low: float | None
    high: float | None
    n_persons: int


def estimate_mean(values: Sequence[float], lowest: float = -np.inf, highest: float = np.inf) -> Interval:
    """Return the mean over persons and its 95 % interval by Student's t, cut to what the figure can be.

    Parameters
    ----------
    values
        One figure a person; NaN where a person has none.
    lowest, highest
        Limits of the figure.
    """
    x = np.asarray([value for value in values if np.isfinite(value)], dtype=np.float64)
    if not len(x):
        return Interval(float("nan"), None, None, 0)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, None, None, 1)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Interval(mean, float(max(lowest, mean - half)), float(min(highest, mean + half)), len(x))


def count_confusion(
    truth: NDArray[np.int64], decided: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Return how often each class (row) was decided as each (column); the last column: undecided (-1)."""
    columns = np.where(decided < 0, n_classes, decided)
    flat = np.bincount(truth * (n_classes + 1) + columns, minlength=n_classes * (n_classes + 1))
    return flat.reshape(n_classes, n_classes + 1)


def measure_accuracy(confusion: NDArray[np.int64]) -> float:
    """Return the share of windows decided rightly, from :func:`count_confusion`."""
    total = int(confusion.sum())
    return float(np.trace(confusion[:, :-1]) / total) if total else float("nan")


def measure_macro(confusion: NDArray[np.int64]) -> float:
    """Return the mean over the classes present of the share decided rightly (balanced accuracy)."""
    present = confusion.sum(axis=1)
    rows = present > 0
    if not rows.any():
        return float("nan")
    return float((np.diag(confusion[:, :-1])[rows] / present[rows]).mean())


def summarize_classes(
    truth: NDArray[np.int64], decided: NDArray[np.int64], persons: NDArray[np.str_], n_classes: int
) -> dict[str, Any]:
    """Return accuracy and macro accuracy with intervals over persons, per person, and the confusions."""
    names = sorted(set(persons.tolist()))
    tables = {p: count_confusion(truth[persons == p], decided[persons == p], n_classes) for p in names}
    macro = {p: measure_macro(t) for p, t in tables.items()}
    plain = {p: measure_accuracy(t) for p, t in tables.items()}
    return {
        "n_windows": len(truth),
        "macro_accuracy": asdict(estimate_mean(list(macro.values()), 0.0, 1.0)),
        "accuracy": asdict(estimate_mean(list(plain.values()), 0.0, 1.0)),
        "per_person": {p: {"macro_accuracy": macro[p], "accuracy": plain[p]} for p in names},
        "confusion": np.sum(list(tables.values()), axis=0).tolist() if tables else [],
    }


def measure_auc(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the probability that an anomaly (1) scores more than a normal window (0); half of equals count."""
    ranks = stats.rankdata(scores)
    n_anomalies, n_normal = int((truth == 1).sum()), int((truth == 0).sum())
    if not n_anomalies or not n_normal:
        return float("nan")
    return float((ranks[truth == 1].mean() - (n_anomalies + 1) / 2) / n_normal)


def summarize_scores(
    truth: NDArray[np.int64], scores: NDArray[np.float64], persons: NDArray[np.str_]
) -> dict[str, Any]:
    """Return the area under the receiver operating characteristic, ``auc``, with its interval over persons."""
    found = [measure_auc(truth[persons == p], scores[persons == p]) for p in sorted(set(persons.tolist()))]
    return {"auc": asdict(estimate_mean(found, 0.0, 1.0))}


def summarize_values(
    truth: NDArray[np.float64], found: NDArray[np.float64], persons: NDArray[np.str_]
) -> dict[str, Any]:
    """Return RMSE, MAE and R2 (mean over outputs) with intervals over persons, and per person."""
    names = sorted(set(persons.tolist()))
    figures: dict[str, dict[str, float]] = {}
    for person in names:
        t, f = truth[persons == person], found[persons == person]
        error, spread = f - t, ((t - t.mean(axis=0)) ** 2).sum(axis=0)
        r2 = 1 - (error**2).sum(axis=0)[spread > 0] / spread[spread > 0]
        figures[person] = {
            "rmse": float(np.sqrt((error**2).mean())),
            "mae": float(np.abs(error).mean()),
            "r2": float(r2.mean()) if len(r2) else float("nan"),
        }
    summary: dict[str, Any] = {"n_windows": len(truth)}
    for key in ("rmse", "mae", "r2"):
        lowest, highest = (-np.inf, 1.0) if key == "r2" else (0.0, np.inf)
        summary[key] = asdict(estimate_mean([figures[p][key] for p in names], lowest, highest))
    return summary | {"per_person": figures}
