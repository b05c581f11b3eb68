"""Features in float64, by their definitions in ``features.CATALOGUE``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.feature_config import FeatureConfig, factor_of, quarters
from myo_pipeline.features import (
    CATALOGUE,
    AmplitudeFeature,
    AutocorrelationFeature,
    CountFeature,
    DescriptorFeature,
    Feature,
    HistogramFeature,
    PredictionFeature,
)
from myo_pipeline.power_descriptors import descriptors
from myo_pipeline.prediction import cepstrum, predict

Floats = NDArray[np.float64]


def _ratio(a: Floats, b: Floats) -> Floats:
    """Divide, with 0 where b is 0: a silent window has no shape."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


def _hjorth(x: Floats) -> tuple[Floats, Floats, Floats]:
    m0, m2, m4 = ((np.diff(x, k, axis=1) ** 2).mean(axis=1) for k in range(3))
    return m0, m2, m4


def _size(kind: str, x: Floats) -> Floats:
    """Features of size, (n_windows, n_channels)."""
    n = x.shape[1]
    magnitude, step = np.abs(x), np.diff(x, axis=1)
    place = np.arange(1, n + 1)[:, None]
    first, end = quarters(n)
    is_middle = (place > first) & (place <= end)
    match kind:
        case "iemg":
            result = magnitude.sum(axis=1)
        case "mav":
            result = magnitude.mean(axis=1)
        case "mav1":
            result = (magnitude * np.where(is_middle, 1.0, 0.5)).mean(axis=1)
        case "mav2":
            outer = np.where(place <= first, 4 * place / n, 4 * (n - place) / n)
            result = (magnitude * np.where(is_middle, 1.0, outer)).mean(axis=1)
        case "ssi":
            result = (x**2).sum(axis=1)
        case "rms":
            result = np.sqrt((x**2).mean(axis=1))
        case "activity":
            result = (x**2).mean(axis=1)
        case "variance":
            result = x.var(axis=1, ddof=1)
        case "wl":
            result = np.abs(step).sum(axis=1)
        case "aac":
            result = np.abs(step).sum(axis=1) / n
        case "dasdv":
            result = np.sqrt((step**2).mean(axis=1))
        case _:
            raise ValueError(f"{kind} is not a feature of size")
    return np.asarray(result)


def _count(feature: CountFeature, x: Floats) -> Floats:
    step = np.diff(x, axis=1)
    is_large = np.abs(step) >= feature.threshold
    if feature.kind == "zc":
        is_event = is_large & ((x[:, 1:] < 0) != (x[:, :-1] < 0))
    elif feature.kind == "wamp":
        is_event = is_large
    else:
        is_event = (is_large[:, 1:] | is_large[:, :-1]) & ((step[:, 1:] < 0) != (step[:, :-1] < 0))
    return np.asarray(is_event.sum(axis=1), np.float64)


def _shape(kind: str, x: Floats, lsb: float) -> Floats:
    centred = x - x.mean(axis=1, keepdims=True)
    second = (centred**2).mean(axis=1)
    m0, m2, m4 = _hjorth(x)
    match kind:
        case "log_detector":
            return np.asarray(np.log2(np.abs(x) + lsb).mean(axis=1))
        case "tm3":
            return np.asarray(np.log2(np.maximum(np.abs((x**3).mean(axis=1)), lsb**3 / x.shape[1])))
        case "tm4":
            return np.asarray(np.log2(np.maximum((x**4).mean(axis=1), lsb**4 / x.shape[1])))
        case "tkeo":
            return np.asarray((x[:, 1:-1] ** 2 - x[:, 2:] * x[:, :-2]).mean(axis=1))
        case "mobility":
            return np.sqrt(_ratio(m2, m0))
        case "complexity":
            return np.sqrt(_ratio(m4 * m0, m2 * m2))
        case "skewness":
            return _ratio((centred**3).mean(axis=1), second**1.5)
        case _:
            return _ratio((centred**4).mean(axis=1), second**2)


def compute_feature(feature: Feature, x: Floats, word_shift: int) -> Floats:
    """One feature of windows.

    Parameters
    ----------
    feature
        The entry of the spec.
    x
        Filtered signal in counts, shape (n_windows, n_samples, n_channels).
    word_shift
        Logarithms are taken of no less than what one word of ``2^-word_shift`` counts can hold.

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, n_components, n_channels).
    """
    match feature:
        case AmplitudeFeature():
            size = _size(feature.kind, x)
            if feature.log:
                floor = factor_of(feature.kind, x.shape[1], word_shift) ** CATALOGUE[feature.kind].power
                size = np.log2(np.maximum(size, floor))
            return size[:, None]
        case CountFeature():
            return _count(feature, x)[:, None]
        case AutocorrelationFeature():
            power = (x**2).sum(axis=1)
            lags = [(x[:, k:] * x[:, :-k]).sum(axis=1) for k in range(1, feature.lags + 1)]
            return np.stack([_ratio(lag, power) for lag in lags], axis=1)
        case HistogramFeature():
            edges = np.linspace(-feature.range, feature.range, feature.bins + 1)[1:-1]
            index = np.searchsorted(edges, x, side="right")
            return np.stack([(index == k).sum(axis=1) for k in range(feature.bins)], axis=1).astype(
                np.float64
            )
        case PredictionFeature():
            a = predict(x, feature.order)
            return a if feature.kind == "ar" else cepstrum(a)
        case DescriptorFeature():
            found = descriptors(x, 2.0**-word_shift)
            return found[:, :3] if feature.kind == "tdpsd_sizes" else found[:, 3:]
        case _:
            return _shape(feature.kind, x, 2.0**-word_shift)[:, None]


def compute_features(config: FeatureConfig, x: Floats) -> Floats:
    """All features of a config: windows in counts to (n_windows, n_components, n_channels)."""
    return np.concatenate([compute_feature(row.spec, x, config.word_shift) for row in config.rows], axis=1)
