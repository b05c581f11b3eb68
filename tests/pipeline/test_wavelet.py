"""Wavelet energies: filters and coefficients against PyWavelets, bounds that bind, what a spec may ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pywt
from test_feature_models import emg

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_twin import round_to_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.wavelet import (
    PacketFeature,
    WaveletConfig,
    WaveletFeature,
    compile_wavelet,
    design_wavelet,
)
from myo_pipeline.wavelet_energy import (
    bound_energies,
    compute_energies,
    compute_energy_words,
    transform_floats,
)

NAMES = [f"db{n}" for n in range(1, 9)]
SPECS = [
    WaveletFeature(kind="wavelet_energy"), WaveletFeature(kind="wavelet_energy", wavelet="db1", levels=6),
    WaveletFeature(kind="wavelet_energy", wavelet="db8", levels=1), PacketFeature(kind="packet_energy"),
    PacketFeature(kind="packet_energy", wavelet="db2", levels=4),
]  # fmt: skip


def make(spec: Any, window: int = 200, word_shift: int = 2) -> WaveletConfig:
    return compile_wavelet(spec, n_channels=3, window=window, hop=50, word_shift=word_shift)


@pytest.mark.parametrize("name", NAMES)
def test_filters_are_the_known_ones(name: str) -> None:
    np.testing.assert_allclose(design_wavelet(name), pywt.Wavelet(name).rec_lo, atol=1e-14)


@pytest.mark.parametrize("window", [200, 203, 256])
@pytest.mark.parametrize("name", ["db1", "db2", "db4", "db5"])
def test_coefficients_are_those_of_another_implementation(name: str, window: int) -> None:
    """Inside the window, where nothing is made up beyond its ends, whatever that one makes up."""
    x = emg(1, (3, window, 3), 100)
    config = make(WaveletFeature(kind="wavelet_energy", wavelet=name, levels=4), window)  # type: ignore[arg-type]
    *details, rest = transform_floats(config, x)
    theirs = pywt.wavedec(x, name, mode="zero", level=4, axis=1)
    for level, (ours, other) in enumerate(zip([*details, rest], [*theirs[:0:-1], theirs[0]], strict=True), 1):
        j = min(level, 4)
        inside = other[:, config.first_whole[j] - 1 : window >> j] / 2 ** (j / 2)
        np.testing.assert_allclose(ours, inside, atol=1e-10)


@pytest.mark.parametrize("name", ["db2", "db4"])
def test_packets_are_those_of_another_implementation_in_order_of_frequency(name: str) -> None:
    x = emg(2, (1, 300, 1), 100)[0, :, 0]
    config = make(PacketFeature(kind="packet_energy", wavelet=name, levels=3), 300)  # type: ignore[arg-type]
    theirs = pywt.WaveletPacket(x, name, mode="zero", maxlevel=3).get_level(3, order="freq")
    for ours, node in zip(transform_floats(config, x[None, :, None]), theirs, strict=True):
        inside = node.data[config.first_whole[3] - 1 : 300 >> 3] / 2**1.5
        np.testing.assert_allclose(np.abs(ours[0, :, 0]), np.abs(inside), atol=1e-10)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_energies_add_up_to_the_power(spec: Any) -> None:
    """White noise has the same power in each band per width; energies are powers."""
    x = np.random.default_rng(3).normal(0, 10, (400, 512, 3))
    means = 2 ** compute_energies(make(spec, 512), x)
    np.testing.assert_allclose(means.sum(axis=1).mean(), 100, rtol=0.01)
    widths = 2.0 ** -np.array(make(spec, 512).levels_of)
    np.testing.assert_allclose(means.mean(axis=(0, 2)), 100 * widths, rtol=0.05)


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("rms_words", [1.0, 50.0, 3000.0])
@pytest.mark.parametrize("off", [0.5, 3.0])
def test_twin_stays_inside_a_bound_that_says_something(spec: Any, rms_words: float, off: float) -> None:
    config = make(spec)
    x = emg(4, (40, 200, 3), rms_words / 4, 0.9)
    moved = x + (off - 0.5) / 4 * np.random.default_rng(1).choice([-1, 1], x.shape)
    words = compute_energy_words(config, round_to_words(moved, 2))
    real, bound = compute_energies(config, x), bound_energies(config, x, off)
    share = np.abs(to_real(config, words) - real) / bound
    assert share.max() <= 1, share.max(axis=(0, 2))
    if rms_words == 3000.0:
        assert np.isfinite(bound).mean() > 0.99
        assert np.median(bound) < 0.02 * off
        assert share.max() > 0.05


def test_arithmetic_alone_is_small() -> None:
    """Windows that are words already: what is left is the rounding, which shows most in a packet that is almost empty."""
    for spec in SPECS:
        config = make(spec, word_shift=0)
        x = np.round(emg(7, (60, 200, 3), 300))
        words = compute_energy_words(config, x.astype(np.int16))
        assert np.abs(to_real(config, words) - compute_energies(config, x)).max() < 3e-4


def test_silence_is_the_least_energy() -> None:
    config = make(SPECS[0])
    silent = np.zeros((1, 200, 3))
    found = to_real(config, compute_energy_words(config, silent.astype(np.int16)))
    np.testing.assert_allclose(found, compute_energies(config, silent), rtol=1e-12)
    assert not np.isfinite(bound_energies(config, silent)).any()


def test_contradictions_are_refused() -> None:
    with pytest.raises(SpecError, match="4 levels of db4 need a window of 112 frames, found 111"):
        make(SPECS[0], 111)
    assert make(SPECS[0], 112).count(4) == 1
    with pytest.raises(SpecError, match="window 200 and hop 201 frames"):
        compile_wavelet(SPECS[0], n_channels=1, window=200, hop=201, word_shift=0)
