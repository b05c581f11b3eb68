"""Folds, the floor, and a cross-validation that is stopped and gone on with."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from myo_host.cli import evaluate_command  # noqa: F401 - it registers itself
from myo_host.cli.app import app
from myo_host.evaluation_page import write_evaluation
from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec, Training
from myo_training import cross_validation
from myo_training.evaluation import Judged
from myo_training.floor import Floor, make_floor_specs
from myo_training.folds import Fold, make_folds
from myo_training.run_log import flatten, log_run, pick_metrics
from myo_training.simulation import SimulatedSet, SimulationSize
from myo_training.windows import cut_recordings
from training_case import VALUES, make_text

SESSIONS = [(p, s) for p in "abcdef" for s in ("1", "2", "3")] + [("g", "1"), ("h", "1"), ("h", "2")]


def test_every_person_is_tested_once_by_a_network_that_never_saw_them() -> None:
    folds = make_folds(SESSIONS, "persons", Training(data="x", validation_persons=2))
    assert [fold.persons for fold in folds] == [[p] for p in "abcdefgh"]
    for fold in folds:
        assert sorted([*fold.train, *fold.validation, *fold.test]) == sorted(SESSIONS)
        sides = [{p for p, _ in side} for side in (fold.train, fold.validation, fold.test)]
        assert len(sides[1]) == 2
        assert sum(map(len, sides)) == 8
    assert len({fold.validation for fold in folds}) > 1  # drawn anew
    assert folds == make_folds(reversed(SESSIONS), "persons", Training(data="x", validation_persons=2))


def test_folds_of_several_persons_and_named_judges() -> None:
    folds = make_folds(SESSIONS, "persons", Training(data="x", validation_persons=["a", "b"]), 3)
    assert sorted(p for fold in folds for p in fold.persons) == list("abcdefgh")
    assert max(len(fold.persons) for fold in folds) == 3
    for fold in folds:
        assert {p for p, _ in fold.validation} == {"a", "b"} - set(fold.persons)


def test_every_session_of_who_has_two_is_tested_once_by_who_knows_the_person() -> None:
    folds = make_folds(SESSIONS, "sessions", Training(data="x"))
    assert [fold.name for fold in folds] == ["session1", "session2", "session3"]
    tested = [pair for fold in folds for pair in fold.test]
    assert sorted(tested) == [pair for pair in sorted(SESSIONS) if pair[0] != "g"]
    for fold in folds:
        assert not fold.validation
        assert set(fold.train) == set(SESSIONS) - set(fold.test)
        assert {p for p, _ in fold.test} <= {p for p, _ in fold.train}


@pytest.mark.parametrize(
    ("sessions", "across", "k", "message"),
    [
        (SESSIONS, "persons", 9, "9 folds of 8 persons, expected 2 to 8"),
        ([("a", "1"), ("b", "1")], "sessions", None, "nobody has two sessions"),
        (SESSIONS, "sessions", 4, "4 folds of sessions, expected 2 to 3"),
        ([("a", "1"), ("b", "1")], "persons", None, "nobody is left to learn from"),
    ],
)
def test_folds_that_cannot_be_are_refused(sessions: list, across: str, k: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_folds(sessions, across, Training(data="x", validation_persons=1), k)


def test_the_floor_learns_and_chooses_its_threshold_by_others(spec: PatchSpec) -> None:
    recordings = list(SimulatedSet(spec, 1, SimulationSize(4, 1, 2)).recordings())
    specs = make_floor_specs(spec, 20.0)
    assert [[f.kind for f in s.features] for s in specs] == [["mav", "wl", "zc", "ssc"]] * 3
    sides = [
        [[cut_recordings([r], one, 20) for r in recordings if r.person in who] for one in specs]
        for who in (("1", "2", recordings[0].person), (recordings[-1].person,))
    ]
    floor = Floor(spec, *sides)
    windows = sides[1][floor.threshold][0]
    probabilities = floor.predict(windows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == windows.labels).mean() > 0.6
    assert Floor(spec, sides[0], [[], [], []]).threshold == 1


def test_runs_stand_in_files_that_a_spreadsheet_reads(
    make_spec: Callable[..., PatchSpec], tmp_path: Path
) -> None:
    metrics = {
        "voted": {"macro": {"mean": 0.5, "low": None}, "per_person": {"a": {"x": 1.0}}, "confusion": [[1]]}
    }
    first = log_run(tmp_path, "train", make_spec(), metrics, {"versions": {"numpy": "2"}})
    log_run(tmp_path, "train", make_spec(), {"other": 2}, {"licence": 'MIT, "as is"\nreally'})
    run = json.loads(first.read_text())
    assert run["metrics"] == {"voted.macro.mean": 0.5}
    assert run["params"]["training.seed"] == 3
    assert run["params"]["decision.method"] == "majority"
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["metrics.voted.macro.mean"] for row in rows] == ["0.5", ""]
    assert [row["metrics.other"] for row in rows] == ["", "2"]
    assert rows[1]["tags.licence"] == 'MIT, "as is"\nreally'
    assert len({row["id"] for row in rows}) == 2
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(DataError, match="is no run"):
        log_run(tmp_path, "train", make_spec(), {}, {})
    assert flatten({"a": {"b": [1, {"c": 2}]}}) == {"a.b": '[1, {"c": 2}]'}
    assert pick_metrics({"a": True, "b": "x", "c": 1}) == {"c": 1}


def test_evaluate_goes_on_after_an_interruption(
    csv_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spec" / "patch.toml"
    path.parent.mkdir()
    text = make_text(epochs=1, data=str(csv_project / "recordings"))
    path.write_text(text)
    arguments = ["evaluate", str(path), "--k", "3", "--out", str(tmp_path / "build" / "out")]
    trained: list[str] = []
    train = cross_validation.CrossValidation._train

    def count(self: object, fold: object, tell: object) -> object:
        if len(trained) == 2 and "stopped" not in trained:
            trained.append("stopped")
            raise KeyboardInterrupt
        trained.append(fold.name)  # type: ignore[attr-defined]
        return train(self, fold, tell)  # type: ignore[arg-type]

    monkeypatch.setattr(cross_validation.CrossValidation, "_train", count)

    def run(*more: str) -> str:
        return (
            CliRunner().invoke(app, [*arguments, *more], catch_exceptions=False, standalone_mode=False).output
        )

    assert "wrote" not in run()
    said = run()
    assert trained == ["fold0", "fold1", "stopped", "fold2"]
    assert "macro (balanced) accuracy" in said
    assert "Wilcoxon signed rank" in said
    folder = tmp_path / "build" / "out" / "persons"
    record = json.loads((folder / "evaluation.json").read_text())
    assert sorted(record["metrics"]["network"]["voted"]["per_person"]) == sorted(
        person for fold in record["folds"] for person in {p for p, _ in fold["tests"]}
    )
    page = (folder / "evaluation.md").read_text()
    assert "decision (400 ms)" in page
    assert "Licence: none" in page
    for picture in ("latency.png", "confusion.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    with (folder / "persons.csv").open(newline="") as file:
        rows = {row["person"]: row for row in csv.DictReader(file)}
    one = record["metrics"]["floor"]["voted"]["per_person"]
    assert {p: float(row["floor.voted.macro_accuracy"]) for p, row in rows.items()} == {
        p: own["macro_accuracy"] for p, own in one.items()
    }
    # Trained without a stop, or measured by another decision: the same outputs.
    path.write_text(text.replace("vote = 3", 'method = "bayes"\nstay = 0.8'))
    json_said = json.loads(run("--json"))
    assert trained == ["fold0", "fold1", "stopped", "fold2"]
    assert json_said["metrics"]["network"]["window"] == record["metrics"]["network"]["window"]
    assert json_said["latency"]["vote_ms"] == 100
    assert len(list((tmp_path / "build" / "runs").glob("*.json"))) == 2
    # A fold that was cut short is trained again, to the same words.
    (kept,) = folder.glob("folds/fold1-*.npz")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    again = json.loads(run("--json"))
    assert trained[-1] == "fold1"
    assert again["metrics"] == json_said["metrics"]


def test_values_are_summed_up_and_drawn_as_well(make_spec: Callable[..., PatchSpec], tmp_path: Path) -> None:
    spec = make_spec(output=VALUES)
    data = SimulatedSet(spec, 1, SimulationSize(3, 1, 1))
    rng = np.random.default_rng(0)
    labels = np.sin(np.arange(300) / 30)[:, None]
    common = labels, (100, 100, 100), ("a", "b", "c")
    judged = {
        name: Judged(labels + size * rng.normal(size=labels.shape), *common)
        for name, size in (("network", 0.1), ("floor", 0.5))
    }
    validation = cross_validation.CrossValidation(spec, data, [], tmp_path)
    result = cross_validation.FoldResult(Fold("all", (), (), (("a", "1"),)), judged, 0, 0.15, 1.0)
    record = cross_validation.summarize_folds([result], validation, data, "persons")
    write_evaluation(record, tmp_path / "out", "N")
    assert record["paired"]["voted"]["n_better"] == 3
    assert record["paired"]["voted"]["p_value"] == pytest.approx(2 / 8)
    page = (tmp_path / "out" / "evaluation.md").read_text()
    assert "of R2 on the floor; better for 3 persons, worse for 0, p = 0.25" in page
    assert "ridge regression" in page
    assert not (tmp_path / "out" / "confusion.png").exists()
    assert (tmp_path / "out" / "latency.png").stat().st_size > 10_000
