"""Figures against scikit-learn's and SciPy's definitions, written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from myo_training.metrics import (
    count_confusion,
    estimate_mean,
    measure_accuracy,
    measure_macro,
    summarize_classes,
    summarize_values,
)


@given(st.lists(st.floats(0.2, 0.8), min_size=2, max_size=20))
def test_interval_is_students_t(values: list[float]) -> None:
    interval = estimate_mean(values)
    spread = stats.sem(values)
    assert interval.low is not None
    assert interval.high is not None
    if spread > 1e-9:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=spread)
        assert interval.low == pytest.approx(low, rel=1e-9, abs=1e-12)
        assert interval.high == pytest.approx(high, rel=1e-9, abs=1e-12)


def test_interval_ignores_persons_without_a_figure_and_needs_two() -> None:
    assert estimate_mean([0.5, float("nan")]).low is None
    assert estimate_mean([]).n_persons == 0
    assert estimate_mean([0.1, 0.9], 0.0, 1.0).high == 1.0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=60))
def test_confusion_accuracy_and_macro(pairs: list[tuple[int, int]]) -> None:
    truth, decided = np.array(pairs).T
    confusion = count_confusion(truth, decided, 4)
    for t in range(4):
        for d in range(4):
            assert confusion[t, d] == ((truth == t) & (decided == d)).sum()
    assert confusion[:, 4].sum() == (decided < 0).sum()
    assert measure_accuracy(confusion) == pytest.approx((truth == decided).mean())
    macro = np.mean([(decided[truth == t] == t).mean() for t in np.unique(truth)])
    assert measure_macro(confusion) == pytest.approx(macro)


def test_summaries_are_means_over_persons_not_over_windows() -> None:
    truth = np.array([0, 1] * 50 + [0, 1])
    decided = np.array([0, 1] * 50 + [1, 0])
    persons = np.array(["a"] * 100 + ["b"] * 2)
    summary = summarize_classes(truth, decided, persons, 2)
    assert summary["accuracy"]["mean"] == pytest.approx(0.5)
    assert summary["per_person"]["b"]["accuracy"] == 0.0
    values = summarize_values(
        np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [1.0], [1.0]]), np.array(["a"] * 3)
    )
    assert values["r2"]["mean"] == pytest.approx(0.0)
    assert values["rmse"]["mean"] == pytest.approx(np.sqrt(2 / 3))
