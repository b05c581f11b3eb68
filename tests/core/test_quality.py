"""Signal quality in C against the twin: any size, portions, counts; and that each flag is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device_line import Harness
from feature_case import portions
from myo_pipeline.quality import Flag, QualityConfig, QualitySettings, compile_quality
from myo_pipeline.quality_flags import flag_counts
from quality_case import ask_quality, faulty_counts


@pytest.fixture(scope="module")
def harness(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    found = Harness(core_program("quality_harness"))
    yield found
    found.close()


def compile_for(
    rate_hz: float, n_channels: int, adc_bits: int, rng: np.random.Generator | None = None
) -> QualityConfig:
    lsb_uv = 4000.0 / (1 << adc_bits)
    settings = QualitySettings(settle_periods=5)
    if rng is not None:
        settings = replace(
            settings, periods_on=int(rng.integers(1, 5)), periods_off=int(rng.integers(1, 5)),
            period_ms=float(rng.choice([90, 240, 480])), saturated_share=float(rng.uniform(0, 0.3)),
            duplicated_share=float(rng.choice([0.0, 0.02, 1.0])),
        )  # fmt: skip
    return compile_quality(
        settings, n_channels=n_channels, rate_hz=rate_hz, adc_bits=adc_bits, lsb_uv=lsb_uv,
        mains_hz=50.0 if rng is None else float(rng.choice([50, 60])),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_device_equals_twin(harness: Harness, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rate_hz = float(rng.choice([200, 500, 1000, 1234.5, 2000, 4000]))
    n_channels, adc_bits = int(rng.choice([1, 2, 3, 5, 8])), int(rng.choice([8, 12, 16, 24]))
    config = compile_for(rate_hz, n_channels, adc_bits, rng)
    n_frames = config.period_frames * 14 + int(rng.integers(0, config.period_frames))
    x = faulty_counts(rng, n_frames, n_channels, rate_hz, adc_bits, config.period_frames)
    status, found = ask_quality(harness, config, x, portions(n_frames, rng, int(rng.choice([7, 32, 3000]))))
    assert status == 0
    np.testing.assert_array_equal(found, flag_counts(config, x))


@pytest.mark.parametrize("adc_bits", [8, 24])
def test_full_scale_does_not_overflow(harness: Harness, adc_bits: int) -> None:
    """The longest period, at the converter's ends, alternating with the mains: sums are at their largest."""
    settings = QualitySettings(period_ms=2700, periods_on=1)
    config = compile_quality(settings, n_channels=2, rate_hz=6000, adc_bits=adc_bits, lsb_uv=1.0)
    assert config.period_frames > 16000
    top = 1 << (adc_bits - 1)
    t = np.arange(config.period_frames)
    square = np.where(np.sin(2 * np.pi * 50 / 6000 * (t + 0.5)) > 0, top - 1, -top)
    for x in (np.full(len(t), -top), np.full(len(t), top - 1), square, -1 - square):
        counts = np.stack([x, -1 - x], axis=1)
        status, found = ask_quality(harness, config, counts, [len(t)])
        assert status == 0
        np.testing.assert_array_equal(found, flag_counts(config, counts))
        assert (found & Flag.SATURATED).all()


def test_one_count_inside_the_ends_is_not_saturated(harness: Harness) -> None:
    config = compile_for(1000, 2, 12)
    t = np.arange(4 * config.period_frames)
    inside = np.stack([np.where(t % 2, 2046, -2047), np.where(t % 3, 2047, -2048)], axis=1)
    status, found = ask_quality(harness, config, inside, [len(t)])
    assert status == 0
    np.testing.assert_array_equal(found, flag_counts(config, inside))
    np.testing.assert_array_equal(found[2:] & Flag.SATURATED, np.tile([0, Flag.SATURATED], (2, 1)))


def test_64_channels(harness: Harness) -> None:
    rng = np.random.default_rng(5)
    config = compile_for(1000, 64, 12)
    x = faulty_counts(rng, config.period_frames * 70, 64, 1000, 12, config.period_frames)
    x[:, 40] = x[:, 8]  # 32 apart: the farthest
    status, found = ask_quality(harness, config, x, [len(x)])
    assert status == 0
    np.testing.assert_array_equal(found, flag_counts(config, x))
    assert (found[40:, [8, 40]] & Flag.DUPLICATED).any()
    assert np.bitwise_or.reduce(found, axis=None) == sum(Flag)


def test_reset_is_exact(harness: Harness) -> None:
    rng = np.random.default_rng(6)
    config = compile_for(1000, 3, 16)
    x = faulty_counts(rng, config.period_frames * 9, 3, 1000, 16, config.period_frames)
    n = config.period_frames * 4 + 77
    status, found = ask_quality(harness, config, np.concatenate([x[:n], x]), [n, -1, len(x)])
    assert status == 0
    np.testing.assert_array_equal(found, np.concatenate([flag_counts(config, x[:n]), flag_counts(config, x)]))


CONFIG = compile_for(1000, 2, 16)
BAD = {
    "no channels": {"n_channels": 0},
    "65 channels": {"n_channels": 65},
    "an empty block": {"block_frames": 0},
    "sums beyond 32 bits": {"adc_bits": 24, "block_frames": 60, "mains_shift": 20},
    "bits": {"adc_bits": 25},
    "a Fourier sum beyond 30 bits": {"mains_shift": CONFIG.mains_shift - 1},
    "a ratio above one": {"motion_q16": 65537},
    "an energy too large": {"off_energy": 1 << 60},
    "no clip level": {"clip_level": 0},
    "no periods on": {"periods_on": 0},
    "too many periods off": {"periods_off": 5},
}


@pytest.mark.parametrize("name", BAD)
def test_init_refuses(harness: Harness, name: str) -> None:
    assert ask_quality(harness, replace(CONFIG, **BAD[name]), np.zeros((0, 2)), [])[0] == 2  # type: ignore[arg-type]


def test_init_refuses_too_little_memory(harness: Harness) -> None:
    assert ask_quality(harness, CONFIG, np.zeros((0, 2)), [], n_missing=1)[0] == 3
