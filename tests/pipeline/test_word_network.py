"""model.npz: what is damaged or does not hang together is refused, and the same model gives the same bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench_classical import random_network, random_trees
from myo_pipeline.errors import BundleError
from myo_pipeline.quadratic import Quadratic
from myo_pipeline.trees import LEAF, Trees
from myo_pipeline.word_network import WordNetworkTwin, pack_word_network, unpack_word_network


@pytest.mark.parametrize("kind", ["forest", "boosted", "qda"])
def test_a_model_comes_back(kind: str) -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, kind, 9, 3, 6, 12)
    content = pack_word_network(network)
    again = unpack_word_network(content)
    assert pack_word_network(again) == content
    words = rng.integers(-128, 128, (50, 9)).astype(np.int8)
    for mine, theirs in zip(network.run(words), again.run(words), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    one = WordNetworkTwin(again).run(words[:1].reshape(1, 1, 3, 3))  # as a window's features come
    np.testing.assert_array_equal(one[-1], network.run(words[:1])[-1][0])
    floating = WordNetworkTwin(again, floating=True).run(words[0] / 128)
    np.testing.assert_array_equal(floating[-1], network.run_float(words[:1].astype(float))[-1][0])
    with pytest.raises(BundleError, match=r"model.npz: damaged"):
        unpack_word_network(content[: len(content) // 2])


@pytest.mark.parametrize(
    "change",
    [
        lambda nodes: nodes.__setitem__((3, 2), 0),  # a loop
        lambda nodes: nodes.__setitem__((3, 3), 3),
        lambda nodes: nodes.__setitem__((3, 2), LEAF + 100),  # a leaf that is not there
        lambda nodes: nodes.__setitem__((2, 0), 9),  # a word that is not there
        lambda nodes: nodes.__setitem__((2, 0), -1),
        lambda nodes: nodes.__setitem__((2, 1), 128),
    ],
    ids=["loop", "itself", "leaf", "word", "before", "threshold"],
)
def test_trees_that_do_not_hang_together_are_refused(change: object) -> None:
    trees = random_trees(np.random.default_rng(2), 9, [12, 5])
    nodes = trees.nodes.copy()
    change(nodes)  # type: ignore[operator]
    with pytest.raises(ValueError, match="do not hang together"):
        replace(trees, nodes=nodes)


def test_sums_that_could_overflow_are_refused() -> None:
    """At full size all is proved; a step more of the exponent is not."""
    maps = np.stack([np.tril(np.full((300, 300), 1.0))] * 2)
    forms = Quadratic.quantize(maps, np.zeros((2, 300)), np.zeros(2))
    worst = np.full((1, 300), -128, np.int8)
    score = forms.score_words(worst)
    assert (score == -(1 << 30)).all()  # it saturates, and nothing wraps
    words = np.tril(np.full((300, 300), 32767)).astype(np.int16)
    with pytest.raises(ValueError, match="too large for the sums"):
        replace(forms, map_words=np.stack([words] * 2))


def test_a_walk_on_numbers_between_words_is_that_of_rounded_ones() -> None:
    rng = np.random.default_rng(3)
    trees: Trees = random_trees(rng, 5, [30, 30])
    x = rng.uniform(-128, 127, (300, 5))
    rounded = np.rint(x)
    np.testing.assert_array_equal(trees.find_leaves(x)[0], trees.find_leaves(rounded)[0])
    assert trees.find_leaves(x)[1].max() <= trees.measure_depths().max()
