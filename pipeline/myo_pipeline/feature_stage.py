"""The feature stage of a patch: from the filtered signal to the network's int8 input, by way of feature words.

Training chooses the range of the words and the means and deviations, export the integers, and the twin runs them; on the
device it is ``firmware/core/stream/myo_feature_stage.h``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from myo_pipeline.chain import bound_peak, design_chain
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_normalization import (
    Normalization,
    bound_normalization,
    make_normalization,
    normalize_words,
)
from myo_pipeline.feature_set import FeatureSet, WindowFeature, compile_feature_set
from myo_pipeline.feature_twin import shift_to_words
from myo_pipeline.feature_windows import bound_set, compute_set, compute_set_words
from myo_pipeline.spec import PatchSpec

Floats = NDArray[np.float64]

RANGE_DEVIATIONS: Final = 4.0  # of a feature from its mean that become 1.0 at the network's input
INPUT_LIMITS: Final = (-1.0, 127 / 128)  # what int8 holds at a scale of 1/128
_HEADROOM: Final = 1.01  # over the designed chain, for the rounded one
_FEATURES: TypeAdapter[list[WindowFeature]] = TypeAdapter(list[WindowFeature])


def choose_word_shift(spec: PatchSpec) -> int:
    """Return the ``word_shift`` at which no signal within the converter's range can leave int16 behind the front end.

    Raises
    ------
    SpecError
        If a filter rings for more than a million samples.
    """
    peak = bound_peak(design_chain(spec), float(spec.sensor.full_scale_counts))
    return math.floor(math.log2(32767 / (_HEADROOM * peak + 1)))


def compile_spec_features(spec: PatchSpec, word_shift: int) -> FeatureSet:
    """Choose the integers of a spec's features."""
    return compile_feature_set(
        spec.features,
        n_channels=spec.front_end_channels,
        window=spec.window_samples,
        hop=spec.hop_samples,
        rate_hz=spec.front_end_rate_hz,
        word_shift=word_shift,
    )


@dataclass(frozen=True)
class FeatureScale:
    """Means and deviations over the windows of the training persons; ``features`` in ``training.json``.

    Attributes
    ----------
    word_shift
        ``count = word * 2^-word_shift``.
    mean, deviation
        In the features' units, float64 (n_components, n_channels).
    """

    word_shift: int
    mean: Floats
    deviation: Floats

    def apply(self, features: NDArray[np.floating]) -> Floats:
        """Return network inputs of features (..., n_components, n_channels), limited to what int8 holds."""
        z = (features - self.mean) / (self.deviation * RANGE_DEVIATIONS)
        return np.asarray(np.clip(z, *INPUT_LIMITS), np.float64)

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Return plain values for ``training.json``."""
        return {
            "names": list(names),
            "word_shift": self.word_shift,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }


@dataclass(frozen=True)
class FeatureStage:
    """All integers of the stage; the ``features_`` arrays of ``twin.npz``.

    Attributes
    ----------
    config
        The features.
    filtered_shift
        A word is one behind the front end, shifted right by this, rounded.
    normalization
        From words to the network's int8 input.
    n_windows
        Windows, one hop apart, whose features the network takes at once.
    """

    config: FeatureSet
    filtered_shift: int
    normalization: Normalization
    n_windows: int = 1

    @property
    def n_words(self) -> int:
        """Feature words of a window, component by component."""
        return self.config.n_components * self.config.n_channels

    @property
    def n_inputs(self) -> int:
        """Words that the network takes, the oldest window's first."""
        return self.n_windows * self.n_words

    @property
    def span(self) -> int:
        """Frames from the first of the oldest window to the last of the newest."""
        return self.config.window + (self.n_windows - 1) * self.config.hop

    def to_words(self, filtered_words: NDArray[np.int32]) -> NDArray[np.int16]:
        """Round filtered samples to the words that features are made of, same shape."""
        return shift_to_words(filtered_words, self.filtered_shift)

    def compute(self, window: NDArray[np.int16]) -> NDArray[np.int32]:
        """Feature words of one window (window_samples, n_channels): (n_components, n_channels)."""
        words: NDArray[np.int32] = compute_set_words(self.config, window[None])[0]
        return words

    def normalize(self, words: NDArray[np.int32]) -> NDArray[np.int8]:
        """Return the network's input of feature words, same shape."""
        inputs: NDArray[np.int8] = normalize_words(self.normalization, words).astype(np.int8)
        return inputs

    def to_arrays(self) -> dict[str, Any]:
        """Return the stage as arrays and numbers."""
        return {
            "features_spec": _FEATURES.dump_json(list(self.config.features)).decode(),
            "features_rate_hz": self.config.rate_hz,
            "features_word_shift": self.config.word_shift,
            "features_filtered_shift": self.filtered_shift,
            "features_mean": self.normalization.mean,
            "features_multiplier": self.normalization.multiplier,
            "features_shift": self.normalization.shift,
            "features_fraction": self.normalization.fraction,
            "features_zero_point": self.normalization.zero_point,
            "features_windows": self.n_windows,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], *, n_channels: int, span: int, hop: int) -> Self:
        """Take the stage back from what :meth:`to_arrays` gave."""
        n_windows = int(arrays["features_windows"])
        config = compile_feature_set(
            _FEATURES.validate_json(str(arrays["features_spec"])), n_channels=n_channels,
            window=span - (n_windows - 1) * hop, hop=hop,
            rate_hz=float(arrays["features_rate_hz"]), word_shift=int(arrays["features_word_shift"]),
        )  # fmt: skip
        normalization = Normalization(
            arrays["features_mean"],
            arrays["features_multiplier"],
            arrays["features_shift"],
            int(arrays["features_zero_point"]),
            8,
            arrays["features_fraction"],
        )
        return cls(config, int(arrays["features_filtered_shift"]), normalization, n_windows)


