"""Cascades on emulated Cortex-M cores, in each core's own instructions, against cmsisdsp: every word, by a hash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cmsisdsp
import numpy as np
import pytest

from bare_machine import BOARD_DIR, EMULATOR, MACHINES, run_image
from myo_export import cmsis_dsp

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
BIQUAD = "Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"
COMPILER = "arm-none-eabi-gcc"
N_CASCADES, N_BLOCKS, MAX_SECTIONS, MAX_BLOCK = 120, 5, 4, 40  # as in sos_board.c
TIMEOUT_S = 30

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)


class Draw:
    """The board's generator."""

    def __init__(self) -> None:
        self.state = 1

    def half(self) -> int:
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return self.state >> 16

    def word(self) -> int:
        value = self.half() << 16 | self.half()
        return value - (1 << 32) if value >> 31 else value


def expected_hash() -> int:
    draw, found = Draw(), 0
    for k in range(N_CASCADES):
        n_sections, divisor = 1 + k % MAX_SECTIONS, 1 << k % 3
        drawn = [draw.word() for _ in range(5 * n_sections)]
        coefficients = np.array([abs(w) // divisor * (1 if w >= 0 else -1) for w in drawn], np.int32)
        instance = cmsisdsp.arm_biquad_casd_df1_inst_q31()
        post_shift = k // MAX_SECTIONS % 6
        memory = np.zeros(4 * n_sections, np.int32)
        cmsisdsp.arm_biquad_cascade_df1_init_q31(instance, n_sections, coefficients, memory, post_shift)
        for _ in range(N_BLOCKS):
            n = draw.half() % (MAX_BLOCK + 1)
            words = np.array([draw.word() for _ in range(n)], np.int32)
            for y in cmsisdsp.arm_biquad_cascade_df1_q31(instance, words).tolist() if n else ():
                found = (found * 31 + y) & 0xFFFFFFFF
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_cascades_on_a_core(machine: str, tmp_path: Path) -> None:
    cmsis, image = cmsis_dsp.locate(), tmp_path / "sos.elf"
    command = [
        COMPILER,
        *MACHINES[machine].cpu,
        "-std=c11",
        "-O3",
        "-Wno-all",
        f"-I{BOARD_DIR}",
        f"-I{FIRMWARE / 'core'}",
    ]
    command += [
        f"-I{FIRMWARE / 'ports'}",
        "-isystem",
        str(cmsis / "Include"),
        f"-I{cmsis / 'PrivateInclude'}",
    ]
    # CMSIS-DSP's own Helium form is another function; the patch builds the scalar one.
    command += [
        "-DARM_MATH_AUTOVECTORIZE",
        str(Path(__file__).parent / "sos_board.c"),
        str(BOARD_DIR / "startup.c"),
    ]
    command += [*map(str, sorted((FIRMWARE / "core" / "dsp").glob("*sos*.c"))), str(cmsis / BIQUAD)]
    subprocess.run([*command, *MACHINES[machine].link_flags(), "-o", str(image)], check=True)
    assert run_image(machine, image, TIMEOUT_S).split() == ["HASH", str(expected_hash())]
