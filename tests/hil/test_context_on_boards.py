"""A patch whose network takes several windows' features on the boards: both laws at every stage, and what is told of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from commands import must
from myo_host.boards import BOARDS
from tiny_feature_bundle import CONTEXT_SPEC, SPEC, write_trained_features

SLIM_SPEC = SPEC.replace("hidden = []", "hidden = []\nwindows = 3")  # what 16 kB of RAM hold


def build(bundle: Path, board: str) -> None:
    for tool in ("arm-none-eabi-gcc", BOARDS[board].command[0]) if board != "native" else ("cc",):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (make setup)")
    must("build", bundle, "--board", board)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Beside auxiliary streams, behind a gate."""
    folder = write_trained_features(tmp_path_factory.mktemp("context") / "tiny", spec=CONTEXT_SPEC)
    must("export", folder)
    return folder


@pytest.mark.parametrize("name", ["native", pytest.param("virtual_m4", marks=pytest.mark.slow)])
def test_both_laws_hold_with_several_windows(bundle: Path, name: str) -> None:
    build(bundle, name)
    result = json.loads(must("validate", bundle, "--board", name, "--json"))
    assert result["passed"]
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert all(stage["words"] > 0 for stage in stages.values())
    assert stages["network input"]["words"] == 3 * stages["features"]["words"]
    assert 0 < stages["network input"]["bound_share"] <= 1
    assert result["hello"]["window_samples"] == 40  # what a decision sees: 20 and two hops of 10
    assert result["latency"]["context_ms"] == 100
    if name == "virtual_m4":
        predicted = json.loads((bundle / "budget.json").read_text())["predicted"]
        image = json.loads((bundle / "firmware" / "virtual_m4.json").read_text())
        for memory in ("flash_bytes", "ram_bytes"):
            assert predicted[memory]["total"] == pytest.approx(image[memory], rel=0.05)


@pytest.mark.slow
def test_both_laws_hold_on_the_smallest_core(tmp_path: Path) -> None:
    bundle = write_trained_features(tmp_path / "slim", n_segments=2, spec=SLIM_SPEC)
    must("export", bundle)
    build(bundle, "virtual_m0")
    assert json.loads(must("validate", bundle, "--board", "virtual_m0", "--json"))["passed"]
