"""Folds of what is no network of dense layers or convolutions: discriminants, trees, and scores of anomalies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from myo_host.cli import evaluate_command  # noqa: F401 - it registers itself
from myo_host.cli.app import app
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training import cross_validation
from myo_training.anomaly import Threshold, order_shares, share_scores
from myo_training.cross_validation import FLOOR, NETWORK, CrossValidation, summarize_folds
from myo_training.folds import make_folds
from myo_training.metrics import summarize_detection
from myo_training.simulation import SimulatedSet
from test_train_features import make_feature_text
from training_case import CLASSES, SMALL

FOREST = 'kind = "forest"\ntrees = 8\nleaves = 8'
KINDS = ('kind = "lda"', FOREST, 'kind = "boosted"\nrounds = 6\nleaves = 4')
SCORE = 'kind = "score"\nlabels = ["rest", "fist", "open"]\nanomalies = ["fist"]'
AUTOENCODER = 'kind = "autoencoder"\nhidden = [8]\ncode = 3'


def make_spec(model: str, output: str = CLASSES, epochs: int = 6) -> PatchSpec:
    return parse_spec(make_feature_text(epochs=epochs, model=model).replace(CLASSES, output))


@pytest.mark.parametrize("model", KINDS)
def test_classical_models_have_folds_beside_the_floor(model: str, tmp_path: Path) -> None:
    spec = make_spec(model)
    data = SimulatedSet(spec, seed=1, size=SMALL)
    folds = make_folds(data.sessions(), "persons", spec.training, 2)
    whole = CrossValidation(spec, data, folds, tmp_path)
    record = summarize_folds(whole.run(), whole, data, "persons")
    assert record["model"]["kind"] == spec.model.kind
    found = {who: record["metrics"][who]["voted"]["macro_accuracy"] for who in (NETWORK, FLOOR)}
    assert found[NETWORK]["n_persons"] == found[FLOOR]["n_persons"] == 5
    assert found[NETWORK]["mean"] > 0.55  # chance is 1/3
    assert record["paired"]["window"]["figure"] == "macro_accuracy"
    # Gone on with from one fold kept: what a run without a stop gives.
    kept = sorted((tmp_path / "folds").glob("*.npz"))
    assert len(kept) == 2
    kept[1].unlink()
    again = CrossValidation(spec, data, folds, tmp_path)
    assert summarize_folds(again.run(), again, data, "persons")["metrics"] == record["metrics"]


def test_a_score_is_evaluated_by_its_area_and_its_alarms(
    csv_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "patch.toml"
    text = make_feature_text(epochs=4, model=AUTOENCODER).replace(CLASSES, SCORE)
    path.write_text(text.replace('data = "recordings"', f'data = "{csv_project / "recordings"}"'))
    arguments = ["evaluate", str(path), "--k", "2", "--out", str(tmp_path / "build" / "out")]

    def run(*more: str) -> str:
        return (
            CliRunner().invoke(app, [*arguments, *more], catch_exceptions=False, standalone_mode=False).output
        )

    said = run()
    assert "ROC-AUC" in said
    assert "false alarms" in said
    folder = tmp_path / "build" / "out" / "persons"
    record = json.loads((folder / "evaluation.json").read_text())
    window, voted = (record["metrics"]["network"][kind] for kind in ("window", "voted"))
    assert window["roc_auc"]["mean"] > 0.7  # chance is 1/2
    assert record["metrics"]["floor"]["window"]["roc_auc"]["n_persons"] == 5
    assert voted["false_alarm"]["mean"] < 0.15 < voted["detection"]["mean"]
    recall = voted["recall"]
    assert voted["detection"]["mean"] == pytest.approx(recall[1]["mean"])
    assert voted["false_alarm"]["mean"] == pytest.approx(1 - recall[0]["mean"])
    assert record["paired"]["window"]["figure"] == "roc_auc"
    assert record["paired"]["voted"]["figure"] == "macro_accuracy"
    page = (folder / "evaluation.md").read_text()
    assert "six principal components" in page
    assert "points of ROC-AUC on the floor" in page
    assert "network.voted.detection" in (folder / "persons.csv").read_text()
    monkeypatch.setattr(cross_validation, "learn_float", None)  # nothing is left to learn
    assert json.loads(run("--json"))["metrics"] == record["metrics"]


def test_nothing_abnormal_reaches_the_model_or_the_floor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = make_spec(AUTOENCODER, SCORE, epochs=1)
    data = SimulatedSet(spec.as_recorded(), seed=1, size=SMALL)
    seen: list[np.ndarray] = []
    fit = cross_validation.Floor._make_model

    def watch(self: object, y: np.ndarray) -> object:
        seen.append(y)
        return fit(self, y)  # type: ignore[arg-type]

    monkeypatch.setattr(cross_validation.Floor, "_make_model", watch)
    folds = make_folds(data.sessions(), "persons", spec.training, 2)[:1]
    (result,) = CrossValidation(spec, data, folds, tmp_path).run()
    assert len(seen) == 1
    assert not seen[0].any()
    assert set(np.unique(result.judged[NETWORK].labels)) == {0, 1}


def test_alarms_are_counted_by_person() -> None:
    truth, decided = np.array([0, 0, 1, 1, 0, 0]), np.array([0, 1, 1, -1, -1, 0])
    found = summarize_detection(truth, decided, np.array(["a"] * 4 + ["b"] * 2))
    assert found["alarms_per_person"]["a"] == {"detection": 0.5, "false_alarm": 0.5}
    assert found["alarms_per_person"]["b"]["false_alarm"] == 0.0
    assert np.isnan(found["alarms_per_person"]["b"]["detection"])
    assert found["detection"]["n_persons"] == 1


def test_shares_far_from_the_threshold_keep_their_order() -> None:
    scores = np.linspace(0, 8, 200)
    shares = share_scores(scores, Threshold(1.0, 0.9, 95.0))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares[scores > 1.0, 1].min() > 0.5
    near = scores < 2.5
    ordered = order_shares(shares[near].astype(np.float32))
    assert (np.diff(ordered[:, 1]) > 0).all()
    assert (np.diff(shares[near, 1].astype(np.float32)) == 0).any()  # what the share alone would not tell
