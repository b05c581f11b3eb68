"""A patch with features on the boards: both laws at every stage, the budget, and a fault in the features is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from commands import must
from myo_export.firmware_build import build_firmware
from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_host.validate import validate_board
from myo_pipeline.bundle import open_bundle
from tiny_feature_bundle import CHAIN_SPEC, write_trained_features


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_trained_features(tmp_path_factory.mktemp("features") / "tiny", n_segments=2)
    must("export", folder)
    return folder


def build(bundle: Path, board: str) -> None:
    for tool in ("arm-none-eabi-gcc", BOARDS[board].command[0]) if board != "native" else ("cc",):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (make setup)")
    must("build", bundle, "--board", board)


def test_both_laws_hold_with_features(bundle: Path, board: str) -> None:
    build(bundle, board)
    result = json.loads(must("validate", bundle, "--board", board, "--json"))
    assert result["passed"]
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert list(stages)[:4] == ["samples", "filtered signal", "features", "network input"]
    assert all(stage["words"] > 0 for stage in stages.values())
    for name in ("features", "network input"):
        assert 0 < stages[name]["bound_share"] <= 1
        assert stages[name]["bound"] is None  # each word has its own
        assert stages[name]["snr_db"] > 35
    if board == "virtual_m4":
        predicted = json.loads((bundle / "budget.json").read_text())["predicted"]
        image = json.loads((bundle / "firmware" / "virtual_m4.json").read_text())
        for memory in ("flash_bytes", "ram_bytes"):
            assert predicted[memory]["total"] == pytest.approx(image[memory], rel=0.05)


def test_both_laws_hold_with_features_behind_a_chain(tmp_path: Path) -> None:
    bundle = write_trained_features(tmp_path / "chain", n_segments=2, spec=CHAIN_SPEC)
    must("export", bundle)
    build(bundle, "native")
    result = json.loads(must("validate", bundle, "--board", "native", "--json"))
    assert result["passed"]
    assert all(stage["words"] > 0 for stage in result["stages"])


def test_planted_fault_is_named(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "planted"
    shutil.copytree(bundle, copy)
    path = copy / "c/features_config.c"
    text = path.read_text()
    path.write_text(text.replace("#define THRESHOLD_SSC ", "#define THRESHOLD_SSC 7"))
    assert path.read_text() != text
    elf = build_firmware(copy, "native").elf
    with start_board(BOARDS["native"], elf) as port, PatchLink(port) as link:
        result = validate_board(open_bundle(bundle), link, BOARDS["native"])
    first = next(s for s in result.stages if s.differing)
    assert first.name == "features"
    assert "ssc channel 0" in first.first_difference
