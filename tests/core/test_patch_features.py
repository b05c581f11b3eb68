"""The patch in C with features between front end and network: their words, and the network's input, whatever the blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Device, Harness, Settings, pack_stage
from feature_case import all_features
from myo_host import messages as m
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_normalization import Normalization
from myo_pipeline.feature_set import WindowFeature, compile_feature_set
from myo_pipeline.feature_stage import FeatureStage
from myo_pipeline.reference import cut_windows
from myo_pipeline.wavelet import PacketFeature, WaveletFeature
from test_patch import SECTIONS, gather, model_front_end, model_network, replay

WAVELETS = [
    WaveletFeature(kind="wavelet_energy", wavelet="db1", levels=3),
    WaveletFeature(kind="wavelet_energy", wavelet="db2", levels=2),
    PacketFeature(kind="packet_energy", wavelet="db4", levels=1),
]
TRACED = 1 << m.Stage.FILTERED | 1 << m.Stage.FEATURES | 1 << m.Stage.INPUT | 1 << m.Stage.OUTPUT


def make_stage(
    features: list[WindowFeature], s: Settings, seed: int, filtered_shift: int = 12, n_windows: int = 1
) -> FeatureStage:
    """Give a stage whose normalization spreads the words of noise over int8; settings are of the decision's span."""
    config = compile_feature_set(
        features,
        n_channels=s.n_filtered or s.n_channels,
        window=s.window_samples - (n_windows - 1) * s.hop_samples,
        hop=s.hop_samples,
        rate_hz=1000.0,
        word_shift=s.input_shift - filtered_shift,
    )
    rng = np.random.default_rng(seed)
    shape = (config.n_components, config.n_channels)
    mean = rng.integers(-(2**12), 2**16, shape)
    multiplier, shift = rng.integers(-(2**30), 2**30 + 1, shape), rng.integers(34, 48, shape)
    return FeatureStage(
        config,
        filtered_shift,
        Normalization(
            mean, multiplier, shift, int(rng.integers(-9, 9)), 8, rng.integers(-(2**31), 2**31, shape)
        ),
        n_windows,
    )


@settings(max_examples=40)
@given(st.data())
def test_patch_computes_features(device: Harness, data: st.DataObject) -> None:
    draw = data.draw
    window, n_windows = draw(st.integers(17, 70)), draw(st.sampled_from([1, 1, 2, 3, 5]))
    hop = draw(st.integers(1, window))
    s = Settings(
        n_channels=draw(st.integers(1, 5)),
        window_samples=window + (n_windows - 1) * hop,
        hop_samples=hop,
        n_outputs=draw(st.integers(1, 4)),
        sections=SECTIONS[: draw(st.integers(0, 2))],
        ring_frames=draw(st.sampled_from([1, 8, 64])),
        n_filtered=draw(st.sampled_from([0, 1, 2, 6])),
        factor=draw(st.sampled_from([1, 1, 2, 5])),
        has_features=1,
    )
    known = all_features(threshold=40.0)
    chosen = draw(st.lists(st.sampled_from(range(len(known))), min_size=1, max_size=9, unique=True))
    if any(known[k].kind in ("tkeo", "complexity") for k in chosen):
        chosen = [k for k in chosen if known[k].kind != "autocorrelation"]
    seed = draw(st.integers(0, 99))
    wavelet = draw(st.sampled_from([None, *WAVELETS]))
    try:
        both = [known[k] for k in chosen] + [wavelet] * (wavelet is not None)
        stage = make_stage(both, s, seed, n_windows=n_windows)
    except SpecError:  # the wavelet is too long for the window
        stage = make_stage([known[k] for k in chosen], s, seed, n_windows=n_windows)
    s = replace(s, stage=pack_stage(stage))
    n_samples = draw(st.integers(0, 200 + (n_windows - 1) * hop)) * s.factor
    counts = np.random.default_rng(seed).integers(-512, 512, (n_samples, s.n_channels))
    cuts = sorted(draw(st.lists(st.integers(0, n_samples), max_size=5)))
    patch = Device(device, s)
    assert patch.status == 0
    replay(patch, counts[: n_samples // 2], [], 0)  # START after it must forget all of it
    said = replay(patch, counts, cuts, TRACED)

    words = stage.to_words(model_front_end(counts, s).astype(np.int32))
    windows = cut_windows(words, window, hop)
    vectors = [stage.compute(x.astype(np.int16)) for x in windows]
    features, inputs, outputs = (gather(said, x) for x in (m.Stage.FEATURES, m.Stage.INPUT, m.Stage.OUTPUT))
    decisions = [x.fields for x in said if x.name == "DECISION"]
    assert [(x["window"], x["end_sample"]) for x in decisions] == [
        (k, (s.window_samples + k * s.hop_samples) * s.factor)
        for k in range(max(0, len(windows) - n_windows + 1))
    ]
    assert len(features) == len(inputs) == len(decisions)
    for k in range(len(decisions)):
        together = vectors[k : k + n_windows]
        np.testing.assert_array_equal(features[k], together[-1].ravel())
        network_input = np.stack([stage.normalize(x) for x in together])
        np.testing.assert_array_equal(inputs[k], network_input.ravel())
        assert list(outputs[k]) == model_network(network_input.astype(np.int64), s)


def test_the_stage_is_not_silent(device: Harness) -> None:
    """What the test above compares is neither all one value nor all saturated."""
    s = Settings(has_features=1, window_samples=40, hop_samples=10)
    stage = make_stage(all_features(threshold=40.0), s, 5)
    patch = Device(device, replace(s, stage=pack_stage(stage)))
    counts = np.random.default_rng(5).integers(-512, 512, (200, s.n_channels))
    inputs = np.concatenate(list(gather(replay(patch, counts, [], TRACED), m.Stage.INPUT).values()))
    assert ((inputs > -128) & (inputs < 127)).mean() > 0.1
    assert len(np.unique(inputs)) > 50


@pytest.mark.parametrize(
    "change",
    [
        {"window_samples": 13}, {"hop_samples": 6}, {"n_channels": 4}, {"n_filtered": 2}, {"streams": 1},
        {"missing_sums": 1}, {"missing_words": 1}, {"filtered_shift": 0}, {"filtered_shift": 32}, {"shift": 63},
    ],
    ids=str,
)  # fmt: skip
def test_init_refuses_a_stage_that_cannot_run(device: Harness, change: dict[str, int]) -> None:
    s = Settings(has_features=1)
    stage = make_stage(all_features()[:3], s, 1)
    assert Device(device, replace(s, stage=pack_stage(stage))).status == 0
    of_stage = {key: change[key] for key in ("missing_sums", "missing_words") if key in change}
    if "filtered_shift" in change:
        stage = replace(stage, filtered_shift=change["filtered_shift"])
    if "shift" in change:
        wrong = np.full_like(stage.normalization.shift, change["shift"])
        stage = replace(stage, normalization=replace(stage.normalization, shift=wrong))
    of_patch = {key: value for key, value in change.items() if hasattr(s, key) and key != "shift"}
    assert Device(device, replace(s, stage=pack_stage(stage, **of_stage), **of_patch)).status != 0
