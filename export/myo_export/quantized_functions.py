"""Tables of functions whose arithmetic the format takes from single precision, or that need more than a factor."""

import math
from typing import Final

import numpy as np

from myo_export import quantized_math as q
from myo_export.quantized_math import Quantization

_WORDS: Final = np.arange(q.INT8_MIN, q.INT8_MAX + 1)
_NEWTON_STEPS: Final = 5
_ONE_Q28: Final = 1 << 28
_HALF_SQRT_2_Q31: Final = 1518500250
_RSQRT_HEADROOM_BITS: Final = 20


def elu(x: np.ndarray) -> np.ndarray:
    """Exponential minus 1 of what is negative, the rest as it is; float32, every step rounded."""
    return np.where(x < 0, exp(np.minimum(x, np.float32(0))) - np.float32(1), x)


def exp(x: np.ndarray) -> np.ndarray:
    """Exponential in float32, correctly rounded (as the C library's is but for some in 1000 arguments)."""
    with np.errstate(over="ignore"):  # to infinity, which the caller looks for
        return np.exp(x.astype(np.float64)).astype(np.float32)


def dequantize(source: Quantization) -> np.ndarray:
    """Numbers of all words, float32[256]; the product is exact before it is rounded."""
    with np.errstate(over="ignore"):  # to infinity, as the runtime's float32
        return np.asarray((_WORDS - source.zero_point) * source.scale, np.float32)


def quantize_numbers(x: np.ndarray, target: Quantization) -> np.ndarray:
    """Words of float32 numbers, as QUANTIZE makes them: a division, halves away from zero; int8."""
    return _words(x / np.float32(target.scale), target.zero_point)


def _words(steps: np.ndarray, zero_point: int) -> np.ndarray:
    rounded = np.trunc(steps.astype(np.float64) + np.copysign(0.5, steps))
    return np.asarray(np.clip(rounded + zero_point, q.INT8_MIN, q.INT8_MAX), np.int8)


def elu_table(source: Quantization, target: Quantization) -> np.ndarray:
    """Table of x for x >= 0, exp(x) - 1 else; the format multiplies by the inverse of the output's scale."""
    inverse = np.float32(1) / np.float32(target.scale)
    return _words(elu(dequantize(source)) * inverse, target.zero_point)


def abs_table(source: Quantization, target: Quantization) -> np.ndarray:
    """Table of |x|, with a change of scale."""
    factor = q.quantize_factor(source.scale / target.scale)
    return q.table_of(lambda x: q.clamp_int8(q.scale(abs(x - source.zero_point), factor) + target.zero_point))


def _inverse_sqrt(x: int) -> q.Factor:
    """1 / sqrt(x) of a positive integer, by Newton's method on y = 1 / sqrt(d), d in [1/2, 2).

    Each step is y * (3 - d * y^2) / 2, in Q3.28.
    """
    if x == 1:
        return q.Factor(q.INT32_MAX, 0)
    pairs = (32 - x.bit_length() - 1) // 2 - 1  # of bits that x is raised by
    shift = 11 - pairs
    d_q28 = (x << (2 * pairs)) >> 1
    half_d = q.shift_right_rounded(d_q28, 1)
    y = _ONE_Q28
    for _ in range(_NEWTON_STEPS):
        cube = q.shift_left_saturating(q.mul_q31(q.mul_q31(y, y), y), 6)  # Q9.22 to Q3.28
        step = q.mul_q31(_ONE_Q28 + (_ONE_Q28 >> 1), y) - q.mul_q31(half_d, cube)
        y = q.shift_left_saturating(step, 3)  # Q6.25 to Q3.28
    multiplier = q.mul_q31(y, _HALF_SQRT_2_Q31)
    if shift < 0:
        multiplier, shift = q.wrap_int32(multiplier << -shift), 0
    return q.Factor(multiplier, -shift)


def rsqrt_table(source: Quantization, target: Quantization) -> np.ndarray | None:
    """Table of 1 / sqrt(x), 127 for 0; the input's zero point is -128, so that no word is negative.

    Returns
    -------
    numpy.ndarray or None
        None where the scales are so far apart that the format has no room for their ratio.
    """
    factor = q.quantize_factor(1.0 / (math.sqrt(source.scale) * target.scale))
    if not -31 <= factor.shift - _RSQRT_HEADROOM_BITS <= 30:
        return None

    def one(word: int) -> int:
        x = word - source.zero_point
        if x == 0:
            return q.INT8_MAX
        root = _inverse_sqrt(x)
        raised = q.scale(1, q.Factor(root.multiplier, root.shift + _RSQRT_HEADROOM_BITS))
        scaled = q.scale(raised, q.Factor(factor.multiplier, factor.shift - _RSQRT_HEADROOM_BITS))
        return q.clamp_int8(scaled + target.zero_point)

    return q.table_of(one)


def all_finite(x: np.ndarray) -> bool:
    """Whether every number is one, and of a size that an int32 holds."""
    return bool(np.all(np.abs(x) < math.ldexp(1, 30)))
