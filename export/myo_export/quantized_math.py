"""Exact integer arithmetic of int8 networks: what a layer's scales become, and tables of functions.

Everything here repeats, bit for bit, what TensorFlow Lite for Microcontrollers computes when it prepares a
layer (double or single precision where it uses them) or evaluates one word (Python integers). The C side of
the same arithmetic is ``firmware/core/nn/myo_fixed_point.h``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

INT8_MIN, INT8_MAX = -128, 127
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


@dataclass(frozen=True)
class Factor:
    """A real factor ``multiplier * 2 ** (shift - 31)``.

    Attributes
    ----------
    multiplier : int
        Q31, 0 or of magnitude 2**30 .. 2**31 - 1.
    shift : int
        -31 .. 30.
    """

    multiplier: int
    shift: int


def round_half_away(x: float) -> int:
    """Round to the nearest integer, halves away from zero."""
    return math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5)


def quantize_factor(real: float) -> Factor:
    """Express a real factor as a Q31 multiplier and a shift.

    Parameters
    ----------
    real : float
        Finite; factors under about 2**-32 become 0.

    Returns
    -------
    Factor
        The nearest pair. The shift is not limited from above: callers refuse what exceeds 30.
    """
    if real == 0.0:
        return Factor(0, 0)
    fraction, shift = math.frexp(real)
    multiplier = round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return Factor(0, 0)
    return Factor(multiplier, shift)


def wrap_int32(x: int) -> int:
    """Reduce modulo 2**32 to a signed 32-bit number."""
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


def clamp_int8(x: int, low: int = INT8_MIN, high: int = INT8_MAX) -> int:
    """Hold x within low .. high."""
    return max(low, min(high, x))


def mul_q31(a: int, b: int) -> int:
    """Product of two Q31 numbers, halves up; saturates -1 * -1."""
    return min((a * b + (1 << 30)) >> 31, INT32_MAX)


def shift_right_rounded(a: int, bits: int) -> int:
    """Divide by 2**bits, halves away from zero."""
    mask = (1 << bits) - 1
    threshold = (mask >> 1) + (1 if a < 0 else 0)
    return (a >> bits) + (1 if (a & mask) > threshold else 0)


def shift_left_saturating(a: int, bits: int) -> int:
    """Multiply by 2**bits, held within int32."""
    limit = (1 << (31 - bits)) - 1
    if a > limit:
        return INT32_MAX
    return INT32_MIN if a < -limit else a << bits


def scale(a: int, factor: Factor) -> int:
    """Multiply an int32 by a factor with the two roundings of ``myo_fx_scale``."""
    if factor.shift > 0:
        return mul_q31(wrap_int32(a << factor.shift), factor.multiplier)
    return shift_right_rounded(mul_q31(a, factor.multiplier), -factor.shift)


# Transcendental functions in Q31. exp(-2**k), k = -2 .. 4, for the bits of a multiple of 1/4.
_EXP_MINUS_POWER_Q31 = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_MINUS_EIGHTH_Q31 = 1895147668
_THIRD_Q31 = 715827883
_NEWTON_CONSTANT_Q29 = 1515870810  # 48/17
_NEWTON_SLOPE_Q29 = -1010580540  # -32/17
_ONE_Q29 = 1 << 29


def _exp_last_quarter(a_q31: int) -> int:
    x = a_q31 + (1 << 28)
    x2 = mul_q31(x, x)
    x3 = mul_q31(x2, x)
    x4_fourth = shift_right_rounded(mul_q31(x2, x2), 2)
    tail = shift_right_rounded(mul_q31(x4_fourth + x3, _THIRD_Q31) + x2, 1)
    return _EXP_MINUS_EIGHTH_Q31 + mul_q31(_EXP_MINUS_EIGHTH_Q31, x + tail)


def _exp_negative(a: int, integer_bits: int) -> int:
    """exp(a) for a <= 0 in Q(integer_bits).(31 - integer_bits), as Q31."""
    if a == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (a & (quarter - 1)) - quarter
    multiple = rest - a
    result = _exp_last_quarter(rest << integer_bits)
    for k, factor in zip(range(-2, integer_bits), _EXP_MINUS_POWER_Q31, strict=False):
        if (multiple >> (fraction_bits + k)) & 1:
            result = mul_q31(result, factor)
    return result


def _reciprocal_of_half_denominator(a_q31: int) -> int:
    """2 / (1 + a) for a in [0, 1), Q31 to Q2.29, by three Newton steps."""
    d = (a_q31 + INT32_MAX + 1) // 2
    x = _NEWTON_CONSTANT_Q29 + mul_q31(d, _NEWTON_SLOPE_Q29)
    for _ in range(3):
        x += shift_left_saturating(mul_q31(x, _ONE_Q29 - mul_q31(d, x)), 2)
    return x


def logistic_q31(a_q27: int) -> int:
    """1 / (1 + exp(-a)) of a number in Q4.27, as Q31."""
    if a_q27 == 0:
        return 1 << 30
    positive = shift_left_saturating(_reciprocal_of_half_denominator(_exp_negative(-abs(a_q27), 4)), 1)
    return positive if a_q27 > 0 else INT32_MAX - positive


def tanh_q31(a_q27: int) -> int:
    """tanh(a) of a number in Q4.27, as Q31: (1 - e) / (1 + e) with e = exp(-2 |a|)."""
    if a_q27 == 0:
        return 0
    x = _reciprocal_of_half_denominator(
        _exp_negative(-abs(a_q27), 5)
    )  # Q4.27 read as Q5.26 is twice the number
    magnitude = shift_left_saturating(x - _ONE_Q29, 2)
    return magnitude if a_q27 > 0 else -magnitude


@dataclass(frozen=True)
class Quantization:
    """Scale and zero point of an int8 activation; the real number is ``(q - zero_point) * scale``."""

    scale: float
    zero_point: int


def _quantize_bound(real: float, scale: float) -> int:
    """Bring a clamp's bound to steps; in single precision, unlike the factors of scaling."""
    return round_half_away(float(np.float32(real) / np.float32(scale)))


