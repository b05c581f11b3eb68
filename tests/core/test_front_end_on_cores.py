"""A chain of every kind of step on emulated Cortex-M cores, from generated C: every word against the twin, by a hash."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bare_machine import BOARD_DIR, EMULATOR, MACHINES, run_image
from front_end_case import make_chain
from myo_export import cmsis_dsp
from myo_export.emit_front_end import list_headers, render_steps
from myo_export.front_end import FrontEnd, quantize_front_end
from myo_export.front_end_analysis import make_filter_twin
from myo_pipeline.steps import BLOCK_FRAMES, Kind

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
BIQUAD = "Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"
COMPILER = "arm-none-eabi-gcc"
RATE_HZ, N_FRAMES, BEAT_FRAMES, N_CHANNELS = 250.0, 1800, 190, 3  # 7 s, of which 2 s teach what a beat is
TIMEOUT_S = 60
CHAIN = (
    'kind = "highpass"\ncutoff_hz = 0.05\norder = 3\n',
    'kind = "ecg"\nreference = 1\nbeats = 8\n',
    'kind = "notch"\nfrequency_hz = 50.0\n',
    'kind = "spatial"\nmode = "single_differential"\nring = true\n',
    'kind = "fir"\nn_taps = 20\nedges_hz = [30.0]\n',
    'kind = "tkeo"\n',
    'kind = "fir"\nn_taps = 25\nedges_hz = [20.0]\n',
    'kind = "decimate"\nfactor = 3\n',
    'kind = "moving_average"\nn = 7\n',
    'kind = "rectify"\n',
    'kind = "decimate"\nfactor = 2\nattenuation_db = 0\n',
    'kind = "spatial"\nmode = "common_average"\n',
)
KERNELS = ("ecg", "fir", "matrix", "moving_average", "rectify", "decimate", "tkeo", "scale", "front_end")

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)


def draw_counts() -> np.ndarray:
    """Return the board's counts; its blocks draw from the same generator."""
    state, rows = 1, []

    def draw() -> int:
        nonlocal state
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        return state >> 16

    while len(rows) < N_FRAMES:
        for _ in range(1 + draw() % BLOCK_FRAMES):
            beat = 1600 if len(rows) % BEAT_FRAMES < 6 else 0
            rows.append([draw() % 801 - 400 + beat for _ in range(N_CHANNELS)])
    return np.array(rows, np.int64)


@functools.cache
def prepare() -> tuple[FrontEnd, int]:
    """Return the chain in fixed point, and the hash of what the twin gives."""
    spec = make_chain(CHAIN, rate_hz=RATE_HZ)
    front_end = quantize_front_end(spec)
    found = 0
    for word in make_filter_twin(spec, front_end).filter(draw_counts()).ravel().tolist():
        found = (found * 31 + word) & 0xFFFFFFFF
    return front_end, found


def test_the_chain_has_every_kind() -> None:
    steps = prepare()[0].device_steps
    assert {step.kind for step in steps} == set(Kind)
    assert any(step.kind is Kind.FIR and step.decimation > 1 for step in steps)


@pytest.mark.parametrize("machine", MACHINES)
def test_chain_on_a_core(machine: str, tmp_path: Path) -> None:
    front_end, expected = prepare()
    sizes = {
        "INPUT_SHIFT": front_end.input_shift, "N_CHANNELS": N_CHANNELS, "STATE_WORDS": front_end.state_words,
        "WIDEST": front_end.widest, "N_FRAMES": N_FRAMES, "BEAT_FRAMES": BEAT_FRAMES,
    }  # fmt: skip
    source = [f'#include "{header}"' for header in list_headers(front_end)]
    source += [f"#define {key} {value}" for key, value in sizes.items()]
    (tmp_path / "generated_steps.c").write_text("\n".join([*source, *render_steps(front_end)]))
    cmsis, image = cmsis_dsp.locate(), tmp_path / "front_end.elf"
    command = [COMPILER, *MACHINES[machine].cpu, "-std=c11", "-O3", "-Wno-all", f"-I{BOARD_DIR}", f"-I{tmp_path}",
               f"-I{FIRMWARE / 'core'}", f"-I{FIRMWARE / 'ports'}", "-isystem", str(cmsis / "Include"),
               f"-I{cmsis / 'PrivateInclude'}", "-DARM_MATH_AUTOVECTORIZE", "-ffunction-sections", "-Wl,--gc-sections",
               str(Path(__file__).parent / "front_end_board.c"), str(BOARD_DIR / "startup.c"),
               *(str(FIRMWARE / "core" / "dsp" / f"myo_{kernel}.c") for kernel in KERNELS),
               *map(str, sorted((FIRMWARE / "core" / "dsp").glob("*sos*.c"))), str(cmsis / BIQUAD)]  # fmt: skip
    subprocess.run([*command, *MACHINES[machine].link_flags(), "-o", str(image)], check=True)
    assert run_image(machine, image, TIMEOUT_S).split() == ["HASH", str(expected)]
