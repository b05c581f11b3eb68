"""Patches that decide by trees or quadratic forms: both laws at every stage, the budget, and a fault in a table is named."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commands import must
from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_host.validate import validate_board
from myo_pipeline.bundle import open_bundle
from myo_pipeline.vectors import load_vectors
from myo_pipeline.word_network import unpack_word_network
from planted import FaultyFirmware
from tiny_word_bundle import write_trained_words

LAYERS = {
    "forest": ["layer 0 FOREST"],
    "boosted": ["layer 0 BOOSTED_TREES", "layer 1 SOFTMAX"],
    "qda": ["layer 0 QUADRATIC", "layer 1 SOFTMAX"],
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("classical")
    found = {kind: write_trained_words(root / kind, kind) for kind in LAYERS}
    for folder in found.values():
        must("export", folder)
    return found


@pytest.mark.parametrize(
    "kind", ["forest", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("boosted", "qda"))]
)
def test_both_laws_hold(bundles: dict[str, Path], kind: str, board: str) -> None:
    if board == "native" and kind == "forest":
        pytest.skip("the planted fault's firmware is the native one")
    for tool in ("arm-none-eabi-gcc", BOARDS[board].command[0]) if board != "native" else ("cc",):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (make setup)")
    bundle = bundles[kind]
    must("build", bundle, "--board", board)
    result = json.loads(must("validate", bundle, "--board", board, "--json"))
    assert result["passed"]
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert [name for name in stages if name.startswith("layer")] == LAYERS[kind]
    assert all(stage["words"] > 0 for stage in stages.values())
    if board == "virtual_m4":
        predicted = json.loads((bundle / "budget.json").read_text())["predicted"]
        image = json.loads((bundle / "firmware" / "virtual_m4.json").read_text())
        for memory in (
            "flash_bytes",
            "ram_bytes",
        ):  # tests/hil/test_budget_on_board.py holds the firmware beside the tables
            assert predicted[memory]["total"] == pytest.approx(image[memory], rel=0.1)
        profile = json.loads(must("profile", bundle, "--board", board, "--json"))
        rows = {row["name"]: row for row in profile["rows"]}
        assert (
            rows["0 FOREST" if kind == "forest" else f"0 {LAYERS[kind][0].split()[-1]}"]["instructions"] > 100
        )


def find_node(bundle: Path) -> int:
    """Return the first node whose threshold, one higher, would change what the golden vectors end in."""
    network = unpack_word_network((bundle / "model.npz").read_bytes())
    inputs = np.concatenate([segment.inputs for segment in load_vectors(bundle)])
    leaves = network.trees.find_leaves(inputs)[0]
    for node in range(len(network.trees.nodes)):
        nodes = network.trees.nodes.copy()
        nodes[node, 1] += 1
        if (
            nodes[node, 1] < 128
            and (replace(network.trees, nodes=nodes).find_leaves(inputs)[0] != leaves).any()
        ):
            return node
    raise AssertionError("no node's threshold matters")


def plant(kind: str, bundle: Path, text: str) -> str:
    """Raise one threshold by one; of quadratic forms, double a logit's step."""
    if kind == "qda":
        return text.replace(".shift = 3", ".shift = 4")
    found = list(re.finditer(r"\{(\d+), (-?\d+), \{", text))[find_node(bundle)]
    return f"{text[: found.start()]}{{{found[1]}, {int(found[2]) + 1}, {{{text[found.end() :]}"


@pytest.mark.parametrize(
    "kind", ["forest", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("boosted", "qda"))]
)
def test_planted_fault_is_named(bundles: dict[str, Path], kind: str, tmp_path: Path) -> None:
    """A threshold that is off by one is seen and named; without it all words are equal."""
    faulty = FaultyFirmware(bundles[kind], tmp_path)
    bundle = open_bundle(bundles[kind])
    for is_planted in (False, True):
        elf = faulty.build(
            "c/net.c", lambda text, on=is_planted: plant(kind, bundle.path, text) if on else text + "\n"
        )
        with start_board(BOARDS["native"], elf) as port, PatchLink(port) as link:
            result = validate_board(bundle, link, BOARDS["native"])
        named = next((stage.name for stage in result.stages if stage.differing), None)
        assert named == (LAYERS[kind][0] if is_planted else None)
