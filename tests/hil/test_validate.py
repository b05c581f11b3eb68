"""The whole path on every board: both laws hold, and whatever breaks them is found and named."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from commands import MYOPATCH, must, myopatch
from myo_export.firmware_build import build_firmware
from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_host.validate import validate_board
from myo_pipeline.bundle import open_bundle

Built = Callable[[str, str], Path]


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_device_equals_twin_at_every_stage(built: Built, board: str, kind: str) -> None:
    bundle = built(kind, board)
    result = json.loads(must("validate", bundle, "--board", board, "--json"))
    assert result["passed"]
    assert result["differing"] == 0
    assert result["n_traced"] >= 200
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert all(stage["words"] > 0 for stage in stages.values())
    for name in ("filtered signal", "network input"):
        assert 0 < stages[name]["max_error"] <= stages[name]["bound"]
    assert stages["filtered signal"]["snr_db"] > 100
    assert result["agreement"]["device_twin"] == 1
    for key in (
        "samples_lost",
        "rx_bytes_lost",
        "rx_frames_bad",
        "rx_sequence_gaps",
        "tx_frames_dropped",
        "faults",
    ):
        assert result["status"][key] == 0
    page = (bundle / "report.html").read_text()
    assert "PASS" in page
    assert not re.search(r'(src|href)="(?!#|data:)', page), "the page must need no other file"
    if board == "virtual_m4":
        assert 0 < result["status"]["stack_used_bytes"] < result["status"]["stack_bytes"]
        cost = result["cost"]
        assert cost["network_instructions"] > 1000
        predicted = json.loads((bundle / "budget.json").read_text())["predicted"]
        each = predicted["cycles"]["network"] / predicted["instructions"]["network"]
        assert cost["network_cycles"] == pytest.approx(each * cost["network_instructions"])
        parts = ("front_end_cycles", "network_cycles", "decision_cycles")
        assert cost["cycles"] == pytest.approx(sum(cost[key] for key in parts))
        assert cost["compute_ms"] == pytest.approx(cost["cycles"] / 64e3)


def test_a_chain_of_every_kind_of_step_is_the_twins(built: Built, board: str) -> None:
    """Matrix, biquads, FIR, energy, envelope, decimation and mean: other channels and another rate behind the front end."""
    result = json.loads(must("validate", built("chain", board), "--board", board, "--json"))
    assert result["passed"]
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert stages["filtered signal"]["words"] == stages["samples"]["words"] / 4 / 3 * 4
    assert 0 < stages["filtered signal"]["max_error"] <= stages["filtered signal"]["bound"]
    # Energies of weak signals are far below those of the full scale that 32 bits have to hold.
    assert stages["filtered signal"]["snr_db"] > 60
    assert (result["hello"]["decimation"], result["hello"]["n_filtered"]) == (4, 4)


def test_two_validations_give_the_same_figures(built: Built) -> None:
    bundle = built("classes", "virtual_m4")
    runs = [json.loads(must("validate", bundle, "--board", "virtual_m4", "--json")) for _ in range(2)]
    for run in runs:  # what depends on the host's time
        for key in ("seconds", "bytes_per_s", "ticks", "cost", "latency", "status"):
            run.pop(key)
    assert runs[0] == runs[1]


def plant(bundle: Path, folder: Path, board: str, file: str, change: Callable[[str], str]) -> Path:
    """Build a firmware of this bundle with a fault in its generated C; it still claims the bundle's hash."""
    copy = folder / "planted"
    shutil.copytree(bundle, copy)
    path = copy / file
    text = path.read_text()
    changed = change(text)
    assert changed != text
    path.write_text(changed)
    return build_firmware(copy, board).elf


def bump_coefficient(text: str) -> str:
    """Change the lowest bit of the first section's first coefficient."""
    return re.sub(r"(coefficients\[\d+\] = \{\s*)(-?\d+)", lambda m: f"{m[1]}{int(m[2]) + 1}", text, count=1)


def bump_multiplier(text: str) -> str:
    """Change the second channel's multiplier."""
    _, second = list(re.finditer(r"    \{(\d+), (\d+), (-?\d+)\},", text))[:2]
    return text[: second.start(1)] + str(int(second[1]) - 2_000_000) + text[second.end(1) :]


def bump_vote(text: str) -> str:
    return text.replace("#define PATCH_VOTE 3", "#define PATCH_VOTE 4")


