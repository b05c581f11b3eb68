"""Linear prediction, cepstra and power spectral descriptors: floats against other ways to the same, bounds that bind."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg, signal

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_bounds import bound_features
from myo_pipeline.feature_config import compile_features
from myo_pipeline.feature_reference import compute_feature, compute_features
from myo_pipeline.feature_twin import compute_words, round_to_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.features import AutocorrelationFeature, DescriptorFeature, Feature, PredictionFeature
from myo_pipeline.prediction import _bound_recursion

Floats = NDArray[np.float64]


def emg(seed: int, shape: tuple[int, int, int], rms: float, high: float = 0.45) -> Floats:
    """Noise of EMG's spectrum at 2 kHz where ``high`` is 0.45."""
    rng = np.random.default_rng(seed)
    sections = signal.butter(4, (0.02, high), "bandpass", output="sos")
    x = signal.sosfilt(sections, rng.normal(size=(shape[0], shape[1] + 500, shape[2])), axis=1)[:, 500:]
    return np.asarray(x * rms / x.std())


def test_prediction_solves_the_normal_equations() -> None:
    x = emg(1, (20, 200, 2), 30)
    for order in (1, 4, 8):
        a = compute_feature(PredictionFeature(kind="ar", order=order), x, 0)
        for window, channel in np.ndindex(20, 2):
            r = np.correlate(x[window, :, channel], x[window, :, channel], "full")[199 : 200 + order]
            np.testing.assert_allclose(a[window, :, channel], linalg.solve_toeplitz(r[:-1], r[1:]), rtol=1e-8)


def test_cepstrum_is_that_of_the_models_spectrum() -> None:
    """The real cepstrum's definition: inverse transform of the logarithm of the all-pole spectrum."""
    x = emg(2, (10, 200, 2), 30)
    a = compute_feature(PredictionFeature(kind="ar", order=6), x, 0)
    c = compute_feature(PredictionFeature(kind="cepstrum", order=6), x, 0)
    n_fft = 1 << 16
    for window, channel in np.ndindex(10, 2):
        inverse = np.fft.fft(np.r_[1, -a[window, :, channel]], n_fft)
        found = np.fft.ifft(-2 * np.log(np.abs(inverse))).real[1:7]
        np.testing.assert_allclose(c[window, :, channel], found, atol=1e-9)


def test_descriptors_are_the_written_out_ones() -> None:
    x = emg(3, (1, 150, 1), 40)[0, :, 0]
    d = [x[i] - x[i - 1] for i in range(1, 150)]
    dd = [d[i] - d[i - 1] for i in range(1, 149)]
    m0, m2, m4 = ((sum(v * v for v in values) / len(values)) ** 0.5 for values in (x, d, dd))
    m0, m2, m4 = (m**0.1 / 0.1 for m in (m0, m2, m4))
    sparseness = m0 / ((abs(m0 - m2)) ** 0.5 * (abs(m0 - m4)) ** 0.5)
    ratio = sum(abs(v) for v in d) / sum(abs(v) for v in dd)
    expected = np.log([m0, abs(m0 - m2), abs(m0 - m4), sparseness, m2 / (m0 * m4) ** 0.5, ratio])
    kinds = (DescriptorFeature(kind="tdpsd_sizes"), DescriptorFeature(kind="tdpsd_shapes"))
    found = np.concatenate([compute_feature(kind, x[None, :, None], 0)[0, :, 0] for kind in kinds])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_descriptors_of_equal_moments_are_finite() -> None:
    """Whole counts bring it about: mean squares of samples and steps are equal, and a gap of 0 has no logarithm."""
    x = np.array([-1, 2, 1, 2, -1, 1, 3, 1, 3, 3])[None, :, None].astype(np.float64)
    assert (x**2).mean() == (np.diff(x, axis=1) ** 2).mean()
    kinds: list[Feature] = [DescriptorFeature(kind="tdpsd_sizes"), DescriptorFeature(kind="tdpsd_shapes")]
    config = compile_features(kinds, n_channels=1, window=10, hop=10, word_shift=0)
    words, real = to_real(config, compute_words(config, x.astype(np.int16))), compute_features(config, x)
    assert np.isfinite(real).all()
    assert real[0, 1, 0] == pytest.approx(real[0, 0, 0] - 30 * np.log(2))
    # The twin's tables put a little between them: no bound is promised there, and the others keep theirs.
    assert real[0, 1, 0] <= words[0, 1, 0] < real[0, 1, 0] + 3
    np.testing.assert_allclose(words[0, [0, 2, 4, 5]], real[0, [0, 2, 4, 5]], atol=1e-4)


def bench(order: int, word_shift: int, n: int = 200) -> tuple[list[Feature], dict[str, int]]:
    features: list[Feature] = [
        PredictionFeature(kind="ar", order=order), PredictionFeature(kind="cepstrum", order=order),
        DescriptorFeature(kind="tdpsd_sizes"), DescriptorFeature(kind="tdpsd_shapes"),
    ]  # fmt: skip
    return features, {"n_channels": 2, "window": n, "hop": n, "word_shift": word_shift}


