"""Models by scikit-learn: the same scores from what the patch is given, and confidences that mean what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from classical_case import NETWORK, lower, make_words
from myo_pipeline.classical_models import (
    BoostedModel,
    ForestModel,
    LdaModel,
    LinearModel,
    QdaModel,
    SvmModel,
)
from myo_pipeline.errors import DataError, SpecError
from myo_pipeline.spec import parse_spec
from myo_pipeline.word_network import unpack_word_network
from myo_training.classical import fit_linear, fit_temperature
from myo_training.quadratic_training import fit_quadratic
from myo_training.train import train
from myo_training.tree_training import fit_boosted, fit_forest
from test_train_features import FEATURES, make_feature_text


@pytest.mark.parametrize("n_classes", [2, 4])
def test_lda_is_that_of_scikit_learn_at_its_temperature(n_classes: int) -> None:
    words = make_words(n_classes)
    found = fit_linear(LdaModel(kind="lda", shrinkage=0.2), words, words, seed=0)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2, priors=words.priors)
    theirs.fit(words.inputs, words.labels)
    ours = words.inputs @ found.kernel + found.bias
    np.testing.assert_array_equal(ours.argmax(axis=1), theirs.predict(words.inputs))
    shares = np.exp(found.temperature * (ours - ours.max(axis=1, keepdims=True)))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, theirs.predict_proba(words.inputs), atol=1e-9)


def test_svm_separates_what_a_plane_separates() -> None:
    words = make_words(3)
    found = fit_linear(SvmModel(kind="svm", penalty=1.0), words, words, seed=0)
    right = (words.inputs @ found.kernel + found.bias).argmax(axis=1) == words.labels
    assert right.mean() > 0.8


def test_temperature_is_found_again() -> None:
    """Of labels drawn from the softmax of scores, the temperature is 1; of scores seven times as large it is 7."""
    rng = np.random.default_rng(3)
    scores = rng.normal(0, 2, (20_000, 4))
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (shares.cumsum(axis=1) > rng.uniform(size=(20_000, 1))).argmax(axis=1)
    for factor in (1.0, 7.0):
        found = fit_temperature(factor * scores, labels, np.ones(len(labels)))
        assert found == pytest.approx(factor, rel=0.03)


def test_forest_is_that_of_scikit_learn() -> None:
    words = make_words(4)
    found = fit_forest(ForestModel(kind="forest", trees=7, leaves=20, leaf_windows=5), words, seed=2)
    theirs = RandomForestClassifier(7, max_leaf_nodes=20, min_samples_leaf=5, random_state=2)
    theirs.fit(words.words, words.labels, sample_weight=words.weights)
    assert found.trees.n_trees == 7
    assert found.trees.n_splits.max() == 19
    everywhere = np.random.default_rng(5).integers(-128, 128, (500, 6)).astype(np.int8)
    for x in (words.words, everywhere):
        exact = np.minimum(theirs.predict_proba(x), 255 / 256)
        np.testing.assert_allclose(found.run_float(x)[0], exact, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_boosted_trees_are_those_of_scikit_learn(n_classes: int) -> None:
    words = make_words(n_classes)
    model = BoostedModel(kind="boosted", rounds=6, leaves=7, leaf_windows=5, step=0.3)
    found, temperature = fit_boosted(model, words, words, seed=2)
    theirs = HistGradientBoostingClassifier(
        max_iter=6, max_leaf_nodes=7, min_samples_leaf=5, learning_rate=0.3, early_stopping=False
    ).fit(words.words, words.labels, sample_weight=words.weights)
    everywhere = np.random.default_rng(5).integers(-128, 128, (500, 6)).astype(np.int8)
    for x in (words.words, everywhere):
        scores = theirs.decision_function(x)
        scores = np.stack([np.zeros(len(x)), scores], axis=1) if n_classes == 2 else scores
        np.testing.assert_allclose(lower(temperature * found.score(x)), lower(scores), atol=1e-9)


def test_quadratic_forms_are_those_of_scikit_learn() -> None:
    words = make_words(3)
    found, temperature = fit_quadratic(QdaModel(kind="qda", shrinkage=0.2), words, words)
    theirs = QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.2, priors=words.priors)
    theirs.fit(words.words.astype(float), words.labels)
    scores = theirs.decision_function(words.words.astype(float))
    np.testing.assert_allclose(lower(temperature * found.score(words.words)), lower(scores), atol=1e-6)


def test_words_in_a_plane_are_refused() -> None:
    words = make_words(3)
    words.words[:, 1] = words.words[:, 0]
    with pytest.raises(DataError, match=r"raise model.shrinkage"):
        fit_quadratic(QdaModel(kind="qda", shrinkage=0.0), words, words)


@pytest.mark.parametrize("kind", ["qda", "forest", "boosted"])
def test_word_networks_are_learned(kind: str, csv_project: Path, tmp_path: Path) -> None:
    spec_path, folder = csv_project / f"{kind}.toml", tmp_path / "bundle"
    spec_path.write_text(make_feature_text().replace(NETWORK, f'kind = "{kind}"'))
    folder.mkdir()
    (folder / "model.tflite").write_bytes(b"of a network that was here before")
    result = train(spec_path, folder)
    record = json.loads((result.bundle / "training.json").read_text())
    assert list(record["model"]["sha256"]) == ["model.npz"]
    assert not (folder / "model.tflite").exists()
    network = unpack_word_network((folder / "model.npz").read_bytes())
    assert (network.KIND, network.n_inputs, network.n_outputs) == (kind, 24, 3)
    assert record["model"]["ops"] == list(network.LAYERS)
    assert record["metrics"]["float"]["across_persons"]["window"]["macro_accuracy"]["mean"] > 0.6
    int8 = record["metrics"]["int8"]
    assert int8["runtime"] == "the integer twin"
    lost = int8["float"]["window"]["accuracy"]["mean"] - int8["int8"]["window"]["accuracy"]["mean"]
    assert abs(lost) < 0.02
    card = (folder / "model_card.md").read_text()
    assert ("leaves in all" in card) == (kind != "qda")
    again = train(spec_path, tmp_path / "again")
    assert (again.bundle / "model.npz").read_bytes() == (folder / "model.npz").read_bytes()


@pytest.mark.parametrize("kind", ["lda", "svm"])
def test_linear_models_are_learned(kind: str, csv_project: Path, tmp_path: Path) -> None:
    spec_path = csv_project / f"{kind}.toml"
    spec_path.write_text(make_feature_text().replace(NETWORK, f'kind = "{kind}"'))
    result = train(spec_path, tmp_path / "bundle")
    record = json.loads((result.bundle / "training.json").read_text())
    assert record["model"]["ops"] == ["RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
    assert record["model"]["n_parameters"] == 24 * 3 + 3
    assert record["learning"]["trainer"] == "scikit-learn"
    assert "scikit-learn" in record["versions"]
    assert record["metrics"]["float"]["across_persons"]["window"]["macro_accuracy"]["mean"] > 0.6
    int8 = record["metrics"]["int8"]
    lost = int8["float"]["window"]["accuracy"]["mean"] - int8["int8"]["window"]["accuracy"]["mean"]
    assert abs(lost) < 0.02
    assert "one dense layer" in (result.bundle / "model_card.md").read_text()


def test_classical_models_decide_between_classes() -> None:
    text = make_feature_text().replace(NETWORK, 'kind = "lda"')
    spec = parse_spec(text)
    assert isinstance(spec.model, LinearModel)
    with pytest.raises(SpecError, match=r"model.kind: 'lda' decides between classes"):
        parse_spec(
            text.replace(
                'kind = "classes"\nlabels = ["rest", "fist", "open"]', 'kind = "values"\nnames = ["a"]'
            )
        )
    with pytest.raises(SpecError, match=r"model.kind: 'lda' takes features and the spec has none"):
        parse_spec(text.replace(FEATURES, ""))
    for more, said in (
        (
            "quantization = 'aware'\n",
            "training.quantization: 'aware' is for networks, 'lda' is fitted at once",
        ),
        ("[calibration]\n", "calibration: model.kind 'lda' has no layer that the patch learns again"),
    ):
        with pytest.raises(SpecError, match=said):
            parse_spec(text + more)
    many = text.replace("channels = 4", "channels = 64").replace('"lda"', '"forest"')
    with pytest.raises(SpecError, match="features: 384 words a window, trees take at most 256"):
        parse_spec(many)
