"""Transform and spectral features in C against the twin: any length, window, hop, portions, words."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device_line import Harness
from feature_case import portions
from myo_pipeline.feature_twin import cut_windows
from myo_pipeline.spectrum import SPECTRUM_CATALOGUE, SpectrumConfig, SpectrumFeature, compile_spectrum
from myo_pipeline.spectrum_bounds import transform_error
from myo_pipeline.spectrum_twin import compute_spectrum_words, make_turns, reverse_bits, transform

LENGTHS = [64, 128, 256, 512, 1024]
LARGEST = 2**24


@pytest.fixture(scope="module")
def harness(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    found = Harness(core_program("spectrum_harness"))
    yield found
    found.close()


def every_feature(rate_hz: float) -> list[SpectrumFeature]:
    found = [SpectrumFeature(kind=kind) for kind in SPECTRUM_CATALOGUE]  # type: ignore[arg-type]
    bands = [(0.05 * rate_hz, 0.2 * rate_hz), (0.2 * rate_hz, rate_hz)]
    return found + [replace_band(feature, band) for feature in found for band in bands]


def replace_band(feature: SpectrumFeature, band_hz: tuple[float, float]) -> SpectrumFeature:
    return feature.model_copy(update={"band_hz": band_hz})


def ask_spectrum(
    harness: Harness,
    config: SpectrumConfig,
    words: np.ndarray,
    pushes: list[int],
    missing_words: int = 0,
    segments: tuple[int, int, int] = (0, 0, 0),
) -> tuple[int, np.ndarray]:
    """Push frames (n_frames, n_channels) in those portions (-1: reset); give the status and all windows' words.

    ``segments``: window, hop and segments of a window; of them the config is one.
    """
    body = struct.pack(
        "<11i", config.n_channels, config.window, config.hop, config.length, config.taper_q15 is not None,
        len(config.rows), len(pushes), missing_words, *segments,
    )  # fmt: skip
    if config.taper_q15 is not None:
        body += config.taper_q15.astype("<i2").tobytes()
    body += make_turns(max(config.length, 4)).astype("<i4").tobytes()
    body += reverse_bits(config.length.bit_length() - 2).astype("<u2").tobytes()
    body += b"".join(struct.pack("<3H", row.kind, row.first_bin, row.end_bin) for row in config.rows)
    body += struct.pack(f"<{len(pushes)}i", *pushes) + words.astype("<i2").tobytes()
    answer = harness.ask("s", body)
    found = np.frombuffer(answer[4:], "<i4")
    n_components = len(config.rows) * max(1, segments[2])
    n_windows = len(found) // max(1, n_components * config.n_channels)
    return struct.unpack("<I", answer[:4])[0], found.reshape(n_windows, n_components, config.n_channels)


def inputs(rng: np.random.Generator, length: int) -> np.ndarray:
    """Complex integers (n, length, 2) up to the largest allowed: noise of all sizes, and what grows most."""
    noise = [rng.integers(-(2**bits), 2**bits + 1, (4, length, 2)) for bits in (1, 8, 16, 24)]
    turn = np.exp(
        2j
        * np.pi
        * np.outer(np.arange(length), [0, 1, length // 4, length // 2, length // 2 + 3, length - 1])
    )
    corners = turn * (1 + 1j)  # a tone whose parts are pushed to the corners of the square
    square = LARGEST * np.stack([np.sign(corners.real), np.sign(corners.imag)], axis=2).transpose(1, 0, 2)
    impulse = np.zeros((2, length, 2))
    impulse[0, 0], impulse[1, length - 1] = (LARGEST, -LARGEST), (-LARGEST, LARGEST)
    return np.concatenate([*noise, square, impulse]).astype(np.int64)


@pytest.mark.parametrize("length", LENGTHS)
def test_transform_is_the_twins_and_within_its_error(harness: Harness, length: int) -> None:
    z = inputs(np.random.default_rng(length), length)
    body = struct.pack("<I", length) + make_turns(length).astype("<i4").tobytes()
    answer = np.frombuffer(harness.ask("t", body + z.astype("<i4").tobytes()), "<i4").reshape(z.shape)
    re, im = transform(z[..., 0], z[..., 1])
    np.testing.assert_array_equal(answer[..., 0], re)
    np.testing.assert_array_equal(answer[..., 1], im)
    n_bits = length.bit_length() - 1
    exact = np.fft.fft(z[..., 0] + 1j * z[..., 1], axis=1) / 2 ** (-(-n_bits // 2) - 1)
    error = np.abs((re + 1j * im)[:, reverse_bits(n_bits)] - exact)
    assert 0.2 * transform_error(length) < error.max() <= transform_error(length)


def signal(rng: np.random.Generator, n_frames: int, n_channels: int) -> np.ndarray:
    """Words of many sizes, another for each channel: silence, noise, tones, constants and ends of the range."""
    kinds = rng.choice(["noise", "small", "full", "ends", "constant", "silent", "tone"], n_channels)
    i = np.arange(n_frames)
    columns = {
        "noise": lambda: rng.normal(0, 10 ** rng.uniform(0, 4), n_frames),
        "small": lambda: rng.integers(-1, 2, n_frames),
        "full": lambda: rng.integers(-(2**15), 2**15, n_frames),
        "ends": lambda: rng.choice([-(2**15), 2**15 - 1], n_frames),
        "constant": lambda: np.full(n_frames, rng.integers(-(2**15), 2**15)),
        "silent": lambda: np.zeros(n_frames),
        "tone": lambda: 40_000 * np.sin(np.pi * i * rng.uniform(0, 1)),
    }
    x = np.stack([columns[kind]() for kind in kinds], axis=1)
    return np.clip(np.round(x), -(2**15), 2**15 - 1).astype(np.int16)


@pytest.mark.parametrize("seed", range(40))
def test_any_window_hop_and_portions(harness: Harness, seed: int) -> None:
    rng = np.random.default_rng(seed)
    length = int(rng.choice(LENGTHS, p=[0.3, 0.25, 0.25, 0.1, 0.1]))
    window = int(rng.choice([length, rng.integers(2, length + 1)]))
    hop = int(rng.choice([window, max(1, window // 4), rng.integers(1, window + 1)]))
    config = compile_spectrum(
        every_feature(1000.0), n_channels=int(rng.integers(1, 6)), window=window, hop=hop, rate_hz=1000.0,
        word_shift=0, taper=rng.choice(["none", "hann"]), length=length,
    )  # fmt: skip
    x = signal(rng, window + int(rng.integers(0, 5 * hop + 1)), config.n_channels)
    status, found = ask_spectrum(harness, config, x, portions(len(x), rng, int(rng.choice([1, 5, 64, 2000]))))
    assert status == 0
    expected = compute_spectrum_words(config, cut_windows(x, window, hop))
    assert found.shape == expected.shape
    for name, ours, twins in zip(config.names, found.swapaxes(0, 1), expected.swapaxes(0, 1), strict=True):
        np.testing.assert_array_equal(ours, twins, err_msg=name)


def test_largest_spectra_do_not_overflow(harness: Harness) -> None:
    """Square waves of full scale in both channels of a pair, at the longest transform; the sanitizer watches."""
    for taper in ("none", "hann"):
        config = compile_spectrum(
            every_feature(1000.0),
            n_channels=2,
            window=1024,
            hop=1024,
            rate_hz=1000.0,
            word_shift=0,
            taper=taper,
        )  # type: ignore[arg-type]
        i = np.arange(1024)
        for k in (0, 1, 2, 256, 511, 512):
            waves = [
                np.where(np.cos(2 * np.pi * k * i / 1024 + phase) < 0, -(2**15), 2**15 - 1)
                for phase in (0.1, 1.7)
            ]
            x = np.stack(waves, axis=1).astype(np.int16)
            status, found = ask_spectrum(harness, config, x, [1024])
            assert status == 0
            np.testing.assert_array_equal(found, compute_spectrum_words(config, x[None]))


def test_reset_is_exact_and_a_pause_changes_nothing(harness: Harness) -> None:
    config = compile_spectrum(
        every_feature(1000.0), n_channels=3, window=100, hop=30, rate_hz=1000.0, word_shift=0
    )
    x = np.random.default_rng(1).normal(0, 500, (300, 3)).astype(np.int16)
    status, found = ask_spectrum(harness, config, np.concatenate([x[:137], x]), [90, 47, -1, 100, 0, 0, 200])
    assert status == 0
    parts = [compute_spectrum_words(config, cut_windows(part, 100, 30)) for part in (x[:137], x)]
    np.testing.assert_array_equal(found, np.concatenate(parts))


CONFIG = compile_spectrum(
    [SpectrumFeature(kind="mnf")], n_channels=2, window=60, hop=20, rate_hz=1000.0, word_shift=0
)
ROW = CONFIG.rows[0]
BAD = {
    "no channels": {"n_channels": 0},
    "hop beyond window": {"hop": 61},
    "no hop": {"hop": 0},
    "window beyond length": {"window": 65},
    "a window of one": {"window": 1, "hop": 1},
    "a length below the least": {"length": 32},
    "a length above the largest": {"length": 2048},
    "a length that is no power of two": {"length": 96},
    "no features": {"rows": ()},
    "an unknown kind": {"rows": (replace(ROW, kind=7),)},  # type: ignore[arg-type]
    "bin 0": {"rows": (replace(ROW, first_bin=0),)},
    "no bins": {"rows": (replace(ROW, first_bin=5, end_bin=5),)},
    "the bin of half the rate": {"rows": (replace(ROW, end_bin=33),)},
}


@pytest.mark.parametrize("name", BAD)
def test_init_refuses(harness: Harness, name: str) -> None:
    config = replace(CONFIG, **BAD[name])  # type: ignore[arg-type]
    if config.length == 96:  # the tables' size is the length's
        assert ask_raw(harness, config) == 2
    else:
        assert ask_spectrum(harness, config, np.zeros((0, 2)), [])[0] == 2


def ask_raw(harness: Harness, config: SpectrumConfig) -> int:
    """Ask with tables of zeros."""
    head = struct.pack("<11i", 2, config.window, config.hop, config.length, 0, 1, 0, 0, 0, 0, 0)
    body = head + bytes(7 * config.length) + struct.pack("<3H", 0, 1, 2)
    return int(struct.unpack("<I", harness.ask("s", body)[:4])[0])


def test_init_refuses_too_little_memory(harness: Harness) -> None:
    assert ask_spectrum(harness, CONFIG, np.zeros((0, 2)), [], missing_words=1)[0] == 3
