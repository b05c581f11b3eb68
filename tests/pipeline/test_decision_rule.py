"""Average, Bayesian filter, debounce and dwell: the rule, the float form, and how far integers are from it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_twin import make_config

from myo_pipeline.decision_rule import (
    STATED_ODDS,
    DecisionRule,
    RuleTwin,
    bound_log_odds,
    count_delay,
    decide_classes,
    decide_recordings,
    filter_bayes,
    find_latency,
    hold_classes,
    make_rule,
)
from myo_pipeline.errors import BundleError, SpecError
from myo_pipeline.reference import vote_classes
from myo_pipeline.spec import Decision, find_templates, parse_spec
from myo_pipeline.twin import DecisionTwin
from myo_pipeline.twin_config import TwinConfig

N = 4
METHODS = [Decision(vote=5), Decision(method="average", vote=5), Decision(method="bayes", vote=5)]


def draw_words(rng: np.random.Generator, n_windows: int, n: int = N) -> np.ndarray:
    logits = rng.normal(size=(n_windows, n)) * rng.uniform(0, 5, (n_windows, 1))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.asarray(np.clip(np.round(256 * shares) - 128, -128, 127).astype(np.int8))


def make_twin(decision: Decision, reject: int = -128, n: int = N) -> DecisionTwin:
    rule = make_rule(decision, n)
    return DecisionTwin(make_config(vote=decision.vote, reject_below=reject, n_outputs=n, rule=rule))


@given(st.sampled_from(METHODS[:2]), st.integers(1, 4), st.integers(1, 6), st.integers(0, 99))
def test_integers_decide_as_the_float_form(decision: Decision, debounce: int, dwell: int, seed: int) -> None:
    """Averages and votes of words are exact, and so is what holds them."""
    decision = decision.model_copy(update={"debounce": debounce, "dwell": dwell, "reject_below": 108 / 256})
    rng = np.random.default_rng(seed)
    words, gated = draw_words(rng, 60), rng.random(60) < 0.3
    twin = make_twin(decision, reject=-20)
    told = [twin.decide(word, bool(gate)) for word, gate in zip(words, gated, strict=True)]
    decided, n_votes = decide_classes((words + 128.0) / 256, decision, gated)
    assert [d.decided for d in told] == decided.tolist()
    assert [d.n_votes for d in told] == n_votes.tolist()


@given(st.sampled_from([2, 3, 8, 40]), st.sampled_from([0.5, 0.7, 0.9, 0.97, 0.99]), st.integers(0, 999))
def test_the_filters_integers_stay_within_the_derived_bound(n: int, stay: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    words, votes = draw_words(rng, 80, n), rng.random(80) < rng.choice([0.5, 1.0])
    decision = Decision(method="bayes", stay=stay, vote=3)
    rule = make_rule(decision, n)
    assert rule is not None
    twin, bound = RuleTwin(rule, 3, n), bound_log_odds(stay, n)
    exact = filter_bayes((words + 128.0) / 256, stay, votes, 3)
    for word, vote, posterior in zip(words, votes, exact, strict=True):
        decided, n_votes = twin.settle(0, 0, word if vote else None)
        if n_votes:
            found = np.log(np.array(twin.posterior, float))
            error = (found - np.log(posterior))[:, None] - (found - np.log(posterior))
            assert np.abs(error).max() <= bound
            first, second = np.sort(np.log(posterior))[[-1, -2]]
            assert first - second <= bound or decided == posterior.argmax()


def test_the_bound_is_small_where_the_filter_is_used() -> None:
    assert bound_log_odds(0.9, 8) < 0.0003  # a step of the outputs near 0.9 is 0.004
    assert bound_log_odds(0.99, 22) < 0.05


@given(st.integers(0, 99), st.sampled_from([0.5, 0.8, 0.99]))
def test_the_filter_is_the_forward_algorithm(seed: int, stay: float) -> None:
    """Against the textbook's matrices, unnormalized: pi, A and B of Rabiner's section III A."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(N), 12)
    transitions = np.full((N, N), (1 - stay) / (N - 1))
    np.fill_diagonal(transitions, stay)
    alpha = np.full(N, 1 / N)
    expected = []
    for row in probabilities:
        alpha = np.maximum(row, 1 / 512) * (alpha @ transitions)
        expected.append(alpha / alpha.sum())
    found = filter_bayes(probabilities, stay, np.ones(12, bool), 1)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("decision", METHODS, ids=lambda d: d.method)
def test_recordings_are_decided_each_by_itself(decision: Decision) -> None:
    decision = decision.model_copy(update={"reject_below": 0.4, "debounce": 2})
    recordings = [(draw_words(np.random.default_rng(n), n) + 128.0) / 256 for n in (30, 1, 17)]
    for outputs, decided in zip(recordings, decide_recordings(recordings, decision), strict=True):
        np.testing.assert_array_equal(decided, decide_classes(outputs, decision)[0])


def test_a_filter_that_knows_nothing_of_time_is_each_windows_class() -> None:
    words = draw_words(np.random.default_rng(0), 50, 2)
    found, _ = decide_classes((words + 128.0) / 256, Decision(method="bayes", stay=0.5))
    np.testing.assert_array_equal(found, vote_classes(words.astype(float), 1, -200.0)[0])


