"""What the monitor computes itself, against definitions, closed forms and other people's code."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from myo_host.monitor.analysis import (
    MIN_ACTIVE_S,
    Envelope,
    QualityWatch,
    Rolling,
    Trend,
    fit_slope,
    mean_frequency,
    measure_spectrum,
    median_frequency,
)
from myo_pipeline.quality import Flag, QualitySettings, compile_quality
from myo_pipeline.quality_flags import flag_counts

RATE_HZ = 1000.0


def test_the_envelope_does_not_depend_on_how_the_signal_comes() -> None:
    x = np.random.default_rng(1).normal(size=(1000, 3)).astype(np.float32)
    whole = Envelope(RATE_HZ, 3).push(x)
    parts = Envelope(RATE_HZ, 3)
    cut = np.concatenate([parts.push(piece) for piece in np.split(x, [1, 26, 27, 400, 999])])
    np.testing.assert_array_equal(cut, whole)
    expected = np.sqrt((x.astype(float).reshape(40, 25, 3) ** 2).mean(axis=1))
    np.testing.assert_allclose(whole, expected, rtol=1e-6)


def test_the_newest_frames_are_kept() -> None:
    rolling, rng = Rolling(50, 2), np.random.default_rng(2)
    said = np.zeros((0, 2), np.float32)
    for n in rng.integers(0, 130, 60):
        piece = rng.normal(size=(n, 2)).astype(np.float32)
        said = np.concatenate([said, piece])
        rolling.push(piece)
        newest = rolling.newest()
        if newest is not None:
            np.testing.assert_array_equal(newest, said[-50:])
    assert newest is not None


def test_a_flat_band_has_its_mean_and_median_in_the_middle() -> None:
    power = np.zeros((2, 101))
    power[0, 20:61] = 3.0  # 40 to 120 Hz in bins of 2 Hz
    power[1, 10] = 1.0
    power[1, 30] = 3.0
    np.testing.assert_allclose(mean_frequency(power, 2.0), [80.0, 50.0])
    np.testing.assert_allclose(median_frequency(power, 2.0), [80.0, 59.0 + 2 * (1 / 3)])
    assert np.isnan(mean_frequency(np.zeros((1, 9)), 1.0)).all()
    assert np.isnan(median_frequency(np.zeros((1, 9)), 1.0)).all()


def test_a_spectrum_holds_the_power_and_finds_a_tone() -> None:
    t = np.arange(4000) / RATE_HZ
    x = np.stack(
        [3 * np.sqrt(2) * np.sin(2 * np.pi * 125 * t), np.random.default_rng(3).normal(size=4000)], axis=1
    )
    hz, power = measure_spectrum(x.astype(np.float32), RATE_HZ)
    np.testing.assert_allclose(power.sum(axis=1) * hz, [9.0, 1.0], rtol=0.05)
    assert power[0].argmax() * hz == pytest.approx(125, abs=hz)


def make_fatigue(minutes: float, percent: float, growth: float) -> list[np.ndarray]:
    """A second's power at a time: a band that narrows while it grows, with rest in every fourth second."""
    rng, out = np.random.default_rng(4), []
    hz = np.arange(257) * 2.0
    for second in range(round(minutes * 60)):
        middle = 100 * (1 + percent / 100 * second / 60) * rng.normal(1, 0.02)
        size = (1 + growth / 100 * second / 60) * rng.normal(1, 0.02) if second % 4 else 0.05
        band = np.exp(-(((hz - (middle if second % 4 else 250)) / 30) ** 2))
        out.append((size**2 * band / (band.sum() * 2.0))[None])
    return out


def test_fatigue_shows_as_falling_frequencies_and_growing_amplitude() -> None:
    trend = Trend(1)
    for second, power in enumerate(make_fatigue(4, -5.0, 8.0)):
        trend.push(second, power, 2.0)
    ((mean, median, rms),) = trend.slopes()
    for slope, truth in ((mean, -5.0), (median, -5.0), (rms, 8.0)):
        assert slope.low < truth < slope.high
        assert slope.percent_per_min == pytest.approx(truth, abs=0.6)
    assert mean.high < 0 < rms.low
    assert mean.start == pytest.approx(100, abs=2)


def test_no_slope_without_enough_muscle() -> None:
    trend = Trend(1)
    for second, power in enumerate(make_fatigue(0.4, -5.0, 8.0)[: MIN_ACTIVE_S - 1]):
        trend.push(second, power, 2.0)
    assert all(np.isnan(slope.percent_per_min) for slope in trend.slopes()[0])
    assert np.isnan(fit_slope(np.zeros(5), np.ones(5)).start)


@pytest.mark.parametrize("n_channels", [1, 5])
def test_flags_are_those_of_the_definition(n_channels: int) -> None:
    """However the counts come."""
    rng = np.random.default_rng(5)
    config = compile_quality(
        QualitySettings(), n_channels=n_channels, rate_hz=RATE_HZ, adc_bits=12, lsb_uv=1.0
    )
    n = config.period_frames * 60
    x = signal.lfilter([1, -1], [1], rng.normal(0, 60, (n, n_channels)), axis=0)
    x[n // 3 : n // 2, 0] = 0
    x[n // 2 :, n_channels - 1] += 300 * np.sin(2 * np.pi * 50 * np.arange(n - n // 2) / RATE_HZ)
    counts = np.clip(np.rint(x), -2048, 2047).astype(np.int32)
    watch = QualityWatch.open(n_channels, RATE_HZ, 12, 1.0)
    assert watch is not None
    told = [flags for piece in np.array_split(counts, 611) if (flags := watch.push(piece)) is not None]
    np.testing.assert_array_equal(told, flag_counts(config, counts))
    assert {flag for flag in Flag if any(int(flag) & np.concatenate(told))} >= {Flag.FLAT, Flag.MAINS}


def test_a_rate_below_the_mains_has_no_quality() -> None:
    assert QualityWatch.open(4, 90.0, 12, 1.0) is None
