"""From feature words to a network's input: constants from training, and the twin of the firmware's ``myo_normalize.h``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_words import FeatureWords


@dataclass(frozen=True)
class Normalization:
    """Integers of the stage, one for each feature word.

    Attributes
    ----------
    mean
        In words, int64 (n_components, n_channels).
    multiplier, shift
        ``gain = multiplier * 2^-shift``, int64 (n_components, n_channels).
    zero_point
        Output of a feature at its mean.
    bits
        8 or 16: of the output.
    fraction
        What the mean's rounding to a whole word leaves, times the multiplier, int32 in int64, (n_components, n_channels):
        half an event of a count is many steps.
    """

    mean: NDArray[np.int64]
    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    zero_point: int
    bits: int
    fraction: NDArray[np.int64]


def make_normalization(
    config: FeatureWords,
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    *,
    output_scale: float,
    zero_point: int = 0,
    bits: int = 8,
) -> Normalization:
    """Choose the integers of a z-score.

    Parameters
    ----------
    config
        What is computed.
    mean, deviation
        Of each feature over the training windows, in its unit, (n_components, n_channels).
    output_scale
        Deviations an output step stands for.
    zero_point
        Output of a feature at its mean; 0 for 16 bits.
    bits
        Of the output, 8 or 16.

    Raises
    ------
    SpecError
        If a feature never changes: it has no z-score.
    """
    if bits not in (8, 16) or (bits == 16 and zero_point != 0):
        raise SpecError(
            f"normalization: {bits} bits with zero point {zero_point}, expected 8 bits, or 16 with 0; correct it"
        )
    components = config.components
    scale, exact = _word_scale(config), to_words(config, mean)
    still = np.argwhere(~(deviation > 0))
    if len(still):
        component, channel = still[0]
        raise SpecError(
            f"normalization: {components[component].name} of channel {channel} has deviation {deviation[component, channel]:g} "
            "over the training windows, expected more than 0; leave the feature out"
        )
    gain = scale / (deviation * output_scale)
    exponent = np.array([[math.frexp(g)[1] for g in row] for row in gain])
    shift = np.clip(30 - exponent, 1, 62)
    multiplier = np.minimum(np.round(gain * 2.0**shift), 2**30)
    words = np.clip(np.round(exact), -(2.0**31), 2.0**31 - 1)
    fraction = np.clip(np.round((words - exact) * multiplier), -(2.0**31), 2.0**31 - 1)
    return Normalization(
        words.astype(np.int64),
        multiplier.astype(np.int64),
        shift.astype(np.int64),
        zero_point,
        bits,
        fraction.astype(np.int64),
    )


def normalize_words(normalization: Normalization, words: NDArray[np.int32]) -> NDArray[np.int64]:
    """Bring words (..., n_components, n_channels) to outputs: one product, round half up, saturate."""
    product = (
        words.astype(np.int64) - normalization.mean
    ) * normalization.multiplier + normalization.fraction
    rounded = (product + (np.int64(1) << (normalization.shift - 1))) >> normalization.shift
    limit = 1 << (normalization.bits - 1)
    outputs: NDArray[np.int64] = np.clip(rounded + normalization.zero_point, -limit, limit - 1)
    return outputs


def to_words(config: FeatureWords, real: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features (..., n_components, n_channels) in words, not rounded, nor held within what a word holds."""
    offset = np.array([component.offset for component in config.components])[:, None]
    return np.asarray((real - offset) / _word_scale(config), np.float64)


def _word_scale(config: FeatureWords) -> NDArray[np.float64]:
    return np.array([component.scale for component in config.components])[:, None]


def bound_normalization(
    config: FeatureWords,
    normalization: Normalization,
    mean: NDArray[np.float64],
    gain: NDArray[np.float64],
    feature_bound: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How far outputs may be from the float z-score over the step, where neither saturates, in output steps.

    Parameters
    ----------
    config
        What is computed.
    normalization
        The integers.
    mean
        What they were chosen for, in the features' units, (n_components, n_channels).
    gain
        Output steps a unit of the feature: ``1 / (deviation * output_scale)``, (n_components, n_channels).
    feature_bound
        As ``feature_bounds.bound_features`` gives it.

    Returns
    -------
    NDArray[np.float64]
        Half a step of rounding, what mean and fraction are off, the multiplier's error over the output's range, and the
        feature's own bound, in output steps.

    Notes
    -----
    Where a word cannot hold the mean (a ratio over windows in which nothing moved) mean and fraction stop at their limits, and
    are off by as much: many steps. A multiplier of few bits (a gain below 2^-32) is off by no more than half a unit a word.
    """
    unit = 2.0 ** -normalization.shift.astype(np.float64)
    word_gain = gain * _word_scale(config)
    below = normalization.mean - to_words(config, mean)
    of_mean = np.abs(normalization.fraction * unit - below * word_gain)
    off = np.abs(normalization.multiplier * unit - word_gain)  # a word from the mean
    reach = (2.0**normalization.bits + np.abs(normalization.fraction) * unit) / word_gain
    of_multiplier = off * np.minimum(reach, 2.0**32)
    return np.asarray(0.5 + of_mean + of_multiplier + feature_bound * gain)
