"""The space of a search: its middle is the spec, the delay stays, and every kind of the registry has a place."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_stage import compile_spec_features
from myo_pipeline.features import FEATURE_TABLES
from myo_pipeline.spec import MODEL_TABLES, PatchSpec, find_templates, parse_spec
from myo_training.model_axes import _VALUES, build_model, describe_model, list_axes, make_models
from myo_training.search_data import list_feature_tables
from myo_training.search_space import CHOOSING, list_candidates, make_space, name_feature
from test_train_features import make_feature_text
from training_case import CLASSES, VALUES, make_text


def template(name: str) -> PatchSpec:
    return parse_spec(find_templates()[name].read_text().replace("@NAME@", "x"))


@pytest.mark.parametrize("name", ["features", "gestures"])
def test_the_space_begins_with_the_spec(name: str) -> None:
    spec = template(name)
    candidates = list_candidates(spec, 2.0)[0] if spec.features else []
    space = make_space(spec, candidates)
    assert space.build(space.start) == spec.model_copy(update={"model": space.build(space.start).model})
    assert space.build(space.start).model.model_dump() == spec.model.model_dump()
    assert all(space.start[axis] in values for axis, values in space.axes.items())
    assert not [axis for axis in space.axes if "frequency_hz" in axis]  # mains is where it is


@pytest.mark.parametrize("text", [make_feature_text(), make_text(), make_text(output=VALUES)])
def test_every_place_is_a_spec_of_the_same_delay(text: str) -> None:
    spec = parse_spec(text)
    space = make_space(spec, list_candidates(spec, 20.0)[0] if spec.features else [])
    rng = np.random.default_rng(1)
    n_built = 0
    for _ in range(60):
        params = {axis: values[int(rng.integers(len(values)))] for axis, values in space.axes.items()}
        try:
            built = space.build(params)
        except SpecError:
            continue
        n_built += 1
        window, n_before = built.window, built.context_windows + built.decision.vote - 2
        delay = window.window_ms + n_before * window.hop_ms
        assert space.delay_ms - window.hop_ms < delay <= space.delay_ms + 1e-9
        assert built.training == spec.training
        assert parse_spec(text).output == built.output
    assert n_built > 30


def test_every_kind_is_a_candidate_or_named() -> None:
    spec = template("features")
    candidates, left_out = list_candidates(spec, 2.0)
    names = [name_feature(f) for f in candidates]
    assert names[:4] == ["log mav", "log wl", "zc", "ssc"]  # the spec's own
    assert len(set(names)) == len(names)
    # Those that a z-score makes equal stand once: mav is iemg over N.
    same = {"mav": "iemg", "activity": "ssi", "aac": "wl"}
    kinds = {f.kind for f in candidates} | set(same) | {name.split(" ")[0] for name in left_out}
    assert kinds == set(list_feature_tables())
    assert kinds >= set(FEATURE_TABLES)
    assert not {"log iemg", "log aac", "activity", "log ssi"} & set(names)
    found = {f.kind: f for f in candidates}
    assert found["wamp"].threshold == found["zc"].threshold == 1.0  # lent by the spec
    assert found["histogram"].range == 8.0  # of the signal's size


def test_what_contradicts_itself_is_refused() -> None:
    spec = template("features")
    space = make_space(spec, [])
    with pytest.raises(SpecError, match="features: none"):
        space.build(space.start | {axis: False for axis in space.axes if axis.startswith("feature ")})


FEATURES = make_feature_text()
WINDOWS = make_text()


@pytest.mark.parametrize("kind", list(_VALUES))
def test_every_kind_has_a_shape_to_search(kind: str) -> None:
    spec = parse_spec(FEATURES if kind in CHOOSING else WINDOWS)
    (_, model) = make_models(spec, [kind])[-2:] if kind != spec.model.kind else (None, spec.model)
    axes = list_axes(model)
    start = {axis.name: axis.own for axis in axes}
    assert MODEL_TABLES[kind].model_validate(build_model(model, start)).model_dump() == model.model_dump()
    for axis in axes:
        assert len(axis.values) > 1
        assert len(set(axis.values)) == len(axis.values)
        for value in axis.values:
            table = MODEL_TABLES[kind].model_validate(build_model(model, start | {axis.name: value}))
            if not axis.name.endswith("width"):  # of few filters, rounded to fours, two widths may be one
                assert (table.model_dump() == model.model_dump()) == (value == axis.own), axis.name
            assert kind in describe_model(table)


def test_several_kinds_are_one_space_and_an_axis_is_asked_for_its_own_kind() -> None:
    spec = parse_spec(FEATURES)
    models = make_models(spec, ["mlp", "forest", "tcn", "spectrogram", "lda"])
    assert [model.kind for model in models] == ["mlp", "forest", "tcn", "spectrogram", "lda"]
    space = make_space(spec, list_candidates(spec, 20.0)[0], models)
    assert next(iter(space.axes)) == "kind"
    assert space.build(space.start) == parse_spec(FEATURES)
    for kind, start in zip(("mlp", "forest", "tcn", "spectrogram", "lda"), space.starts, strict=True):
        owners = {axis.partition(".")[0] for axis in start} & {model.kind for model in models}
        assert owners == {kind}
        built = space.build(start)
        assert built.model.kind == kind
        kinds = [f.kind for f in built.features]
        assert kinds == {"tcn": [], "spectrogram": ["stft_power"]}.get(kind, [f.kind for f in spec.features])
    rng = np.random.default_rng(2)
    built_kinds = set()
    for _ in range(80):
        params: dict[str, object] = {}
        for axis, values in space.axes.items():
            if space.asks(axis, params):
                params[axis] = values[int(rng.integers(len(values)))]
        with contextlib.suppress(SpecError):
            built_kinds.add(space.build(params).model.kind)
    assert built_kinds == {model.kind for model in models}


@pytest.mark.parametrize(
    ("text", "kinds", "said"),
    [
        (WINDOWS, ["mlp"], "--kinds: 'mlp' takes features and the spec has none"),
        (FEATURES, ["gru"], "--kinds: 'gru' cannot be searched, expected some of cnn, mlp, tcn"),
        (FEATURES, ["autoencoder"], "--kinds: 'autoencoder' cannot be searched"),
        (FEATURES.replace(CLASSES, VALUES), ["forest"], "'forest' decides between classes"),
        (FEATURES + 'quantization = "aware"\n', ["lstm"], "'aware' is not to be had for 'lstm'"),
    ],
)
def test_kinds_that_cannot_be_are_refused_in_a_line(text: str, kinds: list[str], said: str) -> None:
    spec = parse_spec(text)
    with pytest.raises(SpecError, match=re.escape(said)) as caught:
        make_space(spec, [], make_models(spec, kinds))
    assert "\n" not in str(caught.value)


def test_a_score_is_not_searched() -> None:
    score = 'kind = "score"\nlabels = ["rest", "fist", "open"]\nanomalies = ["open"]'
    text = make_feature_text(model='kind = "autoencoder"').replace(CLASSES, score)
    with pytest.raises(
        SpecError, match="'autoencoder' cannot be searched: what it scores as an anomaly is not"
    ):
        make_space(parse_spec(text), [])


def test_keys_that_depend_on_the_patch_are_guessed() -> None:
    spec = template("features")
    found = {f.kind: f for f in list_candidates(spec, 2.0)[0]}
    assert found["ring_correlation"].reach == 4  # all pairs of eight electrodes
    stft = found["stft_power"]
    assert stft.segment_ms == 125.0
    assert [low for low, _ in stft.bands_hz] == [0, 25, 50, 75]
    assert name_feature(stft) == "stft_power bands_hz 0-25 25-50 50-75 75-101 segment_ms 125.0"
    config = compile_spec_features(spec.model_copy(update={"features": [stft]}), 0)
    assert config.n_components == 4 * 3
