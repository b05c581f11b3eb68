"""Scales of the network's input by channel: what is measured, how electrodes turn, and what training writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from myo_pipeline.errors import DataError
from myo_pipeline.feature_stage import RANGE_DEVIATIONS, FeatureScale
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training import augmentation
from myo_training.augmentation import ChannelAugmentation, augment_windows
from myo_training.feature_input import FeatureAugmentation
from myo_training.input_scale import describe_scale, make_augmentation, measure_scale
from myo_training.model import scale_input
from myo_training.train import train
from test_train_features import make_feature_text
from training_case import make_text

CHANNEL = ("seed = 3", 'seed = 3\nscaling = "channel"')
GAINS = np.array([1.0, 3.0, 0.2, 10.0])


@pytest.fixture(scope="module")
def raw_spec() -> PatchSpec:
    return parse_spec(make_text().replace(*CHANNEL))


@pytest.fixture(scope="module")
def feature_spec() -> PatchSpec:
    return parse_spec(make_feature_text().replace(*CHANNEL))


def test_channels_come_to_one_size(raw_spec: PatchSpec) -> None:
    counts = np.random.default_rng(1).normal(0, 30, (500, 40, 4)) * GAINS
    scale = measure_scale(counts, raw_spec)
    np.testing.assert_allclose(scale / scale[0], GAINS, rtol=0.05)
    inputs = scale_input(counts, scale)
    assert np.ptp(inputs.std(axis=(0, 1, 2))) < 0.01
    assert describe_scale(scale, raw_spec)["input_scale"] == scale.tolist()
    assert measure_scale(counts * [1, 1, 0, 1], raw_spec)[2] == 1.0  # a silent channel
    assert isinstance(measure_scale(counts, parse_spec(make_text())), float)


def test_features_are_scored_by_channel(feature_spec: PatchSpec) -> None:
    features = np.random.default_rng(2).normal(3, 2, (500, 6, 4)) * GAINS
    scale = measure_scale(features, feature_spec)
    np.testing.assert_allclose(scale.mean, features.mean(axis=0))
    inputs = scale.apply(features)
    np.testing.assert_allclose(inputs.std(axis=0), 1 / RANGE_DEVIATIONS, rtol=0.01)
    features[:, 3, 2] = 7.0
    with pytest.raises(DataError, match="feature zc of channel 2: the same in all 500 training windows"):
        measure_scale(features, feature_spec)


def test_electrodes_turn_in_counts(
    raw_spec: PatchSpec, feature_spec: PatchSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augmentation, "P_TURN", 1.0)
    rng = np.random.default_rng(3)
    counts = rng.normal(0, 5, (50, 10, 4))
    scales = 200 * GAINS
    for seed in range(3):
        scaled = scale_input(counts, scales)
        turned = ChannelAugmentation(scales)(scaled, np.random.default_rng(seed))
        expected = augment_windows(counts[:, None].astype(np.float32) / 4000, np.random.default_rng(seed))
        np.testing.assert_allclose(turned * scales, expected * 4000, rtol=1e-4, atol=1e-4)
    features = rng.normal(3, 2, (50, 6, 4))
    scale = FeatureScale(4, np.tile(GAINS, (6, 1)), np.tile(40 * GAINS, (6, 1)))
    shared = FeatureScale(4, np.full((6, 4), 2.0), np.full((6, 4), 90.0))
    found, expected = (
        FeatureAugmentation(feature_spec, s)(s.apply(features)[:, None].astype(np.float32), np.random.default_rng(5))
        * s.deviation * RANGE_DEVIATIONS + s.mean
        for s in (scale, shared)
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert make_augmentation(raw_spec, 3.0) is augment_windows


def test_training_writes_the_scales(csv_project: Path, tmp_path: Path) -> None:
    (csv_project / "channel.toml").write_text(make_text(epochs=1).replace(*CHANNEL))
    result = train(csv_project / "channel.toml", tmp_path / "bundle")
    record = json.loads((result.bundle / "training.json").read_text())
    assert len(set(record["input_scale"])) == 4
    assert "filtered counts (a channel each)" in (result.bundle / "model_card.md").read_text()