def activation_range(activation: str, output: Quantization) -> tuple[int, int] | None:
    """Clamp that a fused activation puts on int8 outputs.

    Parameters
    ----------
    activation : str
        ``NONE``, ``RELU``, ``RELU6`` or ``RELU_N1_TO_1``.
    output : Quantization
        Of the layer's output.

    Returns
    -------
    tuple of int or None
        (low, high); None where 6 / scale leaves int32, or where no int8 value lies within the range.
    """
    bounds = {"NONE": (), "RELU": (0.0,), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}[activation]
    if any(abs(real) / output.scale > INT32_MAX - 256 for real in bounds):
        return None
    ends = [output.zero_point + _quantize_bound(real, output.scale) for real in bounds]
    low = max(INT8_MIN, *ends[:1]) if ends else INT8_MIN
    high = min(INT8_MAX, *ends[1:]) if len(ends) > 1 else INT8_MAX
    return (low, high) if low <= high else None


def table_of(function: Callable[[int], int]) -> np.ndarray:
    """Tabulate a function of int8 over -128 .. 127, int8[256]."""
    return np.array([function(q) for q in range(INT8_MIN, INT8_MAX + 1)], np.int8)


def requantize_table(source: Quantization, target: Quantization) -> np.ndarray:
    """Table that brings an activation to another scale and zero point."""
    factor = quantize_factor(source.scale / target.scale)
    return table_of(lambda q: clamp_int8(scale(q - source.zero_point, factor) + target.zero_point))


def relu_table(source: Quantization, target: Quantization) -> np.ndarray:
    """Table of max(x, 0), with a change of scale."""
    factor = quantize_factor(source.scale / target.scale)
    low = max(INT8_MIN, target.zero_point)
    return table_of(lambda q: clamp_int8(scale(q - source.zero_point, factor) + target.zero_point, low))


def relu6_table(source: Quantization) -> np.ndarray:
    """Table of min(max(x, 0), 6); no change of scale."""
    six = clamp_int8(source.zero_point + _quantize_bound(6.0, source.scale))
    return table_of(lambda q: max(source.zero_point, min(six, q)))


def leaky_relu_table(source: Quantization, target: Quantization, alpha: float) -> np.ndarray:
    """Table of x for x >= 0, alpha * x else."""
    identity = quantize_factor(source.scale / target.scale)
    slope = quantize_factor(source.scale * alpha / target.scale)

    def one(q: int) -> int:
        x = q - source.zero_point
        return clamp_int8(target.zero_point + scale(x, identity if x >= 0 else slope))

    return table_of(one)


