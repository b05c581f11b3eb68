"""Learning what takes feature words and is no neural network: the spec's model to ``model.npz``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.classical_models import BoostedModel, ForestModel, QdaModel
from myo_pipeline.quadratic import Quadratic
from myo_pipeline.scores import SHARE_STEP, SHARE_ZERO
from myo_pipeline.spec import PatchSpec
from myo_pipeline.trees import Boosted, Forest
from myo_pipeline.word_network import INPUT_STEP, WORD_MODELS, WordNetwork, pack_word_network
from myo_training.classical import augment_copies, take_words, weigh_checked
from myo_training.evaluation import Predict
from myo_training.fit import Augment, Examples, Progress
from myo_training.learned import Learned
from myo_training.quadratic_training import fit_quadratic
from myo_training.runtime import quantize_input
from myo_training.tree_training import fit_boosted, fit_forest
from myo_training.xgboost_training import name_package


def learn_words(
    spec: PatchSpec, examples: Examples, checked: Examples | None, augment: Augment, tell: Progress
) -> Learned:
    """Fit the spec's model on the int8 words that the patch will see.

    Parameters
    ----------
    spec
        A patch whose model is quadratic, a forest or boosted trees.
    examples, checked
        Training windows, and those of the persons that the temperature is fitted on.
    augment
        What turns and gains do to inputs.
    tell
        Called with a phrase and a fraction of 0 .. 1.
    """
    model, settings = spec.model, spec.training
    tell(f"fitting {model.kind}", 0.1)
    train = take_words(augment_copies(examples, augment, settings.seed) if settings.augment else examples)
    network: WordNetwork
    found: dict[str, Any] = {}
    match model:
        case ForestModel():
            network = fit_forest(model, train, settings.seed)
        case QdaModel():
            others = weigh_checked(checked, take_words(examples))
            network, found["temperature"] = fit_quadratic(model, train, others)
        case BoostedModel():
            others = weigh_checked(checked, take_words(examples))
            network, found["temperature"] = fit_boosted(model, train, others, settings.seed)
        case _:  # pragma: no cover - the caller asks for these only
            raise TypeError(f"model.kind {model.kind!r} is learned elsewhere")
    learning = {"trainer": "scikit-learn", "n_windows": len(train.words), **found, **model.model_dump()}
    return Learned(
        files={WORD_MODELS[0]: pack_word_network(network)},
        keras=None,
        floating=_predict_float(network),
        quantized=_predict_words(network),
        runtime="the integer twin",
        about=describe_network(network),
        learning=learning,
        quantization={
            "input": {"scale": INPUT_STEP, "zero_point": 0},
            "output": {"scale": SHARE_STEP, "zero_point": SHARE_ZERO},
            "method": "post",
            "sensitivity": None,
        },
        packages=list_trainers(model),
    )


def list_trainers(model: object) -> tuple[str, ...]:
    """Return the packages that learn a classical model, for the record of versions."""
    is_xgboost = isinstance(model, BoostedModel) and model.trainer == "xgboost"
    return ("scikit-learn", *([name_package()] * is_xgboost))


def describe_network(network: WordNetwork) -> dict[str, Any]:
    """Return what ``training.json`` says of a word network under ``model``."""
    about: dict[str, Any] = {"ops": list(network.LAYERS)}
    if isinstance(network, Forest | Boosted):
        trees = network.trees
        per_leaf = network.n_outputs if isinstance(network, Forest) else 1
        about |= {
            "n_parameters": 2 * len(trees.nodes) + per_leaf * trees.n_leaves,
            "n_macs": 0,
            "n_trees": trees.n_trees,
            "n_nodes": len(trees.nodes),
            "n_leaves": trees.n_leaves,
            "depth": int(trees.measure_depths().max()),
            "nodes_met": round(network.visits, 1),
        }
    elif isinstance(network, Quadratic):
        n = network.n_inputs
        about |= {"n_parameters": network.n_outputs * (n * (n + 3) // 2 + 1), "n_macs": network.n_macs}
    return about


def _predict_float(network: WordNetwork) -> Predict:
    """Return a function from network inputs to the model's shares in real numbers."""

    def predict(x: NDArray[np.float32]) -> NDArray[np.float64]:
        return network.run_float(x.reshape(len(x), -1).astype(np.float64) / INPUT_STEP)[-1]

    return predict


def _predict_words(network: WordNetwork) -> Predict:
    """Return a function from network inputs to the integer model's shares."""

    def predict(x: NDArray[np.float32]) -> NDArray[np.float64]:
        words = network.run(quantize_input(x, INPUT_STEP, 0).reshape(len(x), -1))[-1]
        return (words.astype(np.float64) - SHARE_ZERO) * SHARE_STEP

    return predict
