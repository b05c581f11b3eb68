"""The twin of calibration: a head within its bound of float, and a store that behaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myo_pipeline.calibration import CalibrationTwin, Refusal, pack_record, unpack_record
from myo_pipeline.calibration_head import (
    MAX_WINDOWS,
    HeadConfig,
    Tally,
    fit_head,
    quantize_head,
    score,
    to_softmax,
)
from myo_pipeline.calibration_reference import bound_scores, bound_words, fit_reference
from myo_pipeline.errors import SpecError
from myo_pipeline.spec import find_templates, parse_spec


def draw_head(
    seed: int, n_classes: int, n_words: int, spread: float, **settings: int
) -> tuple[HeadConfig, np.ndarray]:
    """Return a head and the float precision that it was made of."""
    rng = np.random.default_rng(seed)
    scatter = rng.normal(size=(4 * n_words, n_words)) * spread * rng.uniform(0.1, 2, n_words)
    precision = np.linalg.inv(scatter.T @ scatter / len(scatter) + 0.05 * spread**2 * np.eye(n_words))
    zero_point = int(rng.integers(-128, 128))
    steps = rng.uniform(-128 - zero_point, 127 - zero_point, (n_classes, n_words))
    given = {"prior_windows": 16, "memory_windows": 60, "min_windows": 1} | settings
    config = quantize_head(layer=0, zero_point=zero_point, prior=steps, precision=precision, **given)
    return config, precision


def draw_tally(config: HeadConfig, rng: np.random.Generator, n: int) -> Tally:
    """Return a tally of ``n`` windows of each class around its own mean."""
    tally = Tally.empty(config)
    for label in range(config.n_classes):
        centre = rng.integers(-100, 100, config.n_words)
        for _ in range(n):
            tally = tally.add(
                config, label, np.clip(centre + rng.integers(-30, 30, config.n_words), -128, 127)
            )
    return tally


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 999), st.integers(2, 9), st.integers(1, 40), st.sampled_from([4.0, 16.0, 60.0]),
    st.integers(0, 40), st.integers(0, 12),
)  # fmt: skip
def test_head_stays_within_its_bound_of_float(
    seed: int, n_classes: int, n_words: int, spread: float, n_prior: int, n: int
) -> None:
    config, precision = draw_head(seed, n_classes, n_words, spread, prior_windows=n_prior)
    rng = np.random.default_rng(seed + 1)
    tally = draw_tally(config, rng, n)
    head, reference = fit_head(config, tally), fit_reference(config, tally, precision)
    words = rng.integers(-128, 128, (20, n_words)).astype(np.int8)
    steps = words.astype(np.float64) - config.zero_point
    scores = score(config, head, words)
    assert np.abs(scores).max() < 2**31
    natural = scores * 2.0 ** (head.exponent - config.precision_shift - 15)
    bound = bound_scores(config, reference, head, steps)
    assert (np.abs(natural - reference.score(steps)) <= bound + 1e-9 * np.abs(natural)).all()
    found = to_softmax(config, head, scores) + 128.0
    exact = np.minimum(256 * reference.to_softmax(steps), 255)
    assert (np.abs(found - exact).max(axis=1) <= bound_words(bound, n_classes) + 1e-6).all()


def test_bound_is_tight_enough_to_mean_something() -> None:
    """On a head like the demo's the bound is below a fiftieth of a nat: a word's probability moves by a few 256ths."""
    config, precision = draw_head(3, 8, 48, 20.0)
    rng = np.random.default_rng(4)
    tally = draw_tally(config, rng, 60)
    steps = rng.integers(-128, 128, (20, 48)) - float(config.zero_point)
    bound = bound_scores(config, fit_reference(config, tally, precision), fit_head(config, tally), steps)
    scale = np.abs(fit_reference(config, tally, precision).score(steps)).max()
    assert bound.max() < 2e-3 * scale


def test_softmax_words_are_those_of_probabilities() -> None:
    config, _ = draw_head(1, 3, 4, 8.0)
    head = fit_head(config, draw_tally(config, np.random.default_rng(1), 5))
    equal = to_softmax(config, head, np.zeros(3, np.int64))
    np.testing.assert_array_equal(equal, [-43, -43, -43])  # 256 / 3 - 128
    far = to_softmax(config, head, np.array([2**31 - 1, -(2**31), 0]))
    np.testing.assert_array_equal(far, [127, -128, -128])


def test_unknown_class_keeps_the_prior() -> None:
    config, precision = draw_head(2, 4, 6, 8.0, prior_windows=0)
    tally = Tally.empty(config)
    means = fit_reference(config, tally, precision).means
    np.testing.assert_allclose(means, config.prior / 128.0)
    assert fit_head(config, tally).weights.any()


def test_fade_keeps_the_mean_and_no_more_windows_than_memory() -> None:
    config, _ = draw_head(5, 3, 7, 8.0, memory_windows=20)
    tally = draw_tally(config, np.random.default_rng(5), 50)
    faded = tally.fade(config)
    np.testing.assert_array_equal(faded.counts, [20, 20, 20])
    assert np.abs(faded.sums / 20 - tally.sums / 50).max() <= 0.5 / 20 + 1e-12
    few = draw_tally(config, np.random.default_rng(5), 20)
    np.testing.assert_array_equal(few.fade(config).sums, few.sums)


def test_a_full_class_takes_no_more() -> None:
    config, _ = draw_head(6, 2, 3, 8.0)
    full = Tally(np.array([MAX_WINDOWS, 0]), np.zeros((2, 3), np.int64))
    assert full.add(config, 0, np.ones(3, np.int8)) is full
    assert abs(255 * MAX_WINDOWS) < 2**31


def test_records_round_trip_and_refuse_another_length() -> None:
    config, _ = draw_head(7, 5, 9, 8.0)
    tally = draw_tally(config, np.random.default_rng(7), 4)
    record = pack_record(config, tally)
    assert len(record) % 8 == 0
    again = unpack_record(config, record)
    np.testing.assert_array_equal(again.sums, tally.sums)
    np.testing.assert_array_equal(again.counts, tally.counts)
    with pytest.raises(ValueError, match="expected"):
        unpack_record(config, record + bytes(8))


def test_too_wide_an_embedding_is_refused() -> None:
    with pytest.raises(SpecError, match="at most 128"):
        draw_head(8, 3, 129, 8.0)


def test_values_cannot_be_calibrated() -> None:
    text = find_templates()["values"].read_text().replace("@NAME@", "x")
    with pytest.raises(SpecError, match="'values' has no classes to calibrate"):
        parse_spec(text.replace("[training]", "[calibration]\n[training]"))


def test_heads_are_made_undone_and_forgotten() -> None:
    config, _ = draw_head(9, 2, 3, 8.0, min_windows=2, prior_windows=0)
    twin = CalibrationTwin(config)
    a, b = np.array([10, 20, 30], np.int8), np.array([-10, 5, 90], np.int8)
    assert twin.take(a, 0, False) is None
    assert twin.commit() is Refusal.TOO_FEW
    for label, words in enumerate((a, b)):
        assert twin.collect(label, 100) is Refusal.NONE
        assert twin.collect(label, 100) is twin.commit() is twin.undo() is Refusal.BUSY
        twin.take(words, 99, False)  # begins before the span
        twin.take(words, 100, True)  # gated
        twin.take(words, 100, False)
        twin.take(words, 150, False)
        twin.end()
        twin.take(words, 200, False)
    np.testing.assert_array_equal(twin.tally.counts, [2, 2])
    assert twin.left_out == 2
    assert twin.collect(2, 0) is Refusal.BAD_LABEL
    assert twin.commit() is Refusal.NONE
    first = [twin.take(words, 0, False) for words in (a, b)]
    assert [int(np.argmax(f)) for f in first if f is not None] == [0, 1]
    assert twin.commit() is Refusal.TOO_FEW  # nothing new
    twin.collect(0, 0)
    twin.take(b, 0, False)
    twin.end()
    assert twin.commit() is Refusal.NONE
    assert (twin.sequence, twin.tally.counts.tolist()) == (2, [3, 2])
    assert twin.undo() is Refusal.NONE
    assert twin.sequence == 1
    for words, before in zip((a, b), first, strict=True):
        np.testing.assert_array_equal(twin.take(words, 0, False), before)
    assert twin.undo() is Refusal.NONE
    assert twin.take(a, 0, False) is None
    assert twin.undo() is Refusal.NOTHING_TO_UNDO
