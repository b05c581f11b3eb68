"""Average, Bayesian filter, debounce and dwell in C: every word of every window is the twin's."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Harness
from myo_pipeline.decision_rule import MAJORITY, METHODS, DecisionRule, RuleTwin, make_rule
from myo_pipeline.spec import Decision
from myo_pipeline.twin import DecisionTwin
from myo_pipeline.twin_config import CLASSES, TwinConfig

ABSTAIN, RUN, RUN_AFTER_RESET = 0, 1, 2


def make_twin(rule: DecisionRule, vote: int, reject: int, n: int) -> DecisionTwin:
    none = np.zeros(0, np.int64)
    return DecisionTwin(
        TwinConfig(
            n_channels=1, window_samples=1, hop_samples=1, n_outputs=n, full_scale_counts=1, input_shift=0, step_table=none,
            step_words=none.astype(np.int32), exponent=0, multiplier=none, shift=none, zero_point=0, output_scale=1 / 256,
            output_zero_point=-128, output_kind=CLASSES, vote=vote, reject_below=reject, layer_tensors=none, rule=rule,
        )
    )  # fmt: skip


def ask(
    parts: Harness, rule: DecisionRule, vote: int, reject: int, kinds: np.ndarray, outputs: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the status, then each window's decision (4 int16) and sums."""
    n = outputs.shape[1]
    head = struct.pack(
        "<IIIIIIiI", rule.method, rule.debounce, rule.dwell, rule.gain_q32, rule.leak_q32, vote, reject, n
    )
    body = b"".join(
        bytes([kind]) + output.tobytes() for kind, output in zip(kinds.tolist(), outputs, strict=True)
    )
    answer = parts.ask("V", head + body)
    rows = np.frombuffer(answer[4:], np.uint8).reshape(-1, 8 + 4 * n)
    return (
        struct.unpack("<I", answer[:4])[0],
        np.ascontiguousarray(rows[:, :8]).view("<i2"),
        np.ascontiguousarray(rows[:, 8:]).view("<i4"),
    )


def draw_softmax(rng: np.random.Generator, n_windows: int, n: int) -> np.ndarray:
    """Words of a softmax whose class changes now and then and is anything from sure to equal."""
    truth = np.repeat(rng.integers(0, n, n_windows), rng.integers(1, 9, n_windows))[:n_windows]
    logits = rng.normal(size=(n_windows, n)) * rng.uniform(0, 3)
    logits[np.arange(n_windows), truth] += rng.uniform(0, 7, n_windows)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.clip(np.round(shares * 256) - 128, -128, 127).astype(np.int8)


@settings(max_examples=150)
@given(st.data())
def test_every_word_is_the_twins(parts: Harness, data: st.DataObject) -> None:
    draw = data.draw
    n = draw(st.sampled_from([2, 3, 8, 22, 64]))
    method = draw(st.sampled_from(METHODS))
    stay = {"stay": draw(st.sampled_from([0.5, 0.8, 0.95, 0.999]))} if method == "bayes" else {}
    decision = Decision(
        method=method, vote=draw(st.integers(1, 31)), debounce=draw(st.integers(1, 5)),
        dwell=draw(st.sampled_from([1, 2, 7, 255])), **stay,
    )  # fmt: skip
    rule = make_rule(decision, n) or DecisionRule(MAJORITY, 1, 1, 0, 0)
    reject = draw(st.sampled_from([-128, -100, 0, 127]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    n_windows = draw(st.integers(0, 80))
    outputs = (
        draw_softmax(rng, n_windows, n) if draw(st.booleans()) else rng.integers(-128, 128, (n_windows, n))
    ).astype(np.int8)
    shares = draw(st.sampled_from([[0.0, 1.0, 0.0], [0.3, 0.68, 0.02], [0.9, 0.1, 0.0]]))
    kinds = rng.choice(3, n_windows, p=shares)
    status, rows, sums = ask(parts, rule, decision.vote, reject, kinds, outputs)
    assert status == 0
    twin = make_twin(rule, decision.vote, reject, n)
    for k, (kind, output) in enumerate(zip(kinds.tolist(), outputs, strict=True)):
        if kind == RUN_AFTER_RESET:
            twin.reset()
        expected = twin.decide(output, kind == ABSTAIN)
        told = [expected.decided, expected.raw, expected.confidence, expected.n_votes]
        assert rows[k].tolist() == told
        if method == "bayes":
            assert sums[k].tolist() == twin.rule.posterior


@pytest.mark.parametrize("n", [2, 3, 64])
@pytest.mark.parametrize("stay", [0.5, 0.999])
def test_the_filters_words_keep_their_size(parts: Harness, n: int, stay: float) -> None:
    """At the outputs' ends: a sure class for long, its opposite, nothing, and all equal."""
    rule = make_rule(Decision(method="bayes", vote=31, stay=stay), n)
    assert rule is not None
    sure = np.full((200, n), -128, np.int8)
    sure[:100, 0], sure[100:120, n - 1], sure[120:160] = 127, 127, 127
    kinds = np.where((np.arange(200) >= 100) & (np.arange(200) < 110), ABSTAIN, RUN)
    _, rows, sums = ask(parts, rule, 31, -128, kinds, sure)
    assert (sums > 0).all() or stay == 0.999
    assert (sums.max(axis=1) >= 2**29).all()
    assert (sums.max(axis=1) < 2**30).all()
    assert rows[99, 0] == 0
    assert rows[119, 0] == n - 1
    twin = RuleTwin(rule, 31, n)
    for output, kind, words in zip(sure, kinds, sums, strict=True):
        twin.settle(0, 0, None if kind == ABSTAIN else output)
        assert twin.posterior == words.tolist()


GOOD = make_rule(Decision(method="bayes", vote=3), 4)


@pytest.mark.parametrize(
    "rule",
    [
        DecisionRule(2, 1, 1, 2**31, 0), DecisionRule(2, 1, 1, 2**30, 2**20), DecisionRule(2, 1, 1, 2**32 - 1, 2**20),
        DecisionRule(0, 0, 2, 0, 0), DecisionRule(1, 2, 0, 0, 0),
    ],
    ids=["never changes", "leaves too soon", "grows", "no debounce", "no dwell"],
)  # fmt: skip
def test_init_refuses_a_rule_that_cannot_run(parts: Harness, rule: DecisionRule) -> None:
    none = np.zeros(0, np.int64)
    assert GOOD is not None
    assert ask(parts, GOOD, 3, -128, none, np.zeros((0, 4), np.int8))[0] == 0
    assert ask(parts, rule, 3, -128, none, np.zeros((0, 4), np.int8))[0] != 0


def test_init_refuses_more_classes_than_the_filters_words_hold(parts: Harness) -> None:
    for n, is_refused in ((64, False), (65, True)):
        rule = make_rule(Decision(method="bayes"), n)
        assert rule is not None
        status, _, _ = ask(parts, rule, 1, -128, np.zeros(0, int), np.zeros((0, n), np.int8))
        assert (status != 0) == is_refused
