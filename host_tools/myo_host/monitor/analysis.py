"""What the monitor computes of the signal itself: envelope, spectrum, fatigue trend, and quality where the patch has none.

References
----------
Luttmann, Jaeger, Laurig 2000, Int. J. Ind. Ergon. 25(6) (joint analysis of spectrum and amplitude: fatigue lowers the
frequencies while the amplitude rises). Sen 1968, J. Am. Stat. Assoc. 63(324), doi:10.1080/01621459.1968.10480934 (slope
and interval). Welch 1967, IEEE Trans. Audio Electroacoust. 15(2), doi:10.1109/TAU.1967.1161901.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import SpecError
from myo_pipeline.quality import QualityConfig, QualitySettings, compile_quality, measure_periods
from myo_pipeline.quality_flags import FlagTwin

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]

ENVELOPE_S = 0.025  # of one RMS
SPECTRUM_S = 1.0  # of signal in a spectrum and in a point of the trend
RESOLUTION_HZ = 2.5  # of a spectrum, at best
TREND_POINTS = 1800  # seconds that the trend remembers
SLOPE_POINTS = 200  # to which they are averaged before slopes are taken: pairs grow with the square
MIN_ACTIVE_S = 20  # fewer seconds of muscle give no slope
ACTIVE_SHARE = 0.25  # of a channel's largest RMS; a second below it is rest, whose spectrum is the noise's
CONFIDENCE = 0.95


class Rolling:
    """The newest frames of a stream, float32 (capacity, n_channels)."""

    def __init__(self, capacity: int, n_channels: int) -> None:
        self._frames = np.zeros((2 * capacity, n_channels), np.float32)
        self._capacity, self._end = capacity, 0

    def push(self, frames: Samples) -> None:
        """Append frames."""
        frames = frames[-self._capacity :]
        if self._end + len(frames) > len(self._frames):
            kept = min(self._end, self._capacity)
            self._frames[:kept] = self._frames[self._end - kept : self._end]
            self._end = kept
        self._frames[self._end : self._end + len(frames)] = frames
        self._end += len(frames)

    def newest(self) -> Samples | None:
        """Return the newest ``capacity`` frames, or None while there are fewer."""
        return self._frames[self._end - self._capacity : self._end] if self._end >= self._capacity else None


class Envelope:
    """RMS of consecutive blocks."""

    def __init__(self, rate_hz: float, n_channels: int) -> None:
        self.block = max(1, round(rate_hz * ENVELOPE_S))
        self.rate_hz = rate_hz / self.block
        self._rest = np.zeros((0, n_channels), np.float32)

    def push(self, frames: Samples) -> Samples:
        """Take frames and return the RMS of each block that they end, (n_blocks, n_channels)."""
        joined = np.concatenate([self._rest, frames])
        whole = len(joined) // self.block * self.block
        self._rest = joined[whole:]
        blocks = joined[:whole].reshape(-1, self.block, joined.shape[1])
        result: Samples = np.sqrt(np.mean(blocks * blocks, axis=1))
        return result


def measure_spectrum(frames: Samples, rate_hz: float) -> tuple[float, Floats]:
    """Return hertz a bin and the power density of each channel, unit^2/Hz (n_channels, n_bins), after Welch (Hann)."""
    from scipy import signal

    length = 1 << max(4, int(np.log2(rate_hz / RESOLUTION_HZ)))
    length = min(length, len(frames))
    _, power = signal.welch(frames, rate_hz, nperseg=length, detrend="constant", axis=0)
    return rate_hz / length, np.ascontiguousarray(power.T, np.float64)


def mean_frequency(power: Floats, hz_per_bin: float) -> Floats:
    """Return the power's centre of gravity, hertz, of each channel; NaN where there is no power."""
    total = power.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = power @ np.arange(power.shape[1]) * hz_per_bin / total
    return result


def median_frequency(power: Floats, hz_per_bin: float) -> Floats:
    """Return the frequency that halves the power, hertz, of each channel, between bins in proportion; NaN without power."""
    sums = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
    half = sums[:, -1:] / 2
    at = np.minimum((sums[:, 1:] < half).sum(axis=1), power.shape[1] - 1)
    rows = np.arange(len(power))
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (half[:, 0] - sums[rows, at]) / power[rows, at]
    # A bin holds what is within half a bin of its frequency, the first only what is above zero.
    result: Floats = np.where(half[:, 0] > 0, np.maximum(at - 0.5 + part, 0.0) * hz_per_bin, np.nan)
    return result


