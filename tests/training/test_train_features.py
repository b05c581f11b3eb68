"""Training over features: the run as a whole, what it measures, and what augmentation makes of features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from myo_pipeline.errors import DataError, SpecError
from myo_pipeline.feature_stage import (
    INPUT_LIMITS,
    RANGE_DEVIATIONS,
    FeatureScale,
    choose_word_shift,
    compile_spec_features,
)
from myo_pipeline.feature_windows import compute_set
from myo_pipeline.reference import filter_counts
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training import feature_input
from myo_training.feature_input import FeatureAugmentation, measure_features
from myo_training.model import count_cost
from myo_training.simulation import SimulatedSet
from myo_training.train import train
from myo_training.windows import cut_recordings
from training_case import SMALL, make_text

MODEL = 'kind = "cnn"\nfilters = [8, 8]\nkernel = 5\nstrides = [1, 2]\ndense = 8'
FEATURES = """
[[features]]
kind = "mav"
log = true
[[features]]
kind = "wl"
[[features]]
kind = "rms"
[[features]]
kind = "zc"
threshold = 2.0
[[features]]
kind = "mobility"
[[features]]
kind = "log_detector"
"""
FAMILIES = """
[[features]]
kind = "mnf"
[[features]]
kind = "power"
[[features]]
kind = "sm2"
[[features]]
kind = "stft_power"
segment_ms = 100.0
bands_hz = [[0.0, 1000.0]]
[[features]]
kind = "wavelet_energy"
wavelet = "db1"
levels = 2
[[features]]
kind = "ring_correlation"
reach = 2
"""


def make_feature_text(
    hidden: str = "[12]", features: str = FEATURES, epochs: int = 20, model: str | None = None
) -> str:
    text = make_text(epochs=epochs).replace(MODEL, model or f'kind = "mlp"\nhidden = {hidden}')
    return text.replace("[window]", features + "[window]")


@pytest.fixture(scope="module")
def feature_spec() -> PatchSpec:
    return parse_spec(make_feature_text())


def test_network_over_features_is_learned(csv_project: Path, tmp_path: Path) -> None:
    spec_path = csv_project / "features.toml"
    spec_path.write_text(make_feature_text())
    result = train(spec_path, tmp_path / "bundle")
    spec = parse_spec(spec_path.read_text())
    record = json.loads((result.bundle / "training.json").read_text())
    assert record["model"]["ops"] == ["RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]
    assert record["model"]["n_parameters"] == count_cost(spec).n_parameters == 24 * 12 + 12 + 12 * 3 + 3
    assert record["quantization"]["input"] == {"scale": 1 / 128, "zero_point": 0}
    assert record["features"]["names"] == ["mav", "wl", "rms", "zc", "mobility", "log_detector"]
    assert np.shape(record["features"]["mean"]) == np.shape(record["features"]["deviation"]) == (6, 4)
    assert "input_scale" not in record
    # Chance is 1/3; the convolutional network is held to the same.
    assert record["metrics"]["float"]["across_persons"]["window"]["macro_accuracy"]["mean"] > 0.6
    int8 = record["metrics"]["int8"]
    difference = int8["int8"]["window"]["accuracy"]["mean"] - int8["float"]["window"]["accuracy"]["mean"]
    assert abs(difference) < 0.05
    card = (result.bundle / "model_card.md").read_text()
    assert "dense layers over features" in card
    assert "mobility" in card


def test_windows_of_features_are_those_of_each_recording(feature_spec: PatchSpec) -> None:
    recordings = list(SimulatedSet(feature_spec, seed=1, size=SMALL).recordings())[:2]
    found = cut_recordings(recordings, feature_spec, 7)
    config = compile_spec_features(feature_spec, choose_word_shift(feature_spec))
    part, n = recordings[1], feature_spec.window_samples
    filtered = filter_counts(feature_spec, part.emg)
    for k in (0, 1, 5):
        expected = compute_set(config, filtered[7 * k : 7 * k + n][None])[0]
        np.testing.assert_allclose(found.counts[found.lengths[0] + k], expected, rtol=1e-6)


def test_scale_is_that_of_all_channels(feature_spec: PatchSpec) -> None:
    features = np.random.default_rng(1).normal(3, 2, (500, 6, 4))
    scale = measure_features(features, feature_spec)
    np.testing.assert_allclose(scale.mean, np.repeat(features.mean(axis=(0, 2))[:, None], 4, axis=1))
    inputs = scale.apply(features)
    assert (inputs.min(), inputs.max()) >= (INPUT_LIMITS[0], 0)
    np.testing.assert_allclose(inputs.std(axis=(0, 2)), 1 / RANGE_DEVIATIONS, rtol=0.01)
    features[:, 3] = 7.0
    with pytest.raises(DataError, match="feature zc: the same in all 500 training windows"):
        measure_features(features, feature_spec)


@pytest.mark.parametrize("features", [FEATURES, FAMILIES], ids=["sums", "families"])
def test_augmentation_is_what_a_gain_of_the_signal_does(
    features: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scaled EMG has the features that augmentation gives: of logarithms, sizes and ratios."""
    spec = parse_spec(make_feature_text(features=features.replace("threshold = 2.0", "threshold = 0.0")))
    config = compile_spec_features(spec, 4)
    rng = np.random.default_rng(2)
    windows = rng.normal(0, 60, (20, spec.window_samples, 4))
    gains = rng.normal(0, 0.2, (20, 1, 1, 4))
    plain, scaled = (compute_set(config, x) for x in (windows, windows * np.exp(gains[:, 0])))
    scale = FeatureScale(4, plain.mean(axis=0), 10 * plain.std(axis=0) + 1)  # wide: nothing saturates
    monkeypatch.setattr(feature_input, "turn_electrodes", lambda x, _: x)
    monkeypatch.setattr(feature_input, "draw_gains", lambda _, __: gains)
    found = FeatureAugmentation(spec, scale)(scale.apply(plain)[:, None].astype(np.float32), rng)
    # log_detector adds a word to each magnitude, which no gain scales.
    np.testing.assert_allclose(found[:, 0], scale.apply(scaled), atol=2e-3)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "mlp"\nhidden = [12]', 'kind = "cnn"', "model.kind: 'cnn' takes the window itself"),
        ('kind = "mlp"', 'kind = "knn"', "model.kind: 'knn' is unknown, expected one of 'cnn', 'mlp'"),
        (FEATURES, "", "model.kind: 'mlp' takes features and the spec has none"),
        ("threshold = 2.0", "treshold = 2.0", r"features\[3\].treshold: unknown key; did you mean 'threshold'"),
        ("threshold = 2.0", "threshold = 9e9", "features, zc: threshold 9e\\+09 counts is above"),
        ('kind = "rms"', 'kind = "mov"', r"features\[2\].kind: 'mov' is unknown"),
        ('kind = "rms"', 'kind = "wl"', "features: wl stands twice; remove one"),
        ("[12]", "[0]", r"model.hidden\[0\]: 0 does not fit"),
    ],
    ids=["cnn", "kind", "none", "key", "threshold", "feature", "twice", "units"],
)  # fmt: skip
def test_contradictions_are_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        parse_spec(make_feature_text().replace(old, new))
    assert "\n" not in str(caught.value)
