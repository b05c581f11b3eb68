"""Motion removal on the boards: both laws behind it, whatever the clock of its stream does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from commands import must
from myo_host.boards import BOARDS
from tiny_aux_bundle import SPEC, write_trained_aux

MOTION_SPEC = SPEC.replace("rate_hz = 52.0", "rate_hz = 104.0").replace(
    "[window]", '[motion]\nreference = "wrist"\n[window]'
)


def validate(folder: Path, board: str) -> None:
    """Export, build and validate a bundle for a board."""
    for tool in ("arm-none-eabi-gcc", BOARDS[board].command[0]) if board != "native" else ("cc",):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (make setup)")
    write_trained_aux(folder, 5, MOTION_SPEC)
    must("export", folder)
    must("build", folder, "--board", board)
    result = json.loads(must("validate", folder, "--board", board, "--json"))
    assert result["passed"]
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert 0 < stages["filtered signal"]["bound_share"] <= 1
    budget = json.loads((folder / "budget.json").read_text())
    assert budget["motion"]["reference"] == "wrist"
    assert budget["motion"]["delay_ms"] == 30.0  # 19.2 ms of lag and interpolation are 4 frames, and 2
    if board == "virtual_m4":
        image = json.loads((folder / "firmware" / "virtual_m4.json").read_text())
        for memory in ("flash_bytes", "ram_bytes"):
            assert budget["predicted"][memory]["total"] == pytest.approx(image[memory], rel=0.03)


def test_both_laws_hold_behind_it(board: str, tmp_path: Path) -> None:
    validate(tmp_path, board)
