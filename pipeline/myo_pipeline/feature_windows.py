"""All features of windows, family after family: float, integer, bound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.feature_bounds import bound_features
from myo_pipeline.feature_config import FeatureConfig
from myo_pipeline.feature_reference import compute_features
from myo_pipeline.feature_set import FeatureSet, Part
from myo_pipeline.feature_twin import compute_words
from myo_pipeline.ring import RingConfig, bound_ring, compute_ring, compute_ring_words
from myo_pipeline.spectrum import SpectrumConfig, compute_spectrum_features
from myo_pipeline.spectrum_bounds import bound_spectrum
from myo_pipeline.spectrum_twin import compute_spectrum_words
from myo_pipeline.stft import StftConfig, bound_stft, compute_stft_features, compute_stft_words
from myo_pipeline.wavelet_energy import bound_energies, compute_energies, compute_energy_words

Floats = NDArray[np.float64]


def _compute(part: Part, x: Floats) -> Floats:
    match part:
        case FeatureConfig():
            return compute_features(part, x)
        case SpectrumConfig():
            return compute_spectrum_features(part, x)
        case StftConfig():
            return compute_stft_features(part, x)
        case RingConfig():
            return compute_ring(part, x)
        case _:
            return compute_energies(part, x)


def _compute_words(part: Part, windows: NDArray[np.int16]) -> NDArray[np.int32]:
    match part:
        case FeatureConfig():
            return compute_words(part, windows)
        case SpectrumConfig():
            return compute_spectrum_words(part, windows)
        case StftConfig():
            return compute_stft_words(part, windows)
        case RingConfig():
            return compute_ring_words(part, windows)
        case _:
            return compute_energy_words(part, windows)


def _bound(part: Part, x: Floats, deviation: float) -> Floats:
    match part:
        case FeatureConfig():
            return bound_features(part, x, deviation)
        case SpectrumConfig():
            return bound_spectrum(part, x, deviation)
        case StftConfig():
            return bound_stft(part, x, deviation)
        case RingConfig():
            return bound_ring(part, x, deviation)
        case _:
            return bound_energies(part, x, deviation)


def compute_set(config: FeatureSet, x: Floats) -> Floats:
    """Features of windows in counts by their definitions.

    Parameters
    ----------
    config
        What to compute.
    x
        Filtered signal in counts, (n_windows, config.window, n_channels).

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, n_components, n_channels), in the features' units.
    """
    return np.concatenate([_compute(part, x) for part in config.parts], axis=1)


def compute_set_words(config: FeatureSet, windows: NDArray[np.int16]) -> NDArray[np.int32]:
    """Features of windows of words, int16 (n_windows, config.window, n_channels), as the device gives them."""
    return np.concatenate([_compute_words(part, windows) for part in config.parts], axis=1)


def bound_set(config: FeatureSet, x: Floats, deviation: float = 0.5) -> Floats:
    """Largest distance of the twin's features from the float ones.

    Parameters
    ----------
    config
        What is computed.
    x
        Signal in counts that no word saturates, (n_windows, n_samples, n_channels).
    deviation
        Largest distance of a word from the signal, in words: half a word where it is rounded from ``x`` itself.

    Returns
    -------
    NDArray[np.float64]
        Bounds in the features' units, (n_windows, n_components, n_channels); infinite where nothing is promised.
    """
    return np.concatenate([_bound(part, x, deviation) for part in config.parts], axis=1)
