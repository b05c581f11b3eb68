"""Spectral features: floats against other people's code, integers inside their derived bounds."""

from __future__ import annotations

import numpy as np
import pytest
from libemg_oracle import load_libemg
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_twin import round_to_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.spectrum import (
    SPECTRUM_CATALOGUE,
    SpectrumConfig,
    SpectrumFeature,
    Taper,
    compile_spectrum,
    compute_spectrum_features,
    power_spectrum,
)
from myo_pipeline.spectrum_bounds import bound_spectrum
from myo_pipeline.spectrum_twin import compute_spectrum_words

Floats = NDArray[np.float64]
ALL = [SpectrumFeature(kind=kind) for kind in SPECTRUM_CATALOGUE]  # type: ignore[arg-type]
BANDS = [SpectrumFeature(kind=kind, band_hz=(60, 250)) for kind in SPECTRUM_CATALOGUE]  # type: ignore[arg-type]


def emg(seed: int, shape: tuple[int, int, int], rms: float) -> Floats:
    rng = np.random.default_rng(seed)
    sections = signal.butter(4, (20, 450), "bandpass", fs=2000, output="sos")
    x = signal.sosfilt(sections, rng.normal(size=(shape[0], shape[1] + 500, shape[2])), axis=1)[:, 500:]
    return np.asarray(x * rms / x.std())


def make(
    window: int = 200, n_channels: int = 3, taper: Taper = "none", word_shift: int = 2, **others: int
) -> SpectrumConfig:
    return compile_spectrum(
        [*ALL, *BANDS], n_channels=n_channels, window=window, hop=50, rate_hz=2000.0, word_shift=word_shift, taper=taper,
        **others,
    )  # fmt: skip


@pytest.mark.parametrize("taper", ["none", "hann"])
def test_powers_are_scipys_periodogram(taper: Taper) -> None:
    x = emg(1, (5, 200, 2), 30)
    weights = signal.get_window("boxcar" if taper == "none" else "hann", 200)
    f, density = signal.periodogram(x, 2000.0, weights, nfft=256, detrend=False, axis=1)
    powers = power_spectrum(make(taper=taper), x)
    np.testing.assert_allclose(powers[:, 1:], density[:, 1:128] * f[1], rtol=1e-9)


def test_features_are_written_out_definitions() -> None:
    x = emg(2, (1, 200, 1), 30)
    config = make(n_channels=1)
    f, density = signal.periodogram(x[0, :, 0], 2000.0, nfft=256, detrend=False)
    found = dict(zip(config.names, compute_spectrum_features(config, x)[0, :, 0], strict=True))
    for bins, suffix in ((slice(1, 128), ""), (slice(8, 32), "[60-250]")):
        f_hz, p = f[bins], density[bins] * f[1]
        assert f_hz[0] >= 60 or not suffix
        assert found["mnf" + suffix] == pytest.approx((f_hz * p).sum() / p.sum())
        assert found["peak_frequency" + suffix] == f_hz[p.argmax()]
        for n, kind in enumerate(("power", "sm1", "sm2", "sm3")):
            assert found[kind + suffix] == pytest.approx(np.log2((f_hz**n * p).sum()))
        median = found["mdf" + suffix]
        below = p[f_hz + f[1] / 2 <= median].sum()
        inside = (
            p[np.abs(f_hz - median).argmin()]
            * (median - (f_hz[np.abs(f_hz - median).argmin()] - f[1] / 2))
            / f[1]
        )
        assert below + inside == pytest.approx(p.sum() / 2)


def test_frequencies_are_libemgs() -> None:
    """A signal without mean has nothing in bin 0, which theirs keeps; theirs takes a whole bin for MDF."""
    extractor = load_libemg().FeatureExtractor()
    x = emg(3, (30, 256, 3), 30)
    x -= x.mean(axis=1, keepdims=True)
    config = make(window=256)
    found = dict(zip(config.names, compute_spectrum_features(config, x).transpose(1, 0, 2), strict=True))
    theirs = x.transpose(0, 2, 1)
    np.testing.assert_allclose(found["mnf"], extractor.getMNFfeat(theirs, 2000.0), rtol=1e-9)
    bin_hz = 2000.0 / 256
    ours = np.ceil(found["mdf"] / bin_hz - 0.5) * bin_hz
    powers = (
        np.abs(np.fft.fft(theirs, axis=2)[:, :, :128]) ** 2
    )  # their MDF itself does not run under NumPy 2
    expected = np.argmax(np.cumsum(powers, axis=2) > powers.sum(axis=2, keepdims=True) / 2, axis=2) * bin_hz
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


@pytest.mark.parametrize("taper", ["none", "hann"])
@pytest.mark.parametrize("window", [60, 200, 256, 400, 1000])
@pytest.mark.parametrize("rms_words", [1.0, 50.0, 2000.0])
def test_twin_stays_inside_a_bound_that_says_something(window: int, taper: Taper, rms_words: float) -> None:
    config = make(window=window, taper=taper)
    x = emg(window, (30, window, 3), rms_words / 4) * np.array(
        [1.0, 3.0, 0.05]
    )  # a loud channel beside a weak one
    real, bound = compute_spectrum_features(config, x), bound_spectrum(config, x)
    error = np.abs(to_real(config, compute_spectrum_words(config, round_to_words(x, 2))) - real)
    share = np.divide(error, bound, out=np.where(error > 1e-9 * np.abs(real), np.inf, 0), where=bound > 0)
    assert share.max() <= 1, dict(zip(config.names, share.max(axis=(0, 2)), strict=True))
    if rms_words == 2000.0:
        strong = np.median(bound[..., 0], axis=0)
        assert strong[: len(ALL)].max() < 0.5  # hertz, and base-2 logarithms
        assert share.max() > 0.02


def test_arithmetic_alone_is_small() -> None:
    """Windows that are words already: what is left is the transform's rounding and the last one's."""
    config = make(word_shift=0)
    x = np.round(emg(7, (200, 200, 3), 300))
    error = np.abs(
        to_real(config, compute_spectrum_words(config, x.astype(np.int16)))
        - compute_spectrum_features(config, x)
    ).max(axis=(0, 2))
    largest = dict(zip(config.names, error, strict=True))
    assert largest["mnf"] < 0.001
    assert largest["mdf"] < 0.01
    assert largest["power"] < 4e-5
    assert largest["peak_frequency"] == 0


def test_silence_is_zero_and_the_least_power() -> None:
    for window in (200, 1000):
        config = make(window=window)
        silent = np.zeros((1, window, 3))
        found = to_real(config, compute_spectrum_words(config, silent.astype(np.int16)))
        np.testing.assert_allclose(found, compute_spectrum_features(config, silent), rtol=1e-12)
        assert not np.isfinite(bound_spectrum(config, silent)).any()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"length": 200}, "length 200, expected a power of two in 64 .. 1024"),
        ({"window": 2000}, "length 2048, expected a power of two"),
        ({"window": 200, "length": 128}, "window 200 and hop 50 frames"),
        ({"window": 40}, "window 40 and hop 50 frames"),
    ],
)
def test_contradictions_are_refused(changed: dict[str, int], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        make(**changed)
    with pytest.raises(SpecError, match="no features"):
        compile_spectrum([], n_channels=1, window=200, hop=50, rate_hz=2000.0, word_shift=0)
    with pytest.raises(SpecError, match="holds no bin"):
        compile_spectrum(
            [SpectrumFeature(kind="power", band_hz=(20, 21))],
            n_channels=1,
            window=200,
            hop=50,
            rate_hz=2000.0,
            word_shift=0,
        )
