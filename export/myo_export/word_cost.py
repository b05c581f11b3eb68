"""Cost of trees and quadratic forms on a Cortex-M4F, predicted from their tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from myo_export.cost_model import Cost, price, read_constants
from myo_pipeline.quadratic import Quadratic
from myo_pipeline.trees import Boosted, Forest
from myo_pipeline.word_network import WordNetwork

# Instructions and cycles of each part, fitted by benchmarks/bench_classical.py to m4cost's counts of random models.
PARTS: Final[Mapping[str, tuple[float, float]]] = {
    "call": (35, 88),
    "node": (10.5, 15.3),  # of a tree, met on the way to a leaf
    "tree": (20.7, 24.6),
    "vote": (5.12, 8.3),  # of a tree for a class
    "output": (22.1, 22.9),
    "pair": (4.95, 7.94),  # two products of a quadratic form
    "row": (17.3, 20.4),
    "length": (6.4, 20.5),
}

_CODE: Final[Mapping[str, Mapping[str, int]]] = {
    "FOREST": {"myo_forest_run": 230},
    "QUADRATIC": {"myo_quadratic_run": 340, "myo_scores_to_logits": 102},
    "BOOSTED_TREES": {"myo_boosted_run": 272, "myo_scores_to_logits": 102},
}
CALL_BYTES: Final = 36  # in net_run_observed: arguments, the call, the observer's call
_CONFIG_BYTES: Final = 32


def count_parts(network: WordNetwork, name: str) -> dict[str, float]:
    """Return how often each of `PARTS` runs in a layer; of trees, with as many nodes as a training window met in the mean."""
    n = network.n_outputs
    match network:
        case Forest() if name == "FOREST":
            n_trees = network.trees.n_trees
            return {"call": 1, "node": network.visits, "tree": n_trees, "vote": n_trees * n, "output": n}
        case Boosted() if name == "BOOSTED_TREES":
            return {"call": 1, "node": network.visits, "tree": network.trees.n_trees, "output": n}
        case Quadratic() if name == "QUADRATIC":
            rows = network.n_inputs
            pairs = sum(k // 2 + 1 for k in range(rows))
            return {"call": 1, "pair": n * pairs, "row": n * rows, "length": n, "output": n}
        case _:
            return {}


def estimate_words(network: WordNetwork, name: str) -> Cost:
    """Predict a layer's cost."""
    parts = count_parts(network, name)
    if not parts:
        return price(Counter({"softmax.call": 1, "softmax.row": 1, "softmax.word": network.n_outputs}))
    instructions, cycles = (sum(PARTS[part][k] * times for part, times in parts.items()) for k in range(2))
    return Cost(instructions, cycles)


def estimate_functions(name: str) -> tuple[Mapping[str, int], int]:
    """Predict the bytes of a layer's functions by name, and of its configuration and call."""
    if name == "SOFTMAX":
        found = read_constants()["code"]["-O3"]["Softmax plain"]
        own = int(found.get("configuration", 0))
        return {key: int(size) for key, size in found.items() if key != "configuration"}, own + CALL_BYTES
    return _CODE[name], _CONFIG_BYTES + CALL_BYTES
