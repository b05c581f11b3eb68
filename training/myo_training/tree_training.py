"""Forests and boosted trees, learned by scikit-learn on int8 words, as tables of integers.

Boosting is scikit-learn's histogram one, which with 255 bins of 256 words splits wherever a split can lie, or XGBoost's
(``xgboost_training``); docs/classical.md has both measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.classical_models import BoostedModel, ForestModel
from myo_pipeline.trees import LEAF, Boosted, Forest, Trees
from myo_training.classical import Words, fit_temperature

Floats = NDArray[np.float64]

_VISITED: Final = 4096  # training windows that the mean number of nodes is counted on


def number_tree(
    left: NDArray[np.integer], right: NDArray[np.integer], word: NDArray[np.integer], threshold: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order a tree's nodes and leaves as a walk meets them.

    Parameters
    ----------
    left, right
        Node to go on at where the word is at most the threshold, or above; -1 at leaves.
    word, threshold
        Of each node; thresholds may lie between two words.

    Returns
    -------
    tuple
        Nodes as :class:`~myo_pipeline.trees.Trees` has them, (n_nodes, 4), and the number that each leaf had, in the order
        of the leaves.
    """
    nodes: list[list[int]] = []
    leaves: list[int] = []
    waiting = [(0, -1, 0)]  # node, and the place that links to it
    while waiting:
        node, parent, column = waiting.pop()
        if left[node] < 0:
            link = LEAF + len(leaves)
            leaves.append(node)
        else:
            link = len(nodes)
            nodes.append([int(word[node]), math.floor(threshold[node]), 0, 0])
            waiting += [(int(right[node]), link, 3), (int(left[node]), link, 2)]
        if parent >= 0:
            nodes[parent][column] = link
    return np.array(nodes, np.int64).reshape(-1, 4), np.array(leaves, np.int64)


def _join(n_inputs: int, tables: list[NDArray[np.int64]]) -> Trees:
    return Trees(n_inputs, np.array([len(t) for t in tables], np.int64), np.concatenate(tables))


def _count_visits(trees: Trees, words: NDArray[np.int8]) -> float:
    """Return the nodes that a window meets in the mean, over windows spread over all."""
    some = words[:: max(1, len(words) // _VISITED)]
    return float(trees.find_leaves(some)[1].sum(axis=1).mean())


def fit_forest(model: ForestModel, train: Words, seed: int) -> Forest:
    """Fit a random forest.

    References
    ----------
    Breiman 2001, Random forests, Machine Learning 45(1), doi:10.1023/A:1010933404324.
    """
    from sklearn.ensemble import RandomForestClassifier

    estimator = RandomForestClassifier(
        model.trees, max_leaf_nodes=model.leaves, min_samples_leaf=model.leaf_windows, random_state=seed
    )
    estimator.fit(train.words.astype(np.float32), train.labels, sample_weight=train.weights)
    tables, shares = [], []
    for one in estimator.estimators_:
        tree = one.tree_
        nodes, leaves = number_tree(tree.children_left, tree.children_right, tree.feature, tree.threshold)
        tables.append(nodes)
        values = tree.value[leaves, 0]
        shares.append(values / values.sum(axis=1, keepdims=True))
    trees = _join(train.words.shape[1], tables)
    return Forest.quantize(trees, np.concatenate(shares), _count_visits(trees, train.words))


@dataclass(frozen=True)
class Grown:
    """Boosted trees as somebody grew them.

    Attributes
    ----------
    tables
        Nodes of each tree, of :func:`number_tree`; a tree a class in each round.
    values
        Of each tree's leaves.
    base
        What the trees add to: (n_classes,), or (1,) of two classes.
    """

    tables: list[NDArray[np.int64]]
    values: list[Floats]
    base: Floats


def fit_boosted(model: BoostedModel, train: Words, checked: Words, seed: int) -> tuple[Boosted, float]:
    """Fit boosted trees; give them with the temperature that their leaves and bases are divided by.

    Raises
    ------
    DataError
        If the model's trainer is not installed.

    References
    ----------
    Friedman 2001, Greedy function approximation, Annals of Statistics 29(5), doi:10.1214/aos/1013203451.
    """
    if model.trainer == "xgboost":
        from myo_training.xgboost_training import grow_by_xgboost

        grown = grow_by_xgboost(model, train, seed)
    else:
        grown = _grow_by_scikit_learn(model, train, seed)
    trees, base = _join(train.words.shape[1], grown.tables), grown.base
    if len(base) == 1:  # of two classes, how far the second is ahead
        base = np.append(0.0, base)
    leaf_values = np.concatenate(grown.values)
    visits = _count_visits(trees, train.words)
    plain = Boosted.quantize(trees, base, leaf_values, visits)
    temperature = fit_temperature(plain.score(checked.words), checked.labels, checked.weights)
    return Boosted.quantize(trees, base / temperature, leaf_values / temperature, visits), temperature


def _grow_by_scikit_learn(model: BoostedModel, train: Words, seed: int) -> Grown:
    from sklearn.ensemble import HistGradientBoostingClassifier

    estimator = HistGradientBoostingClassifier(
        max_iter=model.rounds, max_leaf_nodes=model.leaves, min_samples_leaf=model.leaf_windows,
        learning_rate=model.step, early_stopping=False, random_state=seed,
    )  # fmt: skip
    estimator.fit(train.words.astype(np.float64), train.labels, sample_weight=train.weights)
    tables, values = [], []
    for one in (tree for of_round in estimator._predictors for tree in of_round):
        found: Any = one.nodes
        inner = found["is_leaf"] == 0
        left, right = (np.where(inner, found[name].astype(np.int64), -1) for name in ("left", "right"))
        nodes, leaves = number_tree(left, right, found["feature_idx"], found["num_threshold"])
        tables.append(nodes)
        values.append(found["value"][leaves].astype(np.float64))
    return Grown(tables, values, np.ravel(estimator._baseline_prediction).astype(np.float64))