@given(st.lists(st.integers(-1, 2), max_size=60), st.integers(1, 4), st.integers(1, 6))
def test_what_is_told_keeps_its_promises(decided: list[int], debounce: int, dwell: int) -> None:
    told = hold_classes(np.array(decided, np.int64), debounce, dwell).tolist()
    runs = [(value, len(list(group))) for value, group in itertools.groupby(told)]
    assert all(length >= dwell for value, length in runs[:-1] if value >= 0)
    at = 0
    for value, length in runs:
        if at or value >= 0:
            assert decided[max(0, at - debounce + 1) : at + 1] == [value] * debounce
        at += length
    if debounce == dwell == 1:
        assert told == decided


def test_dwell_and_debounce_by_hand() -> None:
    decided = np.array([0, 0, 1, 0, 1, 1, 2, 1, 1, 1, -1, -1, 0, 0])
    assert hold_classes(decided, 2, 1).tolist() == [-1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, -1, -1, 0]
    assert hold_classes(decided, 1, 4).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, -1, -1, 0, 0]


@pytest.mark.parametrize("decision", METHODS, ids=lambda d: d.method)
def test_windows_without_a_vote_cast_nothing(decision: Decision) -> None:
    """Whatever the network says of a gated or rejected window; and five of them in a row leave no decision."""
    words = draw_words(np.random.default_rng(1), 30)
    gated = np.zeros(30, bool)
    gated[[4, 5, 11]] = gated[15:21] = True
    twins = [make_twin(decision), make_twin(decision)]
    told = []
    for k, word in enumerate(words):
        others = (np.roll(word, 1), word)
        told.append(
            [twin.decide(others[n] if gated[k] else word, bool(gated[k])) for n, twin in enumerate(twins)]
        )
        assert told[-1][0].decided == told[-1][1].decided
        assert told[-1][0].n_votes == told[-1][1].n_votes
    assert [pair[0].decided for pair in told[19:21]] == [-1, -1]
    twins[1].reset()
    again = [twins[1].decide(word).decided for word in words[21:]]
    assert [pair[0].decided for pair in told[21:]] == again  # nothing of what was before is left


@pytest.mark.parametrize("n", [2, 4, 8, 22])
@pytest.mark.parametrize("vote", [1, 2, 3, 4, 5, 31])
def test_the_stated_delay_is_what_a_clean_change_takes(n: int, vote: int) -> None:
    clear = np.ones((200, n))
    clear[:100, 0] = clear[100:, n - 1] = STATED_ODDS
    clear /= n - 1 + STATED_ODDS
    for decision in (
        *(Decision(method=method, vote=vote) for method in ("majority", "average")),
        *(Decision(method="bayes", vote=vote, stay=stay) for stay in (0.5, 0.9, 0.99, 0.999)),
    ):
        found = int(np.argmax(decide_classes(clear, decision)[0] == n - 1)) - 100
        delay = count_delay(decision, n)
        is_tie = decision.method != "bayes" and vote % 2 == 0  # who wins it is another matter
        assert found == delay or (is_tie and found == delay - 1)


def test_latency_counts_what_debounce_and_dwell_add() -> None:
    spec = parse_spec(find_templates()["gestures"].read_text().replace("@NAME@", "patch"))
    assert (spec.window.window_ms, spec.window.hop_ms, spec.decision.vote) == (250, 60, 5)
    found = find_latency(spec)
    assert (found.vote_ms, found.hold_ms, found.total_ms) == (120, 0, 430)
    assert find_latency(spec, Decision(vote=5, debounce=3)).hold_ms == 120
    assert find_latency(spec, Decision(vote=5, debounce=3, dwell=4)).hold_ms == 120  # dwell is over by then
    assert find_latency(spec, Decision(vote=5, dwell=9)).hold_ms == 360
    # As it comes at the worst: told one window before the change.
    decided = np.array([-1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    assert int(np.argmax(hold_classes(decided, 1, 9) == 1)) - 2 == 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('method = "mode"', "decision.method"),
        ("stay = 0.8", "decision.stay: only method 'bayes' has it, not 'majority': remove it"),
        ('method = "bayes"\nstay = 1.0', "decision.stay"),
        ("debounce = 0", "decision.debounce"),
        ("dwell = 256", "decision.dwell"),
    ],
)
def test_the_spec_refuses_what_cannot_be(text: str, expected: str) -> None:
    template = find_templates()["gestures"].read_text().replace("@NAME@", "patch")
    with pytest.raises(SpecError, match=expected.replace(".", r"\.")):
        parse_spec(template.replace("vote = 5\n", f"vote = 5\n{text}\n"))


def test_values_have_no_rule() -> None:
    template = find_templates()["values"].read_text().replace("@NAME@", "patch")
    with pytest.raises(SpecError, match=r"decision\.debounce: for outputs that are classes, not 'values'"):
        parse_spec(template.replace("vote = 4", "debounce = 2\nvote = 4"))


def test_a_rule_goes_with_the_twin(tmp_path: Path) -> None:
    plain, ruled = make_config(), make_config(rule=make_rule(Decision(method="bayes", dwell=7), N))
    plain.save(tmp_path / "plain.npz")
    ruled.save(tmp_path / "ruled.npz")
    assert TwinConfig.load(tmp_path / "plain.npz").rule is None
    assert TwinConfig.load(tmp_path / "ruled.npz").rule == ruled.rule
    make_config(rule=DecisionRule(7, 1, 1, 0, 0)).save(tmp_path / "later.npz")
    with pytest.raises(BundleError, match="another version's decision"):
        TwinConfig.load(tmp_path / "later.npz")
