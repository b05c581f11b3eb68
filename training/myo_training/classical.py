"""Discriminants, a linear support vector machine: learned by scikit-learn on the int8 words that the patch will see.

What is learned of `lda` and `svm` becomes the dense layer of a Keras model, and goes the way of every network from there.
Scores of all kinds are divided by a temperature, fitted on the persons that a network's epoch is chosen on: softmax then
gives a share that means something to ``decision.reject_below``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from myo_pipeline.classical_models import LdaModel, LinearModel, SvmModel
from myo_pipeline.spec import PatchSpec
from myo_training.fit import Augment, Examples, Progress
from myo_training.runtime import quantize_input

Floats = NDArray[np.float64]

INPUT_STEP: Final = 1 / 128  # of the network's int8 input, whose zero point is 0
COPIES: Final = 3  # of every training window, all but one augmented
TEMPERATURES: Final = (0.01, 100.0)


@dataclass(frozen=True)
class Words:
    """What the patch will see: int8 words (n_windows, n_words), class numbers, and a weight a window."""

    words: NDArray[np.int8]
    labels: NDArray[np.int64]
    weights: Floats

    @property
    def inputs(self) -> Floats:
        """The words in the network's units."""
        return self.words.astype(np.float64) * INPUT_STEP

    @property
    def priors(self) -> Floats:
        """Share of each class in the weights."""
        shares = np.asarray(np.bincount(self.labels, self.weights), np.float64)
        return np.asarray(shares / shares.sum(), np.float64)


def take_words(examples: Examples) -> Words:
    """Quantize network inputs as the patch will; windows without weights weigh the same."""
    words = quantize_input(examples.x, INPUT_STEP, 0).reshape(len(examples.x), -1)
    weights = examples.weights if len(examples.weights) else np.ones(len(words))
    return Words(words, examples.y.astype(np.int64), weights.astype(np.float64))


def augment_copies(examples: Examples, augment: Augment, seed: int, n_copies: int = COPIES) -> Examples:
    """Return the windows and augmented copies of them: these models see all windows at once, and no epochs."""
    rng = np.random.default_rng((seed, 11))
    copies = [examples.x, *(augment(examples.x, rng) for _ in range(n_copies - 1))]
    y, weights = (np.tile(values, n_copies) for values in (examples.y, examples.weights))
    return Examples(np.concatenate(copies), y, weights)


def fit_temperature(scores: Floats, labels: NDArray[np.int64], weights: Floats) -> float:
    """Return what scores are divided by so that their softmax is likeliest to give the labels.

    Parameters
    ----------
    scores
        (n_windows, n_classes).
    labels, weights
        Class and weight of each window.

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks, ICML, section 4.2, arXiv:1706.04599.
    """
    lowered = scores - scores.max(axis=1, keepdims=True)
    rows = np.arange(len(labels))

    def lose(log_temperature: float) -> float:
        z = lowered / np.exp(log_temperature)
        likelihood = z[rows, labels] - np.log(np.exp(z).sum(axis=1))
        return -float((weights * likelihood).sum())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(lose, bounds=(low, high), method="bounded")
    return float(f"{np.exp(found.x):.4g}")


@dataclass(frozen=True)
class Linear:
    """A dense layer: ``softmax(x @ kernel + bias)``; the temperature is in both."""

    kernel: Floats
    bias: Floats
    temperature: float


def weigh_checked(checked: Examples | None, train: Words) -> Words:
    """Return the windows that the temperature is fitted on: the validation persons', classes weighing as in training.

    Without such persons, those of training.
    """
    if checked is None:
        return train
    words = take_words(checked)
    n_classes = len(train.priors)
    shares = np.bincount(words.labels, minlength=n_classes)
    weights = np.divide(train.priors, shares, out=np.zeros(n_classes), where=shares > 0)[words.labels]
    return replace(words, weights=weights)


def fit_linear(model: LinearModel, train: Words, checked: Words, seed: int) -> Linear:
    """Fit a linear model.

    Parameters
    ----------
    model
        The spec's table.
    train
        Training windows.
    checked
        Windows that the temperature is fitted on.
    seed
        Of the support vector machine's solver.

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd ed., 4.3 and 12.2.
    """
    estimator: Any
    match model:
        case LdaModel():
            from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

            estimator = LinearDiscriminantAnalysis(
                solver="lsqr", shrinkage=model.shrinkage, priors=train.priors
            )
            estimator.fit(train.inputs, train.labels)
        case SvmModel():
            from sklearn.svm import LinearSVC

            estimator = LinearSVC(C=model.penalty, dual=False, random_state=seed)
            estimator.fit(train.inputs, train.labels, sample_weight=train.weights)
    kernel, bias = np.asarray(estimator.coef_, np.float64).T, np.asarray(estimator.intercept_, np.float64)
    if kernel.shape[1] == 1:  # of two classes scikit-learn keeps what the second is ahead by
        kernel, bias = np.hstack([-kernel, kernel]) / 2, np.hstack([-bias, bias]) / 2
    temperature = fit_temperature(checked.inputs @ kernel + bias, checked.labels, checked.weights)
    return Linear(kernel / temperature, bias / temperature, temperature)


def learn_linear(
    spec: PatchSpec, model: Any, train: Examples, checked: Examples | None, augment: Augment, tell: Progress  # noqa: ANN401
) -> dict[str, Any]:  # fmt: skip
    """Fit the spec's linear model and give it to the output layer of a Keras model.

    Returns
    -------
    dict
        What ``training.json`` says of the learning.
    """
    table, settings = spec.model, spec.training
    if not isinstance(table, LinearModel):  # pragma: no cover - the caller asks for linear models only
        raise TypeError(f"model.kind {table.kind!r} is not linear")
    tell(f"fitting {table.kind}", 0.1)
    copied = augment_copies(train, augment, settings.seed) if settings.augment else train
    words = take_words(copied)
    found = fit_linear(table, words, weigh_checked(checked, take_words(train)), settings.seed)
    model.get_layer("output").set_weights([found.kernel, found.bias])
    return {
        "trainer": "scikit-learn",
        "n_windows": len(words.words),
        "temperature": found.temperature,
        **table.model_dump(),
    }
