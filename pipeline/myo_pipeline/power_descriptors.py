"""Time-domain power spectral descriptors of a window: float, integer, bound.

Root-mean-square moments of the signal and its first two differences, ``m0, m2, m4``, each taken to the power LAMBDA and
divided by it. ``descriptors`` are three of size, ``ln m0``, ``ln |m0 - m2|``, ``ln |m0 - m4|``, and three of shape:
sparseness ``ln (m0 / sqrt(|m0 - m2| |m0 - m4|))``, irregularity ``ln (m2 / sqrt(m0 m4))``, and waveform length ratio
``ln (sum |d| / sum |d'|)``. Al-Timemy's last step, which compares them with those of ``ln x^2``, is not made.

In integers, words are base-2 logarithms in Q20.

References
----------
Al-Timemy et al. 2016, IEEE Trans. Neural Syst. Rehabil. Eng. 24(6), doi:10.1109/TNSRE.2015.2445634.
Khushaba et al. 2014, Neural Networks 55, doi:10.1016/j.neunet.2014.03.010.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myo_pipeline import fixed_math as fm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LAMBDA = 0.1
LEAST_GAP = 2.0**-30  # between two moments that happen to be equal, as a share of the first
#: Largest window: a sum of second differences fits 32 bits.
MAX_WINDOW = 32_767
SCALE = float(np.log(2)) * 2.0**-20

_FOUR_FIFTHS = 3_435_973_837  # 0.8 * 2^32: half of LAMBDA, from Q16 to Q20
_TWO_FIFTHS = 1_717_986_918  # 0.4 * 2^32
_TO_EXPONENT = 53_687_091  # 51.2 * 2^20: half of LAMBDA, from Q16 to Q26


def size_offset(word_shift: int) -> float:
    """Offset of the three descriptors of size: words are of ``m`` in words, without the division by LAMBDA."""
    return float(-np.log(LAMBDA) - LAMBDA * word_shift * np.log(2))


# ---- float ----


def descriptors(x: Floats, lsb: float) -> Floats:
    """Describe windows.

    Parameters
    ----------
    x
        Windows in counts, (n_windows, n_samples, n_channels).
    lsb
        One word in counts: sums of squares are no less than its square, of sizes no less than it. Gaps between moments are
        no less than :data:`LEAST_GAP` of the first.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, 6, n_channels).
    """
    steps, bends = np.diff(x, axis=1), np.diff(x, 2, axis=1)
    m0, m2, m4 = (
        (np.maximum((v**2).sum(axis=1), lsb**2) / v.shape[1]) ** (LAMBDA / 2) / LAMBDA
        for v in (x, steps, bends)
    )
    length, bend = (np.maximum(np.abs(v).sum(axis=1), lsb) for v in (steps, bends))
    gap_2, gap_4 = (np.log(np.maximum(np.abs(m0 - m), m0 * LEAST_GAP)) for m in (m2, m4))
    return np.stack([
        np.log(m0), gap_2, gap_4, np.log(m0) - (gap_2 + gap_4) / 2,
        np.log(m2) - (np.log(m0) + np.log(m4)) / 2, np.log(length / bend),
    ], axis=1)  # fmt: skip


# ---- integer ----


def _log2_mean(total: Ints, n: int) -> Ints:
    return fm.log2_q16(np.maximum(total, 1)) - fm.log2_q16(np.array(n))


def _log2_gap(other: Ints, first: Ints) -> Ints:
    """Logarithm of ``|1 - (other / first)^(LAMBDA / 2)|`` in Q16, at least -30."""
    power = fm.exp2_q30(fm.shift_nearest((other - first) * _TO_EXPONENT, 20))
    return fm.log2_q16(np.maximum(np.abs((1 << 30) - power), 1)) - (30 << 16)


def descriptor_words(squares: tuple[Ints, Ints, Ints], lengths: tuple[Ints, Ints], n: int) -> Ints:
    """Twin of :func:`descriptors` from exact sums.

    Parameters
    ----------
    squares
        Of samples, steps and second differences, each (n_windows, n_channels).
    lengths
        Sums of sizes of steps and of second differences.
    n
        Samples of a window.
    """
    m0, m2, m4 = (_log2_mean(total, n - k) for k, total in enumerate(squares))
    gap_2, gap_4 = _log2_gap(m2, m0), _log2_gap(m4, m0)
    size = fm.shift_nearest(m0 * _FOUR_FIFTHS, 32)
    length, bend = (fm.log2_q16(np.maximum(v, 1)) for v in lengths)
    return np.stack([
        size, size + (gap_2 << 4), size + (gap_4 << 4), -((gap_2 + gap_4) << 3),
        fm.shift_nearest((2 * m2 - m0 - m4) * _TWO_FIFTHS, 32), (length - bend) << 4,
    ], axis=1)  # fmt: skip


# ---- bound ----

Pair = tuple[Floats, Floats]
_UNIT = 2.0**-16
#: Of a logarithm of a mean: two of the table's.
_OF_MEAN = 2 * fm.LOG2_ERROR * _UNIT
_OF_WORD = 2.0**-20  # half a unit of Q20, and the constants' rounding


def _log_square(v: Floats, deviation: float) -> Pair:
    """Give the ends of the logarithm of a mean square where each entry may deviate by so much, and the table's error."""
    n = v.shape[1]
    norm, by = np.sqrt((v**2).sum(axis=1)), deviation * np.sqrt(n)
    low, high = (2 * np.log2(np.maximum(end, 1)) - np.log2(n) for end in (norm - by, norm + by))
    return low - _OF_MEAN, high + _OF_MEAN


