"""Instructions of the filters on a Cortex-M4F, beside CMSIS-DSP's (peers.json), and the cost model's constants.

Each configuration of benchmarks/front_end_bench is built with arm-none-eabi-gcc and counted by m4cost. The constants of
`myo_export.front_end_cost` are fitted to one half of the configurations and checked on the other.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_network import COMPILER, CPU_FLAGS, LINK_FLAGS, PEERS, find_m4cost, missing_tools
from myo_export import cmsis_dsp
from myo_export.front_end_cost import count_apart_terms, count_step_terms, count_terms, predict_front_end
from myo_pipeline.bundle import write_json
from myo_pipeline.steps import BLOCK_FRAMES, Kind, Step

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "front_end.json"
BIQUAD = "Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"
CONFIGURATIONS = list(itertools.product((4, 8, 16), (0, 1, 3, 5), (10, 32, 50, 100)))
# As front_end_bench/main.c runs them: taps, or for a matrix 1 where it only picks.
OTHERS = (
    ("scale", Kind.RECTIFY, 0), ("align", Kind.RECTIFY, 0), ("rectify", Kind.RECTIFY, 0), ("mean", Kind.MEAN, 37),
    ("decimate", Kind.DECIMATE, 0), ("tkeo", Kind.TKEO, 0), ("fir", Kind.FIR, 8), ("fir", Kind.FIR, 64),
    ("matrix", Kind.MATRIX, 1), ("matrix", Kind.MATRIX, 2), ("fir that decimates", Kind.FIR, 8),
    ("fir that decimates", Kind.FIR, 64), ("sos wide", Kind.SOS_WIDE, 1), ("sos wide", Kind.SOS_WIDE, 3),
)  # fmt: skip
HEARTS = (160, 96)  # windows of beats that are removed
FACTOR = 4  # of what decimates
STANDARD = (8, 3, 100)  # the budget's: 8 channels at 2 kHz, three sections, a hop of 50 ms
RATE_HZ, CLOCK_HZ, BLOCK_SAMPLES, WINDOW = 2000, 64e6, 64, 400  # as front_end_bench/main.c has them


def count(channels: int, sections: int, hop: int, counter: Path) -> tuple[list[float], float, list[float]]:
    """Instructions of 64 samples through 1 to 4 sections, of the front end of one hop, and of OTHERS."""
    cmsis = cmsis_dsp.locate()
    core, nets = ROOT / "firmware" / "core", HERE / "net_bench"
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "front_end.elf"
        command = [COMPILER, *CPU_FLAGS, "-std=c11", "-O3", f"-DN_CHANNELS={channels}u", f"-DN_SECTIONS={sections}u",
                   f"-DHOP={hop}u", f"-I{nets}", f"-I{core}", f"-I{ROOT / 'firmware' / 'ports'}",
                   "-isystem", str(cmsis / "Include"), f"-I{cmsis / 'PrivateInclude'}", "-w",
                   str(HERE / "front_end_bench" / "main.c"), *map(str, sorted((core / "dsp").glob("*.c"))),
                   *map(str, sorted((core / "stream").glob("*.c"))), str(cmsis / BIQUAD), str(nets / "startup.c"),
                   *LINK_FLAGS, "-o", str(image)]  # fmt: skip
        subprocess.run(command, check=True)
        counted = subprocess.run(
            [sys.executable, str(counter), str(image)], check=True, capture_output=True, text=True
        )
    instructions = [json.loads(line)["instr"] for line in counted.stdout.splitlines()]
    return [n / BLOCK_SAMPLES for n in instructions[1:5]], instructions[5], instructions[6:]


def list_terms(name: str, kind: Kind, n: int, channels: int, frames: int) -> tuple[float, ...]:
    """Return how often each part of one of OTHERS runs."""
    given = frames // FACTOR
    if name == "fir that decimates":
        return count_apart_terms(channels, n, frames, given, 1)
    if kind is Kind.SOS_WIDE:
        return 1, channels, channels * n, channels * n * frames
    products = n * channels if kind is Kind.MATRIX and n == 1 else channels**2 if kind is Kind.MATRIX else n
    return count_step_terms(kind, channels, products, given if kind is Kind.DECIMATE else frames, 1)


def fit_others(measured: dict[int, list[float]]) -> dict[str, list[float]]:
    """Fit each kind of step to what it took with each number of channels; print how far off the fit is at most."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    for channels, instructions in measured.items():
        taken = iter(instructions)
        for frames in (8, BLOCK_FRAMES):
            for name, kind, n in OTHERS:
                rows.setdefault(name, []).append((*list_terms(name, kind, n, channels, frames), next(taken)))
            for window, n_beats in itertools.product(HEARTS, (0, 1)):
                beats = n_beats * channels
                terms = (1, channels, frames, frames * channels, beats, beats * window)
                rows.setdefault("ecg", []).append((*terms, next(taken)))
    found = {}
    for name, values in rows.items():
        table = np.array(values)
        terms, took = table[:, :-1], table[:, -1]
        constants = np.linalg.lstsq(terms / took[:, None], np.ones(len(took)), rcond=None)[0]
        off = np.abs(terms @ constants / took - 1).max()
        found[name] = [round(float(c), 2) for c in constants]
        print(f"{name}: {', '.join(f'{c:.2f}' for c in constants)}; off by {100 * off:.1f} % at most")
    return found