def make_stage(
    spec: PatchSpec, scale: FeatureScale, exponent: int, input_scale: float, zero_point: int
) -> FeatureStage:
    """Choose the stage's integers.

    Parameters
    ----------
    spec, scale
        The patch, and what training measured.
    exponent
        Of the words behind the front end, each ``word * 2^-exponent`` counts.
    input_scale, zero_point
        Of the network's int8 input.

    Raises
    ------
    SpecError
        If words would be finer than the filtered signal, or a feature never changed in training.
    """
    filtered_shift = exponent - scale.word_shift
    if not 1 <= filtered_shift <= 31:
        raise SpecError(
            f"features: a word is the filtered signal shifted right by {filtered_shift}, expected 1 .. 31; soften the filters"
        )
    config = compile_spec_features(spec, scale.word_shift)
    normalization = make_normalization(
        config,
        scale.mean,
        scale.deviation,
        output_scale=RANGE_DEVIATIONS * input_scale,
        zero_point=zero_point,
    )
    return FeatureStage(config, filtered_shift, normalization, spec.context_windows)


def stack_windows(rows: NDArray[Any], n_windows: int) -> NDArray[Any]:
    """View each window's row (n, ...) with those before it, oldest first: (n - n_windows + 1, n_windows, ...)."""
    if len(rows) < n_windows:
        return np.zeros((0, n_windows, *rows.shape[1:]), rows.dtype)
    view = np.lib.stride_tricks.sliding_window_view(rows, n_windows, axis=0)
    return np.moveaxis(view, -1, 1)


@dataclass(frozen=True)
class FeatureReference:
    """What the float path makes of windows, and how far the twin may be from it.

    Attributes
    ----------
    features, feature_bounds
        In the features' units, float64 (n_windows, n_words).
    inputs, input_bounds
        Of the network, in its units, float64 (n_windows, n_words).
    """

    features: Floats
    feature_bounds: Floats
    inputs: Floats
    input_bounds: Floats

    def stack(self, n_windows: int) -> FeatureReference:
        """Put the inputs of each window behind those before it; the first windows, which have too few, are left out.

        Every word keeps its bound: it is moved, not computed.
        """
        if n_windows == 1:
            return self
        n, first = len(self.inputs) - n_windows + 1, n_windows - 1
        inputs, bounds = (
            stack_windows(rows, n_windows).reshape(n, -1) for rows in (self.inputs, self.input_bounds)
        )
        return FeatureReference(self.features[first:], self.feature_bounds[first:], inputs, bounds)


def compute_reference(
    stage: FeatureStage, scale: FeatureScale, windows: Floats, filter_error: float, input_scale: float
) -> FeatureReference:
    """Compute features of float windows, with bounds.

    Parameters
    ----------
    stage, scale
        The stage and what training measured.
    windows
        Filtered counts of the float path, (n_windows, window_samples, n_channels).
    filter_error
        Largest distance of the twin's filtered signal from it, in counts.
    input_scale
        Of the network's int8 input.
    """
    features = compute_set(stage.config, windows)
    deviation = 0.5 + filter_error * 2.0**stage.config.word_shift
    bounds = bound_set(stage.config, windows, deviation)
    gain = 1 / (scale.deviation * RANGE_DEVIATIONS * input_scale)
    steps = bound_normalization(stage.config, stage.normalization, scale.mean, gain, bounds)
    input_bounds = steps * input_scale
    flat = (len(windows), stage.n_words)
    return FeatureReference(
        features.reshape(flat),
        bounds.reshape(flat),
        scale.apply(features).reshape(flat),
        input_bounds.reshape(flat),
    )
