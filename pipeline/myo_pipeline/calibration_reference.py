"""A head in float64, and how far the integers of :mod:`myo_pipeline.calibration_head` may be from it.

Linear discriminant analysis with one covariance (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*,
2nd ed., section 4.3): the score of class k is ``m_k' P x - m_k' P m_k / 2`` with means ``m_k`` and precision ``P``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.calibration_head import MEAN_BITS, PRIOR_BITS, Head, HeadConfig, Tally
from myo_pipeline.fixed_math import EXP2_ERROR

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class ReferenceHead:
    """A float head: ``means`` (n_classes, n_words) in steps of the embedding, ``precision`` (n_words, n_words)."""

    means: Reals
    precision: Reals

    def score(self, steps: Reals) -> Reals:
        """Return natural scores of embeddings in steps from the zero point, classes last."""
        weights = self.means @ self.precision
        return np.asarray(steps @ weights.T - (weights * self.means).sum(axis=1) / 2)

    def to_softmax(self, steps: Reals) -> Reals:
        """Return probabilities, classes last."""
        scores = self.score(steps)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def fit_reference(config: HeadConfig, tally: Tally, precision: Reals) -> ReferenceHead:
    """Make the float head of a tally; the prior is what its Q7 words say, the precision what was measured."""
    prior = config.prior / 2.0**PRIOR_BITS
    total = tally.counts + config.prior_windows
    mixed = (config.prior_windows * prior + tally.sums) / np.maximum(total, 1)[:, None]
    return ReferenceHead(np.where(total[:, None] > 0, mixed, prior), precision)


def bound_scores(config: HeadConfig, reference: ReferenceHead, head: Head, steps: Reals) -> Reals:
    """Return the largest ``|twin - float|`` of each natural score, (n_windows, n_classes).

    A mean is rounded to Q15 (half a step), the precision to its words (half a step), a weight to half of ``2^exponent`` words
    and a bias to half a score: with ``w = P m``, ``dw <= |P| dm + dP (|m| + dm) + 2^-1 q`` and of the score
    ``w'x - w'm / 2`` with weights as they are, ``dw |x - m/2| + (|w| + dw) dm / 2 + q / 2``, where q is a score's natural unit.
    """
    d_mean = 2.0 ** -(MEAN_BITS + 1)
    d_precision = 2.0 ** -(config.precision_shift + 1)
    unit = 2.0 ** (head.exponent - config.precision_shift - MEAN_BITS)
    means = np.abs(reference.means)
    d_weight = (
        np.abs(reference.precision).sum(axis=1) * d_mean
        + d_precision * (means + d_mean).sum(axis=1, keepdims=True)
        + unit / 2
    )
    weights = np.abs(reference.means @ reference.precision)
    distance = np.abs(steps[:, None, :] - reference.means / 2)
    return np.asarray(
        (d_weight * distance).sum(axis=2) + ((weights + d_weight) * d_mean / 2).sum(axis=1) + unit / 2
    )


def bound_words(d_scores: Reals, n_classes: int) -> Reals:
    """Return the largest ``|twin - float|`` of softmax words, probability * 256, before they are limited to 255.

    A probability's slope along any difference of two scores is at most 1/4, and two scores differ by twice the bound at most;
    the exponent is rounded to Q26 (below 2^-26), its power to Q22 and the sum likewise, the word to half.
    """
    d_power = 2.0**-22 * (1 + EXP2_ERROR / 256) + 2.0**-26
    return np.asarray(256 * (2 * d_scores.max(axis=-1) / 4 + (1 + n_classes) * d_power) + 0.5)
