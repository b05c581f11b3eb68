"""The word that a binary layer makes of two, in Python integers: the twin of ``elementwise.c``."""

from collections.abc import Callable
from typing import Final

from myo_export import quantized_math as q
from myo_export.lowered import Add, Binary, Extremum, Mul, Prelu, SquaredDifference

# Bits by which operands are raised before they are scaled; what the format prescribes for int8.
ADD_HEADROOM_BITS: Final = 20
SQUARED_DIFFERENCE_HEADROOM_BITS: Final = 7


def word_function(layer: Binary) -> Callable[[int, int], int]:
    """Give the function of two int8 words that a binary layer computes.

    Parameters
    ----------
    layer : Binary
        Lowered layer; how its operands meet does not matter.

    Returns
    -------
    callable
        From the words of ``a`` and ``b`` to the output's word.
    """
    match layer:
        case Add():
            return lambda a, b: _add(layer, a, b)
        case Mul():
            return lambda a, b: q.clamp_int8(
                q.scale((a + layer.offset_a) * (b + layer.offset_b), layer.factor) + layer.zero_point,
                layer.low,
                layer.high,
            )
        case SquaredDifference():
            return lambda a, b: _squared_difference(layer, a, b)
        case Prelu():
            return lambda a, b: _prelu(layer, a, b)
        case Extremum():
            return max if layer.kind == "maximum" else min


def _add(layer: Add, a: int, b: int) -> int:
    scaled_a = q.scale((a + layer.offset_a) << ADD_HEADROOM_BITS, layer.factor_a)
    scaled_b = q.scale((b + layer.offset_b) << ADD_HEADROOM_BITS, layer.factor_b)
    scaled = q.scale(scaled_a + layer.sign * scaled_b, layer.factor_output)
    return q.clamp_int8(scaled + layer.zero_point, layer.low, layer.high)


def _squared_difference(layer: SquaredDifference, a: int, b: int) -> int:
    scaled_a = q.scale((a + layer.offset_a) << SQUARED_DIFFERENCE_HEADROOM_BITS, layer.factor_a)
    scaled_b = q.scale((b + layer.offset_b) << SQUARED_DIFFERENCE_HEADROOM_BITS, layer.factor_b)
    return q.clamp_int8(q.scale((scaled_a - scaled_b) ** 2, layer.factor_output) + layer.zero_point)


def _prelu(layer: Prelu, a: int, b: int) -> int:
    x = a + layer.offset_a
    scaled = q.scale(x, layer.factor) if x >= 0 else q.scale(x * (b + layer.offset_b), layer.factor_slope)
    return q.clamp_int8(scaled + layer.zero_point)
