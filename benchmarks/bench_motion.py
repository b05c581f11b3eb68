"""Cost of the removal of motion on a Cortex-M4F, whether every word is the twin's, and the cost model's constants.

usage: python benchmarks/bench_motion.py [--out FILE]

Each configuration is built from the export's own C and counted by m4cost, as in bench_network.py. The constants of
`myo_export.motion_cost` are fitted to one half of the configurations and checked on the other.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import bare_machine
from bench_network import C_FLAGS, COMPILER, CPU_FLAGS, MACHINE, count_instructions
from myo_export import cmsis_dsp
from myo_export.aux_streams import quantize_aux
from myo_export.emit_front_end import list_headers
from myo_export.emit_motion import render_motion
from myo_export.front_end import quantize_front_end
from myo_export.motion import ProvedMotion, quantize_motion
from myo_export.motion_cost import count_motion_terms, predict_motion_instructions
from myo_pipeline.bundle import write_json
from myo_pipeline.motion_twin import MotionTwin
from myo_pipeline.spec import parse_spec
from myo_pipeline.steps import BLOCK_FRAMES
from window_image import CORE_DIR, begin, link_image

RUN_TIMEOUT_S = 60
RATE_HZ, CLOCK_HZ = 1000, 64e6
BIQUAD = "Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"
# Channels, taps, rate of the stream and frames a block; the first is what docs/front_end.md states.
CONFIGURATIONS = [
    (8, 3, 200, 32),
    *itertools.product((2, 8), (1, 3, 8), (100, 200, 500), (16, 32)),
]


def prove(channels: int, taps: int, own_hz: float, rate_hz: float = RATE_HZ) -> ProvedMotion:
    """Return the removal by an accelerometer of three axes, in fixed point."""
    spec = parse_spec(
        f'format = 1\nname = "bench"\n[sensor]\nchannels = {channels}\nrate_hz = {rate_hz}\nlsb_uv = 1.0\nadc_bits = 16\n'
        '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 90.0\n[[aux]]\nname = "wrist"\nkind = "accelerometer"\n'
        f'channels = 3\nrate_hz = {own_hz}\nlsb = 0.0005\nadc_bits = 16\n[motion]\nreference = "wrist"\ntaps = {taps}\n'
        '[window]\nwindow_ms = 1000.0\nhop_ms = 500.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n'
        '[training]\ndata = "none"\n'
    )
    front_end = quantize_front_end(spec)
    motion = quantize_motion(spec, front_end, quantize_aux(spec, front_end))
    if motion is None:  # pragma: no cover - the spec has one
        raise ValueError("no [motion]")
    return motion


def draw_words(motion: ProvedMotion, n_frames: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what motion_bench/main.c draws: words, (n_frames or a few more, channels), and marks."""
    config, state = motion.config, 1
    rows: list[list[int]] = []

    def draw() -> int:
        nonlocal state
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        return state >> 16

    while len(rows) < n_frames:
        for _ in range(block or 1 + draw() % BLOCK_FRAMES):
            moves = len(rows) % 100 < 40
            sizes = [draw() - 32768 if moves else (draw() & 63) - 32 for _ in range(config.n_reference)]
            emg = [((draw() - 32768) << 12) + sum(s << 11 for s in sizes) for _ in range(config.n_emg)]
            rows.append([*emg, *(s << 14 for s in sizes)])
    return np.array(rows, np.int64).astype(np.int32), np.arange(len(rows)) % 301 == 300


def hash_twin(motion: ProvedMotion, n_frames: int, block: int) -> int:
    """Return the hash of what the twin gives."""
    found = 0
    given = MotionTwin(motion.config).run(*draw_words(motion, n_frames, block))
    for word in given[:, : motion.config.n_emg].ravel().tolist():
        found = (found * 31 + word) & 0xFFFFFFFF
    return found


