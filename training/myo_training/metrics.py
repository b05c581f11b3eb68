"""Figures of merit, always per person first: windows of one person are no independent trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from myo_training.class_metrics import (
    measure_active_error,
    measure_auc,
    measure_each_class,
    measure_instability,
)

CONFIDENCE = 0.95
SHARES = ("macro_f1", "roc_auc", "active_error", "instability")  # of :func:`detail_classes`


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


def detail_classes(
    truth: NDArray[np.int64], decided: NDArray[np.int64], persons: NDArray[np.str_], n_classes: int,
    starts: NDArray[np.bool_], rest: int | None, scores: NDArray[np.floating] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what :func:`summarize_classes` leaves out, with intervals over persons, and by person.

    Parameters
    ----------
    truth, decided, persons, n_classes
        As there.
    starts
        Where a recording begins, bool (n_windows,).
    rest
        The class that is no activity; None: there is none.
    scores
        The network's outputs, (n_windows, n_classes), for the area under the ROC curve; None where decisions have none.

    Returns
    -------
    dict
        ``macro_f1``, ``roc_auc``, ``active_error``, ``instability``; ``precision``, ``recall`` and ``f1``, a list over the
        classes of each; and ``details_per_person``.
    """
    names = sorted(set(persons.tolist()))
    each: dict[str, dict[str, NDArray[np.float64]]] = {}
    figures: dict[str, dict[str, float]] = {}
    for person in names:
        own = persons == person
        t, d = truth[own], decided[own]
        each[person] = measure_each_class(t, d, n_classes)
        f1 = each[person]["f1"]
        figures[person] = {
            "macro_f1": float(f1[np.isfinite(f1)].mean()),
            "roc_auc": measure_auc(t, scores[own]) if scores is not None else float("nan"),
            "active_error": measure_active_error(t, d, rest),
            "instability": measure_instability(t, d, starts[own]),
        }
    summary: dict[str, Any] = {
        key: asdict(estimate_mean([figures[p][key] for p in names], 0.0, 1.0)) for key in SHARES
    }
    for key in ("precision", "recall", "f1"):
        table = np.array([each[p][key] for p in names]).reshape(-1, n_classes)
        summary[key] = [asdict(estimate_mean(column.tolist(), 0.0, 1.0)) for column in table.T]
    return summary | {"details_per_person": figures}


def summarize_detection(
    truth: NDArray[np.int64], decided: NDArray[np.int64], persons: NDArray[np.str_]
) -> dict[str, Any]:
    """Return how often anomalies (class 1) are told, ``detection``, and normal windows taken for one, ``false_alarm``.

    With intervals over persons, and by person; an undecided window is no alarm.
    """
    figures = {}
    for person in sorted(set(persons.tolist())):
        alarms = {kind: (decided == 1)[(persons == person) & (truth == kind)] for kind in (0, 1)}
        shares = {kind: float(found.mean()) if len(found) else float("nan") for kind, found in alarms.items()}
        figures[person] = {"detection": shares[1], "false_alarm": shares[0]}
    return {
        key: asdict(estimate_mean([own[key] for own in figures.values()], 0.0, 1.0))
        for key in ("detection", "false_alarm")
    } | {"alarms_per_person": figures}


@dataclass(frozen=True)
class Paired:
    """One figure against another on the same persons.

    Attributes
    ----------
    gain
        Mean difference over persons, with its interval.
    n_better, n_worse
        Persons for whom the one is the larger, and the smaller.
    p_value
        Of the two-sided Wilcoxon signed-rank test; None where it cannot be, with fewer than two persons or no difference.
    """

    gain: Interval
    n_better: int
    n_worse: int
    p_value: float | None


def compare_paired(one: Mapping[str, float], other: Mapping[str, float]) -> Paired:
    """Compare two figures of the same persons; a person without one of them is left out.

    References
    ----------
    Wilcoxon, Biometrics Bulletin 1 (1945) 80-83, doi:10.2307/3001968; Demsar, J. Mach. Learn. Res. 7 (2006) 1-30, section 3.1.3.
    """
    gains = np.array([one[p] - other[p] for p in sorted(one) if p in other])
    gains = gains[np.isfinite(gains)]
    p_value = None
    if len(gains) > 1 and np.any(gains):
        p_value = float(stats.wilcoxon(gains).pvalue)
    return Paired(estimate_mean(gains.tolist()), int((gains > 0).sum()), int((gains < 0).sum()), p_value)


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