def bump_weight(text: str) -> str:
    """Change the first weight of the second convolution."""
    return re.sub(
        r"(layer_1_weights\[\d+\] = \{\s*)(-?\d+)", lambda m: f"{m[1]}{-int(m[2]) - 3}", text, count=1
    )


@pytest.mark.parametrize(
    ("file", "change", "stage"),
    [
        ("c/patch_config.c", bump_coefficient, "filtered signal"),
        ("c/patch_config.c", bump_multiplier, "network input"),
        ("c/net.c", bump_weight, "layer 1 CONV_2D"),
        ("c/patch_config.h", bump_vote, "decision"),
    ],
    ids=["coefficient", "multiplier", "weight", "vote"],
)
def test_planted_fault_is_found_and_named(
    built: Built, tmp_path: Path, file: str, change: Callable[[str], str], stage: str
) -> None:
    bundle = built("classes", "native")
    elf = plant(bundle, tmp_path, "native", file, change)
    opened = open_bundle(bundle)
    with start_board(BOARDS["native"], elf) as port, PatchLink(port) as link:
        result = validate_board(opened, link, BOARDS["native"])
    assert not result.passed
    first = next(s for s in result.stages if s.differing)
    assert first.name == stage
    assert re.search(r"S\d+/\d+/\S+ (sample|window) \d+ .*: device -?\d+, twin -?\d+", first.first_difference)
    if change is bump_multiplier:
        assert "channel 1" in first.first_difference


def test_failed_validation_exits_with_1(built: Built, tmp_path: Path) -> None:
    bundle = built("classes", "native")
    elf = plant(bundle, tmp_path, "native", "c/patch_config.c", bump_coefficient)
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    shutil.copy(elf, copy / "firmware/native.elf")
    done = myopatch("validate", copy, "--board", "native", "--junit", tmp_path / "junit.xml")
    assert done.returncode == 1
    assert 'type="DeviceDiffersFromTwin"' in (tmp_path / "junit.xml").read_text()
    record = json.loads((copy / "validation.json").read_text())
    assert record["first_divergence"]["stage"] == "filtered signal"
    assert "FAIL" in done.stdout
    assert "first at filtered signal" in done.stdout
    assert "FAIL" in (copy / "report.html").read_text()


def test_firmware_of_another_bundle_is_refused(built: Built, tmp_path: Path) -> None:
    classes, values = built("classes", "native"), built("values", "native")
    copy = tmp_path / "bundle"
    shutil.copytree(classes, copy)
    shutil.copy(values / "firmware/native.elf", copy / "firmware/native.elf")
    done = myopatch("validate", copy, "--board", "native", "--junit", tmp_path / "junit.xml")
    assert done.returncode == 2
    assert 'type="CouldNotValidate"' in (tmp_path / "junit.xml").read_text()
    assert "runs bundle" in done.stderr
    assert "flash it with `myopatch flash`" in done.stderr
    assert done.stderr.strip().count("\n") == 0


def test_run_leaves_the_port_open(built: Built, board: str) -> None:
    bundle = built("classes", board)
    with subprocess.Popen(
        [MYOPATCH, "run", bundle, "--board", board], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        port = re.search(r"is up at (\S+);", line)[1]
        try:
            for _ in range(2):
                assert '"passed": true' in must("validate", bundle, "--port", port, "--json")
        finally:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_flash_boots_and_checks(built: Built, board: str) -> None:
    bundle = built("classes", board)
    assert f"{board} booted and runs bundle" in must("flash", bundle, "--board", board)


def test_builds_by_pio_alone(built: Built, board: str) -> None:
    bundle = built("classes", board)
    root = Path(__file__).resolve().parents[2]
    before = (bundle / "firmware" / f"{board}.elf").read_bytes()
    name = "program" if board == "native" else "firmware.elf"
    with (root / ".pio/build.lock").open("w") as lock:  # tests of the command line build at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "platformio", "run", "-e", board],
            cwd=root, env={**os.environ, "MYOPATCH_BUNDLE": str(bundle)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert (root / ".pio/build" / board / name).read_bytes() == before


def test_values_are_the_mean_of_the_last_windows(built: Built) -> None:
    """The sums that the board sends, divided by their windows, are the mean of the outputs that it sent."""
    bundle = built("values", "native")
    result = json.loads(must("validate", bundle, "--board", "native", "--json"))
    assert set(result["accuracy"]) == {"float", "twin", "device"}
    assert np.isclose(result["accuracy"]["device"]["mae"], result["accuracy"]["twin"]["mae"], rtol=0, atol=0)
