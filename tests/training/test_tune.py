"""The search: what it trains, what it refuses, that it goes on as if it had not stopped, and whom it chooses by."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training import tune
from myo_training.search_data import SearchData
from myo_training.search_space import SearchSpace, make_space
from myo_training.simulation import SimulatedSet
from myo_training.split import VALIDATION
from myo_training.tune import Cost, Search, Tried, find_front, judge_spec
from test_train_features import make_feature_text
from training_case import SMALL


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return make_space(parse_spec(make_feature_text()), [])


@pytest.fixture(scope="module")
def data(space: SearchSpace) -> SearchData:
    return SearchData(space.spec, SimulatedSet(space.spec, seed=1, size=SMALL))


def price(spec: PatchSpec) -> Cost:
    load = len(spec.features) * 100 / spec.window.hop_ms
    over = load / 7 - 1
    excess = f"latency_ms is 7 and a decision takes {load:g}" if over > 0 else ""
    return Cost(10_000, 2_000, load, load, 40 * load, excess, (-1.0, -1.0, over))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[PatchSpec]:
    """Accuracies out of a hash, and whom they were asked for."""
    seen: list[PatchSpec] = []

    def judge(spec: PatchSpec, data: SearchData, epochs: int) -> tuple[float, dict[str, float]]:
        assert not price(spec).excess
        seen.append(spec)
        accuracy = hashlib.sha256(f"{spec.model_dump_json()} {epochs}".encode()).digest()[0] / 256
        return accuracy, {"a": accuracy, "b": accuracy}

    monkeypatch.setattr(tune, "judge_spec", judge)
    return seen


def test_a_stopped_search_goes_on_as_if_it_had_not(
    space: SearchSpace,
    data: SearchData,
    judged: list[PatchSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def params(search: Search) -> list[dict[str, object]]:
        return [trial.params for trial in search._study.trials if trial.state.name == "COMPLETE"]

    monkeypatch.setattr(tune, "N_STARTUP", 4)
    whole = Search(space, data, price, tmp_path / "whole", "core", 2)
    whole.run(11, [space.start])
    for stop in (0, 5, 8, 11):
        parts = Search(space, data, price, tmp_path / "parts", "core", 2)
        parts.run(stop, [space.start])
        if stop in (0, 5):  # as a search leaves it that was killed within a trial
            if stop == 0:
                parts._study.enqueue_trial(space.start)
            parts._study.ask()
    assert params(parts) == params(whole)
    assert params(whole)[0] == space.start
    found, again = whole.conclude(2), parts.conclude(2)
    assert found == again
    n = len(judged)
    assert whole.conclude(2) == found
    assert len(judged) == n  # finalists are kept
    assert 0 < found.n_refused < 11
    assert len(found.tried) + found.n_refused <= 11


def test_the_best_finalist_is_chosen_and_the_spec_itself_is_one(
    space: SearchSpace, data: SearchData, judged: list[PatchSpec], tmp_path: Path
) -> None:
    search = Search(space, data, price, tmp_path, "latency", 2)
    search.run(10, [space.start])
    found = search.conclude(3)
    assert found.chosen.accuracy == max(f.accuracy for f in found.finalists)
    assert any(f.params == space.start for f in found.finalists)
    assert 2 <= len(found.finalists) <= 4
    assert "window" in found.chosen.describe()
    assert all(
        a.cost.latency_ms < b.cost.latency_ms for a, b in zip(found.front, found.front[1:], strict=False)
    )
    assert all(a.accuracy < b.accuracy for a, b in zip(found.front, found.front[1:], strict=False))


def test_another_search_s_folder_is_refused(
    space: SearchSpace, data: SearchData, judged: list[PatchSpec], tmp_path: Path
) -> None:
    Search(space, data, price, tmp_path, "core", 2)
    with pytest.raises(
        DataError, match="holds a search of another spec, data or settings; give another --out"
    ):
        Search(space, data, price, tmp_path, "core", 3)
    (tmp_path / tune.JOURNAL).write_text("nonsense\n" * 3)
    with pytest.raises(DataError, match=r"cannot be read .*; remove it, or give another --out") as caught:
        Search(space, data, price, tmp_path, "core", 2)
    assert "\n" not in str(caught.value)


def test_nothing_within_the_budget_is_said(
    space: SearchSpace, data: SearchData, judged: list[PatchSpec], tmp_path: Path
) -> None:
    def dear(spec: PatchSpec) -> Cost:
        return Cost(10, 2, 9.0, 9.0, 1.0, "flash_kb is 1 and ...", (3.0, -1.0, -1.0))

    search = Search(space, data, dear, tmp_path, "core", 2)
    search.run(3, [space.start])
    assert not judged
    with pytest.raises(
        DataError, match=r"none of 3 trials is within the budget; raise a limit of \[budget\]"
    ):
        search.conclude(1)


def test_a_front_holds_what_nothing_beats(space: SearchSpace) -> None:
    def tried(number: int, accuracy: float, load: float) -> Tried:
        return Tried(
            number, {}, space.spec, accuracy, {}, Cost(1, 1, load, load, 1.0, "", (-1.0, -1.0, -1.0))
        )

    points = [
        tried(0, 0.5, 2),
        tried(1, 0.4, 1),
        tried(2, 0.45, 3),
        tried(3, 0.5, 4),
        tried(4, 0.9, 9),
        tried(5, 0.3, 1),
    ]
    assert [t.number for t in find_front(points, "core")] == [1, 0, 4]


def test_a_short_training_judges_by_validation_persons(space: SearchSpace, data: SearchData) -> None:
    accuracy, persons = judge_spec(space.spec, data, 6)
    assert set(persons) == {person for person, _ in data.sessions[VALIDATION]}
    assert accuracy > 0.5  # chance is 1/3
    assert judge_spec(space.spec, data, 6) == (accuracy, persons)
