"""Integer mathematics of the device, word for word: the twin of ``firmware/core/dsp/myo_fixed_math.h``.

"Nearest" rounds halves up. Arrays of Python integers (``dtype=object``) are taken wherever 64 bits would not do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)

#: log2(1 + k / 256) in Q16.
LOG2_TABLE = np.floor(np.log2(1 + np.arange(257) / 256) * 65536 + 0.5).astype(np.int64)

#: Largest error of :func:`log2_q16` in units of 2^-16: half a unit for the table's entries (a mean of two of them
#: is no worse), h^2 / 8 * max |f''| for the chord (h = 1/256), the fraction cut at 2^-24, half for the last rounding.
LOG2_ERROR = 0.5 + 65536 / (8 * 256**2 * math.log(2)) + 65536 * 2.0**-24 / math.log(2) + 0.5


def log2_q16(v: NDArray[np.integer]) -> NDArray[np.int64]:
    """Base-2 logarithm of integers ``1 <= v < 2^62`` in Q16, within :data:`LOG2_ERROR` units.

    From the 32 leading bits: an entry of :data:`LOG2_TABLE` chosen by eight of them, linear to the next.
    """
    v = np.asarray(v, np.int64)
    # frexp of a float64 rounds above 2^53: halve where it rounded up to the next power of two.
    exponent = np.frexp(v.astype(np.float64))[1].astype(np.int64) - 1
    exponent -= (v >> exponent) == 0
    mantissa = np.where(
        exponent > 31, v >> np.maximum(exponent - 31, 0), v << np.clip(31 - exponent, 0, 31)
    ).astype(np.int64)
    index = (mantissa >> 23) & 0xFF
    fraction = (mantissa >> 7) & 0xFFFF
    low = LOG2_TABLE[index]
    words: NDArray[np.int64] = (
        (exponent << 16) + low + (((LOG2_TABLE[index + 1] - low) * fraction + 0x8000) >> 16)
    )
    return words


#: sqrt(2) ln(2)^k / k! in Q30: 2^(1/2 + g) around g = 0.
EXP2_TERMS = tuple(
    math.floor(math.sqrt(2) * math.log(2) ** k / math.factorial(k) * 2**30 + 0.5) for k in range(8)
)

#: Largest error of :func:`exp2_q30` in units of 2^-30, for y < 0 (twice that for y in [0, 1)): the terms left out, half
#: a unit for each term and each product with |g| <= 1/2, half for the last shift.
EXP2_ERROR = 2 * (math.log(2) / 2) ** 8 / math.factorial(8) * 2**30 + 2 * (0.5 + 0.5) + 0.5


def exp2_q30(y_q26: NDArray[np.integer]) -> NDArray[np.int64]:
    """``2^y`` in Q30 for ``-31 <= y < 1``, within :data:`EXP2_ERROR` units."""
    y = np.asarray(y_q26, np.int64)
    g = ((y & ((1 << 26) - 1)) - (1 << 25)) << 5  # Q31, from -1/2
    power = np.full_like(y, EXP2_TERMS[-1])
    for term in EXP2_TERMS[-2::-1]:
        power = term + ((power * g + (1 << 30)) >> 31)
    down = -(y >> 26)
    words: NDArray[np.int64] = (power + ((1 << down) >> 1)) >> down
    return words


def sqrt_nearest(v: NDArray[np.integer]) -> NDArray[np.int64]:
    """Nearest integer to the square root of ``0 <= v < 2^62``."""
    v = np.asarray(v, np.int64)
    root = np.sqrt(v.astype(np.float64)).astype(np.int64)
    root -= root * root > v  # float64 is off by one at most
    root += (root + 1) * (root + 1) <= v
    nearest: NDArray[np.int64] = root + (v - root * root > root)
    return nearest


def shift_nearest(v: NDArray[np.integer], shift: int) -> NDArray[np.int64]:
    """Nearest integer to ``v / 2^shift``, limited to int32."""
    v = np.asarray(v, np.int64)
    rounded = (v + (1 << (shift - 1))) >> shift if shift else v
    words: NDArray[np.int64] = np.clip(rounded, INT32_MIN, INT32_MAX)
    return words


def divide_one(a: int, b: int, fraction_bits: int) -> int:
    """Nearest integer to ``a * 2^fraction_bits / b``, at most INT32_MAX, for 0 <= a, b < 2^61; 0 where b is 0."""
    if b == 0:
        return 0
    if fraction_bits >= 0:
        a <<= fraction_bits
    else:
        b <<= -fraction_bits
    return min((2 * a + b) // (2 * b), INT32_MAX)


def divide_nearest(a: NDArray[Any], b: NDArray[Any], fraction_bits: int) -> NDArray[np.int64]:
    """Apply :func:`divide_one` to arrays of one shape."""
    words: NDArray[np.int64] = np.frompyfunc(divide_one, 3, 1)(
        np.asarray(a, object), np.asarray(b, object), fraction_bits
    ).astype(np.int64)
    return words


def cut_mantissa(v: int) -> tuple[int, int]:
    """Return the 61 leading bits of ``v >= 0`` and their exponent; smaller numbers are filled up with zeros."""
    exponent = v.bit_length() - 61
    return (v >> exponent if exponent > 0 else v << -exponent, exponent) if v else (0, 0)


def divide_wide_one(a: int, b: int, fraction_bits: int) -> int:
    """Divide as :func:`divide_one` does, of the 61 leading bits of either."""
    (a, a_exponent), (b, b_exponent) = cut_mantissa(a), cut_mantissa(b)
    return divide_one(a, b, fraction_bits + a_exponent - b_exponent)
