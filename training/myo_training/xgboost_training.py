"""Boosted trees grown by XGBoost, as tables of the same integers.

XGBoost goes left where a word is *below* a threshold, in float32: of integers, where it is at most the next integer below that
threshold. Words are never missing, so a node's default direction decides nothing. Trees grow from the logarithms of the
classes' shares, which are given and not estimated: what stands in the file as its own base score plays no part.

References
----------
Chen and Guestrin 2016, XGBoost: a scalable tree boosting system, KDD, doi:10.1145/2939672.2939785.
"""

from __future__ import annotations

import json
import math
from importlib import metadata, util
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.classical_models import BoostedModel
from myo_pipeline.errors import DataError
from myo_training.classical import Words
from myo_training.tree_training import Grown, number_tree

Floats = NDArray[np.float64]

PACKAGES: Final = ("xgboost-cpu", "xgboost")  # distributions that bring the module, the small one first


def name_package() -> str:
    """Return the distribution that is installed, for the record of versions."""
    for name in PACKAGES:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return name
    return PACKAGES[0]


def make_settings(model: BoostedModel, n_classes: int, seed: int) -> dict[str, Any]:
    """Return XGBoost's parameters for a model's table.

    It knows no least number of windows in a leaf, but a least sum of second derivatives: that which so many windows have where
    all classes are as likely.
    """
    curvature = (1 if n_classes == 2 else 2) / n_classes * (1 - 1 / n_classes)
    return {
        "objective": "binary:logistic" if n_classes == 2 else "multi:softprob",
        **({} if n_classes == 2 else {"num_class": n_classes}),
        "tree_method": "hist",
        "max_bin": 256,  # one for each word: every integer threshold is tried
        "grow_policy": "lossguide",
        "max_leaves": model.leaves,
        "max_depth": 0,
        "eta": model.step,
        "min_child_weight": model.leaf_windows * curvature,
        "nthread": 1,  # sums of several threads are not the same from run to run
        "seed": seed,
        "verbosity": 0,
    }


def share_base(train: Words) -> Floats:
    """Return where the trees begin: logarithms of the classes' shares, of two classes how far the second is ahead."""
    logs = np.log(train.priors)
    return np.array([logs[1] - logs[0]]) if len(logs) == 2 else logs - logs.mean()


def grow_by_xgboost(model: BoostedModel, train: Words, seed: int) -> Grown:
    """Grow a model's trees.

    Raises
    ------
    DataError
        If the package is not installed.
    """
    if util.find_spec("xgboost") is None:
        raise DataError(
            "model.trainer: 'xgboost' is not installed; run `pip install myopatch[xgboost]`, or use 'scikit-learn'"
        )
    import xgboost

    base = share_base(train)
    margin = np.tile(base, (len(train.words), 1))
    data = xgboost.DMatrix(
        train.words.astype(np.float32), label=train.labels, weight=train.weights,
        base_margin=margin[:, 0] if len(base) == 1 else margin, nthread=1,
    )  # fmt: skip
    booster = xgboost.train(make_settings(model, len(train.priors), seed), data, num_boost_round=model.rounds)
    return read_trees(json.loads(bytes(booster.save_raw("json"))), base)


def read_trees(content: dict[str, Any], base: Floats) -> Grown:
    """Read the trees of a model that XGBoost saved as JSON.

    Parameters
    ----------
    content
        The file.
    base
        Where the trees begin, (n_classes,), or (1,) of two classes.

    Raises
    ------
    DataError
        If its trees are not one a round and class, in this order.
    """
    model = content["learner"]["gradient_booster"]["model"]
    owners = model["tree_info"]
    if owners != [number % len(base) for number in range(len(owners))]:
        raise DataError(
            "XGBoost's trees are not one a round and class; install the version that pyproject.toml names"
        )
    tables, values = [], []
    for tree in model["trees"]:
        left, right, word = (
            np.asarray(tree[key], np.int64) for key in ("left_children", "right_children", "split_indices")
        )
        number = np.asarray(tree["split_conditions"], np.float32)  # a threshold; of a leaf its value
        nodes, leaves = number_tree(left, right, word, find_words_below(number))
        tables.append(nodes)
        values.append(number[leaves].astype(np.float64))
    return Grown(tables, values, base)


def find_words_below(threshold: NDArray[np.float32]) -> Floats:
    """Return the largest integer below each threshold: where `word < threshold` is `word <= integer`."""
    return np.array([math.ceil(float(value)) - 1 for value in threshold], np.float64)
