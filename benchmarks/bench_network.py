"""Cost of the compiled networks on a Cortex-M4F, beside other engines' (peers.json), and whether every word is right.

usage: python benchmarks/bench_network.py [--models FOLDER] [--out FILE]

The models are looked for in --models, $MYOPATCH_BENCH, then ../shared/bench beside the repository; each is
NAME.tflite with NAME_inputs.npy and NAME_outputs.npy. Each is compiled to C, built with arm-none-eabi-gcc,
and run under QEMU (mps2-an386) on all its inputs. Instructions are counted by m4cost, looked for in
$MYOPATCH_M4COST, then ../shared/tools/m4cost/m4cost; without it the figures are left out. Then the same on a Cortex-M55
(mps3-an547), where `-icount` and the core's timer count instructions.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from elftools.elf.elffile import ELFFile

import bare_machine
from bare_machine import EMULATOR
from myo_export.emit_net import emit_network, render_network, write_files
from myo_export.emit_net_step import Kernels
from myo_export.network_report import NetworkReport, report_network
from myo_export.pack_dsp import Optimize
from myo_pipeline.errors import BuildError, MyoError

ROOT = Path(__file__).resolve().parents[1]
NN_DIR = ROOT / "firmware" / "core" / "nn"
BENCH_DIR = Path(__file__).resolve().parent / "net_bench"
PEERS = Path(__file__).resolve().parent / "peers.json"
RESULTS = Path(__file__).resolve().parent / "results" / "network.json"

COMPILER = "arm-none-eabi-gcc"
MACHINE = "mps2-an386"
HELIUM_MACHINE = "mps3-an547"
CPU_FLAGS = bare_machine.MACHINES[MACHINE].cpu
LINK_FLAGS = ["-Wl,--gc-sections", *bare_machine.MACHINES[MACHINE].link_flags()]
C_FLAGS = [
    "-std=c11",
    "-O3",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
    "-ffunction-sections",
    "-fdata-sections",
]
KERNELS_OF_M55: tuple[Kernels, ...] = ("mve", "dsp")
WAYS: tuple[Optimize, ...] = ("speed", "size")
STREAM_HOP = 40  # time steps a push, of models with a time axis
PEER_NAMES = {
    "tflm_cmsis_nn_O3": "TFLM, CMSIS-NN",
    "tflm_reference_kernels_O3_instr": "TFLM, reference kernels",
    "onnx2c_float32_O3_instr": "onnx2c, float32",
    "emlearn_float32_O3_instr": "emlearn, float32",
}
RUN_TIMEOUT_S = 120


@dataclass(frozen=True)
class BenchResult:
    """One model's figures; instructions are the mean of the first inputs, None where m4cost is absent."""

    model: str
    optimize: str
    macs: int
    instructions: float | None
    cycles: float | None
    flash_without_model: int
    model_flash: int
    arena: int
    arena_lower_bound: int
    stack: int
    differing_words: int
    equal_inputs: int
    n_inputs: int


@dataclass(frozen=True)
class StreamResult:
    """A push of one model beside a run of it, both with wide weights.

    ``arena`` is what pushes alone need; ``instructions`` and ``share`` are None where m4cost is absent.
    """

    model: str
    hop: int
    macs: int
    instructions: float | None
    cycles: float | None
    share: float | None
    arena: int
    stack: int
    recomputed_from: list[str]
    equal_inputs: int
    n_inputs: int


@dataclass(frozen=True)
class HeliumResult:
    """Instructions of one model on a Cortex-M55 with each set of kernels, the mean of the first inputs."""

    model: str
    macs: int
    instructions_mve: float
    instructions_dsp: float
    equal_inputs: int
    n_inputs: int


@dataclass(frozen=True)
class Run:
    """What an image reports; its instructions a region hold if it counts ticks and QEMU counts instructions."""

    differing: int
    equal: int
    total: int
    stack: int
    instructions: float


def find_models(folder: Path | None = None) -> Path | None:
    """Folder of the bench models: given, from the environment, or beside the repository; None if absent."""
    candidates = [folder, os.environ.get("MYOPATCH_BENCH"), ROOT.parent / "shared" / "bench"]
    for candidate in candidates:
        for place in (Path(candidate), Path(candidate) / "models") if candidate else ():
            if any(place.glob("*_inputs.npy")):
                return place
    return None


def find_m4cost() -> Path | None:
    """Find the instruction counter; None if absent."""
    given = os.environ.get("MYOPATCH_M4COST")
    place = Path(given) if given else ROOT.parent / "shared" / "tools" / "m4cost" / "m4cost"
    return place if place.is_file() else None


def missing_tools() -> list[str]:
    """Tools that the virtual board needs and that are not on the path."""
    return [tool for tool in (COMPILER, EMULATOR) if shutil.which(tool) is None]


