"""Correlation around the ring: float against NumPy, turns that are permutations, bounds that bind, what a spec may ask for."""

from __future__ import annotations

import numpy as np
import pytest
from test_feature_models import emg

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_twin import round_to_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.ring import (
    RingConfig,
    RingFeature,
    bound_ring,
    compile_ring,
    compute_ring,
    compute_ring_words,
)


def make(reach: int = 2, n_channels: int = 5, word_shift: int = 2) -> RingConfig:
    spec = RingFeature(kind="ring_correlation", reach=reach)
    return compile_ring(spec, n_channels=n_channels, window=50, hop=20, word_shift=word_shift)


def mixed(seed: int, rms: float) -> np.ndarray:
    """Windows of five channels of which neighbours share a part."""
    x = emg(seed, (40, 50, 5), rms, 0.9)
    return x + 0.6 * np.roll(x, 1, axis=2)


def test_correlations_are_those_of_another_implementation() -> None:
    x = mixed(1, 30.0)
    found = compute_ring(make(), x)
    for k in (1, 2):
        for c in range(5):
            a, b = x[7, :, c], x[7, :, (c + k) % 5]
            assert found[7, k - 1, c] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_a_turned_band_turns_its_words() -> None:
    words = round_to_words(mixed(2, 30.0), 2)
    turned = compute_ring_words(make(), np.roll(words, 3, axis=2))
    np.testing.assert_array_equal(turned, np.roll(compute_ring_words(make(), words), 3, axis=2))


@pytest.mark.parametrize(("rms", "off"), [(0.3, 0.5), (300.0, 0.5), (300.0, 4.0)])
def test_twin_stays_inside_a_bound_that_says_something(rms: float, off: float) -> None:
    config, x = make(), mixed(3, rms)
    moved = x + (off - 0.5) / 4 * np.random.default_rng(1).choice([-1, 1], x.shape)
    found = to_real(config, compute_ring_words(config, round_to_words(moved, 2)))
    bound = bound_ring(config, x, off)
    share = np.abs(found - compute_ring(config, x)) / bound
    assert share.max() <= 1
    if rms == 300.0:
        assert np.median(bound) < 0.02 * off
        assert share.max() > 0.05


def test_extremes() -> None:
    config = make()
    full = np.full((1, 50, 5), -32768, np.int16)
    one = 1 << 30  # the roots' roundings are of two units
    assert np.abs(compute_ring_words(config, full) - one).max() <= 2
    full[:, :, 0] = 32767
    words = compute_ring_words(config, full)
    np.testing.assert_allclose(words[0, 0] / one, [-1, 1, 1, 1, -1], atol=2 / one)
    full[:, :, 0] = 0
    assert compute_ring_words(config, full)[0, :, 0].tolist() == [0, 0]


@pytest.mark.parametrize(("reach", "n_channels"), [(3, 5), (1, 1)])
def test_a_reach_around_the_ring_is_refused(reach: int, n_channels: int) -> None:
    with pytest.raises(SpecError, match=f"reach {reach} with {n_channels} channels, expected at most half"):
        make(reach, n_channels)
