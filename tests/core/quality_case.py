"""Signals with faults for the tests, and how quality_harness.c is asked."""

from __future__ import annotations

import struct

import numpy as np

from device_line import QUALITY_FIELDS, Harness
from myo_pipeline.quality import QualityConfig


def ask_quality(
    harness: Harness, config: QualityConfig, counts: np.ndarray, pushes: list[int], n_missing: int = 0
) -> tuple[int, np.ndarray]:
    """Push counts (n_frames, n_channels) in those portions (-1: reset); give the status and each period's flags."""
    body = struct.pack("<28q", *(getattr(config, name) for name in QUALITY_FIELDS))
    body += struct.pack("<2q", len(pushes), n_missing)
    body += np.array([*config.cosines, *config.sines], "<i2").tobytes()
    body += np.array(pushes, "<i4").tobytes() + counts.astype("<i4").tobytes()
    answer = harness.ask("q", body)
    rows = np.frombuffer(answer[4:], np.uint8).reshape(-1, 8 + config.n_channels)
    masks, flags = rows[:, :8].copy().view("<u8")[:, 0], rows[:, 8:]
    for mask, row in zip(masks, flags, strict=True):
        assert int(mask) == sum(1 << c for c, found in enumerate(row) if found)
    return struct.unpack("<I", answer[:4])[0], flags


def faulty_counts(
    rng: np.random.Generator, n_frames: int, n_channels: int, rate_hz: float, adc_bits: int, period: int
) -> np.ndarray:
    """Noise in bursts; each channel and stretch of periods with a fault, or none."""
    top = 1 << (adc_bits - 1)
    t = np.arange(n_frames) / rate_hz
    x = rng.normal(0, top / 40 + 1, (n_frames, n_channels)) * (0.1 + (np.sin(t) > 0))[:, None]
    hum = np.sin(2 * np.pi * 50 * t)
    for first in range(0, n_frames, 3 * period):
        part = slice(first, first + 3 * period)
        for c in range(n_channels):
            match rng.integers(0, 9):
                case 0:
                    x[part, c] = rng.choice([-top, top - 1], len(x[part]))
                case 1:
                    x[part, c] = rng.integers(-top, top)
                case 2:
                    x[part, c] = top / 3 * hum[part] + top / 3 * np.sin(3 * t[part])
                case 3:
                    x[part, c] += top / 5 * hum[part]
                case 4:
                    x[part, c] += top / 2 * np.sign(np.sin(9 * t[part]))
                case 5:
                    x[part, c] = x[part, rng.integers(0, n_channels)]
                case 6:
                    x[part, c] *= 60
                case _:
                    pass
    return np.clip(np.round(x), -top, top - 1).astype(np.int32)
