"""Segments of windows in C against the twin: any segment, step, window, hop, portions, words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_line import Harness
from feature_case import portions
from myo_pipeline.feature_twin import cut_windows
from myo_pipeline.stft import StftConfig, StftFeature, compile_stft, compute_stft_words
from test_spectrum import ask_spectrum, signal

BANDS = ((0.0, 150.0), (150.0, 300.0), (300.0, 500.0))


@pytest.fixture(scope="module")
def harness(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    found = Harness(core_program("spectrum_harness"))
    yield found
    found.close()


def make(n_channels: int, window: int, hop: int, segment: int, step: int, taper: Any = "hann") -> StftConfig:
    spec = StftFeature(
        kind="stft_power", segment_ms=float(segment), step_ms=float(step), bands_hz=BANDS, taper=taper
    )
    return compile_stft(spec, n_channels=n_channels, window=window, hop=hop, rate_hz=1000.0, word_shift=0)


def ask(harness: Harness, config: StftConfig, x: np.ndarray, pushes: list[int], missing: int = 0) -> Any:
    segments = (config.window, config.hop, config.n_segments)
    return ask_spectrum(harness, config.segment, x, pushes, missing, segments)


@pytest.mark.parametrize("seed", range(20))
def test_any_window_hop_and_portions(harness: Harness, seed: int) -> None:
    rng = np.random.default_rng(seed)
    step, segment = int(rng.integers(4, 30)), int(rng.integers(30, 130))
    hop = step * int(rng.integers(1, 4))
    window = max(hop, segment + int(rng.integers(0, 12 * step)))
    config = make(int(rng.integers(1, 5)), window, hop, segment, step, rng.choice(["none", "hann"]))
    x = signal(rng, window + int(rng.integers(0, 5 * hop + 1)), config.n_channels)
    status, found = ask(harness, config, x, portions(len(x), rng, int(rng.choice([1, 5, 64, 2000]))))
    assert status == 0
    np.testing.assert_array_equal(found, compute_stft_words(config, cut_windows(x, window, hop)))


def test_reset_is_exact_and_a_pause_changes_nothing(harness: Harness) -> None:
    config = make(2, 100, 30, 40, 15)
    x = np.random.default_rng(1).normal(0, 500, (300, 2)).astype(np.int16)
    pushes = [90, 47, -1, 100, 0, 0, 200]
    status, found = ask(harness, config, np.concatenate([x[:137], x]), pushes)
    assert status == 0
    parts = [compute_stft_words(config, cut_windows(part, 100, 30)) for part in (x[:137], x)]
    np.testing.assert_array_equal(found, np.concatenate(parts))


@pytest.mark.parametrize("segments", [(99, 30, 5), (100, 20, 5), (100, 0, 5), (100, 120, 5)], ids=str)
def test_init_refuses(harness: Harness, segments: tuple[int, int, int]) -> None:
    config = make(2, 100, 30, 40, 15)
    assert ask_spectrum(harness, config.segment, np.zeros((0, 2)), [], 0, segments)[0] == 2


def test_init_refuses_too_little_memory(harness: Harness) -> None:
    assert ask(harness, make(2, 100, 30, 40, 15), np.zeros((0, 2)), [], missing=1)[0] == 3
