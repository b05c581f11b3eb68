"""Export of a patch with features: the bundle, its bounds, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from myo_export.export import export_bundle
from myo_export.front_end import quantize_front_end
from myo_pipeline.bundle import open_bundle
from myo_pipeline.errors import BundleError, MyoError
from myo_pipeline.feature_stage import choose_word_shift, compile_spec_features
from myo_pipeline.feature_words import to_real
from myo_pipeline.features import FULL_SCALE
from myo_pipeline.spec import parse_spec
from myo_pipeline.twin import Twin
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import load_vectors
from tiny_bundle import make_model, write_trained
from tiny_feature_bundle import CHAIN_SPEC, FAMILIES_SPEC, SPEC, write_trained_features


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return write_trained_features(tmp_path / "features")


@pytest.mark.parametrize("spec", [SPEC, CHAIN_SPEC, FAMILIES_SPEC], ids=["filter", "chain", "families"])
def test_twin_of_the_bundle_gives_its_vectors_within_their_bounds(tmp_path: Path, spec: str) -> None:
    trained = write_trained_features(tmp_path / "features", spec=spec)
    bundle = export_bundle(trained).bundle
    config = TwinConfig.load(trained / "twin.npz")
    stage = config.features
    assert stage is not None
    twin = Twin(config, (trained / "model.tflite").read_bytes())
    n_finite = 0
    for golden in load_vectors(bundle.path):
        twin.reset()
        parts = [twin.push(golden.counts[a : a + 7]) for a in range(0, len(golden.counts), 7)]
        windows = [window for _, found in parts for window in found]
        words = np.stack([w.feature_words for w in windows])
        assert words[0].size == stage.n_words
        np.testing.assert_array_equal(words.reshape(golden.features.shape), golden.features)
        np.testing.assert_array_equal(np.stack([w.network_input.ravel() for w in windows]), golden.inputs)
        np.testing.assert_array_equal(np.stack([w.output for w in windows]), golden.outputs)
        error = np.abs(to_real(stage.config, words).reshape(golden.features.shape) - golden.float_features)
        assert (error <= golden.feature_bounds).all()
        assert (np.abs(golden.inputs / 128 - golden.float_inputs) <= golden.input_bounds).all()
        n_finite += int(np.isfinite(golden.feature_bounds).sum())
        # A bound that is wide says nothing: half of the inputs are known to within two steps.
        assert np.median(golden.input_bounds) < 2 / 128
    assert n_finite > 0
    budget = json.loads((trained / "budget.json").read_text())
    assert list(budget["features"]["error_bound"]) == stage.config.names
    assert budget["predicted"]["instructions"]["features"] > 1000


def test_the_same_inputs_give_the_same_bundle(trained: Path) -> None:
    first = export_bundle(trained).bundle
    assert export_bundle(trained).bundle.manifest == first.manifest
    assert "c/features_config.c" in first.manifest["files"]


def test_an_export_without_features_takes_theirs_away(trained: Path) -> None:
    export_bundle(trained)
    write_trained(trained, make=make_model)
    bundle = export_bundle(trained).bundle
    assert not [name for name in bundle.manifest["files"] if "features" in name]
    assert TwinConfig.load(trained / "twin.npz").features is None
    assert open_bundle(trained)


def _drop(record: dict[str, Any]) -> None:
    del record["features"]


def _rename(record: dict[str, Any]) -> None:
    record["features"]["names"][0] = "iemg"


def _shorten(record: dict[str, Any]) -> None:
    record["features"]["mean"].pop()


def _still(record: dict[str, Any]) -> None:
    record["features"]["deviation"][1][0] = 0.0


def _too_fine(record: dict[str, Any]) -> None:
    record["features"]["word_shift"] += 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop, "training.json: lacks features"),
        (_rename, "training.json: features are"),
        (_shorten, "training.json: features are"),
        (_still, "training.json: features are"),
        (_too_fine, "features: the filtered signal may reach"),
    ],
)
def test_a_damaged_record_is_refused(
    trained: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    record = json.loads((trained / "training.json").read_text())
    change(record)
    (trained / "training.json").write_text(json.dumps(record))
    with pytest.raises(MyoError, match=said) as caught:
        export_bundle(trained)
    assert "\n" not in str(caught.value)


def test_a_twin_of_other_features_is_refused(trained: Path) -> None:
    export_bundle(trained)
    with np.load(trained / "twin.npz") as archive:
        arrays = dict(archive)
    del arrays["features_mean"]
    with (trained / "twin.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    with pytest.raises(BundleError, match="another version's features"):
        TwinConfig.load(trained / "twin.npz")


BANDPASS = 'kind = "bandpass"\nlow_hz = 20\nhigh_hz = 45'


@pytest.mark.parametrize(
    "stages",
    [
        [],
        [BANDPASS],
        ['kind = "spatial"\nmode = "common_average"', BANDPASS, 'kind = "decimate"\nfactor = 2\nattenuation_db = 0'],
        ['kind = "fir"\ntaps = [-0.4, 0.9, -0.3]', 'kind = "rectify"', 'kind = "moving_average"\nn = 5'],
        ['kind = "spatial"\nmode = "matrix"\nweights = [[1, -1], [0.1, 0]]', 'kind = "tkeo"'],
        ['kind = "envelope"\ncutoff_hz = 5'],
    ],
    ids=["none", "bandpass", "decimated", "rectified", "tkeo", "envelope"],
)  # fmt: skip
def test_words_hold_what_the_front_end_is_proved_to_give(stages: list[str]) -> None:
    """The training's choice, of the float chain, and the export's proof, of the integers, fit each other."""
    written = SPEC.replace('[[stage]]\nkind = "highpass"\ncutoff_hz = 20.0\norder = 2\n', "")
    spec = parse_spec(written.replace("[window]", "".join(f"[[stage]]\n{x}\n" for x in stages) + "[window]"))
    front_end, word_shift = quantize_front_end(spec), choose_word_shift(spec)
    peak = float(spec.sensor.full_scale_counts)
    if front_end.steps:
        peak = front_end.steps[-1].peak * 2.0 ** (31 - front_end.exponent)
    assert FULL_SCALE / 2.1 < peak * 2.0**word_shift + 0.5 <= FULL_SCALE
    assert front_end.exponent > word_shift
    assert compile_spec_features(spec, word_shift).n_channels == front_end.n_out
