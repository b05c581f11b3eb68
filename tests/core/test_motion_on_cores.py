"""Motion removal on emulated Cortex-M cores, from the export's own C: every word against the twin, by a hash."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest

import bench_motion as bench
from bare_machine import EMULATOR, MACHINES
from myo_export.motion import ProvedMotion

N_FRAMES = 700

pytestmark = pytest.mark.skipif(
    shutil.which(bench.COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {bench.COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)


@functools.cache
def prepare() -> tuple[ProvedMotion, int]:
    """Return a removal, and the hash of what the twin gives in blocks of random sizes."""
    motion = bench.prove(3, 3, 104.0)
    return motion, bench.hash_twin(motion, N_FRAMES, 0)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_word_on_a_core(machine: str, tmp_path: Path) -> None:
    motion, expected = prepare()
    image = bench.build_image(motion, N_FRAMES, 0, tmp_path, machine)
    assert bench.run_hash(image, machine) == expected
