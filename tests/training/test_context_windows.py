"""Features of several windows together in training: which windows, whose labels, and what augmentation does to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from myo_pipeline.errors import DataError, SpecError
from myo_pipeline.feature_stage import choose_word_shift, compile_spec_features
from myo_pipeline.feature_windows import compute_set
from myo_pipeline.reference import filter_counts
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training.calibration import trace_windows
from myo_training.feature_selection import _see_one
from myo_training.floor import Floor, make_floor_specs
from myo_training.input_scale import make_augmentation, measure_scale
from myo_training.model import scale_input
from myo_training.recordings import Recording
from myo_training.search_data import SearchData
from myo_training.search_space import make_space
from myo_training.simulation import SimulatedSet
from myo_training.windows import cut_recordings
from test_train_features import make_feature_text
from training_case import SMALL

N_WINDOWS = 3


@pytest.fixture(scope="module")
def spec() -> PatchSpec:
    return parse_spec(make_feature_text(hidden=f"[12]\nwindows = {N_WINDOWS}"))


@pytest.fixture(scope="module")
def recordings(spec: PatchSpec) -> list[Recording]:
    return list(SimulatedSet(spec, seed=1, size=SMALL).recordings())[:3]


@pytest.mark.parametrize("hop", [7, 20, 40])
def test_windows_stand_a_hop_of_the_patch_apart(
    spec: PatchSpec, recordings: list[Recording], hop: int
) -> None:
    """At any training hop; each recording's begin with its own first window, and carry the newest one's label."""
    found = cut_recordings(recordings, spec, hop)
    config = compile_spec_features(spec, choose_word_shift(spec))
    assert found.counts.shape[1:] == (N_WINDOWS, 6, 4)
    for (_, part), recording in zip(found.parts(), recordings, strict=True):
        filtered = filter_counts(spec, recording.emg)
        counts, labels = found.counts[part], found.labels[part]
        ends = np.arange(40 + 2 * 20, len(filtered) + 1, hop)
        assert len(counts) == len(ends)
        np.testing.assert_array_equal(labels, recording.labels[ends - 1])
        for k in (0, 1, len(ends) - 1):
            own = np.stack([filtered[end - 40 : end] for end in ends[k] - 20 * np.arange(N_WINDOWS)[::-1]])
            np.testing.assert_allclose(counts[k], compute_set(config, own), rtol=1e-6)
    origins = trace_windows(recordings, spec, hop)
    assert len(origins.settled) == len(found.labels)


def test_a_recording_that_holds_too_few_windows_gives_none(
    spec: PatchSpec, recordings: list[Recording]
) -> None:
    short = [replace(r, emg=r.emg[:79], labels=r.labels[:79]) for r in recordings]
    assert cut_recordings([*short, recordings[0]], spec, 20).lengths[:3] == (0, 0, 0)
    with pytest.raises(DataError, match="none as long as a window of 200 ms and the 2 before it") as caught:
        cut_recordings(short, spec, 20)
    assert "\n" not in str(caught.value)


def test_scale_is_of_the_newest_and_augmentation_one_for_all(
    spec: PatchSpec, recordings: list[Recording]
) -> None:
    windows = cut_recordings(recordings, spec, 20).counts
    scale = measure_scale(windows, spec)
    alone = measure_scale(windows[:, -1], _see_one(spec))
    assert scale.as_dict([]) == alone.as_dict([])
    inputs = scale_input(windows, scale)
    assert inputs.shape == windows.shape
    np.testing.assert_array_equal(inputs[:, -1:], scale_input(windows[:, -1], alone))

    same = np.repeat(inputs[:, -1:], N_WINDOWS, axis=1)
    made = make_augmentation(spec, scale)(same, np.random.default_rng(3))
    np.testing.assert_array_equal(made, np.repeat(made[:, -1:], N_WINDOWS, axis=1))
    assert np.abs(made - same).max() > 0.1


def test_the_floor_sees_the_newest_of_the_same_windows(spec: PatchSpec, recordings: list[Recording]) -> None:
    own = cut_recordings(recordings, spec, 20)
    floor_specs = make_floor_specs(spec, 10.0)
    sets = [[cut_recordings(recordings, one, 20)] for one in floor_specs]
    assert all(one.lengths == own.lengths for (one,) in sets)
    floor = Floor(spec, sets, [[] for _ in sets])
    poisoned = replace(sets[floor.threshold][0], counts=sets[floor.threshold][0].counts.copy())
    poisoned.counts[:, :-1] = np.nan
    assert np.isfinite(floor.predict(poisoned)).all()


def test_a_search_keeps_windows_and_delay(spec: PatchSpec) -> None:
    data = SearchData(spec, SimulatedSet(spec, seed=1, size=SMALL))
    wide = data.cut(spec).validation
    assert wide.counts.shape[1:] == (N_WINDOWS, 6, 4)
    single = data.cut(_see_one(spec)).validation  # the cache holds them apart
    assert single.counts.shape[1:] == (6, 4)
    assert len(single.counts) == len(wide.counts) + (N_WINDOWS - 1) * len(wide.lengths)
    np.testing.assert_array_equal(wide.counts[0], single.counts[:N_WINDOWS])

    space = make_space(spec, [])
    assert space.delay_ms == 200 + (N_WINDOWS - 1 + 3 - 1) * 100
    assert space.build(space.start).decision.vote == 3
    shorter = space.build(space.start | {"hop_ms": 50.0})
    assert (shorter.decision.vote, shorter.context_windows) == (7, N_WINDOWS)  # 200 + 2 * 50 + 6 * 50 is 600
    with pytest.raises(SpecError, match="3 windows are longer than the decision's delay"):
        space.build(space.start | {"hop_ms": 250.0})
