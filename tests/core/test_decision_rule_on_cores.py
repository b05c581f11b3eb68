"""Every way to decide on emulated Cortex-M cores, every decision against the twin."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import bench_decision as bench
from bare_machine import EMULATOR, MACHINES
from window_image import run_comparison

pytestmark = pytest.mark.skipif(
    shutil.which(bench.COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {bench.COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("way", ["average", "bayes, held"])
def test_every_decision_on_a_core(machine: str, way: str, tmp_path: Path) -> None:
    n_windows = bench.write_sources(bench.WAYS[way], 22, tmp_path)
    differing, found, _ = run_comparison(bench.build_image(tmp_path, machine), machine)
    assert (differing, found) == (0, n_windows)
