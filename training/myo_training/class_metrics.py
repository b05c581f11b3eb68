"""More figures of one person's decisions than accuracy; docs/evaluation.md defines each.

Definitions are scikit-learn's where it has them. Undecided windows (-1) are of no class: they count against recall and never
against precision.

References
----------
Fawcett, Pattern Recognition Letters 27 (2006) 861-874, doi:10.1016/j.patrec.2005.10.010 (areas under ROC curves, section 7).
Sokolova and Lapalme, Inf. Process. Manag. 45 (2009) 427-437, doi:10.1016/j.ipm.2009.03.002 (macro averages).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

REST_NAMES = ("rest", "no motion", "no movement", "hibernation", "idle", "relax")


def find_rest(names: Sequence[str]) -> int | None:
    """Return the number of the class that is no activity, by its name; None where no name says so."""
    return next((k for k, name in enumerate(names) if name.strip().lower() in REST_NAMES), None)


def measure_each_class(
    truth: NDArray[np.int64], decided: NDArray[np.int64], n_classes: int
) -> dict[str, NDArray[np.float64]]:
    """Return ``precision``, ``recall`` and ``f1`` of each class, (n_classes,).

    NaN where undefined: precision of a class that was never decided, recall and F1 of a class that never was. F1 is 0 where a
    class was and was never decided.
    """
    from sklearn.metrics import precision_recall_fscore_support

    labels = np.arange(n_classes)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, decided, labels=labels, zero_division=np.nan
    )
    present = support > 0
    f1 = np.where(present & ~np.isin(labels, decided), 0.0, f1)
    return {
        "precision": precision,
        "recall": np.where(present, recall, np.nan),
        "f1": np.where(present, f1, np.nan),
    }


def measure_auc(truth: NDArray[np.int64], scores: NDArray[np.floating]) -> float:
    """Return the area under the ROC curve, one class against the rest, mean over the classes; NaN where there is one class.

    Parameters
    ----------
    truth
        Class numbers, (n_windows,).
    scores
        The network's outputs, (n_windows, n_classes); only their order within a class matters.
    """
    from sklearn.metrics import roc_auc_score

    present = np.unique(truth)
    if len(present) < 2:
        return float("nan")
    return float(np.mean([roc_auc_score(truth == c, scores[:, c]) for c in present]))


def measure_active_error(truth: NDArray[np.int64], decided: NDArray[np.int64], rest: int | None) -> float:
    """Return the share of wrong decisions among windows in which the person or the patch is active.

    Windows count where the truth, or the decision, is a class other than rest; an undecided window is no activity of the
    patch. NaN without a rest class or without such windows.
    """
    if rest is None:
        return float("nan")
    active = (truth != rest) | ((decided != rest) & (decided >= 0))
    return float((truth != decided)[active].mean()) if active.any() else float("nan")


def measure_instability(
    truth: NDArray[np.int64], decided: NDArray[np.int64], starts: NDArray[np.bool_]
) -> float:
    """Return the share of decisions that differ from the one before though the label does not.

    Parameters
    ----------
    truth, decided
        (n_windows,), recording after recording.
    starts
        Where a recording begins, (n_windows,): its first window follows nothing.

    Returns
    -------
    float
        Among windows whose label is that of the one before; NaN where there is none.
    """
    steady = ~starts[1:] & (truth[1:] == truth[:-1])
    return float((decided[1:] != decided[:-1])[steady].mean()) if steady.any() else float("nan")
