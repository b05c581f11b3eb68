"""Correlation around the ring in C against the twin: any channels, reach, window, hop, portions, words."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_line import Harness
from feature_case import portions
from myo_pipeline.feature_twin import cut_windows
from myo_pipeline.ring import RingConfig, RingFeature, compile_ring, compute_ring_words


@pytest.fixture(scope="module")
def harness(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    found = Harness(core_program("correlation_harness"))
    yield found
    found.close()


def make(n_channels: int, reach: int, window: int, hop: int) -> RingConfig:
    spec = RingFeature(kind="ring_correlation", reach=reach)
    return compile_ring(spec, n_channels=n_channels, window=window, hop=hop, word_shift=0)


def ask(
    harness: Harness, head: tuple[int, int, int, int], x: np.ndarray, pushes: list[int], missing: int = 0
) -> Any:
    """Push words (n_frames, n_channels); head is channels, window, hop and reach."""
    body = struct.pack("<6i", *head, len(pushes), missing) + np.array(pushes, "<i4").tobytes()
    answer = harness.ask("r", body + np.asarray(x, "<i2").tobytes())
    status, memory_words = struct.unpack_from("<2I", answer)
    return status, memory_words, np.frombuffer(answer, "<i4", offset=8).reshape(-1, max(1, head[3]), head[0])


def signal(rng: np.random.Generator, n: int, n_channels: int) -> np.ndarray:
    """Words of any size, with silent channels and full scale."""
    size = rng.choice([0.5, 30.0, 3000.0, 60000.0], n_channels)
    x = rng.normal(0, size, (n, n_channels)) + 0.5 * rng.normal(0, size.max(), (n, 1)) * rng.choice(
        [-1, 0, 1], n_channels
    )
    x[:, rng.random(n_channels) < 0.1] = 0
    x[rng.random(len(x)) < 0.05] = rng.choice([-32768, 32767])
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("seed", range(24))
def test_any_window_hop_and_portions(harness: Harness, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_channels = int(rng.integers(2, 10))
    reach = int(rng.integers(1, n_channels // 2 + 1))
    window = int(rng.integers(3, 120))
    hop = window if seed % 8 == 0 else int(rng.integers(1, window + 1))
    config = make(n_channels, reach, window, hop)
    x = signal(rng, window + int(rng.integers(0, 5 * hop + 1)), n_channels)
    status, memory_words, found = ask(
        harness, (n_channels, window, hop, reach), x, portions(len(x), rng, int(rng.choice([1, 5, 64, 2000])))
    )
    assert (status, memory_words) == (0, config.memory_words)
    np.testing.assert_array_equal(found, compute_ring_words(config, cut_windows(x, window, hop)))


def test_reset_is_exact_and_a_pause_changes_nothing(harness: Harness) -> None:
    config = make(5, 2, 100, 30)
    x = np.random.default_rng(1).normal(0, 500, (300, 5)).astype(np.int16)
    pushes = [90, 47, -1, 100, 0, 0, 200]
    status, _, found = ask(harness, (5, 100, 30, 2), np.concatenate([x[:137], x]), pushes)
    assert status == 0
    parts = [compute_ring_words(config, cut_windows(part, 100, 30)) for part in (x[:137], x)]
    np.testing.assert_array_equal(found, np.concatenate(parts))


@pytest.mark.parametrize(
    "head", [(1, 50, 20, 1), (5, 50, 20, 3), (5, 50, 20, 0), (5, 50, 51, 1), (5, 50, 0, 1)], ids=str
)
def test_init_refuses(harness: Harness, head: tuple[int, int, int, int]) -> None:
    assert ask(harness, head, np.zeros((0, head[0])), [])[0] == 2


def test_init_refuses_too_little_memory(harness: Harness) -> None:
    assert ask(harness, (5, 50, 20, 2), np.zeros((0, 5)), [], missing=1)[0] == 3
