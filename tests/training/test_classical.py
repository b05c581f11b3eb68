"""Linear models by scikit-learn: the same scores from the dense layer, and confidences that mean what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from myo_pipeline.classical_models import LdaModel, LinearModel, SvmModel
from myo_pipeline.errors import SpecError
from myo_pipeline.spec import parse_spec
from myo_training.classical import Words, fit_linear, fit_temperature
from myo_training.search_space import make_space
from myo_training.train import train
from test_train_features import FEATURES, make_feature_text

NETWORK = 'kind = "mlp"\nhidden = [12]'


def make_words(n_classes: int, seed: int = 1, n: int = 900) -> Words:
    """Clouds of int8 words around a mean for each class, unequally many."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_classes, n, p=np.arange(1, n_classes + 1) / sum(range(n_classes + 1)))
    means = rng.normal(0, 25, (n_classes, 6))
    words = means[labels] + rng.normal(0, 25, (n, 6)) @ rng.normal(0, 0.5, (6, 6))
    return Words(np.clip(np.rint(words), -128, 127).astype(np.int8), labels, np.ones(n))


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
    with pytest.raises(SpecError, match=r"model.kind: 'lda' has no shape to search"):
        make_space(spec, [])
