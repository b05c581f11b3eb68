"""Features of whole windows in integers: the words that ``firmware/core/features`` gives.

The device slides partial sums; here every window is computed by itself. The two are equal because every sum is exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline import fixed_math as fm
from myo_pipeline.feature_config import FeatureConfig, FeatureRow, Transform, quarters
from myo_pipeline.features import Value
from myo_pipeline.power_descriptors import descriptor_words
from myo_pipeline.prediction import cepstrum_words, predict_words

Ints = NDArray[np.int64]


def round_to_words(x: NDArray[np.floating], word_shift: int) -> NDArray[np.int16]:
    """Round a signal in counts to words: nearest, halves up, limited to int16."""
    words: NDArray[np.int16] = np.clip(np.floor(x * 2.0**word_shift + 0.5), -(2**15), 2**15 - 1).astype(
        np.int16
    )
    return words


def shift_to_words(x_q31: NDArray[np.integer], shift: int) -> NDArray[np.int16]:
    """Round Q31 to words, ``x_q31 / 2^shift``, nearest, halves up, limited to int16; ``shift`` 1 .. 31."""
    rounded = (x_q31.astype(np.int64) + (1 << (shift - 1))) >> shift
    words: NDArray[np.int16] = np.clip(rounded, -(2**15), 2**15 - 1).astype(np.int16)
    return words


def cut_windows(x: NDArray[Any], window: int, hop: int) -> NDArray[Any]:
    """View a signal (n_samples, n_channels) as windows (n_windows, window, n_channels), the first at the first sample."""
    if len(x) < window:
        return np.empty((0, window, x.shape[1]), x.dtype)
    return np.lib.stride_tricks.sliding_window_view(x, window, axis=0)[::hop].transpose(0, 2, 1)


class _Sums:
    """Exact sums over windows, each made when it is first asked for."""

    def __init__(self, x: Ints, config: FeatureConfig) -> None:
        self.x, self.config = x, config
        self.n = x.shape[1]
        self.magnitude: Ints = np.abs(x)
        self.square: Ints = (x * x).sum(axis=1)
        self.steps: Ints = np.diff(x, axis=1)

    def lag(self, lag: int) -> Ints:
        result: Ints = (self.x[:, lag:] * self.x[:, :-lag]).sum(axis=1)
        return result

    def step_square(self) -> Ints:
        result: Ints = (self.steps**2).sum(axis=1)
        return result

    def bend_square(self) -> Ints:
        result: Ints = (np.diff(self.steps, axis=1) ** 2).sum(axis=1)
        return result

    def variance(self) -> Ints:
        result: Ints = self.n * self.square - self.x.sum(axis=1) ** 2
        return result

    def cube(self) -> Ints:
        result: Ints = (self.x**3).sum(axis=1)
        return result

    def fourth(self) -> NDArray[Any]:
        """Up to 76 bits: Python integers."""
        power = self.x**4
        low: NDArray[Any] = (power & 0xFFFFFFFF).sum(axis=1).astype(object)
        high: NDArray[Any] = (power >> 32).sum(axis=1).astype(object)
        return np.asarray(low + (high << 32))

    def mav1(self) -> Ints:
        first, end = quarters(self.n)
        result: Ints = self.magnitude.sum(axis=1) + self.magnitude[:, first:end].sum(axis=1)
        return result

    def mav2(self) -> Ints:
        first, end = quarters(self.n)
        place = np.arange(1, self.n + 1)
        weight = np.where(place <= first, 4 * place, np.where(place > end, 4 * (self.n - place), self.n))
        result: Ints = (self.magnitude * weight[:, None]).sum(axis=1)
        return result

    def log(self) -> Ints:
        """Logarithms are of two samples' product; the last of a block of odd length is alone."""
        lengths = np.resize(self.config.block_lengths, self.config.n_blocks)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        firsts = np.concatenate([np.arange(s, s + n, 2) for s, n in zip(starts, lengths, strict=True)])
        products: Ints = np.multiply.reduceat(self.magnitude + 1, firsts, axis=1)
        result: Ints = fm.log2_q16(products).sum(axis=1)
        return result

    def zero_crossings(self) -> Ints:
        is_crossing = (self.x[:, 1:] < 0) != (self.x[:, :-1] < 0)
        result: Ints = (is_crossing & (np.abs(self.steps) >= self.config.thresholds[0])).sum(axis=1)
        return result

    def slope_changes(self) -> Ints:
        is_turn = (self.steps[:, 1:] < 0) != (self.steps[:, :-1] < 0)
        is_large = np.abs(self.steps) >= self.config.thresholds[1]
        result: Ints = (is_turn & (is_large[:, 1:] | is_large[:, :-1])).sum(axis=1)
        return result

    def bins(self) -> Ints:
        config = self.config
        held = np.clip(self.x, -config.bin_range, config.bin_range - 1) + config.bin_range
        index = (held * config.bin_multiplier) >> config.bin_shift
        return np.stack([(index == k).sum(axis=1) for k in range(config.n_bins)], axis=1)

    def value(self, value: Value) -> Ints:
        """Value of a feature that is transformed."""
        match value:
            case Value.ABS:
                return np.asarray(self.magnitude.sum(axis=1))
            case Value.MAV1:
                return self.mav1()
            case Value.MAV2:
                return self.mav2()
            case Value.SQUARE:
                return self.square
            case Value.VARIANCE:
                return self.variance()
            case Value.CUBE:
                return np.abs(self.cube())
            case Value.LOG:
                return self.log()
            case Value.WL:
                return np.asarray(np.abs(self.steps).sum(axis=1))
            case Value.STEP:
                return self.step_square()
            case Value.TKEO:
                return np.asarray((self.x[:, 1:-1] ** 2 - self.x[:, 2:] * self.x[:, :-2]).sum(axis=1))
            case Value.ZC:
                return self.zero_crossings()
            case Value.SSC:
                return self.slope_changes()
            case Value.WAMP:
                return np.asarray((np.abs(self.steps) >= self.config.thresholds[2]).sum(axis=1))
            case _:
                raise ValueError(f"{value.name} has no value before its transform")


