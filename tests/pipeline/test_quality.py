"""The quality twin against its float definition, and each flag on a signal that has exactly that fault."""

from __future__ import annotations

import numpy as np
import pytest

from myo_pipeline.errors import SpecError
from myo_pipeline.quality import (
    Flag,
    QualityConfig,
    QualitySettings,
    compile_quality,
    cut_periods,
    measure_float,
    measure_periods,
)
from myo_pipeline.quality_flags import flag_counts

RATES = [(200.0, 8), (1000.0, 12), (2000.0, 16), (4000.0, 24)]


def compile_for(rate_hz: float, adc_bits: int, mains_hz: float = 50.0, n_channels: int = 4) -> QualityConfig:
    return compile_quality(
        QualitySettings(settle_periods=10), n_channels=n_channels, rate_hz=rate_hz, adc_bits=adc_bits,
        lsb_uv=4000.0 / (1 << adc_bits), mains_hz=mains_hz,
    )  # fmt: skip


def muscle(rng: np.random.Generator, n_frames: int, n_channels: int, rate_hz: float) -> np.ndarray:
    """Noise of 60 uV in bursts over 6 uV, as counts of no unit."""
    t = np.arange(n_frames) / rate_hz
    noise = rng.normal(0, 1, (n_frames + 1, n_channels))
    return np.diff(noise, axis=0) / np.sqrt(2) * np.where(t % 3 < 1.5, 6.0, 60.0)[:, None]


def to_counts(x_uv: np.ndarray, adc_bits: int) -> np.ndarray:
    top = 1 << (adc_bits - 1)
    return np.clip(np.round(x_uv / (4000.0 / (1 << adc_bits))), -top, top - 1).astype(np.int32)


@pytest.mark.parametrize(("rate_hz", "adc_bits"), RATES)
@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_twin_is_within_its_bound_of_float(rate_hz: float, adc_bits: int, mains_hz: float) -> None:
    """Floors: one of the mean's square, one of each group's; a shifted Fourier sum is off by under 1, and by the mean's."""
    rng = np.random.default_rng(int(rate_hz))
    config = compile_for(rate_hz, adc_bits, mains_hz)
    x = muscle(rng, 8 * config.period_frames, 4, rate_hz)
    x += rng.uniform(0, 300, 4) * np.sin(2 * np.pi * mains_hz / rate_hz * np.arange(len(x)))[:, None]
    counts = to_counts(x + np.cumsum(rng.normal(0, 1, x.shape), axis=0), adc_bits)
    energies = measure_periods(config, counts)
    total, baseline, mains = measure_float(config, counts)
    rounding = 1e-9 * (total + 1)
    assert (np.abs(energies.total - total) <= 1 + rounding).all()
    assert (np.abs(energies.baseline - baseline) <= config.n_groups + 1 + rounding).all()
    per_square = config.mains_q16 / 2.0**16 * 2.0 ** (config.mains_up - config.mains_down)
    wave_sum = max(abs(config.cosine_sum), abs(config.sine_sum))
    of_sum = 1 + wave_sum / 2.0**config.mains_shift
    size = np.sqrt(mains / per_square)
    # either sum s is off by e < of_sum: its square by 2 |s| e + e^2; together 2 sqrt(2) size e + 2 e^2
    off = per_square * (2 * np.sqrt(2) * size * of_sum + 2 * of_sum**2) + 3 * 2**config.mains_up
    assert (np.abs(energies.mains - mains) <= off + rounding).all()


@pytest.mark.parametrize(("rate_hz", "adc_bits"), RATES)
@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_energy_is_that_of_a_sine(rate_hz: float, adc_bits: int, mains_hz: float) -> None:
    config = compile_for(rate_hz, adc_bits, mains_hz)
    t = np.arange(3 * config.period_frames) / rate_hz
    sines = 800 * np.sin(2 * np.pi * mains_hz * t[:, None] + np.arange(4))
    energies = measure_periods(config, to_counts(sines + 300, adc_bits))
    np.testing.assert_allclose(energies.mains / energies.total, 1, atol=0.04)


@pytest.mark.parametrize(("rate_hz", "adc_bits"), RATES)
def test_each_fault_sets_its_flag_and_leaves_the_others(rate_hz: float, adc_bits: int) -> None:
    rng = np.random.default_rng(3)
    config = compile_for(rate_hz, adc_bits, n_channels=9)
    n = 30 * config.period_frames
    t = np.arange(n) / rate_hz
    x = muscle(rng, n, 9, rate_hz)
    hum = np.sin(2 * np.pi * 50 * t)
    x[:, 1] = rng.normal(0, 2000, n)  # into the ends
    x[:, 2] = 41.0  # dead
    x[:, 3] = 900 * hum + 700 * np.sin(2 * np.pi * 0.7 * t)  # floating
    x[:, 4] += 110 * hum
    x[:, 5] += 500 * np.sin(2 * np.pi * 1.3 * t)
    x[:, 6] = x[:, 8]
    x[:, 7] = rng.normal(0, 30, n)  # nothing but noise
    flags = flag_counts(config, to_counts(x, adc_bits))[20:].astype(int)
    assert not (flags[:, 0]).any()
    expected = {
        1: Flag.SATURATED,
        2: Flag.FLAT,
        3: Flag.OFF,
        4: Flag.MAINS,
        6: Flag.DUPLICATED,
        7: Flag.LOW_SNR,
    }
    for channel, flag in expected.items():
        assert (flags[:, channel] & flag).all(), flag.name
    assert (flags[:, 5] & Flag.MOTION).mean() > 0.4  # a burst of muscle covers the wander
    assert (flags[:, 8] & Flag.DUPLICATED).all()
    for channel in (1, 2, 4, 6, 7, 8):
        assert not (flags[:, channel] & ~int(expected.get(channel, Flag.DUPLICATED))).any()


def test_a_flag_needs_its_periods() -> None:
    config = compile_for(1000.0, 16, n_channels=1)
    x = to_counts(muscle(np.random.default_rng(4), 12 * config.period_frames, 1, 1000.0), 16)
    periods = x.reshape(12, config.period_frames)
    periods[3] = 7  # one dead period is not told, two are from the second on, until two are live
    periods[6:8] = 7
    np.testing.assert_array_equal(
        flag_counts(config, x)[:, 0] & Flag.FLAT, np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0]) * Flag.FLAT
    )


def test_too_few_frames_are_no_period() -> None:
    config = compile_for(1000.0, 16)
    assert cut_periods(config, np.zeros((config.period_frames - 1, 4), np.int32)).shape[0] == 0
    assert flag_counts(config, np.zeros((10, 4), np.int32)).shape == (0, 4)


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (QualitySettings(motion_share=1.5), {}),
        (QualitySettings(flat_uv=-1.0), {}),
        (QualitySettings(periods_on=5), {}),
        (QualitySettings(period_ms=60_000.0), {}),
        (QualitySettings(), {"n_channels": 65}),
        (QualitySettings(), {"rate_hz": 100.0}),
        (QualitySettings(), {"clip_counts": 1 << 15}),
    ],
)
def test_compile_refuses(settings: QualitySettings, sizes: dict[str, float]) -> None:
    fits = {"n_channels": 4, "rate_hz": 1000.0, "adc_bits": 16, "lsb_uv": 1.0}
    with pytest.raises(SpecError):
        compile_quality(settings, **{**fits, **sizes})  # type: ignore[arg-type]
