"""A word network of the size that a spec asks for, before it is trained: what the patch would take at most."""

from __future__ import annotations

import math

import numpy as np

from myo_pipeline.classical_models import ForestModel, QdaModel, WordModel
from myo_pipeline.feature_stage import compile_spec_features
from myo_pipeline.quadratic import Quadratic
from myo_pipeline.spec import PatchSpec
from myo_pipeline.trees import LEAF, Boosted, Forest, Trees
from myo_pipeline.word_network import WordNetwork

# Nodes that a window meets in a tree, over those of a balanced one: 1.05 in the forest and 1.1 in the boosted trees of
# docs/classical.md.
_UNBALANCED = 1.1


def _grow(n_leaves: int, nodes: list[list[int]], n_done: list[int]) -> int:
    """Append a balanced tree; give the link to it."""
    if n_leaves == 1:
        n_done[0] += 1
        return LEAF + n_done[0] - 1
    place = len(nodes)
    nodes.append([0, 0, 0, 0])
    nodes[place][2] = _grow((n_leaves + 1) // 2, nodes, n_done)
    nodes[place][3] = _grow(n_leaves // 2, nodes, n_done)
    return place


def make_dry_words(spec: PatchSpec, model: WordModel) -> WordNetwork:
    """Return a word network of full size.

    Parameters
    ----------
    spec
        The patch.
    model
        Its model; trees have all the leaves that they may have.
    """
    n_outputs = len(spec.output_names)
    n_inputs = compile_spec_features(spec, 16 - spec.sensor.adc_bits).n_components * spec.front_end_channels
    if isinstance(model, QdaModel):
        maps = np.stack([np.eye(n_inputs)] * n_outputs)
        return Quadratic.quantize(maps, np.zeros((n_outputs, n_inputs)), np.zeros(n_outputs))
    nodes: list[list[int]] = []
    _grow(model.leaves, nodes, [0])
    n_trees = (
        model.trees if isinstance(model, ForestModel) else model.rounds * (n_outputs if n_outputs > 2 else 1)
    )
    visits = _UNBALANCED * n_trees * math.log2(model.leaves)
    trees = Trees(n_inputs, np.full(n_trees, len(nodes)), np.tile(np.array(nodes, np.int64), (n_trees, 1)))
    if isinstance(model, ForestModel):
        return Forest.quantize(trees, np.full((trees.n_leaves, n_outputs), 1 / n_outputs), visits)
    return Boosted.quantize(trees, np.zeros(n_outputs), np.zeros(trees.n_leaves), visits)