@dataclass(frozen=True)
class Slope:
    """A straight line through a channel's active seconds.

    Attributes
    ----------
    start, percent_per_min
        Value where the line begins, and its slope in percent of that; NaN where there are too few seconds.
    low, high
        Interval of the slope, at :data:`CONFIDENCE`.
    """

    start: float = np.nan
    percent_per_min: float = np.nan
    low: float = np.nan
    high: float = np.nan


def fit_slope(minutes: Floats, values: Floats) -> Slope:
    """Return the Theil-Sen line through points, or one of NaN where there is none."""
    from scipy import stats

    if len(values) < 3 or np.ptp(minutes) <= 0:
        return Slope()
    slope, intercept, low, high = stats.theilslopes(values, minutes, CONFIDENCE)
    start = intercept + slope * minutes[0]
    if not start > 0:
        return Slope()
    percent = 100.0 / start
    return Slope(float(start), float(slope * percent), float(low * percent), float(high * percent))


class Trend:
    """Mean and median frequency and RMS of each second, and how they change while the muscle works."""

    def __init__(self, n_channels: int) -> None:
        self._points: deque[tuple[float, NDArray[np.float32]]] = deque(maxlen=TREND_POINTS)
        self._n_channels = n_channels

    def push(self, time_s: float, power: Floats, hz_per_bin: float) -> NDArray[np.float32]:
        """Take a second's spectrum; return mean frequency, median frequency and RMS, (3, n_channels)."""
        rms = np.sqrt(power.sum(axis=1) * hz_per_bin)
        point = np.stack([mean_frequency(power, hz_per_bin), median_frequency(power, hz_per_bin), rms])
        self._points.append((time_s, point.astype(np.float32)))
        return self._points[-1][1]

    def points(self) -> list[tuple[float, NDArray[np.float32]]]:
        """Return time in seconds and values (3, n_channels) of every second that is remembered."""
        return list(self._points)

    def slopes(self) -> list[tuple[Slope, Slope, Slope]]:
        """Return the slopes of mean frequency, median frequency and RMS of each channel."""
        if not self._points:
            return [(Slope(), Slope(), Slope())] * self._n_channels
        minutes = np.array([time for time, _ in self._points]) / 60
        values = np.stack([point for _, point in self._points]).astype(np.float64)  # (n, 3, n_channels)
        return [self._fit_channel(minutes, values[:, :, k]) for k in range(self._n_channels)]

    def _fit_channel(self, minutes: Floats, values: Floats) -> tuple[Slope, Slope, Slope]:
        rms = values[:, 2]
        active = np.isfinite(values).all(axis=1)
        if active.any():
            active &= rms > ACTIVE_SHARE * rms[active].max()
        n = int(active.sum())
        if n < MIN_ACTIVE_S:
            return Slope(), Slope(), Slope()
        groups = np.arange(n) * min(n, SLOPE_POINTS) // n
        counts = np.bincount(groups)
        x = np.bincount(groups, minutes[active]) / counts
        mean, median, size = (fit_slope(x, np.bincount(groups, values[active, k]) / counts) for k in range(3))
        return mean, median, size


class QualityWatch:
    """Flags of each channel, from raw counts, by the definition that patches run (:mod:`myo_pipeline.quality`)."""

    def __init__(self, config: QualityConfig) -> None:
        self._config = config
        self._counts = np.zeros((0, config.n_channels), np.int32)
        self._flags = FlagTwin(config)

    @classmethod
    def open(cls, n_channels: int, rate_hz: float, adc_bits: int, lsb_uv: float) -> QualityWatch | None:
        """Return a watch with the default thresholds, or None where the definition does not hold at this rate."""
        try:
            return cls(
                compile_quality(
                    QualitySettings(),
                    n_channels=n_channels,
                    rate_hz=rate_hz,
                    adc_bits=adc_bits,
                    lsb_uv=lsb_uv,
                )
            )
        except SpecError:
            return None

    def push(self, counts: NDArray[np.int32]) -> NDArray[np.uint8] | None:
        """Take frames; return each channel's flags, or None while no period has ended."""
        self._counts = np.concatenate([self._counts, counts])
        n = self._config.period_frames
        whole = len(self._counts) // n * n
        if not whole:
            return None
        energies = measure_periods(self._config, self._counts[:whole])
        self._counts = self._counts[whole:]
        newest: NDArray[np.uint8] = self._flags.take(energies)[-1]
        return newest
