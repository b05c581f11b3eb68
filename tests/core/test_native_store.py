"""The native board's heads in a file: a kill at any moment of a commit loses that commit at most."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from core_build import FIRMWARE, FOLDER, SANITIZERS, STRICT

# Three places of 4 kB in a slot of 16 kB, so that the fourth record takes the other slot and the seventh an erase.
PATCH_CONFIG = """#include "calibration/myo_calibration.h"
#define PATCH_CALIBRATION_WORDS 126u
#define PATCH_N_OUTPUTS 8u
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    folder = tmp_path_factory.mktemp("native_store")
    (folder / "patch_config.h").write_text(PATCH_CONFIG)
    core = FIRMWARE / "core"
    subprocess.run(
        [compiler, *STRICT, *SANITIZERS, *(f"-I{path}" for path in (core, FIRMWARE / "ports", folder)),
         str(FOLDER / "native_store_harness.c"), str(core / "calibration/myo_store.c"), str(core / "link/myo_crc32.c"),
         "-o", str(folder / "harness")],
        check=True)  # fmt: skip
    return folder / "harness"


@pytest.mark.parametrize(
    ("before", "operation", "allowed"),
    [
        ("", "S1", {0, 1}),  # into a new file, which is erased first
        ("S1S2", "S3", {2, 3}),
        ("S1S2S3S4S5S6", "S7", {6, 7}),  # which erases the slot of the first three
        ("S1S2", "U", {2, 1}),
        ("S1", "U", {1, 0}),
        ("S1S2", "C", {2, 0}),
    ],
)
def test_a_kill_at_any_moment_loses_that_operation_at_most(
    program: Path, tmp_path: Path, before: str, operation: str, allowed: set[int]
) -> None:
    run = subprocess.run([program, tmp_path, before, operation], capture_output=True, text=True, check=True)
    rows = [tuple(map(int, line.split())) for line in run.stdout.splitlines()]
    assert len(rows) == rows[0][0] + 1 > 50
    assert rows[0][1] == int(operation[1]) if operation[0] == "S" else rows[0][1] in allowed
    assert {then for then, _ in rows[1:]} == allowed  # both do happen
    assert {after for _, after in rows[1:]} == {9}


def refuse(program: Path, folder: Path, store: Path) -> str:
    """Return what a process says that is given such a file."""
    (folder / "work").unlink(missing_ok=True)
    (folder / "before").unlink(missing_ok=True)
    (folder / "before").symlink_to(store)
    return subprocess.run([program, folder, "S1", "S2"], capture_output=True, text=True, check=False).stderr


def test_a_file_that_is_no_store_is_left_alone(program: Path, tmp_path: Path) -> None:
    store = tmp_path / "letter.txt"
    store.write_text("Dear store,")
    said = refuse(program, tmp_path, store)
    assert "cannot keep heads in" in said
    assert "it is something else" in said
    assert store.read_text() == "Dear store,"
    assert "No such file or directory" in refuse(program, tmp_path, tmp_path / "nowhere" / "file")
