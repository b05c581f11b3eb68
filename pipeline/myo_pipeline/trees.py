"""Decision trees over int8 words: the float reference, and the integers that the firmware runs.

A tree's node asks whether one word is above an int8 threshold; words are integers, so thresholds lose nothing. Nodes stand
in the order in which a walk from the root meets them, and a link is a byte: the number of a node behind, or of a leaf.
On the device it is ``firmware/core/classical/myo_trees.h``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline import scores as s
from myo_pipeline.classical_models import MAX_LEAVES, MAX_TREE_WORDS, MAX_TREES

Floats = NDArray[np.float64]

LEAF: Final = 0x80  # of a link: the other bits number a leaf of the tree
VOTE_MAX: Final = 255  # a leaf's share of 1
VOTE_SHIFT: Final = 22  # of the multiplier from votes to shares: a product fits 32 bits
_LEAF_BITS: Final = 20  # at most behind the point of a boosted leaf
_MOST_SCORE: Final = 1 << 30  # so that a difference of two fits int32


@dataclass(frozen=True)
class Trees:
    """The nodes of some trees.

    Attributes
    ----------
    n_inputs
        Words that they look at, 1 .. 256.
    n_splits
        Nodes of each tree, int64 (n_trees,), 0 .. 127; a tree has one leaf more.
    nodes
        Tree after tree, int64 (n_nodes, 4): word, threshold, link where the word is at most the threshold, link where it
        is above.
    """

    n_inputs: int
    n_splits: NDArray[np.int64]
    nodes: NDArray[np.int64]

    def __post_init__(self) -> None:
        n_splits, nodes = self.n_splits, self.nodes
        fits = 1 <= self.n_inputs <= MAX_TREE_WORDS and 1 <= len(n_splits) <= MAX_TREES * 64
        fits = fits and bool(((n_splits >= 0) & (n_splits < MAX_LEAVES)).all())
        fits = fits and nodes.shape == (int(n_splits.sum()), 4)
        if not (fits and all(map(self._is_sound, range(len(n_splits))))):
            raise ValueError(f"{len(n_splits)} trees of {len(nodes)} nodes do not hang together")

    def _is_sound(self, tree: int) -> bool:
        """Whether every walk ends: each node but the root and each leaf has one parent, before it."""
        nodes = self.nodes_of(tree)
        n, links = len(nodes), nodes[:, 2:]
        if not n:
            return True
        own = np.arange(n)[:, None]
        is_leaf = links >= LEAF
        found = np.sort(links, axis=None)
        expected = np.concatenate([np.arange(1, n), LEAF + np.arange(n + 1)])
        within = (nodes[:, 0] >= 0) & (nodes[:, 0] < self.n_inputs) & (np.abs(nodes[:, 1] + 0.5) < 128)
        return np.array_equal(found, expected) and bool((is_leaf | (links > own)).all() and within.all())

    @property
    def n_trees(self) -> int:
        """How many."""
        return len(self.n_splits)

    @property
    def first_nodes(self) -> NDArray[np.int64]:
        """Place of each tree's root among the nodes."""
        return np.cumsum(self.n_splits) - self.n_splits

    @property
    def first_leaves(self) -> NDArray[np.int64]:
        """Place of each tree's leaf 0 among the leaves of all."""
        return self.first_nodes + np.arange(self.n_trees)

    @property
    def n_leaves(self) -> int:
        """Leaves of all trees."""
        return len(self.nodes) + self.n_trees

    def nodes_of(self, tree: int) -> NDArray[np.int64]:
        """Return the nodes of one tree."""
        first = int(self.first_nodes[tree])
        return self.nodes[first : first + int(self.n_splits[tree])]

    def measure_depths(self) -> NDArray[np.int64]:
        """Return of each tree the nodes on the longest walk."""
        depths = []
        for tree in range(self.n_trees):
            nodes, depth = self.nodes_of(tree), np.ones(int(self.n_splits[tree]), np.int64)
            for place, links in enumerate(nodes[:, 2:]):
                for link in links[links < LEAF]:
                    depth[link] = depth[place] + 1
            depths.append(int(depth.max(initial=0)))
        return np.array(depths, np.int64)

    def find_leaves(self, words: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Walk down every tree.

        Parameters
        ----------
        words
            (n_windows, n_inputs); real numbers are compared as they would be if they were rounded.

        Returns
        -------
        tuple
            Leaf that each window ends in, numbered among the leaves of all trees, and the nodes met, both
            (n_windows, n_trees).
        """
        shape = (len(words), self.n_trees)
        links = np.broadcast_to(np.where(self.n_splits > 0, 0, LEAF), shape).copy()
        visits = np.zeros(shape, np.int64)
        first = self.first_nodes
        while (inside := links < LEAF).any():
            rows, trees = np.nonzero(inside)
            node = self.nodes[first[trees] + links[inside]]
            above = words[rows, node[:, 0]] > node[:, 1] + 0.5
            links[inside] = np.where(above, node[:, 3], node[:, 2])
            visits += inside
        return self.first_leaves + (links - LEAF), visits

    def to_arrays(self) -> dict[str, Any]:
        """Return them as arrays and numbers."""
        return {"n_inputs": self.n_inputs, "n_splits": self.n_splits, "nodes": self.nodes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """Take back what :meth:`to_arrays` gave."""
        n_splits, nodes = (np.asarray(arrays[name], np.int64) for name in ("n_splits", "nodes"))
        return cls(int(arrays["n_inputs"]), n_splits, nodes)


@dataclass(frozen=True)
class Forest:
    """Trees whose leaves hold shares of the classes, of which the mean is taken.

    Attributes
    ----------
    trees
        The nodes.
    shares
        Of each leaf, float64 (n_leaves, n_outputs).
    votes
        The same in steps of 1/255, uint8.
    visits
        Nodes that a training window met, in the mean.
    """

    KIND: ClassVar[str] = "forest"
    LAYERS: ClassVar[tuple[str, ...]] = ("FOREST",)
    trees: Trees
    shares: Floats
    votes: NDArray[np.uint8]
    visits: float

    def __post_init__(self) -> None:
        shape = (self.trees.n_leaves, self.shares.shape[-1])
        if self.shares.shape != shape or self.votes.shape != shape or self.trees.n_trees > MAX_TREES:
            raise ValueError(f"{self.shares.shape} shares and {self.votes.shape} votes of {shape[0]} leaves")

    @classmethod
    def quantize(cls, trees: Trees, shares: Floats, visits: float) -> Self:
        """Round the leaves' shares to votes."""
        return cls(trees, shares, np.rint(shares * VOTE_MAX).astype(np.uint8), visits)

    @property
    def n_inputs(self) -> int:
        """Words that it takes."""
        return self.trees.n_inputs

    @property
    def n_outputs(self) -> int:
        """Classes."""
        return int(self.shares.shape[1])

    @property
    def multiplier(self) -> int:
        """From a sum of votes to shares in steps of 1/256, in units of 2^-VOTE_SHIFT."""
        return round(2.0**VOTE_SHIFT * 256 / (VOTE_MAX * self.trees.n_trees))

    def run(self, words: NDArray[np.int8]) -> list[NDArray[np.int8]]:
        """Return each layer's words for windows (n_windows, n_inputs)."""
        leaves, _ = self.trees.find_leaves(words)
        sums = self.votes.astype(np.int64)[leaves].sum(axis=1)
        shares = (sums * self.multiplier + (1 << (VOTE_SHIFT - 1))) >> VOTE_SHIFT
        return [np.clip(shares + s.SHARE_ZERO, -128, 127).astype(np.int8)]

    def run_float(self, inputs: Floats) -> list[Floats]:
        """Return the same in real numbers, for inputs in words that need not be whole."""
        leaves, _ = self.trees.find_leaves(inputs)
        return [np.minimum(self.shares[leaves].mean(axis=1), s.HIGHEST_SHARE)]

    def bound_error(self) -> float:
        """Return the largest ``|run - run_float|`` for the same words, in shares.

        Votes are half a step of 1/255 off at most, in each leaf and so in their mean; the multiplier is half a unit off of
        at most 255 n_trees votes; the result half a step of 1/256.
        """
        multiplier = 0.5 * 2.0**-VOTE_SHIFT * VOTE_MAX * self.trees.n_trees / 256
        return 0.5 / VOTE_MAX + multiplier + 0.5 / 256

    def to_arrays(self) -> dict[str, Any]:
        """Return it as arrays and numbers."""
        return {
            **self.trees.to_arrays(),
            "shares": self.shares,
            "votes": self.votes,
            "visits": self.visits,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """Take back what :meth:`to_arrays` gave."""
        shares, votes = np.asarray(arrays["shares"], np.float64), np.asarray(arrays["votes"], np.uint8)
        return cls(Trees.from_arrays(arrays), shares, votes, float(arrays["visits"]))


@dataclass(frozen=True)
class Boosted:
    """Trees whose leaves are summed to a score for each class, then logits and their softmax.

    Attributes
    ----------
    trees
        The nodes, a tree for each score, then the next for each; of two classes, all for the second one's score.
    base
        Scores before any tree, float64 (n_outputs,).
    leaves
        float64 (n_leaves,).
    base_words, leaf_words
        The same in steps of ``2^-exponent``, int32 and int16.
    exponent
        5 .. 20.
    exp_q31
        Of the softmax, :func:`~myo_pipeline.scores.make_exp_table`.
    visits
        Nodes that a training window met, in the mean.
    """

    KIND: ClassVar[str] = "boosted"
    LAYERS: ClassVar[tuple[str, ...]] = ("BOOSTED_TREES", "SOFTMAX")
    trees: Trees
    base: Floats
    leaves: Floats
    base_words: NDArray[np.int32]
    leaf_words: NDArray[np.int16]
    exponent: int
    exp_q31: NDArray[np.int32]
    visits: float

    def __post_init__(self) -> None:
        n_leaves = self.trees.n_leaves
        fits = self.leaves.shape == self.leaf_words.shape == (n_leaves,)
        fits = (
            fits and self.base.shape == self.base_words.shape and self.base.ndim == 1 and len(self.base) >= 2
        )
        fits = (
            fits and s.LOGIT_BITS <= self.exponent <= _LEAF_BITS and self.trees.n_trees % self.n_scores == 0
        )
        if not fits or int(self._bound_scores().max()) >= _MOST_SCORE:
            raise ValueError(
                f"{self.trees.n_trees} trees, {n_leaves} leaves and {len(self.base)} scores do not fit"
            )

    def _bound_scores(self) -> NDArray[np.int64]:
        """Return the largest size that each score can have, in steps."""
        first = self.trees.first_leaves
        most = np.maximum.reduceat(np.abs(self.leaf_words.astype(np.int64)), first)
        base = np.abs(self.base_words.astype(np.int64)).max()
        return np.asarray(base + most.reshape(-1, self.n_scores).sum(axis=0), np.int64)

    @classmethod
    def quantize(cls, trees: Trees, base: Floats, leaves: Floats, visits: float) -> Self:
        """Choose the exponent that uses int16 up, and round.

        Raises
        ------
        ValueError
            If a leaf is above 1000, or the scores too large for int32.
        """
        most = max(float(np.abs(leaves).max()), 2.0**-_LEAF_BITS)
        exponent = min(math.floor(math.log2(32767 / most)), _LEAF_BITS)
        words = np.rint(leaves * 2.0**exponent).astype(np.int16)
        base_words = np.rint(base * 2.0**exponent).astype(np.int32)
        return cls(trees, base, leaves, base_words, words, exponent, s.make_exp_table(), visits)

    @property
    def n_inputs(self) -> int:
        """Words that it takes."""
        return self.trees.n_inputs

    @property
    def n_outputs(self) -> int:
        """Classes."""
        return len(self.base)

    @property
    def n_scores(self) -> int:
        """Scores that have trees: the last ones."""
        return 1 if self.n_outputs == 2 else self.n_outputs

    @property
    def shift(self) -> int:
        """From scores to logits."""
        return self.exponent - s.LOGIT_BITS

    def _sum(self, leaves: NDArray[Any], base: NDArray[Any]) -> NDArray[Any]:
        """Sum leaves (n_windows, n_trees) to scores."""
        sums = leaves.reshape(len(leaves), -1, self.n_scores).sum(axis=1)
        found = np.tile(base, (len(leaves), 1))
        found[:, self.n_outputs - self.n_scores :] += sums
        return found

    def run(self, words: NDArray[np.int8]) -> list[NDArray[np.int8]]:
        """Return each layer's words for windows (n_windows, n_inputs)."""
        found, _ = self.trees.find_leaves(words)
        scores = self._sum(self.leaf_words.astype(np.int64)[found], self.base_words.astype(np.int64))
        logits = s.to_logits(scores, self.shift)
        return [logits, s.softmax_words(logits, self.exp_q31)]

    def score(self, inputs: NDArray[Any]) -> Floats:
        """Return the scores in real numbers, (n_windows, n_outputs)."""
        found, _ = self.trees.find_leaves(inputs)
        return self._sum(self.leaves[found], self.base)

    def run_float(self, inputs: Floats) -> list[Floats]:
        """Return the same as :meth:`run` in real numbers, for inputs in words that need not be whole."""
        scores = self.score(inputs)
        return [s.to_float_logits(scores), s.to_shares(scores)]

    def bound_error(self) -> float:
        """Return the largest ``|run - run_float|`` of logits for the same words.

        Every leaf and every base is half a step of 2^-exponent off, in the score and in the highest one; the logit is
        rounded to half a step of its own.
        """
        n_rounds = self.trees.n_trees // self.n_scores
        return (n_rounds + 1) * 2.0**-self.exponent + 0.5 * s.LOGIT_STEP

    def to_arrays(self) -> dict[str, Any]:
        """Return it as arrays and numbers."""
        return {
            **self.trees.to_arrays(), "base": self.base, "leaves": self.leaves, "base_words": self.base_words,
            "leaf_words": self.leaf_words, "exponent": self.exponent, "exp_q31": self.exp_q31, "visits": self.visits,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """Take back what :meth:`to_arrays` gave."""
        return cls(
            Trees.from_arrays(arrays),
            np.asarray(arrays["base"], np.float64),
            np.asarray(arrays["leaves"], np.float64),
            np.asarray(arrays["base_words"], np.int32),
            np.asarray(arrays["leaf_words"], np.int16),
            int(arrays["exponent"]),
            np.asarray(arrays["exp_q31"], np.int32),
            float(arrays["visits"]),
        )
