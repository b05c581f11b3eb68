"""Features as a network learns them: their means and deviations, and what a gain or a turned armband makes of them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_pipeline.feature_normalization import to_words
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
    """Return each feature's mean and deviation over windows, and over channels unless each has its own scaling.

    An auxiliary channel has its own.

    Parameters
    ----------
    features
        Of the training persons' windows, (n_windows, n_components, n_channels).
    spec
        The patch.

    Raises
    ------
    DataError
        If a feature is the same in all windows, infinite in one, or in the mean more than a word holds.
    """
    word_shift = choose_word_shift(spec)
    names = compile_spec_features(spec, word_shift).names
    exact = features.astype(np.float64)
    for name, values in zip(names, np.moveaxis(exact, 1, 0), strict=True):
        n_odd = int((~np.isfinite(values).all(axis=1)).sum())
        if n_odd:
            raise DataError(
                f"feature {name}: no finite number in {n_odd} of {len(features)} training windows, expected none; leave it "
                "out, or filter otherwise"
            )
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    if spec.training.scaling == "shared":
        n_emg = spec.emg_channels
        emg = exact[:, :, :n_emg]
        mean[:, :n_emg] = emg.mean(axis=(0, 2))[:, None]
        deviation[:, :n_emg] = emg.std(axis=(0, 2))[:, None]
    beyond = np.abs(to_words(compile_spec_features(spec, word_shift), mean)) >= 2.0**31
    if beyond.any():
        component, channel = (int(k) for k in np.argwhere(beyond)[0])
        raise DataError(
            f"feature {names[component]} of channel {channel}: mean {mean[component, channel]:.3g} over the training windows is "
            "more than its word holds, expected a signal that moves in every window; leave the feature out"
        )
    for name, spread in zip(names, deviation, strict=True):
        if not spread.all():
            where = "" if not spread.any() else f" of channel {int(np.argmin(spread))}"
            raise DataError(
                f"feature {name}{where}: the same in all {len(features)} training windows, expected one that changes; "
                "leave it out, or change its threshold or range"
            )
    return FeatureScale(word_shift, mean, deviation)


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
        self._n_emg = spec.emg_channels
        mean, deviation = scale.mean[:, : self._n_emg], scale.deviation[:, : self._n_emg]
        self._unit = deviation * RANGE_DEVIATIONS
        self._zero = mean / self._unit
        self._is_shared = not (np.ptp(mean, axis=1).any() or np.ptp(deviation, axis=1).any())

    def __call__(self, x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return new inputs, clipped to their range; ``x`` is (n_windows, any, n_components, n_channels).

        All windows of one input are turned alike and have one gain, as electrodes are.
        """
        x, others = x[..., : self._n_emg], x[..., self._n_emg :]
        if self._is_shared:
            x = turn_electrodes(x, rng)
        else:  # in the features' units
            features = ((x + self._zero) * self._unit).astype(np.float32)
            x = (turn_electrodes(features, rng) / self._unit - self._zero).astype(np.float32)
        log_gain = self._power * draw_gains(x, rng)
        factor = np.exp(np.where(self._is_log, 0.0, log_gain))
        shift = np.where(self._is_log, log_gain / np.log(2.0) / self._unit, self._zero * (factor - 1))
        augmented: NDArray[np.float32] = np.clip(x * factor + shift, *INPUT_LIMITS).astype(np.float32)
        return np.concatenate([augmented, others], axis=-1)
