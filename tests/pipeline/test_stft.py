"""Segments of a window: float against SciPy, bounds that bind, what a spec may ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import signal
from test_feature_models import emg

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_twin import round_to_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.stft import (
    StftConfig,
    StftFeature,
    bound_stft,
    compile_stft,
    compute_stft_features,
    compute_stft_words,
)

BANDS = ((20.0, 100.0), (100.0, 200.0), (200.0, 450.0))


def make(window: int = 200, hop: int = 50, rate_hz: float = 1000.0, **keys: Any) -> StftConfig:
    spec = StftFeature(
        **{"kind": "stft_power", "segment_ms": 64.0, "step_ms": 25.0, "bands_hz": BANDS} | keys
    )
    return compile_stft(spec, n_channels=3, window=window, hop=hop, rate_hz=rate_hz, word_shift=2)


def test_powers_are_those_of_another_implementation() -> None:
    config = make()
    x = emg(1, (4, 200, 3), 50, 0.9)
    found = compute_stft_features(config, x)
    start = 200 - 64 - (config.n_segments - 1) * 25
    f, _, z = signal.stft(
        x[:, start:], 1000.0, "hann", nperseg=64, noverlap=39, boundary=None, padded=False, axis=1, scaling="spectrum"
    )  # fmt: skip
    weights = signal.get_window("hann", 64)
    powers = (
        2 * np.abs(z) ** 2 * weights.sum() ** 2 / (64 * (weights**2).sum())
    )  # (windows, bins, channels, segments)
    assert z.shape[-1] == config.n_segments == 6
    expected = [
        np.log2(powers[..., k][:, (f >= low) & (f < high)].sum(axis=1))
        for k in range(6)
        for low, high in BANDS
    ]
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-9)
    assert [c.name for c in config.components][:4] == [
        "stft_power[20-100][0]", "stft_power[100-200][0]", "stft_power[200-450][0]", "stft_power[20-100][1]",
    ]  # fmt: skip


@pytest.mark.parametrize("taper", ["none", "hann"])
@pytest.mark.parametrize(("rms_words", "off"), [(1.0, 0.5), (3000.0, 0.5), (3000.0, 4.0)])
def test_twin_stays_inside_a_bound_that_says_something(taper: str, rms_words: float, off: float) -> None:
    config = make(taper=taper)
    x = emg(2, (40, 200, 3), rms_words / 4, 0.9)
    moved = x + (off - 0.5) / 4 * np.random.default_rng(1).choice([-1, 1], x.shape)
    words = compute_stft_words(config, round_to_words(moved, 2))
    bound = bound_stft(config, x, off)
    share = np.abs(to_real(config, words) - compute_stft_features(config, x)) / bound
    assert share.max() <= 1
    if rms_words == 3000.0:
        assert np.median(bound) < 0.05 * off
        assert share.max() > 0.05


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"segment_ms": 64.3}, "segment_ms 64.3 is 64.3 samples at 1000 Hz"),
        ({"step_ms": 20.0}, "step_ms is 20 frames, expected a divisor of the hop of 50"),
        ({"segment_ms": 20.0}, "segments of 20 frames at steps of 25"),
        ({"segment_ms": 201.0}, "segments of 201 frames at steps of 25"),
        ({"step_ms": 5.0}, "28 segments in a window, expected at most 16"),
        ({"bands_hz": ((1.0, 2.0),)}, "band 1 to 2 Hz holds no bin"),
    ],
)
def test_contradictions_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        make(**changed)