def main() -> int:
    """Count, fit, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    counter = find_m4cost()
    if counter is None or missing_tools():
        print("bench_filters: needs m4cost (set $MYOPATCH_M4COST), arm-none-eabi-gcc and qemu-system-arm")
        return 2
    rows, measured, cascade = [], [], []
    others: dict[int, list[float]] = {}
    for channels, sections, hop in track(CONFIGURATIONS, "counting", console=Console(stderr=True)):
        cascade, instructions, others[channels] = count(channels, sections, hop, counter)
        rows.append(count_terms(channels, sections, hop, WINDOW))
        measured.append(instructions)
    terms, counts = np.array(rows, float), np.array(measured, float)
    half = np.random.default_rng(1).permutation(len(counts))[::2]
    constants = np.linalg.lstsq(terms[half] / counts[half, None], np.ones(len(half)), rcond=None)[0]
    predicted = np.array(
        [
            predict_front_end(
                [Step(Kind.SOS, c, c, 0, 1, s, np.zeros(0, np.int32))] if s else [], c, hop, WINDOW
            )
            for c, s, hop in CONFIGURATIONS
        ]
    )
    off = np.abs(predicted / counts - 1)[np.setdiff1d(np.arange(len(counts)), half)]
    theirs = json.loads(PEERS.read_text())["cmsis_dsp_1_10_3_O3_instr_per_sample_block64"]["biquad_df1_q31"]
    for n, name in ((1, "1_stage"), (2, "2_stages"), (4, "4_stages")):
        print(
            f"biquad Q31, {n} section(s), instructions a sample: MyoPatch {cascade[n - 1]:.1f}, CMSIS-DSP {theirs[name]}"
        )
    whole = counts[CONFIGURATIONS.index(STANDARD)]
    share = whole * RATE_HZ / STANDARD[2] / CLOCK_HZ
    print(
        f"8 channels at 2 kHz, three sections, hop of 100: {whole:,.0f} instructions, {100 * share:.2f} % of 64 MHz"
    )
    average, most = 100 * off.mean(), 100 * off.max()
    print(
        f"cost model, on the half that it was not fitted to: off by {average:.2f} % on average, {most:.2f} % at most"
    )
    print(f"fitted now: {', '.join(f'{c:.2f}' for c in constants)}")
    steps = fit_others(others)
    found = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    found["filters"] = {
        "how": "benchmarks/bench_filters.py: m4cost on mps2-an386, arm-none-eabi-gcc -O3",
        "biquad_q31_per_sample": dict(zip(("1", "2", "3", "4"), cascade, strict=True)),
        "cmsis_dsp_biquad_q31_per_sample": theirs,
        "block_frames": BLOCK_FRAMES,
        "hops": [
            {"channels": c, "sections": s, "hop": h, "instructions": m, "predicted": round(float(p))}
            for (c, s, h), m, p in zip(CONFIGURATIONS, measured, predicted, strict=True)
        ],
        "share_of_64_mhz": share,
        "steps": steps,
    }
    write_json(arguments.out, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
