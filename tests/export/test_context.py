"""A patch whose network takes several windows' features: the twin against single windows, the vectors, the spec's rules."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from myo_export.dry_model import make_dry_model
from myo_export.export import export_bundle
from myo_export.tflite_reader import read_graph
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.decision_rule import find_latency
from myo_pipeline.errors import ExportError, SpecError
from myo_pipeline.spec import parse_spec
from myo_pipeline.twin import Twin, WindowResult
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import GoldenSegment, load_vectors
from tiny_bundle import make_model
from tiny_feature_bundle import CONTEXT_SPEC, SPEC, write_trained_features

N_WINDOWS = 3


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_trained_features(tmp_path_factory.mktemp("context") / "tiny", spec=CONTEXT_SPEC)
    return export_bundle(folder).bundle.path


def push(twin: Twin, golden: GoldenSegment, block: int) -> list[WindowResult]:
    """Feed a segment in blocks, each with the samples of the other sensors that came by its end."""
    twin.reset()
    found: list[WindowResult] = []
    edges = [*range(0, len(golden.counts), block), len(golden.counts)]
    for begin, end in itertools.pairwise(edges):
        aux = []
        for samples in golden.aux:
            own = (samples.stamps >= begin) & (samples.stamps < end)
            aux.append(AuxSamples(samples.counts[own], samples.stamps[own]))
        found += twin.push(golden.counts[begin:end], aux)[1]
    return found


def test_windows_stand_together_as_they_are_by_themselves(bundle: Path) -> None:
    """Inputs, gates and marks of every decision are those of its windows, oldest first, whatever the blocks."""
    config = TwinConfig.load(bundle / "twin.npz")
    stage = config.features
    assert stage is not None
    assert (
        (stage.n_windows, stage.config.window, stage.span)
        == (N_WINDOWS, 20, config.window_samples)
        == (3, 20, 40)
    )
    twin = Twin(config, (bundle / "model.tflite").read_bytes())
    alone = Twin(
        replace(config, window_samples=stage.config.window, features=replace(stage, n_windows=1)),
        partial(make_model, steps=stage.config.n_components, channels=config.front_end_channels)(False),
    )
    n_gated, n_marked = 0, 0
    for golden in load_vectors(bundle):
        single, together = push(alone, golden, 1000), push(twin, golden, 7)
        assert [w.window for w in together] == list(range(len(single) - N_WINDOWS + 1))
        for k, found in enumerate(together):
            own = single[k : k + N_WINDOWS]
            assert found.end_sample == own[-1].end_sample
            np.testing.assert_array_equal(found.feature_words, own[-1].feature_words)
            np.testing.assert_array_equal(found.network_input, [w.network_input[0] for w in own])
            assert (found.decision.raw < 0) == any(w.decision.raw < 0 for w in own)
            assert found.aux_marks == np.bitwise_or.reduce([w.aux_marks for w in own])
            n_gated += found.decision.raw < 0 <= own[-1].decision.raw
            n_marked += found.aux_marks != own[-1].aux_marks
    assert n_gated > 3  # where the newest window alone would say otherwise
    assert n_marked > 0


def test_vectors_are_the_twins_within_their_bounds(bundle: Path) -> None:
    twin = Twin(TwinConfig.load(bundle / "twin.npz"), (bundle / "model.tflite").read_bytes())
    stage = twin.config.features
    assert stage is not None
    for golden in load_vectors(bundle):
        windows = push(twin, golden, 1000)
        np.testing.assert_array_equal(np.stack([w.network_input.ravel() for w in windows]), golden.inputs)
        np.testing.assert_array_equal([w.aux_marks for w in windows], golden.aux_marks)
        assert golden.inputs.shape == golden.float_inputs.shape == (len(windows), stage.n_inputs)
        assert golden.features.shape == golden.float_features.shape == (len(windows), stage.n_words)
        assert (np.abs(golden.inputs / 128 - golden.float_inputs) <= golden.input_bounds).all()
        assert np.median(golden.input_bounds) < 2 / 128
        # The float path gates the same windows; an output below 0 casts no vote in it.
        votes = (golden.decisions[:, 1] >= 0) & (golden.float_outputs.max(axis=1) >= 0)
        voted = [votes[max(0, k - 2) : k + 1].any() for k in range(len(votes))]
        np.testing.assert_array_equal(golden.float_decided >= 0, voted)


def test_an_export_of_another_number_of_windows_is_refused(tmp_path: Path) -> None:
    trained = write_trained_features(tmp_path / "tiny")
    text = (trained / "patch.toml").read_text()
    (trained / "patch.toml").write_text(text.replace("hidden = []", "hidden = []\nwindows = 2"))
    with pytest.raises(ExportError, match=r"takes 22 values, a window of the spec has 44") as caught:
        export_bundle(trained)
    assert "\n" not in str(caught.value)


def test_the_latency_holds_the_windows_before() -> None:
    """Window 100, two windows before it at 50, a hop, and a majority of three, which two carry."""
    latency = find_latency(parse_spec(CONTEXT_SPEC))
    before = find_latency(parse_spec(SPEC))
    assert (latency.context_ms, before.context_ms) == (100.0, 0.0)
    assert latency.alone_ms == before.alone_ms + 100.0 == 250.0
    assert latency.as_dict()["total_ms"] == before.total_ms + 100.0


@pytest.mark.parametrize(
    ("model", "ops"),
    [
        ("hidden = [6, 8]", ["RESHAPE", "CONV_2D", "RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]),
        ("hidden = [6]\nshared = 0", ["RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]),
        ("hidden = [6, 8]\nshared = 3", ["RESHAPE", "CONV_2D", "CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]),
        ("hidden = []", ["RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]),
    ],
)  # fmt: skip
def test_the_dry_model_has_the_layers_of_training(model: str, ops: list[str]) -> None:
    spec = parse_spec(SPEC.replace("hidden = []", f"{model}\nwindows = 5"))
    graph = read_graph(make_dry_model(spec))
    assert [op.name for op in graph.ops] == ops
    assert graph.tensors[graph.input].shape == (1, 5, 11, 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("windows = 3", "windows = 0", "model.windows: 0 does not fit"),
        ("windows = 3", "windows = 17", "model.windows: 17 does not fit"),
        ('kind = "mlp"\nhidden = []', 'kind = "lda"', "model.windows: unknown key; remove it"),
    ],
)
def test_contradictions_are_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        parse_spec(CONTEXT_SPEC.replace(old, new))
    assert "\n" not in str(caught.value)
