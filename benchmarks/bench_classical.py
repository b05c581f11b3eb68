"""Cost of trees and quadratic forms on a Cortex-M4F, whether every word is right, and the constants of the cost model.

usage: python benchmarks/bench_classical.py [--out FILE]

Random models of several sizes are written as C, built with arm-none-eabi-gcc, and run under QEMU (mps2-an386) on random
words; every output is compared with the integer twin's. Instructions are counted by m4cost, as in bench_network.py, and the
constants of export/myo_export/word_cost.py are fitted to them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

sys.path.insert(0, str(Path(__file__).resolve().parent))
import bench_network
from bare_machine import MACHINES
from myo_export.emit_net import write_files
from myo_export.word_cost import PARTS, count_parts, estimate_words
from myo_export.word_source import render_word_network
from myo_pipeline.bundle import write_json
from myo_pipeline.errors import BuildError
from myo_pipeline.quadratic import Quadratic
from myo_pipeline.trees import Boosted, Forest, Trees
from myo_pipeline.word_network import WordNetwork
from myo_training.tree_training import number_tree

CORE_DIR = bench_network.ROOT / "firmware" / "core"
RESULTS = Path(__file__).resolve().parent / "results" / "classical.json"
N_VECTORS, N_COUNTED = 24, 8  # regions that net_bench/main.c marks
# Kind, words, outputs, and trees with leaves each.
CASES = (
    ("forest", 32, 8, 24, 64), ("forest", 32, 8, 8, 16), ("forest", 64, 3, 50, 32), ("forest", 16, 22, 12, 128),
    ("boosted", 32, 8, 240, 8), ("boosted", 32, 2, 40, 16), ("boosted", 16, 22, 220, 4), ("boosted", 64, 4, 80, 32),
    ("qda", 32, 8, 0, 0), ("qda", 16, 3, 0, 0), ("qda", 31, 4, 0, 0), ("qda", 96, 2, 0, 0), ("qda", 8, 22, 0, 0),
)  # fmt: skip


def random_trees(rng: np.random.Generator, n_inputs: int, n_leaves: Sequence[int]) -> Trees:
    """Split leaves at random until each tree has as many as it should."""
    tables = []
    for wanted in n_leaves:
        left, right = np.full(2 * wanted, -1), np.full(2 * wanted, -1)
        for node in range(1, 2 * wanted - 1, 2):
            split = rng.choice(np.flatnonzero(left[:node] < 0))
            left[split], right[split] = node, node + 1
        word = rng.integers(0, n_inputs, 2 * wanted)
        threshold = rng.integers(-128, 128, 2 * wanted) + rng.choice([0.0, 0.5], 2 * wanted)
        tables.append(number_tree(left, right, word, threshold)[0])
    return Trees(n_inputs, np.array([len(t) for t in tables]), np.concatenate(tables))


def random_network(
    rng: np.random.Generator, kind: str, n_inputs: int, n_outputs: int, n_trees: int = 0, most_leaves: int = 0
) -> WordNetwork:
    """Draw a model; with trees of at most so many leaves, most of them full."""
    if kind == "qda":
        maps = np.tril(rng.normal(0, 0.05, (n_outputs, n_inputs, n_inputs)))
        offsets = rng.normal(0, 1, (n_outputs, n_inputs))
        return Quadratic.quantize(maps, offsets, rng.normal(0, 2, n_outputs))
    sizes = np.where(rng.uniform(size=n_trees) < 0.7, most_leaves, rng.integers(1, most_leaves + 1, n_trees))
    trees = random_trees(rng, n_inputs, sizes.tolist())
    if kind == "forest":
        shares = rng.dirichlet(np.full(n_outputs, 0.5), trees.n_leaves)
        shares[rng.uniform(size=len(shares)) < 0.1] = np.eye(n_outputs)[0]  # a share of one saturates
        return Forest.quantize(trees, shares, 0.0)
    base, leaves = rng.normal(0, 1, n_outputs), rng.normal(0, 1, trees.n_leaves)
    return Boosted.quantize(trees, base, leaves, 0.0)


def random_words(rng: np.random.Generator, network: WordNetwork, n: int) -> np.ndarray:
    """Words of every size, and the ends of their range."""
    sizes = 2.0 ** rng.uniform(0, 7, (n, 1))
    words = np.clip(np.rint(rng.normal(0, 1, (n, network.n_inputs)) * sizes), -128, 127)
    words[:3] = np.array([-128, 127, 0])[:, None]
    return words.astype(np.int8)


def build_image(
    network: WordNetwork, words: np.ndarray, folder: Path, machine: str = bench_network.MACHINE
) -> Path:
    """Compile a model, and words with the outputs that the twin gives, to an image for a machine.

    Raises
    ------
    BuildError
        If the C cannot be compiled.
    """
    text = render_word_network(network, "benchmarks/bench_classical.py")
    write_files(folder, {"net.h": text.header, "net.c": text.source})
    (folder / "vectors.h").write_text(bench_network._vectors(words, network.run(words)[-1]))
    image, bench = folder / "net.elf", bench_network.BENCH_DIR
    sources = [*sorted((CORE_DIR / "classical").glob("*.c")), CORE_DIR / "nn" / "softmax.c", folder / "net.c"]
    sources += [bench / "main.c", bench / "startup.c"]
    target = MACHINES[machine]
    command = [bench_network.COMPILER, *target.cpu, *bench_network.C_FLAGS, "-Wl,--gc-sections"]
    command += [*target.link_flags(), *(f"-I{part}" for part in (CORE_DIR, CORE_DIR / "nn", bench, folder))]
    run = subprocess.run(
        [*command, *map(str, sources), "-o", str(image)], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise BuildError(f"{image}: the compiler failed ({run.stderr.strip()[:300]}); see {folder}")
    return image


@dataclass(frozen=True)
class Counted:
    """One model's figures; instructions and cycles are the mean of the first words, None where m4cost is absent."""

    name: str
    n_visits: float
    table_bytes: int
    instructions: float | None
    cycles: float | None
    predicted: float
    equal: int
    n_vectors: int