def _sigmoid_table(source: Quantization, one: Callable[[int], int]) -> np.ndarray | None:
    factor = quantize_factor(source.scale * float(1 << 27))  # to Q4.27
    if factor.shift < 0 or factor.multiplier == 0:
        return None
    radius = math.floor(15.0 * float(1 << 27) / 2.0**factor.shift)  # from here on the function is saturated

    def word(q: int) -> int:
        x = q - source.zero_point
        if x <= -radius:
            return INT8_MIN
        if x >= radius:
            return INT8_MAX
        return clamp_int8(one(scale(x, factor)))

    return table_of(word)


def logistic_table(source: Quantization) -> np.ndarray | None:
    """Table of 1 / (1 + exp(-x)); the output has scale 1/256 and zero point -128; None: no room for it."""
    return _sigmoid_table(source, lambda a: shift_right_rounded(logistic_q31(a), 23) - 128)


def tanh_table(source: Quantization) -> np.ndarray | None:
    """Table of tanh(x); the output has scale 1/128 and zero point 0; None: no room for the scale."""
    return _sigmoid_table(source, lambda a: shift_right_rounded(tanh_q31(a), 24))


def _saturate_int16(x: int) -> int:
    return max(-32768, min(32767, x))


def _mul_q15(a: int, b: int) -> int:
    return min((a * b + (1 << 14)) >> 15, 32767)


def hard_swish_table(source: Quantization, target: Quantization) -> np.ndarray | None:
    """Table of x * min(max(x + 3, 0), 6) / 6, computed in Q15 as the format prescribes.

    Returns
    -------
    numpy.ndarray or None
        int8[256]; None where the scales are so far apart that the format's 16 bits have no room for them.
    """
    fine_scale = source.scale / 128.0
    to_output = quantize_factor(fine_scale / target.scale)
    to_reluish = quantize_factor(fine_scale / (3.0 / 32768.0))
    if not -15 <= to_output.shift <= 0 or not -15 <= to_reluish.shift <= 30:
        return None

    def q15(factor: Factor) -> int:
        return 32767 if factor.multiplier >= INT32_MAX - (1 << 15) else (factor.multiplier + (1 << 15)) >> 16

    def one(q: int) -> int:
        fine = (q - source.zero_point) << 7
        on_output = _mul_q15(fine, q15(to_output))
        reluish = fine
        if to_reluish.shift > 0:
            reluish = _saturate_int16(reluish << (to_reluish.shift - 1))
        reluish = _mul_q15(reluish, q15(to_reluish))
        if to_reluish.shift > 0:
            reluish = _saturate_int16(reluish << 1)
        elif to_reluish.shift < 0:
            reluish = shift_right_rounded(reluish, -to_reluish.shift)
        gate = (reluish + 32768) >> 1
        product = gate * on_output
        product = product >> 15 if product >= 0 else -(-product >> 15)  # toward zero
        return clamp_int8(shift_right_rounded(product, -to_output.shift) + target.zero_point)

    return table_of(one)


@dataclass(frozen=True)
class SoftmaxFactors:
    """Input scaling of a softmax: differences to the row's maximum in Q5.26, and the lowest that counts."""

    multiplier: int
    left_shift: int
    lowest: int

    def exp_table(self) -> np.ndarray:
        """Tabulate exp(-i * scale * beta) for the differences i = 0, 1, ... that count, int32 in Q31."""
        return np.array(
            [
                _exp_negative(mul_q31(wrap_int32(-i << self.left_shift), self.multiplier), 5)
                for i in range(min(-self.lowest, INT8_MAX - INT8_MIN) + 1)
            ],
            np.int32,
        )


def softmax_factors(source: Quantization, beta: float) -> SoftmaxFactors | None:
    """Scaling of a softmax's inputs.

    Returns
    -------
    SoftmaxFactors or None
        None where scale * beta is under 2**-26 (or not positive): the format has no room for it.
    """
    real = min(beta * source.scale * float(1 << 26), float(INT32_MAX))
    if not real > 1.0:
        return None
    factor = quantize_factor(real)
    lowest = -math.floor(31.0 * float(1 << 26) / float(1 << factor.shift))
    return SoftmaxFactors(factor.multiplier, factor.shift, lowest)
