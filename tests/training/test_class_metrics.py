"""Figures against scikit-learn's, and by hand where it has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from myo_training.class_metrics import (
    find_rest,
    measure_active_error,
    measure_auc,
    measure_each_class,
    measure_instability,
)
from myo_training.metrics import (
    compare_paired,
    count_confusion,
    detail_classes,
    measure_macro,
    summarize_values,
)

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=60)


@given(PAIRS)
def test_precision_recall_and_f1_are_those_of_the_confusion(pairs: list[tuple[int, int]]) -> None:
    truth, decided = np.array(pairs).T
    found = measure_each_class(truth, decided, 4)
    for c in range(4):
        right, said, was = ((truth == c) & (decided == c)).sum(), (decided == c).sum(), (truth == c).sum()
        expected = (right / said if said else np.nan, right / was if was else np.nan)
        assert (found["precision"][c], found["recall"][c]) == pytest.approx(expected, nan_ok=True)
        assert found["f1"][c] == pytest.approx(2 * right / (said + was) if was else np.nan, nan_ok=True)


@given(PAIRS)
def test_macro_figures_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, decided = np.array(pairs).T
    persons, starts = np.full(len(truth), "a"), np.arange(len(truth)) == 0
    found = detail_classes(truth, decided, persons, 4, starts, 0)
    present = np.unique(truth)
    f1 = oracle.f1_score(truth, decided, labels=present, average="macro", zero_division=0)
    assert found["macro_f1"]["mean"] == pytest.approx(f1)
    recall = oracle.recall_score(truth, decided, labels=present, average="macro")
    assert measure_macro(count_confusion(truth, decided, 4)) == pytest.approx(recall)
    assert found["roc_auc"]["n_persons"] == 0  # decisions have no scores


@given(st.integers(0, 999), st.sampled_from([2, 3, 8]))
def test_auc_is_scikit_learns_one_against_the_rest(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(n), rng.integers(0, n, 40)])
    scores = np.round(rng.dirichlet(np.ones(n), len(truth)) * 64) + 1  # ties, as int8 has them
    scores /= scores.sum(axis=1, keepdims=True)
    expected = (
        oracle.roc_auc_score(truth, scores, multi_class="ovr", average="macro")
        if n > 2
        else np.mean([oracle.roc_auc_score(truth == c, scores[:, c]) for c in (0, 1)])
    )
    assert measure_auc(truth, scores) == pytest.approx(expected)
    assert np.isnan(measure_auc(np.zeros(5, int), scores[:5]))


def test_active_error_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    decided = np.array([0, 1, -1, 1, 0, -1, 2, 1])
    # Rest decided as rest, or not decided, is no activity of anybody; of the other six windows four are wrong.
    assert measure_active_error(truth, decided, 0) == pytest.approx(4 / 6)
    assert np.isnan(measure_active_error(truth, decided, None))
    assert np.isnan(measure_active_error(np.zeros(3, int), np.zeros(3, int), 0))


def test_instability_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    decided = np.array([0, 1, 1, 1, 2, -1, 2, 2])
    starts = np.zeros(8, bool)
    starts[[0, 6]] = True
    # Windows 1, 2, 4, 5 and 7 follow one of the same label in the same recording; 1, 4 and 5 changed.
    assert measure_instability(truth, decided, starts) == pytest.approx(3 / 5)
    assert np.isnan(measure_instability(np.array([0, 1]), np.array([0, 1]), np.array([True, False])))


def test_rest_is_found_by_its_name() -> None:
    assert find_rest(["fist", "Rest"]) == 1
    assert find_rest(["fist", "open"]) is None


@given(st.integers(0, 999))
def test_errors_of_values_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    summary = summarize_values(truth, found, np.full(30, "a"))
    assert summary["mae"]["mean"] == pytest.approx(oracle.mean_absolute_error(truth, found))
    assert summary["rmse"]["mean"] == pytest.approx(np.sqrt(oracle.mean_squared_error(truth, found)))
    assert summary["r2"]["mean"] == pytest.approx(oracle.r2_score(truth, found))


def test_details_are_means_over_persons() -> None:
    truth = np.array([0, 1] * 50 + [0, 1])
    decided = np.array([0, 1] * 50 + [1, 0])
    persons, starts = np.array(["a"] * 100 + ["b"] * 2), np.zeros(102, bool)
    found = detail_classes(truth, decided, persons, 3, starts, 0)
    assert found["macro_f1"]["mean"] == pytest.approx(0.5)
    assert [c["mean"] for c in found["precision"][:2]] == pytest.approx([0.5, 0.5])
    assert found["precision"][2]["n_persons"] == 0
    assert found["details_per_person"]["b"]["active_error"] == 1.0


def test_paired_comparison_is_scipys_wilcoxon_over_persons() -> None:
    one = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.65, "e": 0.9}
    other = {"a": 0.8, "b": 0.75, "c": 0.71, "d": 0.5, "e": float("nan"), "f": 0.1}
    found = compare_paired(one, other)
    assert (found.n_better, found.n_worse, found.gain.n_persons) == (3, 1, 4)
    assert found.gain.mean == pytest.approx((0.1 + 0.05 - 0.01 + 0.15) / 4)
    # Ranks 3, 2, -1, 4: of the 16 signs, those with a rank sum of at most 1 either way are four.
    assert found.p_value == pytest.approx(4 / 16)
    assert compare_paired({"a": 1.0}, {"a": 0.5}).p_value is None
    assert compare_paired(one, one).p_value is None