def make_case(case: tuple[str, int, int, int, int]) -> tuple[WordNetwork, np.ndarray, float]:
    """Draw a case's model, words for it, and the nodes that the counted ones of them meet in the mean."""
    rng = np.random.default_rng(5)
    network = random_network(rng, *case)
    words = random_words(rng, network, N_VECTORS)[3:]
    if not isinstance(network, Forest | Boosted):
        return network, words, 0.0
    visits = float(network.trees.find_leaves(words[:N_COUNTED])[1].sum(axis=1).mean())
    return type(network).from_arrays(network.to_arrays() | {"visits": visits}), words, visits


def predict_instructions(network: WordNetwork) -> float:
    """Return what the cost model says of a model."""
    return sum(estimate_words(network, name).instructions for name in network.LAYERS)


def bench_case(
    case: tuple[str, int, int, int, int], counter: Path | None
) -> tuple[Counted, dict[str, float]]:
    """Run and count one case; give it with what its cost is made of."""
    network, words, visits = make_case(case)
    with tempfile.TemporaryDirectory() as folder:
        image = build_image(network, words, Path(folder))
        _, equal, total = bench_network.run_image(image)
        cost = bench_network.count_instructions(image, counter) if counter else (None, None)
    report = render_word_network(network, "").report
    kind, n_inputs, n_outputs, n_trees, most = case
    name = f"{kind}, {n_inputs} words, {n_outputs} classes" + f", {n_trees} trees of {most}" * bool(n_trees)
    found = Counted(
        name, visits, report.flash_bytes, *cost, round(predict_instructions(network)), equal, total
    )
    parts = {name: 0.0 for name in PARTS} | count_parts(network, network.LAYERS[0])
    if len(network.LAYERS) > 1:  # what is known of the softmax is taken off
        softmax = estimate_words(network, "SOFTMAX")
        parts |= {"softmax instructions": softmax.instructions, "softmax cycles": softmax.cycles}
    return found, parts


def fit_parts(counted: Sequence[tuple[Counted, dict[str, float]]]) -> dict[str, tuple[float, float]]:
    """Fit instructions and cycles of each part, relative errors weighing the same."""
    matrix = np.array([[parts[name] for name in PARTS] for _, parts in counted])
    columns = []
    for what in ("instructions", "cycles"):
        target = np.array([getattr(c, what) - parts.get(f"softmax {what}", 0.0) for c, parts in counted])
        columns.append(nnls(matrix / target[:, None], np.ones(len(target)))[0])
    return {name: (float(i), float(c)) for name, i, c in zip(PARTS, *columns, strict=True)}


def main() -> int:
    """Bench, print a table and the constants, write the results."""
    parser = argparse.ArgumentParser(description="Cost of trees and quadratic forms on a Cortex-M4F.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    out = parser.parse_args().out
    if missing := bench_network.missing_tools():
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 2
    counter = bench_network.find_m4cost()
    counted = [bench_case(case, counter) for case in CASES]
    print(f"{'model':48} {'nodes met':>10} {'tables':>8} {'instructions':>13} {'predicted':>10} {'equal':>6}")
    for c, _ in counted:
        instructions = f"{c.instructions:.0f}" if c.instructions else "-"
        print(
            f"{c.name:48} {c.n_visits:10.1f} {c.table_bytes:8} {instructions:>13} {c.predicted:10.0f} {c.equal}/{c.n_vectors}"
        )
    result = {
        "how": "benchmarks/bench_classical.py: m4cost on mps2-an386",
        "cases": [asdict(c) for c, _ in counted],
    }
    if counter:
        constants = fit_parts(counted)
        for name, (instructions, cycles) in constants.items():
            print(f'    "{name}": ({instructions:.3g}, {cycles:.3g}),')
        result["constants"] = constants
    write_json(out, result)
    return 0 if all(c.equal == c.n_vectors for c, _ in counted) else 1


if __name__ == "__main__":
    sys.exit(main())
