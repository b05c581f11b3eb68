"""Choosing features: what is read, what is kept, and how accuracy is weighed against time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pytest

from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training import search_data
from myo_training.feature_selection import LinearJudge, Tag, _go_backward, _go_forward, select_features
from myo_training.recordings import DataSet, Recording
from myo_training.search_data import SearchData, count_components
from myo_training.search_space import list_candidates
from myo_training.simulation import SimulatedSet
from myo_training.split import TRAIN, VALIDATION, split_sessions
from myo_training.windows import cut_recordings
from test_train_features import make_feature_text
from training_case import SMALL, VALUES


class Watched(DataSet):
    """Remembers who was read."""

    def __init__(self, data: DataSet) -> None:
        self._data, self.info, self.read = data, data.info, set[str]()

    def sessions(self) -> list[tuple[str, str]]:
        return self._data.sessions()

    def recordings(self, persons: Collection[str] | None = None) -> Iterator[Recording]:
        assert persons is not None
        self.read |= set(persons)
        return self._data.recordings(persons)


@pytest.fixture(scope="module")
def spec() -> PatchSpec:
    return parse_spec(make_feature_text())


@pytest.fixture(scope="module")
def watched(spec: PatchSpec) -> Watched:
    return Watched(SimulatedSet(spec, seed=1, size=SMALL))


@pytest.fixture(scope="module")
def data(spec: PatchSpec, watched: Watched) -> SearchData:
    return SearchData(spec, watched)


def test_persons_held_out_are_not_read(data: SearchData, watched: Watched) -> None:
    split = split_sessions(watched.sessions(), 2, 1, 3)
    held_out = {person for person, _ in split.across_persons}
    assert len(held_out) == 2
    assert watched.read == set(watched.persons()) - held_out
    roles = [{person for person, _ in data.sessions[role]} for role in (TRAIN, VALIDATION)]
    assert roles[0] | roles[1] == watched.read
    assert not roles[0] & roles[1]
    assert roles[1] == {person for person, _ in split.validation}
    assert not {*split.across_sessions} & {*data.sessions[TRAIN], *data.sessions[VALIDATION]}


def test_more_persons_may_judge(spec: PatchSpec, watched: Watched) -> None:
    data = SearchData(spec, watched, 2)
    assert data.n_judges == 2
    validation = {person for person, _ in split_sessions(watched.sessions(), 2, 1, 3).validation}
    assert validation < {person for person, _ in data.sessions[VALIDATION]}
    with pytest.raises(
        DataError, match=r"3 of 3 persons to judge by, expected at least 1 and 1 to learn from; .* --judges"
    ):
        SearchData(spec, watched, 3)


def test_features_are_computed_once_and_are_those_of_a_cut(
    spec: PatchSpec, data: SearchData, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = spec.model_copy(update={"features": spec.features[:3]})
    data.cut(half)
    both = data.cut(spec)
    expected = cut_recordings(data._recordings[TRAIN], spec, 20)
    np.testing.assert_array_equal(both.train.counts, expected.counts)
    np.testing.assert_array_equal(both.train.labels, expected.labels)
    assert both.train.parts() == expected.parts()
    with monkeypatch.context() as patch:
        patch.setattr(search_data, "cut_recordings", None)
        again = data.cut(spec)  # nothing is left to compute
    np.testing.assert_array_equal(again.validation.counts, both.validation.counts)
    monkeypatch.setattr(search_data, "KEPT_BYTES", 1)
    assert data.cut(half).train.counts.shape[1] == 3
    assert len(data._kept) == 1


def test_sessions_are_thinned_before_recordings_are_cut(
    spec: PatchSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = SimulatedSet(spec, seed=1, size=SMALL)
    monkeypatch.setattr(search_data, "LEAST_S", 3.0)
    short = SearchData(spec, whole, None, (40_000, 4_000))
    assert short.seconds[0] == pytest.approx(50, rel=0.01)
    assert {r.session for r in short._recordings[TRAIN]} == {"1", "2"}
    assert short.seconds[1] == pytest.approx(5, rel=0.01)  # 4,000 counts of 4 channels
    assert {r.session for r in short._recordings[VALIDATION]} == {"1"}


def fake_measure(worths: Sequence[float], costs: Sequence[float]):
    def measure(chosen: Sequence[int]) -> tuple[float, Tag]:
        time = sum(costs[k] for k in chosen)
        return sum(worths[k] for k in chosen), Tag(40 * time, time)

    return measure


def test_forward_takes_what_adds_most_for_its_time() -> None:
    # "b" adds a little less than "a" in a tenth of the time; "c" is cheap and adds too little; "d" nothing.
    measure = fake_measure((0.30, 0.25, 0.05, 0.0), (100, 10, 1, 1))
    path = _go_forward("abcd", measure, 0.0, lambda *_: None)
    assert [point.moved for point in path] == ["b", "a", "c"]
    assert path[-1].accuracy == pytest.approx(0.6)
    assert path[1].names == ("a", "b")


def test_backward_drops_what_costs_most_for_what_it_gives() -> None:
    measure = fake_measure((0.30, 0.25, 0.05, -0.01), (100, 10, 1, 50))
    every = _go_forward("abc", fake_measure((0.3, 0.25, 0.05), (100, 10, 1)), 0.0, lambda *_: None)[-1]
    accuracy, tag = measure((0, 1, 2, 3))
    whole = type(every)("", tuple("abcd"), accuracy, tag)
    assert [p.moved for p in _go_backward("abcd", measure, whole, lambda *_: None)] == ["d", "a", "b"]


def test_a_selection_weighs_accuracy_against_time(spec: PatchSpec, data: SearchData) -> None:
    candidates = [f for f in list_candidates(spec, 20.0)[0] if f.kind in ("mav", "wl", "skewness")]

    def price(one: PatchSpec) -> Tag:
        return Tag(0, 100.0 + sum(400 if f.kind == "wl" else 10 for f in one.features))

    found = select_features(spec, data, candidates, price, 0.01)
    assert found.metric == "macro accuracy"
    best = max(r.accuracy for r in found.ranked)
    assert found.chosen.accuracy > best - 0.05
    assert [f.kind for f in found.spec.features] == [n.removeprefix("log ") for n in found.chosen.names]
    accuracies = {r.name: r.accuracy for r in found.ranked}
    assert accuracies["log mav"] > accuracies["skewness"] + 0.2
    information = {r.name: r.information_bits for r in found.ranked}
    assert information["log mav"] > 3 * information["skewness"]
    assert found.projections[-1].accuracy > found.projections[0].accuracy - 0.05
    free = select_features(spec, data, candidates, price, 0.0)
    assert free.chosen.accuracy >= found.chosen.accuracy
    assert select_features(spec, data, candidates, price, 1.0).chosen.tag.microseconds == 110


def test_values_are_judged_by_r2() -> None:
    spec = parse_spec(
        make_feature_text().replace('kind = "classes"\nlabels = ["rest", "fist", "open"]', VALUES)
    )
    data = SearchData(spec, SimulatedSet(spec, seed=1, size=SMALL))
    judge = LinearJudge(spec, data.cut(spec), count_components(spec), 1)
    assert 0.2 < judge.judge([0, 1]) <= 1
    assert judge.judge([0]) == judge.judge([0])
    assert judge.inform(0, 4) > 0.1
