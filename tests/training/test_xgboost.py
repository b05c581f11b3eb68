"""Trees by XGBoost: the same scores from integer thresholds, words on a threshold included, and one line where it is missing."""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from classical_case import NETWORK, lower, make_words
from myo_pipeline.classical_models import BoostedModel
from myo_pipeline.errors import DataError
from myo_pipeline.scores import SHARE_STEP, SHARE_ZERO
from myo_pipeline.word_network import pack_word_network, unpack_word_network
from myo_training import xgboost_training
from myo_training.train import train
from myo_training.tree_training import fit_boosted
from myo_training.xgboost_training import find_words_below, grow_by_xgboost, make_settings, share_base
from test_train_features import make_feature_text

xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed: pip install myopatch[xgboost]")
MODEL = BoostedModel(kind="boosted", rounds=6, leaves=7, leaf_windows=5, step=0.3, trainer="xgboost")


@pytest.mark.parametrize("n_classes", [2, 4])
def test_boosted_trees_are_those_of_xgboost(n_classes: int) -> None:
    words = make_words(n_classes)
    found, temperature = fit_boosted(MODEL, words, words, seed=2)
    base = share_base(words)
    rng = np.random.default_rng(5)

    def pack(x: np.ndarray, **more: object) -> object:
        margin = np.tile(base, (len(x), 1))
        margin = margin[:, 0] if len(base) == 1 else margin
        return xgboost.DMatrix(x.astype(np.float32), base_margin=margin, **more)

    theirs = xgboost.train(
        make_settings(MODEL, n_classes, 2),
        pack(words.words, label=words.labels, weight=words.weights),
        MODEL.rounds,
    )
    # Every integer threshold, met exactly, one below and one above, in every word.
    thresholds = np.unique(np.rint([float(s) for s in _list_thresholds(theirs)])).astype(int)
    on = np.clip(np.concatenate([thresholds + k for k in (-1, 0, 1)]), -128, 127)
    edges = rng.choice(on, (2000, 6))
    for x in (words.words, rng.integers(-128, 128, (500, 6)), edges):
        x = x.astype(np.int8)
        scores = theirs.predict(pack(x), output_margin=True).astype(float)
        scores = np.stack([np.zeros(len(x)), scores], axis=1) if n_classes == 2 else scores
        # XGBoost adds a round's leaf in float32: half an ulp of the largest sum each.
        bound = (MODEL.rounds + 2) * 2.0**-24 * max(1.0, np.abs(scores).max())
        np.testing.assert_allclose(lower(temperature * found.score(x)), lower(scores), atol=2 * bound)
    assert found.trees.n_splits.max() == MODEL.leaves - 1
    assert found.trees.n_trees == MODEL.rounds * (1 if n_classes == 2 else n_classes)
    right = found.score(words.words).argmax(axis=1) == words.labels
    assert right.mean() > 0.7


def _list_thresholds(booster: object) -> list[float]:
    trees = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]  # type: ignore[attr-defined]
    return [
        value
        for tree in trees
        for value, left in zip(tree["split_conditions"], tree["left_children"], strict=True)
        if left >= 0
    ]


def test_below_a_threshold_is_at_most_an_integer() -> None:
    thresholds = np.array([-3.0, -2.5, 0.0, 0.5, 7.0, np.nextafter(np.float32(7), np.float32(8))], np.float32)
    words = np.arange(-128, 128)
    for threshold, most in zip(thresholds, find_words_below(thresholds), strict=True):
        np.testing.assert_array_equal(words.astype(np.float32) < threshold, words <= most)


def test_the_integers_stay_within_the_bound_of_their_real_numbers() -> None:
    """Law 2 of docs/classical.md: leaves and bases within half a step each, and a 64th of the logit."""
    words = make_words(4)
    found, _ = fit_boosted(MODEL, words, words, seed=2)
    found = unpack_word_network(pack_word_network(found))
    x = np.random.default_rng(6).integers(-128, 128, (2000, 6)).astype(np.int8)
    shares = (found.run(x)[-1].astype(float) - SHARE_ZERO) * SHARE_STEP
    assert np.abs(shares - found.run_float(x.astype(float))[-1]).max() < 0.02
    assert (shares.argmax(axis=1) == found.run_float(x.astype(float))[-1].argmax(axis=1)).mean() > 0.98


def test_the_same_words_give_the_same_trees() -> None:
    words = make_words(3)
    one, other = (grow_by_xgboost(MODEL, words, 1) for _ in range(2))
    for a, b in zip([*one.tables, *one.values], [*other.tables, *other.values], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_patch_is_learned_by_xgboost(csv_project: Path, tmp_path: Path) -> None:
    path = csv_project / "xgboost.toml"
    table = 'kind = "boosted"\nrounds = 8\ntrainer = "xgboost"'
    path.write_text(make_feature_text().replace(NETWORK, table))
    record = train(path, tmp_path / "bundle").training
    assert record["learning"]["trainer"] == "xgboost"
    assert any(name.startswith("xgboost") for name in record["versions"])
    assert record["metrics"]["float"]["across_persons"]["window"]["macro_accuracy"]["mean"] > 0.6
    int8 = record["metrics"]["int8"]
    lost = int8["float"]["window"]["accuracy"]["mean"] - int8["int8"]["window"]["accuracy"]["mean"]
    assert abs(lost) < 0.02


def test_its_absence_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xgboost_training.util, "find_spec", lambda _name: None)
    assert util.find_spec("xgboost") is None
    with pytest.raises(
        DataError, match=r"'xgboost' is not installed; run `pip install myopatch\[xgboost\]`"
    ) as caught:
        grow_by_xgboost(MODEL, make_words(3), 1)
    assert "\n" not in str(caught.value)
