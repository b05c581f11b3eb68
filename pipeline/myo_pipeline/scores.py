"""From scores to the int8 outputs that a patch decides by: logits below the highest, and their softmax, in integers.

On the device they are ``firmware/core/classical/myo_scores.h`` and ``firmware/core/nn/softmax.c``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOGIT_BITS: Final = 5  # a logit's step is 2^-5
LOGIT_STEP: Final = 2.0**-LOGIT_BITS
LOGIT_ZERO: Final = 127  # the highest score's word; what is 255 steps below saturates
LOWEST_LOGIT: Final = -255 * LOGIT_STEP
SHARE_STEP: Final = 1 / 256
SHARE_ZERO: Final = -128
HIGHEST_SHARE: Final = 255 / 256

# exp(-7) is a quarter of a step of the output: words that are further below the highest count as nothing.
N_EXP: Final = 224
_SUM_BITS: Final = 12  # integer bits of the sum of exponentials
_Q31_MAX: Final = 2**31 - 1


def make_exp_table() -> NDArray[np.int32]:
    """Return exponentials in Q31 of words that are 0, 1, .. steps below the highest."""
    exact = np.exp(-np.arange(N_EXP) * LOGIT_STEP) * 2.0**31
    return np.asarray(np.minimum(np.rint(exact), _Q31_MAX), np.int32)


def to_logits(scores: NDArray[np.int64], shift: int) -> NDArray[np.int8]:
    """Return logits of integer scores, halves of a step going further below.

    Parameters
    ----------
    scores
        (n_windows, n_outputs), each ``score * 2^-(shift + LOGIT_BITS)``.
    shift
        0 .. 31.
    """
    below = scores.max(axis=1, keepdims=True) - scores
    steps = (below + ((1 << shift) >> 1)) >> shift
    return np.asarray(LOGIT_ZERO - np.minimum(steps, 255), np.int8)


def to_float_logits(scores: Floats) -> Floats:
    """Return what :func:`to_logits` rounds: scores less the highest, limited to what a word holds."""
    return np.asarray(np.maximum(scores - scores.max(axis=1, keepdims=True), LOWEST_LOGIT), np.float64)


def _multiply_q31(a: NDArray[np.int64], b: NDArray[np.int64] | int) -> NDArray[np.int64]:
    return (a * b + (1 << 30)) >> 31


def _shift_rounded(a: NDArray[np.int64], bits: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Shift right numbers that are not negative, halves up."""
    one = np.int64(1)
    return np.asarray((a + (one << (np.asarray(bits, np.int64) - 1))) >> bits, np.int64)


def _shift_saturating(a: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    return np.asarray(np.clip(a << bits, -(2**31), _Q31_MAX), np.int64)


def softmax_words(logits: NDArray[np.int8], exp_q31: NDArray[np.int32]) -> NDArray[np.int8]:
    """Return the softmax of logits, scale 1/256 and zero point -128: what ``myo_softmax_run`` gives, word for word.

    Parameters
    ----------
    logits
        (n_windows, n_outputs).
    exp_q31
        Of :func:`make_exp_table`, as the bundle holds it.
    """
    words = logits.astype(np.int64)
    below = words.max(axis=1, keepdims=True) - words
    counts = below < len(exp_q31)
    exponentials = np.where(counts, exp_q31.astype(np.int64)[np.minimum(below, len(exp_q31) - 1)], 0)
    sums = _shift_rounded(exponentials, _SUM_BITS).sum(axis=1, keepdims=True)
    headroom = 32 - np.frexp(sums.astype(np.float64))[1].astype(np.int64)  # leading zeros of 32 bits
    fraction = (sums << headroom) & _Q31_MAX
    scale = _reciprocal_of_one_plus(fraction)
    shares = _shift_rounded(_multiply_q31(scale, exponentials), _SUM_BITS + 31 - 8 - headroom) - 128
    return np.where(counts, np.clip(shares, -128, 127), -128).astype(np.int8)


def _reciprocal_of_one_plus(a_q31: NDArray[np.int64]) -> NDArray[np.int64]:
    """Newton's method as in softmax.c, which says why."""
    d = (a_q31 + 2**31) // 2
    x = 1515870810 + _multiply_q31(d, -1010580540)
    for _ in range(3):
        x = x + _shift_saturating(_multiply_q31(x, (1 << 29) - _multiply_q31(d, x)), 2)
    return _shift_saturating(x, 1)


def to_shares(scores: Floats) -> Floats:
    """Return the softmax of scores, limited to what the output holds."""
    z = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(np.minimum(z / z.sum(axis=1, keepdims=True), HIGHEST_SHARE), np.float64)
