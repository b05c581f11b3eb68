"""Packing for the DSP kernels: the scaling is that of the format, the layouts are what the kernels read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myo_export.lowered import FullyConnected, Requantize
from myo_export.pack_dsp import Packed, pack_layer
from myo_export.quantized_math import Factor, clamp_int8, scale

LARGEST = (1 << 30) - 1


def dense(weights: np.ndarray, bias: int, factor: Factor, offset: int = 0, zero_point: int = 0):
    n = len(weights)
    requantize = Requantize((factor,) * n, zero_point, -128, 127)
    return FullyConnected(1, offset, weights.astype(np.int8), np.full(n, bias, np.int32), requantize)


def sums_near_ties(factor: Factor) -> st.SearchStrategy[int]:
    """Sums whose scaled value is next to a half, positive and negative, where roundings show."""
    real = factor.multiplier * 2.0 ** (factor.shift - 31)
    limit = min(LARGEST, int(200 / real))
    halves = st.integers(-200, 200).map(lambda k: round((k + 0.5) / real))
    near = st.tuples(halves, st.integers(-3, 3)).map(sum).filter(lambda s: abs(s) <= LARGEST)
    return near | st.integers(-limit, limit) | st.sampled_from([0, -1, 1, LARGEST, -LARGEST])


@given(
    st.integers(1, 22).flatmap(
        lambda n: st.tuples(st.integers(1 << 30, (1 << 31) - 1), st.just(n)).flatmap(
            lambda f: st.tuples(st.just(Factor(f[0], -f[1])), sums_near_ties(Factor(f[0], -f[1])))
        )
    ),
    st.integers(-128, 127),
)
def test_scaling_is_the_formats(factor_and_sum, zero_point):
    factor, total = factor_and_sum
    packed = pack_layer(dense(np.zeros((1, 1)), 0, factor, 0, zero_point))
    assert isinstance(packed, Packed)
    s = packed.tiles[0].scales[0]
    doubled = 2 * total
    rounded = ((doubled * s.multiplier + (1 << 31)) >> 32) + s.add - (doubled < 0)
    assert -(1 << 31) <= rounded < 1 << 31
    assert clamp_int8(rounded >> s.shift) == clamp_int8(scale(total, factor) + zero_point)


@pytest.mark.parametrize("total", [0, -1, 1, 12345, -LARGEST])
def test_a_factor_of_0_gives_the_zero_point(total):
    packed = pack_layer(dense(np.zeros((1, 1)), 0, Factor(0, 0), 0, -7))
    assert isinstance(packed, Packed)
    s = packed.tiles[0].scales[0]
    assert (((2 * total * s.multiplier + (1 << 31)) >> 32) + s.add - (total < 0)) >> s.shift == -7


@pytest.mark.parametrize("shift", [0, 1, -23])
def test_shifts_out_of_range_run_plain(shift):
    assert "scale" in pack_layer(dense(np.ones((1, 4)), 0, Factor(1 << 30, shift)))


def test_sums_that_do_not_fit_run_plain():
    factor = Factor(1 << 30, -7)
    largest_bias = LARGEST - 4 * 128  # four weights of 1 against inputs of -128
    assert isinstance(pack_layer(dense(np.ones((1, 4)), largest_bias, factor)), Packed)
    assert "2^30" in pack_layer(dense(np.ones((1, 4)), largest_bias + 1, factor))
    assert isinstance(pack_layer(dense(np.ones((1, 4)), -largest_bias, factor)), Packed)
    assert "2^30" in pack_layer(dense(np.ones((1, 4)), -largest_bias - 1, factor))


def test_layouts():
    weights = np.arange(1, 31).reshape(5, 6)
    speed, size = (pack_layer(dense(weights, 10, Factor(1 << 30, -7), 3), way) for way in ("speed", "size"))
    assert isinstance(speed, Packed)
    assert isinstance(size, Packed)
    assert speed.weights.shape == (
        1,
        2,
        2,
        2,
        4,
        2,
    )  # group, tile, words / 4, which pair, output, of the pair
    assert speed.weights[0, 0, 0, 0, 1].tolist() == [2 * 7, 2 * 9]
    assert speed.weights[0, 0, 0, 1, 1].tolist() == [2 * 8, 2 * 10]
    assert speed.weights[0, 1, 1, 0, 0].tolist() == [2 * 29, 0]
    assert size.weights.shape == (1, 2, 2, 4, 4)
    assert size.weights[0, 0, 0, 1].tolist() == [7, 8, 9, 10]
    assert size.weights[0, 1, 1, 0].tolist() == [29, 30, 0, 0]
    folded = 10 + 3 * sum(range(1, 7))
    assert speed.tiles[0].bias[0] == 2 * folded
    assert size.tiles[0].bias[0] == folded
    assert speed.tiles[1].bias[1:] == (0, 0, 0)
