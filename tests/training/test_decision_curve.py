"""Error against latency: what is measured of each way to decide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from myo_pipeline.decision_rule import STATED_ODDS
from myo_pipeline.spec import PatchSpec
from myo_training.decision_curve import describe_setting, list_decisions, measure_wait, trace_decisions
from myo_training.evaluation import Judged
from training_case import VALUES


def make_noisy(seed: int = 0, n_classes: int = 3) -> Judged:
    """Softmax outputs of two persons that are right more often than not, each window by itself."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.repeat([0, 1, 0, 2], 40), 4)
    logits = rng.normal(size=(len(labels), n_classes)) * 1.5
    logits[np.arange(len(labels)), labels] += 1.5
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Judged(outputs, labels, (160,) * 4, ("a", "a", "b", "b"))


def test_waiting_buys_accuracy_and_calm_where_errors_are_independent(spec: PatchSpec) -> None:
    rows = trace_decisions(make_noisy(), spec)
    assert rows[0]["series"] == "own"
    assert rows[0]["setting"] == {"vote": 3}
    assert rows[0]["latency_ms"] == 200 + 100 + 100
    of = {
        name: [r for r in rows if r["series"] == name]
        for name in ("majority", "average", "bayes", "debounce")
    }
    alone = of["majority"][0]
    assert alone["latency_ms"] == 300
    for name in ("majority", "average"):  # of five windows, before they get too slow
        assert of[name][2]["error"]["mean"] < 0.7 * alone["error"]["mean"]
    assert of["average"][2]["error"]["mean"] < of["majority"][2]["error"]["mean"]
    for found in of.values():
        latencies = [r["latency_ms"] for r in found]
        assert latencies == sorted(latencies)
        calm = [r["instability"]["mean"] for r in found]
        assert calm[-1] < calm[0] / 4
        waits = [np.inf if r["measured_ms"] is None else r["measured_ms"] for r in found]
        assert waits[-1] > waits[0]
    assert all(r["error"]["n_persons"] == 2 for r in rows)


def test_a_row_of_the_own_decision_is_what_the_summary_says(spec: PatchSpec) -> None:
    from myo_training.evaluation import summarize_outputs

    judged = make_noisy(3)
    row, summary = trace_decisions(judged, spec)[0], summarize_outputs(judged, spec)["voted"]
    assert row["error"]["mean"] == pytest.approx(1 - summary["macro_accuracy"]["mean"])
    assert row["instability"] == summary["instability"]


def test_wait_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0, 2, 2, 1, 1])
    alone = np.array([0, 0, 0, 1, 0, 1, 1, 0, 0, 2, 1, 2, 2])
    decided = np.array([0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1])
    starts = np.zeros(13, bool)
    starts[0] = True
    assert (
        measure_wait(truth, decided, alone, starts) == 2.0
    )  # of 2, 0 and never; nobody alone followed the last
    assert measure_wait(truth[:3], decided[:3], alone[:3], starts[:3]) is None


def test_the_wait_of_clean_changes_is_the_derived_one(spec: PatchSpec) -> None:
    labels = np.tile(np.repeat([0, 1, 0, 2], 60), 2)
    clear = np.ones((len(labels), 3))
    clear[np.arange(len(labels)), labels] = STATED_ODDS
    judged = Judged(clear / clear.sum(axis=1, keepdims=True), labels, (240, 240), ("a", "b"))
    for row in trace_decisions(judged, spec):
        assert row["measured_ms"] == row["latency_ms"]


def test_values_trade_latency_against_rmse(make_spec: Callable[..., PatchSpec]) -> None:
    spec = make_spec(output=VALUES)
    rng = np.random.default_rng(1)
    labels = np.sin(np.arange(400) / 60)[:, None]
    judged = Judged(labels + rng.normal(size=labels.shape), labels, (200, 200), ("a", "b"))
    rows = trace_decisions(judged, spec)
    by_vote = {r["setting"].get("vote", 1): r["error"]["mean"] for r in rows[1:]}
    assert by_vote[9] < by_vote[3] < by_vote[1]


def test_every_setting_can_stand_in_a_spec_and_has_a_name(spec: PatchSpec) -> None:
    rows = trace_decisions(make_noisy(), spec)
    assert (
        len({describe_setting(row) for row in rows[1:]}) == len(rows) - 2
    )  # a window by itself is a majority and a debounce
    for row, (_, decision) in zip(rows, list_decisions(spec.decision, True), strict=True):
        assert type(decision).model_validate(row["setting"]) == decision
