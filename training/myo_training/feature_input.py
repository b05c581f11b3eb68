"""Features as a network learns them: their means and deviations, and what a gain or a turned armband makes of them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_pipeline.feature_stage import (
    INPUT_LIMITS,
    RANGE_DEVIATIONS,
    FeatureScale,
    choose_word_shift,
    compile_spec_features,
)
from myo_pipeline.feature_words import Component
from myo_pipeline.spec import PatchSpec
from myo_training.augmentation import draw_gains, turn_electrodes

# Power of the signal in a unit; of log2 where the unit or the component says so.
_COUNTS = re.compile(r"^(?:log2 )?counts(?:\^(\d))?(?: Hz.*)?$")


def measure_features(features: NDArray[np.floating], spec: PatchSpec) -> FeatureScale:
    """Return each feature's mean and deviation over windows and channels, which electrodes that turn share.

    Parameters
    ----------
    features
        Of the training persons' windows, (n_windows, n_components, n_channels).
    spec
        The patch.

    Raises
    ------
    DataError
        If a feature is the same in all windows.
    """
    word_shift = choose_word_shift(spec)
    names = compile_spec_features(spec, word_shift).names
    exact = features.astype(np.float64)
    mean, deviation = exact.mean(axis=(0, 2)), exact.std(axis=(0, 2))
    for name, spread in zip(names, deviation, strict=True):
        if not spread > 0:
            raise DataError(
                f"feature {name}: the same in all {len(features)} training windows, expected one that changes; "
                "leave it out, or change its threshold or range"
            )
    n_channels = features.shape[2]
    return FeatureScale(
        word_shift, *(np.repeat(values[:, None], n_channels, axis=1) for values in (mean, deviation))
    )


def _power(component: Component) -> float:
    """Power of a gain that a feature follows. Events, ratios and frequencies follow none.

    A count of events with a threshold does a little, which is left out.
    """
    found = _COUNTS.match(component.unit)
    return float(found[1] or 1) if found else 0.0


class FeatureAugmentation:
    """What :func:`~myo_training.augmentation.augment_windows` does to windows, done to their features."""

    def __init__(self, spec: PatchSpec, scale: FeatureScale) -> None:
        components = compile_spec_features(spec, scale.word_shift).components
        self._power = np.array([_power(component) for component in components])[:, None]
        self._is_log = np.array([component.is_log for component in components])[:, None]
        self._unit = scale.deviation * RANGE_DEVIATIONS
        self._zero = scale.mean / self._unit

    def __call__(self, x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return new inputs, clipped to their range; ``x`` is (n_windows, 1, n_components, n_channels)."""
        x = turn_electrodes(x, rng)
        log_gain = self._power * draw_gains(x, rng)
        factor = np.exp(np.where(self._is_log, 0.0, log_gain))
        shift = np.where(self._is_log, log_gain / np.log(2.0) / self._unit, self._zero * (factor - 1))
        augmented: NDArray[np.float32] = np.clip(x * factor + shift, *INPUT_LIMITS).astype(np.float32)
        return augmented