def _log_length(v: Floats, deviation: float) -> Pair:
    size = np.abs(v)
    low, high = (np.maximum(size - deviation, 0).sum(axis=1), (size + deviation).sum(axis=1))
    error = fm.LOG2_ERROR * _UNIT
    return np.log2(np.maximum(low, 1)) - error, np.log2(np.maximum(high, 1)) + error


def _log_gap(other: Pair, first: Pair) -> Pair:
    """Give the ends of ``log2 |1 - 2^(LAMBDA / 2 (other - first))|``; minus infinity where the gap may close."""
    by = 2.0**-26 + fm.EXP2_ERROR * 2.0**-30
    ends = [2 ** (LAMBDA / 2 * y) for y in (other[0] - first[1], other[1] - first[0])]
    low, high = ends[0] * (1 - by) - by, ends[1] * (1 + by) + by
    smallest = np.where(low > 1, low - 1, np.where(high < 1, 1 - high, 0))
    largest = np.maximum(np.abs(low - 1), np.abs(high - 1))
    error = fm.LOG2_ERROR * _UNIT
    with np.errstate(divide="ignore"):
        return np.log2(smallest) - error, np.log2(largest) + error


def bound_descriptors(u: Floats, off: float = 0.5) -> Floats:
    """Largest distance of the twin's descriptors from the float ones, for windows in units of words, each off by ``off``.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, 6, n_channels); infinite where two moments may be equal.
    """
    steps, bends = np.diff(u, axis=1), np.diff(u, 2, axis=1)
    m0, m2, m4 = _log_square(u, off), _log_square(steps, 2 * off), _log_square(bends, 4 * off)
    gap_2, gap_4 = _log_gap(m2, m0), _log_gap(m4, m0)
    length, bend = _log_length(steps, 2 * off), _log_length(bends, 4 * off)
    half = LAMBDA / 2
    ends = [
        tuple(half * v for v in m0),
        *(tuple(half * v + w for v, w in zip(m0, gap, strict=True)) for gap in (gap_2, gap_4)),
        tuple(-(v + w) / 2 for v, w in zip(gap_2[::-1], gap_4[::-1], strict=True)),
        tuple(half * (m2[e] - (m0[1 - e] + m4[1 - e]) / 2) for e in (0, 1)),
        tuple(length[e] - bend[1 - e] for e in (0, 1)),
    ]
    at = descriptors(u, 1.0)
    at[:, :3] += np.log(LAMBDA)
    at /= np.log(2)
    low, high = (np.stack([end[e] for end in ends], axis=1) for e in (0, 1))
    with np.errstate(invalid="ignore"):
        bound = np.maximum(high - at, at - low) + _OF_WORD
    return np.asarray(np.where(np.isfinite(bound), bound, np.inf) * np.log(2))
