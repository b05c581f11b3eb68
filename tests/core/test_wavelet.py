"""Wavelet energies in C against the twin: any wavelet, tree, window, hop, portions, words."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device_line import Harness
from feature_case import portions
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_twin import cut_windows
from myo_pipeline.wavelet import (
    MAX_LEVELS,
    MAX_PACKET_LEVELS,
    PacketFeature,
    Split,
    WaveletConfig,
    WaveletFeature,
    compile_wavelet,
)
from myo_pipeline.wavelet_energy import compute_energy_words
from test_spectrum import signal


@pytest.fixture(scope="module")
def harness(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    found = Harness(core_program("wavelet_harness"))
    yield found
    found.close()


def ask_wavelet(
    harness: Harness, config: WaveletConfig, words: np.ndarray, pushes: list[int], missing_words: int = 0,
    **changed: int,
) -> tuple[int, int, np.ndarray]:  # fmt: skip
    """Push frames (n_frames, n_channels) in those portions (-1: reset); give status, memory and all windows' words."""
    head: dict[str, Any] = {
        "n_channels": config.n_channels, "window": config.window, "hop": config.hop, "n_taps": len(config.taps),
        "n_splits": len(config.splits), "n_levels": config.spec.levels, "up": config.up,
        "n_components": config.n_components,
    } | changed  # fmt: skip
    body = struct.pack("<10i", *head.values(), len(pushes), missing_words)
    body += config.taps.astype("<i4").tobytes()
    body += b"".join(bytes([s.parent % 256, s.level, s.low, s.high]) for s in config.splits)
    body += struct.pack(f"<{len(pushes)}i", *pushes) + words.astype("<i2").tobytes()
    answer = harness.ask("w", body)
    found = np.frombuffer(answer[8:], "<i4").reshape(-1, config.n_components, config.n_channels)
    status, memory = struct.unpack("<2I", answer[:8])
    return status, memory, found


def draw_config(rng: np.random.Generator) -> WaveletConfig:
    """Any that a spec could ask for; hops of many powers of two and of none."""
    while True:
        window = int(rng.integers(8, 300))
        step = int(2 ** rng.integers(0, 7))
        hop = int(rng.choice([window, min(window, step * int(rng.integers(1, 8)))]))
        wavelet: Any = f"db{rng.integers(1, 9)}"
        spec: WaveletFeature | PacketFeature = (
            WaveletFeature(
                kind="wavelet_energy", wavelet=wavelet, levels=int(rng.integers(1, MAX_LEVELS + 1))
            )
            if rng.random() < 0.5
            else PacketFeature(
                kind="packet_energy", wavelet=wavelet, levels=int(rng.integers(1, MAX_PACKET_LEVELS + 1))
            )
        )
        try:
            return compile_wavelet(
                spec, n_channels=int(rng.integers(1, 5)), window=window, hop=hop, word_shift=0
            )
        except SpecError:
            continue


