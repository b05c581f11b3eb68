"""Cost of trees and quadratic forms on a Cortex-M4F, predicted from their tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from myo_export.cost_model import Cost, price, read_constants
from myo_pipeline.quadratic import Quadratic
from myo_pipeline.trees import Boosted, Forest
from myo_pipeline.word_network import WordNetwork

# Instructions and cycles, fitted by benchmarks/bench_classical.py.
_CALL: Final = (60.0, 100.0)
_VISIT: Final = (9.0, 14.0)
_TREE: Final = (16.0, 26.0)
_VOTE: Final = (5.0, 8.0)  # a tree's, for a class
_OUTPUT: Final = (14.0, 20.0)  # a class's score to a word
_PAIR: Final = (5.0, 8.0)  # of a quadratic form: two products
_ROW: Final = (12.0, 20.0)
_WIDEN: Final = (4.0, 6.0)
_LENGTH: Final = (30.0, 45.0)

_CODE: Final[Mapping[str, Mapping[str, int]]] = {
    "FOREST": {"myo_forest_run": 300},
    "QUADRATIC": {"myo_quadratic_run": 300, "myo_scores_to_logits": 120},
    "BOOSTED_TREES": {"myo_boosted_run": 260, "myo_scores_to_logits": 120},
}
CALL_BYTES: Final = 36  # in net_run_observed: arguments, the call, the observer's call
_CONFIG_BYTES: Final = 32


def _sum(parts: Mapping[tuple[float, float], float]) -> Cost:
    instructions, cycles = (sum(part[k] * times for part, times in parts.items()) for k in range(2))
    return Cost(instructions, cycles)


def estimate_words(network: WordNetwork, name: str) -> Cost:
    """Predict a layer's cost; of trees, for as many nodes as a training window met in the mean."""
    n = network.n_outputs
    match network:
        case Forest() if name == "FOREST":
            n_trees = network.trees.n_trees
            return _sum({_CALL: 1, _VISIT: network.visits, _TREE: n_trees, _VOTE: n_trees * n, _OUTPUT: n})
        case Boosted() if name == "BOOSTED_TREES":
            return _sum({_CALL: 1, _VISIT: network.visits, _TREE: network.trees.n_trees, _OUTPUT: n})
        case Quadratic() if name == "QUADRATIC":
            n_inputs = network.n_inputs
            return _sum(
                {
                    _CALL: 1, _PAIR: n * (n_inputs // 2 * (n_inputs // 2 + 1) + n_inputs % 2 * (n_inputs + 1) // 2),
                    _ROW: n * n_inputs, _WIDEN: n_inputs, _LENGTH: n, _OUTPUT: n,
                }
            )  # fmt: skip
        case _:
            return price(Counter({"softmax.call": 1, "softmax.row": 1, "softmax.word": n}))


def estimate_functions(name: str) -> tuple[Mapping[str, int], int]:
    """Predict the bytes of a layer's functions by name, and of its configuration and call."""
    if name == "SOFTMAX":
        found = read_constants()["code"]["-O3"]["Softmax plain"]
        own = int(found.get("configuration", 0))
        return {key: int(size) for key, size in found.items() if key != "configuration"}, own + CALL_BYTES
    return _CODE[name], _CONFIG_BYTES + CALL_BYTES
