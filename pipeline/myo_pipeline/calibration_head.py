"""The head of a calibrated patch: from a person's windows to scores, word for word as the device computes them.

Behind the network's last fully connected layer but one stands an embedding, int8. A head is one mean of it a class, and the
inverse of the covariance that windows of one person and class have in training (the whole of linear discriminant analysis but
the means). A device that knows a person's windows by sum and count has all that the head needs; the covariance stays as trained.
The C is ``firmware/core/calibration/myo_head.h``.

Formats: sums in the embedding's steps, prior means in Q7, means in Q15, weights in ``2^exponent`` of natural units (which makes
the largest weight fill 16 bits), biases and scores in weight times step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import SpecError
from myo_pipeline.fixed_math import exp2_q30

MAX_WORDS: Final = 128  # of an embedding: the largest whose scores fit int32
MAX_CLASSES: Final = 64  # the largest number whose softmax sums fit 32 bits
MAX_WINDOWS: Final = 60_000  # a class's count; a sum of as many windows fits int32
MAX_SHIFT: Final = 44  # of the precision: beyond, the softmax's shift leaves its word
PRIOR_BITS: Final = 7
MEAN_BITS: Final = 15
LOG2_E_Q30: Final = math.floor(2**30 / math.log(2) + 0.5)

Words = NDArray[np.int64]


def divide_nearest(a: Words, b: Words) -> Words:
    """Nearest integer to ``a / b`` for ``b > 0``, halves up, whatever the sign of ``a``."""
    quotient: Words = (2 * a + b) // (2 * b)
    return quotient


@dataclass(frozen=True)
class HeadConfig:
    """What the export knows of a head; the ``calibration_`` entries of ``twin.npz``.

    Attributes
    ----------
    layer
        Network layer whose output is the embedding; -1: the network's input.
    zero_point
        Of the embedding.
    prior
        Means of the training persons, Q7, int16 (n_classes, n_words), in steps from the zero point.
    precision
        Lower triangle of the inverse covariance by rows, int32 (n_words * (n_words + 1) / 2,): ``word * 2^-precision_shift``.
    precision_shift
        At most :data:`MAX_SHIFT`.
    prior_windows
        Windows that the prior counts as.
    memory_windows
        Windows that a class's earlier calibrations count as at most.
    min_windows
        Windows that every class needs before a head is made.
    """

    layer: int
    zero_point: int
    prior: NDArray[np.int16]
    precision: NDArray[np.int32]
    precision_shift: int
    prior_windows: int
    memory_windows: int
    min_windows: int

    @property
    def n_classes(self) -> int:
        """Classes."""
        return len(self.prior)

    @property
    def n_words(self) -> int:
        """Words of an embedding."""
        return int(self.prior.shape[1])

    @property
    def precision_matrix(self) -> Words:
        """The whole symmetric matrix, (n_words, n_words)."""
        matrix = np.zeros((self.n_words, self.n_words), np.int64)
        rows, columns = np.tril_indices(self.n_words)
        matrix[rows, columns] = matrix[columns, rows] = self.precision
        return matrix

    def to_arrays(self) -> dict[str, Any]:
        """Return the entries of ``twin.npz``."""
        return {f"calibration_{f.name}": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> Self:
        """Read the entries of ``twin.npz``.

        Raises
        ------
        ValueError, TypeError
            If they are none of this version, or contradict each other.
        """
        config = cls(**{name.removeprefix("calibration_"): value for name, value in arrays.items()})
        n_words = config.n_words
        fits = 2 <= config.n_classes <= MAX_CLASSES and 1 <= n_words <= MAX_WORDS
        if not fits or len(config.precision) != n_words * (n_words + 1) // 2:
            raise ValueError(f"a head of {config.n_classes} classes and {n_words} words")
        return config


def quantize_head(
    *,
    layer: int,
    zero_point: int,
    prior: NDArray[np.float64],
    precision: NDArray[np.float64],
    prior_windows: int,
    memory_windows: int,
    min_windows: int,
) -> HeadConfig:
    """Bring prior means and inverse covariance, both in the embedding's steps, to fixed point.

    Raises
    ------
    SpecError
        If the embedding is too wide, or its covariance leaves the range of the format.
    """
    n_classes, n_words = prior.shape
    if n_words > MAX_WORDS or n_classes > MAX_CLASSES:
        raise SpecError(
            f"calibration: the embedding has {n_words} words and {n_classes} classes, at most {MAX_WORDS} and {MAX_CLASSES}: "
            "give the model a smaller layer before its output (model.dense, model.hidden)"
        )
    peak = float(np.abs(precision).max())
    shift = min(MAX_SHIFT, math.floor(math.log2((2**31 - 1) / peak))) if peak > 0 else MAX_SHIFT
    # The softmax's shift is 19 + precision_shift - exponent, and no weight is above n_words * peak * 256.
    if shift < 0 or n_words * peak * 256 >= 2.0**19:
        raise SpecError(
            f"calibration: the inverse covariance reaches {peak:.3g} in the embedding's steps: raise calibration.shrinkage"
        )
    words = np.rint(precision[np.tril_indices(n_words)] * 2.0**shift)
    return HeadConfig(
        layer, zero_point,
        np.clip(np.rint(prior * 2**PRIOR_BITS), -32768, 32767).astype(np.int16),
        np.clip(words, -(2**31), 2**31 - 1).astype(np.int32),
        shift, prior_windows, memory_windows, min_windows,
    )  # fmt: skip


@dataclass(frozen=True)
class Tally:
    """What is known of a person: of each class, windows and the sum of their embeddings from the zero point.

    Attributes
    ----------
    counts
        int64 (n_classes,), at most :data:`MAX_WINDOWS` each.
    sums
        int64 (n_classes, n_words).
    """

    counts: Words
    sums: Words

    @classmethod
    def empty(cls, config: HeadConfig) -> Self:
        """Return the tally of nothing."""
        return cls(np.zeros(config.n_classes, np.int64), np.zeros(config.prior.shape, np.int64))

    def add(self, config: HeadConfig, label: int, embedding: NDArray[np.int8]) -> Tally:
        """Return the tally with one window more; the same where its class is full."""
        if self.counts[label] >= MAX_WINDOWS:
            return self
        counts, sums = self.counts.copy(), self.sums.copy()
        counts[label] += 1
        sums[label] += embedding.astype(np.int64) - config.zero_point
        return Tally(counts, sums)

    def fade(self, config: HeadConfig) -> Tally:
        """Return the tally with no class counting more than the memory."""
        memory = np.int64(config.memory_windows)
        full = self.counts > memory
        divisor = np.where(full, self.counts, 1)[:, None]
        faded = divide_nearest(self.sums * memory, divisor)
        return Tally(np.minimum(self.counts, memory), np.where(full[:, None], faded, self.sums))


@dataclass(frozen=True)
class Head:
    """A linear head: ``score = weights . (embedding - zero point) + bias``, natural units ``score * 2^(exponent - shift - 15)``.

    Attributes
    ----------
    weights
        int16 range (n_classes, n_words).
    bias
        int32 range (n_classes,).
    exponent
        Bits that the weights were shifted down.
    """

    weights: Words
    bias: Words
    exponent: int


def average(config: HeadConfig, tally: Tally) -> Words:
    """Return each class's mean in Q15, (n_classes, n_words): of its windows, and of the prior as ``prior_windows`` more."""
    n_prior = np.int64(config.prior_windows)
    prior = config.prior.astype(np.int64) << (MEAN_BITS - PRIOR_BITS)
    total = tally.counts + n_prior
    known = total > 0
    mixed = n_prior * prior + (tally.sums << MEAN_BITS)
    means: Words = np.where(known[:, None], divide_nearest(mixed, np.where(known, total, 1)[:, None]), prior)
    return means


