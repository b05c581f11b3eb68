"""The space of a search: its middle is the spec, the delay stays, and every kind of the registry has a place."""

from __future__ import annotations

import numpy as np
import pytest

from myo_pipeline.errors import SpecError
from myo_pipeline.features import FEATURE_TABLES
from myo_pipeline.spec import PatchSpec, find_templates, parse_spec
from myo_training.search_data import list_feature_tables
from myo_training.search_space import list_candidates, make_space, name_feature
from test_train_features import make_feature_text
from training_case import VALUES, make_text


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
        window = built.window
        delay = window.window_ms + (built.decision.vote - 1) * window.hop_ms
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
