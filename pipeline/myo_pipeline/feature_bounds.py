"""How far the integer features may be from the float ones, derived for each window.

Words differ from the signal by at most half a word, or by as much as is said (nothing saturates). From that follows an
interval in which a feature's value must lie, taken through its transform, which never falls; the words' own roundings come
on top. Sums of powers use that norms obey the triangle inequality: ``| ||x'|| - ||x|| | <= ||x' - x||``. A count lies between
its certain and its possible events. Where a divisor may be 0, nothing is promised: the bound is infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.feature_config import FeatureConfig, FeatureRow, Transform, factor_of, quarters
from myo_pipeline.features import (
    CATALOGUE,
    CountFeature,
    DescriptorFeature,
    HistogramFeature,
    PredictionFeature,
    Value,
)
from myo_pipeline.fixed_math import LOG2_ERROR
from myo_pipeline.power_descriptors import bound_descriptors
from myo_pipeline.prediction import bound_cepstrum, bound_prediction

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Interval:
    """Where a value may lie, and where the float definition has it."""

    low: Floats
    high: Floats
    at: Floats

    def power(self, exponent: float) -> _Interval:
        """Raise to a power > 0 what is not negative."""
        return _Interval(np.maximum(self.low, 0) ** exponent, self.high**exponent, self.at**exponent)

    def over(self, other: _Interval) -> _Interval:
        """Divide by what is not negative; infinite where that may be 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            corners = np.stack([self.low / other.low, self.low / other.high,
                                self.high / other.low, self.high / other.high])  # fmt: skip
            at = np.where(other.at > 0, self.at / other.at, 0.0)
        is_safe = other.low > 0
        low = np.where(is_safe, corners.min(axis=0), -np.inf)
        return _Interval(low, np.where(is_safe, corners.max(axis=0), np.inf), at)

    def times(self, factor: float) -> _Interval:
        return _Interval(self.low * factor, self.high * factor, self.at * factor)

    def widened(self, by: Floats | float) -> _Interval:
        return _Interval(self.low - by, self.high + by, self.at)


def _norm(x: Floats, order: float, deviation: float) -> _Interval:
    """Norm over a window where each sample may deviate by so much."""
    norm = (np.abs(x) ** order).sum(axis=1) ** (1 / order)
    by = deviation * x.shape[1] ** (1 / order)
    return _Interval(np.maximum(norm - by, 0), norm + by, norm)


def _sum_sizes(size: Floats, deviation: float, weight: Floats | float = 1.0) -> _Interval:
    low = (weight * np.maximum(size - deviation, 0)).sum(axis=1)
    return _Interval(low, (weight * (size + deviation)).sum(axis=1), (weight * size).sum(axis=1))


def _products(a: Floats, b: Floats, off: float) -> Floats:
    """How far a sum of a * b may be off, with ``off`` in either."""
    return np.asarray(((np.abs(a) + np.abs(b)) * off + off * off).sum(axis=1))


def _outer_weights(n: int) -> Floats:
    first, end = quarters(n)
    place = np.arange(1, n + 1)
    weight = np.where(place <= first, 4 * place, np.where(place > end, 4 * (n - place), n))
    return weight[:, None].astype(np.float64)