@pytest.mark.parametrize("seed", range(150))
def test_any_wavelet_window_hop_and_portions(harness: Harness, seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = draw_config(rng)
    x = signal(rng, config.window + int(rng.integers(0, 6 * config.hop + 1)), config.n_channels)
    pushes = portions(len(x), rng, int(rng.choice([1, 5, 64, 2000])))
    status, memory, found = ask_wavelet(harness, config, x, pushes)
    assert status == 0
    assert memory == config.memory_words
    expected = compute_energy_words(config, cut_windows(x, config.window, config.hop))
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("hop", [1, 2, 6, 16, 50, 64, 96, 200])
def test_what_is_updated_equals_what_is_computed_anew(harness: Harness, hop: int) -> None:
    """Hops that share all, some or no levels with the window before, against windows that each stand alone."""
    for spec in (WaveletFeature(kind="wavelet_energy"), PacketFeature(kind="packet_energy")):
        config = compile_wavelet(spec, n_channels=2, window=200, hop=hop, word_shift=0)
        alone = replace(config, hop=200)
        x = np.random.default_rng(hop).normal(0, 900, (200 + 9 * hop, 2)).astype(np.int16)
        _, _, found = ask_wavelet(harness, config, x, [len(x)])
        windows = [ask_wavelet(harness, alone, w, [200])[2] for w in cut_windows(x, 200, hop)]
        np.testing.assert_array_equal(found, np.concatenate(windows))


def test_largest_words_do_not_overflow(harness: Harness) -> None:
    """Words that follow the signs of the filters' own responses, at full scale; the sanitizer watches."""
    for n in (1, 4, 8):
        spec: Any = WaveletFeature(kind="wavelet_energy", wavelet=f"db{n}", levels=4)  # type: ignore[arg-type]
        config = compile_wavelet(spec, n_channels=1, window=512, hop=512, word_shift=0)
        signs = [np.resize(np.sign(config.taps[:, k] + 0.5), 512) for k in (0, 1)]
        for x in (*signs, *(np.repeat(s, 4)[:512] for s in signs), np.ones(512), -np.ones(512)):
            words = np.clip(x * 2**15, -(2**15), 2**15 - 1).astype(np.int16)[:, None]
            status, _, found = ask_wavelet(harness, config, words, [512])
            assert status == 0
            np.testing.assert_array_equal(found, compute_energy_words(config, words[None]))


def test_reset_is_exact_and_a_pause_changes_nothing(harness: Harness) -> None:
    spec = PacketFeature(kind="packet_energy", levels=2)
    config = compile_wavelet(spec, n_channels=3, window=100, hop=12, word_shift=0)
    x = np.random.default_rng(1).normal(0, 500, (300, 3)).astype(np.int16)
    pushes = [90, 47, -1, 100, 0, 0, 200]
    status, _, found = ask_wavelet(harness, config, np.concatenate([x[:137], x]), pushes)
    assert status == 0
    parts = [compute_energy_words(config, cut_windows(part, 100, 12)) for part in (x[:137], x)]
    np.testing.assert_array_equal(found, np.concatenate(parts))


CONFIG = compile_wavelet(
    WaveletFeature(kind="wavelet_energy", levels=2), n_channels=2, window=60, hop=20, word_shift=0
)
BAD: dict[str, dict[str, Any]] = {
    "no channels": {"n_channels": 0},
    "hop beyond window": {"hop": 61},
    "no hop": {"hop": 0},
    "a window without a whole coefficient": {"window": 21, "hop": 20},
    "an odd number of taps": {"n_taps": 7},
    "no taps": {"n_taps": 0},
    "no splits": {"n_splits": 0, "n_components": 0},
    "a component too few": {"n_components": 2},
    "words too far up": {"up": 13},
    "too many levels": {"n_levels": 7},
    "splits of another depth": {"n_levels": 3},
}


@pytest.mark.parametrize("name", BAD)
def test_init_refuses(harness: Harness, name: str) -> None:
    assert ask_wavelet(harness, CONFIG, np.zeros((0, 2)), [], **BAD[name])[:2] == (2, 0)


@pytest.mark.parametrize(
    "splits",
    [
        (Split(-1, 1, 255, 1), Split(0, 2, 0, 0)),  # a component twice
        (Split(-1, 1, 255, 1), Split(0, 2, 0, 3)),  # one beyond
        (Split(-1, 1, 255, 1), Split(1, 2, 0, 2)),  # of a half that is an energy
        (Split(-1, 1, 255, 1), Split(2, 2, 0, 2)),  # of itself
        (Split(-1, 1, 255, 1), Split(-1, 1, 0, 2)),  # of the window, again
        (Split(-1, 2, 255, 1), Split(0, 2, 0, 2)),  # levels that do not follow
        (Split(-1, 1, 0, 1), Split(0, 2, 255, 2)),  # the last is split further
    ],
)
def test_init_refuses_trees_that_are_none(harness: Harness, splits: tuple[Split, ...]) -> None:
    assert ask_wavelet(harness, replace(CONFIG, splits=splits), np.zeros((0, 2)), [], n_components=3)[0] == 2


def test_init_refuses_taps_that_may_overflow(harness: Harness) -> None:
    assert ask_wavelet(harness, replace(CONFIG, taps=CONFIG.taps * 2), np.zeros((0, 2)), [])[0] == 2


def test_init_refuses_too_little_memory(harness: Harness) -> None:
    assert ask_wavelet(harness, CONFIG, np.zeros((0, 2)), [], missing_words=1)[0] == 3