def _skewness_one(n: int, x: int, square: int, cube: int) -> int:
    variance = n * square - x * x
    if variance == 0:
        return 0
    third = n * n * cube - 3 * n * square * x + 2 * x**3
    up = max(0, (62 - variance.bit_length()) // 2)
    root = math.isqrt(variance << 2 * up)
    root += (variance << 2 * up) - root * root > root
    size = fm.divide_wide_one(abs(third), variance * root, 16 + up)
    return -size if third < 0 else size


def _kurtosis_one(n: int, x: int, square: int, cube: int, fourth: int) -> int:
    variance = n * square - x * x
    moment = n**3 * fourth - 4 * n * n * cube * x + 6 * n * square * x * x - 3 * x**4
    return fm.divide_wide_one(moment, variance * variance, 16)


def _ratio_words(value: Value, sums: _Sums) -> Ints:
    """Words of the features that are ratios, (n_windows, n_components, n_channels) or without components."""
    match value:
        case Value.MOBILITY:
            return fm.sqrt_nearest(fm.divide_nearest(sums.step_square(), sums.square, 28) << 20)
        case Value.COMPLEXITY:
            steps = sums.step_square().astype(object)
            bends = sums.bend_square().astype(object) * sums.square.astype(object)
            ratio = np.frompyfunc(fm.divide_wide_one, 3, 1)(bends, steps * steps, 20).astype(np.int64)
            return fm.sqrt_nearest(ratio << 12)
        case Value.SKEWNESS:
            exact = [v.astype(object) for v in (sums.x.sum(axis=1), sums.square, sums.cube())]
            return np.asarray(np.frompyfunc(_skewness_one, 4, 1)(sums.n, *exact).astype(np.int64))
        case Value.KURTOSIS:
            exact = [v.astype(object) for v in (sums.x.sum(axis=1), sums.square, sums.cube(), sums.fourth())]
            return np.asarray(np.frompyfunc(_kurtosis_one, 5, 1)(sums.n, *exact).astype(np.int64))
        case Value.LAGS:
            lags = [sums.lag(k) for k in range(1, sums.config.n_lags + 1)]
            return np.stack(
                [np.sign(r) * fm.divide_nearest(np.abs(r), sums.square, 30) for r in lags], axis=1
            )
        case Value.AR | Value.CEPSTRUM:
            lags = [sums.lag(k) for k in range(1, sums.config.order + 1)]
            words = predict_words(sums.square, np.stack(lags, axis=1))
            return words if value is Value.AR else cepstrum_words(words)
        case Value.SIZES | Value.SHAPES:
            squares = (sums.square, sums.step_square(), sums.bend_square())
            lengths = [np.asarray(np.abs(np.diff(sums.x, k, axis=1)).sum(axis=1)) for k in (1, 2)]
            words = descriptor_words(squares, (lengths[0], lengths[1]), sums.n)
            return words[:, :3] if value is Value.SIZES else words[:, 3:]
        case _:
            return sums.bins()


def _log2_wide(v: NDArray[Any]) -> Ints:
    """Logarithm of integers of up to 76 bits, of which it looks at 32."""
    n_cut = np.where(v >= 1 << 60, 16, 0)
    kept = np.maximum(np.right_shift(v, n_cut).astype(np.int64), 1)
    result: Ints = fm.log2_q16(kept) + (n_cut.astype(np.int64) << 16)
    return result


def _words(row: FeatureRow, sums: _Sums) -> Ints:
    if row.value >= Value.MOBILITY:
        words = _ratio_words(row.value, sums)
        return words if words.ndim == 3 else words[:, None]
    if row.value is Value.FOURTH:
        return _log2_wide(sums.fourth())[:, None]
    value = sums.value(row.value)
    match row.transform:
        case Transform.LINEAR:
            words = fm.shift_nearest(value, row.shift)
        case Transform.SQRT:
            words = fm.sqrt_nearest(value << 2 * row.shift)
        case Transform.LOG2:
            words = fm.log2_q16(np.maximum(value, 1))
    return words[:, None]


def compute_words(config: FeatureConfig, windows: NDArray[np.int16]) -> NDArray[np.int32]:
    """Features of windows, as the device gives them.

    Parameters
    ----------
    config
        What to compute.
    windows
        int16 words, shape (n_windows, config.window, n_channels).

    Returns
    -------
    NDArray[np.int32]
        Shape (n_windows, n_components, n_channels), the rows' components in order.
    """
    sums = _Sums(windows.astype(np.int64), config)
    return np.concatenate([_words(row, sums) for row in config.rows], axis=1).astype(np.int32)