def build_image(
    models: Path,
    name: str,
    folder: Path,
    optimize: Optimize = "speed",
    hop: int | None = None,
    machine: str = MACHINE,
    kernels: Kernels = "dsp",
) -> tuple[Path, NetworkReport]:
    """Compile a model and its recorded vectors to an image for a machine; with a hop, one that pushes.

    On any machine but the Cortex-M4, whose counts come from m4cost, the image counts its ticks.

    Raises
    ------
    MyoError
        If the model or the C cannot be compiled.
    """
    model = (models / f"{name}.tflite").read_bytes()
    if hop is None:
        report = emit_network(model, folder, f"bench model {name}", kernels, optimize)
    else:
        text = render_network(model, f"bench model {name}", kernels, optimize, hop)
        write_files(folder, {"net.h": text.header, "net.c": text.source})
        report = report_network(text)
    inputs, outputs = (np.load(models / f"{name}_{end}.npy") for end in ("inputs", "outputs"))
    (folder / "vectors.h").write_text(_vectors(inputs, outputs))
    image = folder / f"{name}.elf"
    sources = [*sorted(NN_DIR.glob("*.c")), folder / "net.c", BENCH_DIR / "main.c", BENCH_DIR / "startup.c"]
    target = bare_machine.MACHINES[machine]
    command = [COMPILER, *target.cpu, *C_FLAGS, "-Wl,--gc-sections", *target.link_flags()]
    command += ["-DBOARD_COUNTS_TICKS"] * (machine != MACHINE)
    command += [f"-I{NN_DIR}", f"-I{BENCH_DIR}", f"-I{folder}", *map(str, sources), "-o", str(image)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BuildError(
            f"{name}: {COMPILER} failed ({run.stderr.strip().splitlines()[:1]}); see the sources in {folder}"
        )
    return image, report


def _vectors(inputs: np.ndarray, outputs: np.ndarray) -> str:
    text = f"#include <stdint.h>\n#define N_VECTORS {len(inputs)}u\n"
    for what, words in (("inputs", inputs), ("outputs", outputs)):
        rows = ",\n".join(
            "{" + ",".join(str(v) for v in row) + "}" for row in words.reshape(len(words), -1).tolist()
        )
        size = words.reshape(len(words), -1).shape[1]
        place = '__attribute__((section(".bench_vectors")))'
        text += f"{place} static const int8_t vector_{what}[N_VECTORS][{size}] = {{\n{rows}}};\n"
    return text


def run_image(image: Path, machine: str = MACHINE) -> tuple[int, int, int]:
    """Run an image under QEMU; give differing words, equal inputs, and inputs.

    Raises
    ------
    BuildError
        If the image does not report.
    """
    found = _run(image, machine)
    return found.differing, found.equal, found.total


def _run(image: Path, machine: str = MACHINE, is_counted: bool = False) -> Run:
    try:
        text = bare_machine.run_image(machine, image, RUN_TIMEOUT_S, is_counted)
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"{image.name}: no end within {RUN_TIMEOUT_S} s under {EMULATOR}; see the image"
        ) from error
    found = re.search(r"DIFFERING (\d+) EQUAL (\d+) OF (\d+) STACK (\d+)(?: TICKS (\d+) IN (\d+))?", text)
    if found is None:
        raise BuildError(
            f"{image.name}: printed {text[:80]!r} under {EMULATOR}, expected a count; see the image"
        )
    differing, equal, total, stack, ticks, regions = (int(n) for n in found.groups("1"))
    return Run(differing, equal, total, stack, bare_machine.MACHINES[machine].instructions(ticks / regions))