@pytest.mark.parametrize("order", range(1, 9))
@pytest.mark.parametrize(("rms_words", "high"), [(4000, 0.45), (4000, 0.1), (300, 0.45), (20, 0.9)])
def test_twin_stays_inside_a_bound_that_says_something(order: int, rms_words: float, high: float) -> None:
    features, sizes = bench(order, 3)
    config = compile_features(features, **sizes)
    x = emg(order, (40, 200, 2), rms_words / 8, high)
    real, bound = compute_features(config, x), bound_features(config, x)
    error = np.abs(to_real(config, compute_words(config, round_to_words(x, 3))) - real)
    assert (error <= bound + 1e-9 * np.abs(real)).all(), (error / bound).max(axis=(0, 2))
    if high >= 0.45 and rms_words >= 300 and order <= 4:
        assert np.isfinite(bound).mean() > 0.98  # a gap between two moments may close
        usual = np.median(bound, axis=(0, 2)) / np.median(np.abs(real), axis=(0, 2))
        of_ar, of_descriptors = usual[:order].max(), usual[2 * order :].max()
        assert max(of_ar, of_descriptors) < (0.02 if rms_words > 1000 else 0.3)
        assert usual.max() < (0.6 if rms_words > 1000 else 10)
        assert (error / bound).max() > 0.02


@pytest.mark.parametrize("order", [2, 8])
def test_arithmetic_keeps_inside_its_own_bound(order: int) -> None:
    """Windows that are words already: only the recursion rounds."""
    features, sizes = bench(order, 0)
    config = compile_features(features[:1], **sizes)
    x = np.round(emg(5, (200, 200, 2), 3000, 0.6))
    error = np.abs(to_real(config, compute_words(config, x.astype(np.int16))) - compute_features(config, x))
    share = error / _bound_recursion(x, order, 0.5)
    assert share.max() <= 1
    assert share.max() > 0.02


@pytest.mark.parametrize("order", [1, 4, 8])
@pytest.mark.parametrize("off", [0.51, 2.0, 20.0])
def test_words_behind_a_front_end_stay_inside_the_bound(order: int, off: float) -> None:
    """A patch's words are off by its filters' error as well: adversarial ones, which lean on the signal or turn with it."""
    features, sizes = bench(order, 0)
    config = compile_features(features[:2], **sizes)
    x = emg(order, (40, 200, 2), 6000)
    real, bound = compute_features(config, x), bound_features(config, x, off)
    turns = (-1.0) ** np.arange(200)[:, None]
    rng = np.random.default_rng(order)
    largest = 0.0
    for moved in (np.sign(x), -np.sign(x), turns, np.sign(x) * turns, rng.uniform(-1, 1, x.shape)):
        words = round_to_words(x + (off - 0.5) * moved, 0)
        share = np.abs(to_real(config, compute_words(config, words)) - real) / bound
        largest = max(largest, float(share.max()))
    assert largest <= 1
    if order <= 4 and off <= 2:
        assert np.isfinite(bound).all()
        assert np.median(bound[:, :order]) < 0.05 * off
        assert largest > 0.01


@pytest.mark.parametrize("kind", ["constant", "turns", "sine", "impulse", "silent", "step"])
def test_windows_that_are_predicted_fully_stay_finite(kind: str) -> None:
    i = np.arange(200)
    x = {
        "constant": np.full(200, 20000.0), "turns": 20000.0 * (-1.0) ** i, "sine": np.round(30000 * np.sin(0.1 * i)),
        "impulse": np.where(i == 100, 30000.0, 0), "silent": np.zeros(200), "step": np.where(i > 50, 30000.0, 0),
    }[kind][None, :, None].repeat(2, axis=2)  # fmt: skip
    for order in (1, 5, 8):
        features, sizes = bench(order, 0)
        config = compile_features(features, **sizes)
        real = compute_features(config, x)
        found = to_real(config, compute_words(config, x.astype(np.int16)))
        bound = bound_features(config, x)
        assert (np.abs(found) < 300).all()
        is_promised = np.isfinite(bound)
        assert (np.abs(found - real)[is_promised] <= bound[is_promised] + 1e-9).all()


def test_contradictions_are_refused() -> None:
    ar, cepstrum = PredictionFeature(kind="ar", order=4), PredictionFeature(kind="cepstrum", order=5)
    sizes = {"n_channels": 1, "window": 60, "hop": 5, "word_shift": 0}
    with pytest.raises(SpecError, match="orders 4 and 5"):
        compile_features([ar, cepstrum], **sizes)
    with pytest.raises(SpecError, match=r"ar need autocorrelation\.lags 4, found 2"):
        compile_features([ar, AutocorrelationFeature(kind="autocorrelation", lags=2)], **sizes)
    with pytest.raises(SpecError, match="at most 32767"):
        compile_features([DescriptorFeature(kind="tdpsd_sizes")], **sizes | {"window": 40_000})
