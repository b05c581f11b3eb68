"""Feature configs for the tests, and how features_harness.c is asked."""

from __future__ import annotations

import struct

import numpy as np

from device_line import Harness
from myo_pipeline.feature_config import FeatureConfig
from myo_pipeline.features import (
    AmplitudeFeature,
    AutocorrelationFeature,
    CountFeature,
    DescriptorFeature,
    Feature,
    HistogramFeature,
    PredictionFeature,
    ShapeFeature,
)

AMPLITUDES = [
    "iemg", "mav", "mav1", "mav2", "rms", "ssi", "variance", "activity", "wl", "aac", "dasdv",
]  # fmt: skip
SHAPES = ["log_detector", "tm3", "tm4", "tkeo", "mobility", "complexity", "skewness", "kurtosis"]


def all_features(
    threshold: float = 3.0, lags: int = 4, bins: int = 9, reach: float = 500.0, with_descriptors: bool = True
) -> list[Feature]:
    """Every feature of the catalogue, and the logarithms."""
    found: list[Feature] = [AmplitudeFeature(kind=kind) for kind in AMPLITUDES]
    found += [AmplitudeFeature(kind=kind, log=True) for kind in AMPLITUDES]
    found += [ShapeFeature(kind=kind) for kind in SHAPES]
    found += [CountFeature(kind=kind, threshold=threshold) for kind in ("zc", "ssc", "wamp")]
    found += [AutocorrelationFeature(kind="autocorrelation", lags=lags)]
    found += [
        PredictionFeature(kind="ar", order=min(lags, 8)),
        PredictionFeature(kind="cepstrum", order=min(lags, 8)),
    ]
    if with_descriptors:
        found += [DescriptorFeature(kind="tdpsd_sizes"), DescriptorFeature(kind="tdpsd_shapes")]
    return [*found, HistogramFeature(kind="histogram", bins=bins, range=reach)]


def ask_features(
    harness: Harness,
    config: FeatureConfig,
    words: np.ndarray,
    pushes: list[int],
    missing_words: int = 0,
    is_special: bool = False,
) -> tuple[int, np.ndarray]:
    """Push frames (n_frames, n_channels) in those portions (-1: reset); give the status and all windows' words."""
    head = struct.pack(
        "<22i", config.n_channels, config.window, config.hop, len(config.block_lengths), config.n_blocks,
        config.first_middle_block, config.end_middle_block, len(config.rows), config.n_components, config.needs,
        config.n_lags, config.order, config.n_bins, config.bin_range, config.bin_multiplier, config.bin_shift, *config.thresholds,
        len(pushes), missing_words, is_special,
    )  # fmt: skip
    body = head + struct.pack(f"<{len(config.block_lengths)}H", *config.block_lengths)
    body += b"".join(bytes([row.value, row.transform, row.shift, 0]) for row in config.rows)
    body += struct.pack(f"<{len(pushes)}i", *pushes) + words.astype("<i2").tobytes()
    answer = harness.ask("f", body)
    found = np.frombuffer(answer[4:], "<i4")
    window = (config.n_components, config.n_channels)
    n_windows = len(found) // max(1, config.n_components * config.n_channels)
    return struct.unpack("<I", answer[:4])[0], found.reshape(n_windows, *window)


def portions(n_frames: int, rng: np.random.Generator, largest: int) -> list[int]:
    """Cut frames into pushes of 0 .. largest."""
    found = []
    while n_frames:
        found.append(min(n_frames, int(rng.integers(0, largest + 1))))
        n_frames -= found[-1]
    return found