def count_instructions(image: Path, counter: Path) -> tuple[float, float]:
    """Mean instructions and estimated cycles of the regions after the empty one.

    Raises
    ------
    BuildError
        If the counter fails.
    """
    run = subprocess.run(
        [sys.executable, str(counter), str(image)], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise BuildError(
            f"{image.name}: m4cost failed ({run.stderr.strip()[-120:]}); it needs capstone and a C compiler"
        )
    regions = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")][1:]
    return float(np.mean([r["instr"] for r in regions])), float(np.mean([r["cycles"] for r in regions]))


def flash_without_vectors(image: Path) -> int:
    """Bytes of code and constants in an image, without the recorded vectors."""
    with image.open("rb") as file:
        sections = [(s.name, s["sh_size"], s["sh_flags"]) for s in ELFFile(file).iter_sections()]
    allocated = 2  # SHF_ALLOC
    return sum(
        size for name, size, flags in sections if flags & allocated and name not in (".bss", ".vectors_data")
    )


def bench_model(models: Path, name: str, optimize: Optimize, counter: Path | None) -> BenchResult:
    """Compile, run and measure one model."""
    with tempfile.TemporaryDirectory() as folder:
        image, report = build_image(models, name, Path(folder), optimize)
        run = _run(image)
        instructions, cycles = count_instructions(image, counter) if counter else (None, None)
        flash = flash_without_vectors(image)
    return BenchResult(
        name,
        optimize,
        report.macs,
        instructions,
        cycles,
        flash - report.flash_bytes,
        report.flash_bytes,
        report.arena_bytes,
        report.arena_lower_bound_bytes,
        run.stack,
        run.differing,
        run.equal,
        run.total,
    )


def bench_stream(models: Path, full: BenchResult, counter: Path | None) -> StreamResult | None:
    """Compile, push and measure one model; None if it has no window over time."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            image, report = build_image(models, full.model, Path(folder), hop=STREAM_HOP)
        except MyoError as error:
            if "--hop" not in str(error):
                raise
            return None
        run = _run(image)
        instructions, cycles = count_instructions(image, counter) if counter else (None, None)
    stream = report.stream
    if stream is None:
        return None
    return StreamResult(
        full.model,
        stream.hop,
        stream.macs_push,
        instructions,
        cycles,
        round(instructions / full.instructions, 4) if instructions and full.instructions else None,
        stream.push_bytes,
        run.stack,
        [f"layer {o.index} ({o.op_name}) {o.reason}" for o in stream.obstacles],
        run.equal,
        run.total,
    )


def bench_helium(models: Path, name: str) -> HeliumResult:
    """Count a model's instructions on a Cortex-M55: QEMU's clock moves with them alone, and the core's timer reads it."""
    runs = []
    for kernels in KERNELS_OF_M55:
        with tempfile.TemporaryDirectory() as folder:
            image, report = build_image(models, name, Path(folder), machine=HELIUM_MACHINE, kernels=kernels)
            runs.append(_run(image, HELIUM_MACHINE, is_counted=True))
    mve, dsp = runs
    equal = min(mve.equal, dsp.equal)
    return HeliumResult(name, report.macs, mve.instructions, dsp.instructions, equal, mve.total)


def _row(*cells: str) -> str:
    widths = (14, 26, 10, 8, 10, 16, 7, 6, 6)
    return " ".join(
        cell.ljust(width) if i < 2 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def _print_cost(model: str, engine: str, cost: dict[str, Any]) -> None:
    def number(key: str) -> str:
        return f"{cost[key]:.0f}" if cost.get(key) is not None else "-"

    per_mac = f"{cost['instr'] / cost['macs']:.2f}" if cost.get("instr") else "-"
    equal = f"{cost['equal_inputs']}/{cost['n_inputs']}" if "equal_inputs" in cost else ""
    cells = [number(key) for key in ("cycles", "flash_without_model", "ram", "stack")]
    print(_row(model, engine, number("instr"), per_mac, *cells, equal))


def main() -> int:
    """Bench every model that compiles, print a table, write the results."""
    parser = argparse.ArgumentParser(description="Cost of compiled networks on a Cortex-M4F.")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    models, counter = find_models(arguments.models), find_m4cost()
    if models is None or missing_tools():
        wanted = "the bench models (set $MYOPATCH_BENCH)" if models is None else " and ".join(missing_tools())
        print(f"bench_network: {wanted} not found")
        return 2
    if counter is None:
        print("bench_network: m4cost not found (set $MYOPATCH_M4COST); instruction counts are left out")
    peers = json.loads(PEERS.read_text())
    print(_row("model", "engine", "instr", "per MAC", "cycles", "flash w/o model", "RAM", "stack", "equal"))
    results, streams, heliums = [], [], []
    for path in sorted(models.glob("*.tflite")):
        try:
            found = [bench_model(models, path.stem, optimize, counter) for optimize in WAYS]
        except MyoError as error:
            print(f"{path.stem:14} {error}")
            continue
        results += found
        for r in found:
            _print_cost(
                r.model, f"MyoPatch, {r.optimize}", asdict(r) | {"instr": r.instructions, "ram": r.arena}
            )
        pushed = bench_stream(models, found[0], counter)
        if pushed is not None:
            streams.append(pushed)
            _print_cost(
                path.stem,
                f"MyoPatch, hop {pushed.hop}",
                asdict(pushed) | {"instr": pushed.instructions, "ram": pushed.arena},
            )
        helium = bench_helium(models, path.stem)
        heliums.append(helium)
        for engine, count in (("Helium", helium.instructions_mve), ("DSP", helium.instructions_dsp)):
            _print_cost(path.stem, f"MyoPatch, M55, {engine}", asdict(helium) | {"instr": count})
        for engine, name in PEER_NAMES.items():
            if path.stem in peers[engine]:
                cost = peers[engine][path.stem]
                cost = cost if isinstance(cost, dict) else {"instr": cost}
                _print_cost(path.stem, name, {"macs": found[0].macs} | cost)
    version = subprocess.run(
        [COMPILER, "-dumpversion"], capture_output=True, text=True, check=True
    ).stdout.strip()
    flags = " ".join([*CPU_FLAGS, *C_FLAGS])
    how = f"mps2-an386 under QEMU, {COMPILER} {version} {flags}; mean of the first 8 inputs"
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "how": how,
        "kernels": "DSP extension",
        "models": [asdict(r) for r in results],
        "streams": [asdict(r) for r in streams],
        "how_helium": f"{HELIUM_MACHINE} under QEMU -icount, {' '.join(bare_machine.MACHINES[HELIUM_MACHINE].cpu)}",
        "helium": [asdict(r) for r in heliums],
    }
    temporary = arguments.out.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(arguments.out)
    is_right = all(r.equal_inputs == r.n_inputs for r in [*results, *streams, *heliums])
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
