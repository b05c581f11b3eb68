"""Integer features inside their derived bounds of the float ones; float ones against other people's code."""

from __future__ import annotations

import numpy as np
import pytest
from libemg_oracle import load_libemg
from scipy import stats

from feature_case import AMPLITUDES, all_features
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_bounds import bound_features
from myo_pipeline.feature_config import FeatureConfig, compile_features
from myo_pipeline.feature_normalization import (
    bound_normalization,
    make_normalization,
    normalize_words,
    to_words,
)
from myo_pipeline.feature_reference import compute_feature, compute_features
from myo_pipeline.feature_twin import compute_words, cut_windows, round_to_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.features import (
    AmplitudeFeature,
    AutocorrelationFeature,
    CountFeature,
    Feature,
    HistogramFeature,
    ShapeFeature,
)

# Above the bound, float64's own rounding: of the largest cancelling terms, N times full scale to the fourth.
FLOAT_SLACK = 1e-9


def errors_and_bounds(config: FeatureConfig, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    real = compute_features(config, x)
    found = to_real(config, compute_words(config, round_to_words(x, config.word_shift)))
    return np.abs(found - real), bound_features(config, x), real


def expect_inside(config: FeatureConfig, x: np.ndarray) -> np.ndarray:
    error, bound, real = errors_and_bounds(config, x)
    outside = np.argwhere(error > bound * (1 + FLOAT_SLACK) + FLOAT_SLACK * np.abs(real))
    if len(outside):
        raise AssertionError(
            f"{config.names[outside[0][1]]}: error {error[tuple(outside[0])]:g}, bound {bound[tuple(outside[0])]:g}, "
            f"value {real[tuple(outside[0])]:g} ({len(outside)} outside)"
        )
    return error / np.where(bound > 0, bound, np.inf)


@pytest.mark.parametrize("word_shift", [-2, 0, 5])
@pytest.mark.parametrize("rms_words", [0.4, 3.0, 200.0, 6000.0])
def test_twin_stays_inside_the_bound(word_shift: int, rms_words: float) -> None:
    rng = np.random.default_rng(int(10 * rms_words) + word_shift)
    lsb = 2.0**-word_shift
    config = compile_features(
        all_features(threshold=2.3 * lsb, reach=2 * rms_words * lsb + lsb),
        n_channels=2, window=100, hop=30, word_shift=word_shift,
    )  # fmt: skip
    noise = np.clip(rng.laplace(size=(40, 101, 2)), -5, 5)
    x = (noise[:, 1:] + 0.6 * noise[:, :-1]) * rms_words / 1.7 * lsb
    used = expect_inside(config, x)
    assert used.max() > 0.05  # bounds that hold for nothing would hold as well


def test_bound_is_near_the_worst_case() -> None:
    """Where all roundings conspire, a sum's error is its bound."""
    config = compile_features(
        [AmplitudeFeature(kind="mav"), AmplitudeFeature(kind="wl")],
        n_channels=1,
        window=50,
        hop=50,
        word_shift=0,
    )
    x = np.where(np.arange(50) % 2 == 0, 100.499, -100.499)[None, :, None]
    assert expect_inside(config, x).min() > 0.99


def test_real_values_survive_a_change_of_scale() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(0, 30, (5, 80, 1))
    configs = [
        compile_features(all_features(reach=100), n_channels=1, window=80, hop=80, word_shift=shift)
        for shift in (0, 6)
    ]
    coarse, fine = (errors_and_bounds(config, x) for config in configs)
    finite = np.isfinite(coarse[1]) & (coarse[0] > 0)
    assert np.median(fine[0][finite] / coarse[0][finite]) < 0.1  # six bits more


def test_silence_is_zero_not_a_fault() -> None:
    ratios = [ShapeFeature(kind=kind) for kind in ("tkeo", "mobility", "complexity", "skewness", "kurtosis")]
    lags = AutocorrelationFeature(kind="autocorrelation")
    config = compile_features([*ratios, lags], n_channels=1, window=20, hop=20, word_shift=0)
    silent = np.zeros((1, 20, 1))
    assert not compute_words(config, silent.astype(np.int16)).any()
    assert not compute_features(config, silent).any()


@pytest.mark.parametrize(
    ("features", "sizes", "said"),
    [
        ([], {}, "none, expected at least one"),
        ([AmplitudeFeature(kind="mav")] * 2, {}, "mav stands twice"),
        ([CountFeature(kind="zc", threshold=1e6)], {}, "above the largest step"),
        ([HistogramFeature(kind="histogram", range=1e6)], {}, "beyond the words'"),
        ([AmplitudeFeature(kind="mav")], {"hop": 21}, "1 <= hop <= window"),
        ([AutocorrelationFeature(kind="autocorrelation", lags=16)], {"window": 16, "hop": 4}, "above 16"),
        ([ShapeFeature(kind="tkeo"), AutocorrelationFeature(kind="autocorrelation", lags=1)], {}, "raise it"),
    ],
)
def test_contradictions_are_refused(features: list[Feature], sizes: dict[str, int], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        compile_features(features, **{"n_channels": 1, "window": 20, "hop": 5, "word_shift": 0} | sizes)


@pytest.mark.parametrize("bits", [8, 16])
def test_normalization_stays_inside_its_bound(bits: int) -> None:
    rng = np.random.default_rng(bits)
    features = [f for f in all_features(reach=100) if f.kind != "histogram"]
    config = compile_features(features, n_channels=2, window=100, hop=100, word_shift=4)
    x = rng.normal(0, rng.uniform(10, 40, (200, 1, 1)), (200, 100, 2))
    real = compute_features(config, x)
    mean, deviation = real.mean(axis=0), real.std(axis=0)
    step = 4 / 2 ** (bits - 1)
    given = make_normalization(config, mean, deviation, output_scale=step, bits=bits)
    found = normalize_words(given, compute_words(config, round_to_words(x, 4)))
    exact = (real - mean) / deviation / step
    bound = bound_normalization(config, given, mean, 1 / (deviation * step), bound_features(config, x))
    is_held = np.abs(exact) + bound < 2 ** (bits - 1) - 1
    assert is_held.mean() > 0.5
    assert (np.abs(found - exact) <= bound)[is_held].all()
    with pytest.raises(SpecError, match="leave the feature out"):
        make_normalization(config, mean, 0 * deviation, output_scale=step)


@pytest.mark.parametrize("mean", [3e4, -2e9, 7e16])
@pytest.mark.parametrize("deviation", [1e-9, 4.0, 6e5, 3e17])
def test_normalization_is_bounded_whatever_training_measured(mean: float, deviation: float) -> None:
    """Also where no word holds the mean, or the multiplier has few bits: ratios over windows in which nothing moved."""
    config = compile_features(
        [ShapeFeature(kind="complexity")], n_channels=1, window=20, hop=20, word_shift=0
    )
    step = 4 / 128
    given = make_normalization(config, np.full((1, 1), mean), np.full((1, 1), deviation), output_scale=step)
    near = to_words(config, np.full((1, 1), mean)) + np.linspace(-1e4, 1e4, 999)
    words = np.append(np.clip(near, -(2.0**31), 2.0**31 - 1), np.linspace(0, 2**31 - 1, 99)).astype(np.int32)
    words = words[:, None, None]
    exact = np.clip((to_real(config, words) - mean) / deviation / step, -128, 127)
    none = np.zeros((1, 1))
    bound = bound_normalization(
        config, given, np.full((1, 1), mean), 1 / np.full((1, 1), deviation * step), none
    )
    assert (np.abs(normalize_words(given, words) - exact) <= bound).all()
    if abs(mean) < 2**15 and deviation > 1:
        assert bound < 0.51


def test_windows_are_cut_from_the_first_sample() -> None:
    x = np.arange(25)[:, None]
    np.testing.assert_array_equal(cut_windows(x, 10, 7)[:, 0, 0], [0, 7, 14])
    assert cut_windows(x[:9], 10, 7).shape == (0, 10, 1)


def test_floats_are_libemgs() -> None:
    """Where the definitions agree, or differ by a factor that is stated here."""
    extractor = load_libemg().FeatureExtractor()
    x = np.random.default_rng(5).normal(0, 20, (30, 200, 3))
    x -= x.mean(axis=1, keepdims=True)
    theirs_x = x.transpose(0, 2, 1)
    n = x.shape[1]
    pairs = {
        "mav": extractor.getMAVfeat(theirs_x), "iemg": extractor.getIAVfeat(theirs_x), "wl": extractor.getWLfeat(theirs_x),
        "aac": extractor.getWLfeat(theirs_x) / n, "rms": extractor.getRMSfeat(theirs_x),
        "dasdv": extractor.getDASDVfeat(theirs_x), "variance": extractor.getVARfeat(theirs_x) * n / (n - 1),
        "activity": extractor.getACTfeat(theirs_x), "tm4": np.log2(extractor.getTMfeat(theirs_x, 4)),
        "mobility": extractor.getMOBfeat(theirs_x) * np.sqrt(n / (n - 1)),
        "skewness": extractor.getSKEWfeat(theirs_x), "kurtosis": extractor.getKURTfeat(theirs_x),
        "zc": extractor.getZCfeat(theirs_x), "ssc": extractor.getSSCfeat(theirs_x),
    }  # fmt: skip
    for kind, theirs in pairs.items():
        np.testing.assert_allclose(
            compute_feature(_one(kind), x, 0)[:, 0], theirs, rtol=1e-10, atol=1e-12, err_msg=kind
        )
    ours = compute_feature(CountFeature(kind="wamp", threshold=7.5), x, 0)[:, 0]
    np.testing.assert_array_equal(ours, extractor.getWAMPfeat(theirs_x, 7.5))
    log = compute_feature(ShapeFeature(kind="log_detector"), x, 0)[
        :, 0
    ]  # theirs adds 1 to |x|, as a word of 1 count does
    np.testing.assert_allclose(2**log, extractor.getLDfeat(theirs_x), rtol=1e-10)


def _one(kind: str) -> Feature:
    if kind in AMPLITUDES:
        return AmplitudeFeature(kind=kind)  # type: ignore[arg-type]
    return CountFeature(kind=kind) if kind in ("zc", "ssc", "wamp") else ShapeFeature(kind=kind)  # type: ignore[arg-type]


def test_floats_are_written_out_definitions() -> None:
    """One window, sample by sample, from the page of the paper: what LibEMG does not have or defines otherwise."""
    x = np.random.default_rng(6).normal(0, 20, 41)
    n = len(x)
    mav1 = mav2 = tkeo = 0.0
    for i in range(1, n + 1):
        is_middle = 0.25 * n <= i <= 0.75 * n
        mav1 += (1 if is_middle else 0.5) * abs(x[i - 1]) / n
        mav2 += (1 if is_middle else 4 * i / n if i < 0.25 * n else 4 * (n - i) / n) * abs(x[i - 1]) / n
    for i in range(1, n - 1):
        tkeo += (x[i] ** 2 - x[i - 1] * x[i + 1]) / (n - 2)
    step = [x[i] - x[i - 1] for i in range(1, n)]
    bend = [step[i] - step[i - 1] for i in range(1, n - 1)]
    m0, m2, m4 = (sum(v * v for v in values) / len(values) for values in (x, step, bend))
    zc = sum(x[i] * x[i + 1] < 0 and abs(x[i] - x[i + 1]) >= 9 for i in range(n - 1))
    ssc = 0
    for k in range(1, n - 1):
        is_turn = (x[k] > x[k - 1] and x[k] > x[k + 1]) or (x[k] < x[k - 1] and x[k] < x[k + 1])
        ssc += is_turn and (abs(x[k] - x[k + 1]) >= 25 or abs(x[k] - x[k - 1]) >= 25)
    expected = {
        "mav1": mav1, "mav2": mav2, "tkeo": tkeo, "complexity": np.sqrt(m4 / m2) / np.sqrt(m2 / m0),
        "tm3": np.log2(abs(stats.moment(x, 3, center=0))), "ssi": float(np.dot(x, x)),
    }  # fmt: skip
    window = x[None, :, None]
    for kind, value in expected.items():
        assert compute_feature(_one(kind), window, 0).item() == pytest.approx(value), kind
    assert compute_feature(CountFeature(kind="zc", threshold=9), window, 0).item() == zc
    assert compute_feature(CountFeature(kind="ssc", threshold=25), window, 0).item() == ssc
    lags = compute_feature(AutocorrelationFeature(kind="autocorrelation", lags=3), window, 0)[0, :, 0]
    full = np.correlate(x, x, "full")[n - 1 :]
    np.testing.assert_allclose(lags, full[1:4] / full[0])
    counts = compute_feature(HistogramFeature(kind="histogram", bins=5, range=25), window, 0)[0, :, 0]
    np.testing.assert_array_equal(counts, np.histogram(np.clip(x, -25, 25), 5, (-25, 25))[0])