def build_image(
    motion: ProvedMotion, n_frames: int, block: int, folder: Path, machine: str = MACHINE
) -> Path:
    """Compile a removal to an image for a machine.

    Raises
    ------
    BuildError
        If the C cannot be compiled.
    """
    config, cmsis = motion.config, cmsis_dsp.locate()
    sizes = {
        "N_EMG": config.n_emg, "FIRST": config.first, "N_REFERENCE": config.n_reference, "WORDS": config.memory_words,
        "N_CHANNELS": config.first + config.n_reference, "N_FRAMES": n_frames, "BLOCK": block,
    }  # fmt: skip
    source = [
        '#include "dsp/myo_motion.h"',
        *(f'#include "{header}"' for header in list_headers(motion.front_end)),
    ]
    source += [f"#define {key} {value}u" for key, value in sizes.items()]
    (folder / "generated_motion.c").write_text("\n".join([*source, *render_motion(motion), ""]))
    dsp = CORE_DIR / "dsp"
    sources = [
        Path(__file__).resolve().parent / "motion_bench" / "main.c",
        *(dsp / f"myo_{name}.c" for name in ("motion", "front_end", "scale")),
        *sorted(dsp.glob("*sos*.c")),
        cmsis / BIQUAD,
    ]
    flags = [
        "-w",
        "-isystem",
        str(cmsis / "Include"),
        f"-I{cmsis / 'PrivateInclude'}",
        f"-I{CORE_DIR.parent / 'ports'}",
    ]
    return link_image(sources, folder, machine, [*flags, "-DARM_MATH_AUTOVECTORIZE"])


def run_hash(image: Path, machine: str = MACHINE) -> int:
    """Return the hash that an image prints; -1 where it prints none."""
    said = bare_machine.run_image(machine, image, RUN_TIMEOUT_S).split()
    return int(said[1]) if said[:1] == ["HASH"] and len(said) == 2 else -1


def main() -> int:
    """Count, compare, fit, print and write."""
    begun = begin("bench_motion", "Cost of the removal of motion on a Cortex-M4F.")
    if begun is None or begun[1] is None:
        return 2
    out, counter = begun
    terms, counts, predicted, rows = [], [], [], []
    n_differing = 0
    for channels, taps, own_hz, block in CONFIGURATIONS:
        motion = prove(channels, taps, own_hz)
        n_frames = 32 * 60
        with tempfile.TemporaryDirectory() as folder:
            image = build_image(motion, n_frames, block, Path(folder))
            n_differing += run_hash(image) != hash_twin(motion, n_frames, block)
            instructions, cycles = count_instructions(image, counter)
        c = motion.config
        terms.append(count_motion_terms(c, block))
        counts.append(instructions)
        predicted.append(predict_motion_instructions(motion, block))
        rows.append(
            {"channels": channels, "taps": taps, "stream_hz": own_hz, "block": block, "instructions": instructions,
             "cycles": cycles, "per_sample": instructions / block / channels, "memory_bytes": 4 * c.memory_words}
        )  # fmt: skip
    table, took = np.array(terms), np.array(counts)
    half = np.random.default_rng(1).permutation(len(took))[::2]
    constants = np.linalg.lstsq(table[half] / took[half, None], np.ones(len(half)), rcond=None)[0]
    rest = np.setdiff1d(np.arange(len(took)), half)
    off = np.abs(np.array(predicted)[rest] / took[rest] - 1)
    first = rows[0]
    share = counts[0] / BLOCK_FRAMES * RATE_HZ / CLOCK_HZ
    print(
        f"8 channels at 1 kHz, 3 taps of 3 axes at 200 Hz: {counts[0]:.0f} instructions a block of {BLOCK_FRAMES}, "
        f"{first['per_sample']:.1f} a sample and channel, {100 * share:.2f} % of 64 MHz; "
        f"{n_differing} images differ from the twin"
    )
    print(f"cost model: off by {100 * off.mean():.1f} % on average, {100 * off.max():.1f} % at most")
    print(f"fitted now: {', '.join(f'{c:.2f}' for c in constants)}")
    old = json.loads(out.read_text()) if out.exists() else {}
    how = f"mps2-an386 under QEMU, {COMPILER}, {' '.join([*CPU_FLAGS, *C_FLAGS])}; mean of the blocks"
    write_json(out, {**old, "motion": {"how": how, "share_of_64_mhz": share, "configurations": rows}})
    return 1 if n_differing else 0


if __name__ == "__main__":
    sys.exit(main())
