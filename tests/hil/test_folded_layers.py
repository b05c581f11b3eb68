"""Layers that are computed in another one: never sent, never compared, and named as what they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from commands import must
from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_host.validate import validate_board
from myo_pipeline.bundle import open_bundle
from tiny_bundle import make_foldable_model, write_trained


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a host C compiler (apt-get install gcc)")
def test_a_bundle_with_folded_layers_validates(tmp_path: Path) -> None:
    bundle = write_trained(tmp_path / "foldable", make=make_foldable_model)
    must("export", bundle)
    layers = json.loads((bundle / "budget.json").read_text())["network"]["layers"]
    assert [(layer["op"], layer["in_layer"]) for layer in layers] == [
        ("PAD", 2), ("CONV_2D", 2), ("RELU", None), ("RESHAPE", None), ("FULLY_CONNECTED", None),
    ]  # fmt: skip
    must("build", bundle, "--board", "native")
    # What training.json lacks of its data's description must not stop the report.
    must("validate", bundle, "--board", "native")
    assert "simulated" not in json.loads((bundle / "training.json").read_text())["data"]
    with start_board(BOARDS["native"], bundle / "firmware/native.elf") as port, PatchLink(port) as link:
        result = validate_board(open_bundle(bundle), link, BOARDS["native"])
    assert result.passed
    stages = {stage.name: stage for stage in result.stages}
    for name in ("layer 0 PAD (in layer 2)", "layer 1 CONV_2D (in layer 2)"):
        assert stages[name].words == 0  # of the device; the twin still has them, and float compares with them
        assert stages[name].cosine > 0.9
    for name in ("layer 2 RELU", "layer 3 RESHAPE", "layer 4 FULLY_CONNECTED"):
        assert stages[name].words > 0
        assert stages[name].differing == 0