def _events(row: FeatureRow, config: FeatureConfig, u: Floats, off: float) -> _Interval:
    """Count the events that are there whatever the rounding, and those that may be."""
    if isinstance(row.spec, HistogramFeature):
        return _bins(row.spec, config, u, off)
    if not isinstance(row.spec, CountFeature):
        raise TypeError(f"{row.spec.kind} does not count")
    threshold = row.spec.threshold * 2.0**config.word_shift
    step = np.diff(u, axis=1)
    # A step of two words, and the threshold's rounding.
    margin = 2 * off if threshold == round(threshold) else 2 * off + 0.5
    size = np.abs(step) - threshold
    surely, maybe, now = size >= margin, size >= -margin, size >= 0

    def change(v: Floats, error: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        a, b = v[:, :-1], v[:, 1:]
        is_sure = (np.abs(a) > error) & (np.abs(b) > error)
        is_change = (a < 0) != (b < 0)
        return is_sure & is_change, ~is_sure | is_change, is_change

    if row.spec.kind == "zc":
        sure, may, is_now = change(u, off)
        surely, maybe, now = surely & sure, maybe & may, now & is_now
    elif row.spec.kind == "ssc":
        sure, may, is_now = change(step, 2 * off)
        surely = sure & (surely[:, 1:] | surely[:, :-1])
        maybe, now = may & (maybe[:, 1:] | maybe[:, :-1]), is_now & (now[:, 1:] | now[:, :-1])
    return _Interval(*(events.sum(axis=1).astype(np.float64) for events in (surely, maybe, now)))


def _bins(feature: HistogramFeature, config: FeatureConfig, u: Floats, off: float) -> _Interval:
    reach = feature.range * 2.0**config.word_shift
    edges = np.linspace(-reach, reach, feature.bins + 1)
    edges[0], edges[-1] = -np.inf, np.inf
    margin = off + 1.5  # of the sample; half a word of the range, one of the division
    found = []
    for shift in (-margin, margin, 0.0):  # bins narrower, wider, and as they are
        lows, highs = edges[:-1] - shift, edges[1:] + shift
        found.append(
            np.stack(
                [((u >= low) & (u < high)).sum(axis=1) for low, high in zip(lows, highs, strict=True)], axis=1
            )
        )
    low, high, at = (np.asarray(count, np.float64) for count in found)
    return _Interval(low, high, at)


def _value(row: FeatureRow, config: FeatureConfig, u: Floats, off: float) -> _Interval:
    """Interval of a value that is transformed, in units of words."""
    n = u.shape[1]
    size, step = np.abs(u), np.diff(u, axis=1)
    match row.value:
        case Value.ABS:
            return _sum_sizes(size, off)
        case Value.MAV1:
            first, end = quarters(n)
            place = np.arange(n)[:, None]
            return _sum_sizes(size, off, np.where((place >= first) & (place < end), 2.0, 1.0))
        case Value.MAV2:
            return _sum_sizes(size, off, _outer_weights(n))
        case Value.SQUARE:
            return _norm(u, 2, off).power(2)
        case Value.VARIANCE:  # taking the mean away shortens a deviation
            return _norm(u - u.mean(axis=1, keepdims=True), 2, off).power(2).times(n)
        case Value.CUBE:
            at = np.abs((u**3).sum(axis=1))
            by = ((size + off) ** 3 - size**3).sum(axis=1)
            return _Interval(np.maximum(at - by, 0), at + by, at)
        case Value.FOURTH:
            return _norm(u, 4, off).power(4)
        case Value.LOG:
            ends = [np.log2(1 + np.maximum(size + by, 0)).sum(axis=1) * 65536 for by in (-off, off, 0.0)]
            n_logarithms = sum(
                (length + 1) // 2 for length in np.resize(config.block_lengths, config.n_blocks)
            )
            return _Interval(*ends).widened(float(LOG2_ERROR * n_logarithms))
        case Value.WL:
            return _sum_sizes(np.abs(step), 2 * off)
        case Value.STEP:
            return _norm(step, 2, 2 * off).power(2)
        case Value.TKEO:
            at = (u[:, 1:-1] ** 2 - u[:, 2:] * u[:, :-2]).sum(axis=1)
            by = _products(u[:, 1:-1], u[:, 1:-1], off) + _products(u[:, 2:], u[:, :-2], off)
            return _Interval(at - by, at + by, at)
        case _:
            return _events(row, config, u, off)


def _ratio(row: FeatureRow, config: FeatureConfig, u: Floats, off: float) -> _Interval:
    """Interval of a feature that is a ratio, with its roundings, before the factor of sizes."""
    n = u.shape[1]
    square, steps = _norm(u, 2, off), _norm(np.diff(u, axis=1), 2, 2 * off)
    centred = u - u.mean(axis=1, keepdims=True)
    spread = _norm(centred, 2, off)
    match row.value:
        case Value.MOBILITY:
            ratio = steps.over(square).power(2).widened(2.0**-29)
            return ratio.power(0.5).widened(2.0**-25)
        case Value.COMPLEXITY:
            bends = _norm(np.diff(u, 2, axis=1), 2, 4 * off)
            product = _Interval(bends.low * square.low, bends.high * square.high, bends.at * square.at)
            ratio = product.over(steps.power(2)).power(2)
            ratio = ratio.widened(2.0**-21 + 2.0**-58 * np.abs(ratio.high))
            is_held = ratio.high < 2.0**11  # beyond, the word saturates
            ratio = _Interval(ratio.low, np.where(is_held, ratio.high, np.inf), ratio.at)
            return ratio.power(0.5).widened(2.0**-17)
        case Value.SKEWNESS:  # the mean is off by as much
            at = (centred**3).sum(axis=1)
            by = ((np.abs(centred) + 2 * off) ** 3 - np.abs(centred) ** 3).sum(axis=1)
            ratio = _Interval(at - by, at + by, at).times(np.sqrt(n)).over(spread.power(3))
            return ratio.widened(2.0**-17 + 2.0**-30 * np.maximum(np.abs(ratio.low), np.abs(ratio.high)))
        case Value.KURTOSIS:
            ratio = _norm(centred, 4, 2 * off).power(4).times(n).over(spread.power(4))
            return ratio.widened(2.0**-17 + 2.0**-58 * np.abs(ratio.high))
        case _:
            lags = []
            for lag in range(1, config.n_lags + 1):
                a, b = u[:, lag:], u[:, :-lag]
                at, by = (a * b).sum(axis=1), _products(a, b, off)
                lags.append(_Interval(at - by, at + by, at).over(square.power(2)).widened(2.0**-31))
            return _Interval(
                *(np.stack([getattr(i, end) for i in lags], axis=1) for end in ("low", "high", "at"))
            )


#: Fraction bits of the words of ratios.
_FRACTION_BITS = {
    Value.MOBILITY: 24, Value.COMPLEXITY: 16, Value.SKEWNESS: 16, Value.KURTOSIS: 16, Value.LAGS: 30, Value.BINS: 0,
}  # fmt: skip


def _row_bound(row: FeatureRow, config: FeatureConfig, u: Floats, off: float) -> Floats:
    if isinstance(row.spec, PredictionFeature):
        return (bound_prediction if row.value is Value.AR else bound_cepstrum)(u, row.spec.order, off)
    if isinstance(row.spec, DescriptorFeature):
        descriptors = bound_descriptors(u, off)
        return descriptors[:, :3] if row.value is Value.SIZES else descriptors[:, 3:]
    rounding = 0.0
    if row.value >= Value.MOBILITY:
        interval = _events(row, config, u, off) if row.value is Value.BINS else _ratio(row, config, u, off)
        real = interval.times(row.scale * 2.0 ** _FRACTION_BITS[row.value])
    else:
        interval = _value(row, config, u, off)
        power = CATALOGUE[row.spec.kind].power
        factor = factor_of(row.spec.kind, config.window, config.word_shift)
        match row.transform:
            case Transform.LINEAR:
                scale = row.scale * 2.0**-row.shift
                real = interval.times(scale)
                rounding = row.scale / 2 if row.shift else 0.0
            case Transform.SQRT:
                real = interval.times(factor).power(power)
                rounding = row.scale / 2
            case Transform.LOG2:
                ends = (interval.low, interval.high, interval.at)
                real = _Interval(*(power * np.log2(np.maximum(end, 1) * factor) for end in ends))
                rounding = row.scale * LOG2_ERROR
    with np.errstate(invalid="ignore"):
        bound = np.maximum(real.high - real.at, real.at - real.low) + rounding
    bound = np.where(np.isnan(bound), np.inf, bound)
    return bound if bound.ndim == 3 else bound[:, None]


def bound_features(config: FeatureConfig, x: Floats, deviation: float = 0.5) -> Floats:
    """Largest distance of the twin's features from the float ones.

    Parameters
    ----------
    config
        What is computed.
    x
        Signal in counts that ``feature_twin.round_to_words`` does not saturate, (n_windows, n_samples, n_channels).
    deviation
        Largest distance of a word from the signal, in words: half a word where it is rounded from ``x`` itself.

    Returns
    -------
    NDArray[np.float64]
        Bounds in the features' units, (n_windows, n_components, n_channels); infinite where nothing is promised.
    """
    u = x * 2.0**config.word_shift
    return np.concatenate([_row_bound(row, config, u, deviation) for row in config.rows], axis=1)
