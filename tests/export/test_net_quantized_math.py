"""The integer arithmetic by itself: against exact rationals and float functions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myo_export import quantized_math as q

int32 = st.integers(q.INT32_MIN, q.INT32_MAX)
reals = st.floats(2.0**-30, 2.0**20, allow_nan=False)


@given(reals)
def test_factor_is_the_nearest(real):
    factor = q.quantize_factor(real)
    assert 1 << 30 <= factor.multiplier <= q.INT32_MAX
    # A Q31 multiplier in [0.5, 1) is within half a step of 2^-31: relative error at most 2^-31.
    value = Fraction(factor.multiplier) * Fraction(2) ** (factor.shift - 31)
    assert abs(value - Fraction(real)) <= Fraction(real) * Fraction(1, 2**31)


def test_factor_ends():
    assert q.quantize_factor(0.0) == q.Factor(0, 0)
    assert q.quantize_factor(2.0**-40) == q.Factor(0, 0)
    assert q.quantize_factor(1.0) == q.Factor(1 << 30, 1)
    assert q.quantize_factor(float(np.nextafter(1.0, 0.0))) == q.Factor(1 << 30, 1)


@given(int32, int32)
def test_product_is_within_half_a_step(a, b):
    exact = Fraction(a * b, 1 << 31)
    if (a, b) == (q.INT32_MIN, q.INT32_MIN):
        assert q.mul_q31(a, b) == q.INT32_MAX
    else:
        assert abs(q.mul_q31(a, b) - exact) <= Fraction(1, 2)


@given(int32, st.integers(0, 31))
def test_shift_rounds_halves_away(a, bits):
    exact = Fraction(a, 1 << bits)
    result = q.shift_right_rounded(a, bits)
    assert abs(result - exact) <= Fraction(1, 2)
    if abs(result - exact) == Fraction(1, 2):
        assert abs(result) > abs(exact)


@given(st.integers(-(2**20), 2**20), reals)
def test_scale_is_within_its_two_roundings(a, real):
    """Each rounding is worth half a step where it happens; the first one is shifted with the value."""
    factor = q.quantize_factor(min(real, 512.0))
    exact = a * Fraction(factor.multiplier) * Fraction(2) ** (factor.shift - 31)
    bound = Fraction(1, 2) + Fraction(1, 2) * Fraction(2) ** min(factor.shift, 0)
    assert abs(q.scale(a, factor) - exact) <= bound


@pytest.mark.parametrize("scale", [0.003, 0.02, 0.0625, 0.31])
@pytest.mark.parametrize("zero_point", [-128, 3, 127])
def test_tables_follow_their_functions(scale, zero_point):
    """Within one step of the float function, rounded: the polynomial's error is far below a step of 1/256."""
    x = (np.arange(-128, 128) - zero_point) * scale
    source = q.Quantization(scale, zero_point)
    target = q.Quantization(scale * 1.1, -7)

    def near(table, real, quantization):
        expected = np.clip(np.round(real / quantization.scale) + quantization.zero_point, -128, 127)
        assert table is not None
        assert np.max(np.abs(table - expected)) <= 1

    near(q.logistic_table(source), 1 / (1 + np.exp(-x)), q.Quantization(1 / 256, -128))
    near(q.tanh_table(source), np.tanh(x), q.Quantization(1 / 128, 0))
    near(q.relu_table(source, target), np.maximum(x, 0), target)
    near(q.leaky_relu_table(source, target, 0.1), np.where(x >= 0, x, 0.1 * x), target)
    near(q.requantize_table(source, target), x, target)
    near(q.relu6_table(source), np.clip(x, 0, 6), source)
    near(q.hard_swish_table(source, target), x * np.clip(x + 3, 0, 6) / 6, target)


def test_formats_without_room_give_none():
    tiny, one = q.Quantization(1e-12, 0), q.Quantization(1.0, 0)
    assert q.logistic_table(tiny) is None
    assert q.hard_swish_table(one, tiny) is None
    assert q.softmax_factors(tiny, 1.0) is None
    assert q.softmax_factors(one, float("nan")) is None
    assert q.activation_range("RELU6", tiny) is None
    assert q.activation_range("RELU6", one) == (0, 6)
    assert q.activation_range("RELU_N1_TO_1", q.Quantization(0.5, 127)) == (125, 127)