def fit_head(config: HeadConfig, tally: Tally) -> Head:
    """Make the head of a tally, in integers."""
    means = average(config, tally)
    wide = means @ config.precision_matrix  # below 2^61: 31, 23 and 7 bits
    peak = int(np.abs(wide).max())
    exponent = 0
    while (peak + (1 << exponent >> 1)) >> exponent > 32_767:
        exponent += 1
    weights = (wide + (1 << exponent >> 1)) >> exponent
    product = (weights * means).sum(axis=1)
    bias = -((product + (1 << MEAN_BITS)) >> (MEAN_BITS + 1))
    return Head(weights, bias, exponent)


def score(config: HeadConfig, head: Head, embedding: NDArray[np.int8]) -> Words:
    """Score an embedding, (n_words,), or several, (n_windows, n_words): int32 range, classes last."""
    # Products below 2^24, sums below 2^31: float64 is exact, and multiplies matrices far faster than int64.
    steps = embedding.astype(np.float64) - config.zero_point
    scores: Words = (steps @ head.weights.T.astype(np.float64)).astype(np.int64) + head.bias
    return scores


def to_softmax(config: HeadConfig, head: Head, scores: Words) -> NDArray[np.int8]:
    """Return the softmax of scores as the network's own output has it: probability times 256 less 128, classes last."""
    below = scores.max(axis=-1, keepdims=True) - scores  # below 2^32
    shift = MEAN_BITS + 4 + config.precision_shift - head.exponent
    half = np.uint64((1 << shift) >> 1)
    # Unsigned: 32 bits times 31, and half.
    exact = (below.astype(np.uint64) * np.uint64(LOG2_E_Q30) + half) >> np.uint64(shift)
    y_q26 = np.minimum(exact, np.uint64(31 << 26)).astype(np.int64)
    powers = exp2_q30(-y_q26) >> 8
    total = powers.sum(axis=-1, keepdims=True)
    shares = (powers * 256 + (total >> 1)) // total
    words: NDArray[np.int8] = (np.minimum(shares, 255) - 128).astype(np.int8)
    return words
