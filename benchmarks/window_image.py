"""What benches of window features share: one image that pushes words hop by hop, built, run, measured and told.

The image is window_bench/main.c; `subject.h`, which `write_subject` makes, says to it whether it pushes features or spectral
features. A decision is the push of one hop; the same code runs whichever they are.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from elftools.elf.elffile import ELFFile

sys.path.insert(0, str(Path(__file__).resolve().parent))
import bare_machine
from bare_machine import EMULATOR, MACHINES
from bench_network import (
    BENCH_DIR,
    C_FLAGS,
    COMPILER,
    CPU_FLAGS,
    MACHINE,
    ROOT,
    count_instructions,
    find_m4cost,
    missing_tools,
)
from myo_pipeline.bundle import write_json
from myo_pipeline.errors import BuildError

CORE_DIR = ROOT / "firmware" / "core"
MAIN = Path(__file__).resolve().parent / "window_bench" / "main.c"
SOURCES = [
    *sorted((CORE_DIR / "features").glob("*.c")),
    *(CORE_DIR / "dsp" / name for name in ("myo_fixed_math.c", "myo_fft.c")),
]
RESULTS = Path(__file__).resolve().parent / "results" / "front_end.json"
N_CHANNELS, HOP, N_WINDOWS = 8, 50, 10
RMS_WORDS = 1500
RUN_TIMEOUT_S = 60
_NAME_WIDTH = 66

Subject = Literal["correlation", "features", "spectrum"]


@dataclass(frozen=True)
class Measured:
    """An image's figures a decision; instructions are None where m4cost is absent."""

    instructions: float | None
    cycles: float | None
    flash: int
    memory_bytes: int
    equal_windows: int
    n_windows: int


def bench_words(n_frames: int, n_channels: int) -> np.ndarray:
    """Noise of EMG's size and spectrum, in words."""
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(n_frames + 1, n_channels))
    return np.round(RMS_WORDS * (noise[1:] + 0.7 * noise[:-1]) / 1.22).astype(np.int16)


def write_subject(
    subject: Subject, texts: tuple[str, str], x: np.ndarray, words: np.ndarray, folder: Path
) -> int:
    """Write a config's header and source, what they are of, frames, and the words expected; give the number of windows."""
    header, source = texts
    (folder / f"{subject}_config.h").write_text(header)
    (folder / "subject_config.c").write_text(source)
    upper = subject.upper()
    numbers = "".join(
        f"#define SUBJECT_{name} {upper}_{name}\n" for name in ("MEMORY_WORDS", "WINDOW", "HOP", "N_CHANNELS")
    )
    functions = "".join(
        f"#define subject_{name} myo_{subject}_{name}\n" for name in ("init", "push", "memory_words")
    )
    (folder / "subject.h").write_text(
        f'#include "{subject}_config.h"\ntypedef myo_{subject}_t subject_t;\n'
        f"#define subject_config {subject}_config\n{numbers}{functions}"
    )
    return write_vectors(x, words, folder)


def write_vectors(x: np.ndarray, words: np.ndarray, folder: Path) -> int:
    """Write frames and the words expected of them; give the number of windows."""
    rows = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in words.reshape(len(words), -1).tolist())
    rows = rows.replace("-2147483648", "INT32_MIN")
    frames = ",".join(map(str, x.reshape(-1).tolist()))
    place = '__attribute__((section(".bench_vectors")))'
    (folder / "vectors.h").write_text(
        f"#include <stdint.h>\n#define N_FRAMES {len(x)}u\n#define N_WINDOWS {len(words)}u\n"
        f"#define N_WORDS {words[0].size}u\n"
        f"{place} static const int16_t vector_frames[] = {{{frames}}};\n"
        f"{place} static const int32_t vector_words[N_WINDOWS][N_WORDS] = {{\n{rows}}};\n"
    )
    return len(words)


def render_vector(kind: str, name: str, values: Iterable[int]) -> str:
    """Write an array of a bench's vectors, in the memory that is theirs."""
    place = '__attribute__((section(".bench_vectors")))'
    return f"{place} static const {kind} {name}[] = {{{','.join(map(str, values))}}};"


def build_image(folder: Path, machine: str = MACHINE) -> Path:
    """Compile what :func:`write_subject` wrote to an image for a machine.

    Raises
    ------
    BuildError
        If the C cannot be compiled.
    """
    return link_image([*SOURCES, folder / "subject_config.c", MAIN], folder, machine)


def link_image(sources: Sequence[Path], folder: Path, machine: str, flags: Sequence[str] = ()) -> Path:
    """Compile sources to an image of a bench's board, as :func:`build_image`, with more of the compiler's flags."""
    image = folder / "bench.elf"
    target = MACHINES[machine]
    command = [COMPILER, *target.cpu, *C_FLAGS, "-Wl,--gc-sections", *target.link_flags()]
    command += [*flags, f"-I{CORE_DIR}", f"-I{BENCH_DIR}", f"-I{folder}"]
    command += [*map(str, [*sources, BENCH_DIR / "startup.c"]), "-o", str(image)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BuildError(f"{image}: {COMPILER} failed ({run.stderr.strip()[:300]}); see {folder}")
    return image


def run_image(image: Path, machine: str = MACHINE) -> tuple[int, int, int]:
    """Run an image of features; give differing words, equal windows, and words of memory.

    Raises
    ------
    BuildError
        If the image does not report.
    """
    found = _read_report(image, machine, r"DIFFERING (\d+) EQUAL (\d+) OF (\d+) MEMORY (\d+)")
    return int(found[1]), int(found[2]), int(found[4])


def run_comparison(image: Path, machine: str = MACHINE) -> tuple[int, int, int]:
    """Run an image that compares what it computes; give what differs, of how many, and bytes of memory.

    Raises
    ------
    BuildError
        If the image does not report.
    """
    found = _read_report(image, machine, r"DIFFERING (\d+) OF (\d+) MEMORY (\d+)")
    return int(found[1]), int(found[2]), int(found[3])


def _read_report(image: Path, machine: str, pattern: str) -> re.Match[str]:
    text = bare_machine.run_image(machine, image, RUN_TIMEOUT_S)
    found = re.search(pattern, text)
    if found is None:
        raise BuildError(f"{image.name}: printed {text[:80]!r} under {EMULATOR}, expected a count")
    return found


def flash_bytes(image: Path) -> int:
    """Bytes of code and constants of the features themselves, without the C library's."""
    with image.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        sizes = {
            s.name: s["st_size"]
            for s in symbols.iter_symbols()
            if s["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT")
        }
    own = ("myo_", "features_config", "accumulate", "block_lengths", "features", "finish", "needs",
           "spectrum_config", "turns", "bins", "taper", "segment_config", "stft_config", "wavelet_config", "packet_config",
           "taps", "splits", "measure_levels", "lay_out", "sums_fit", "engine_")  # fmt: skip
    return sum(size for name, size in sizes.items() if name.startswith(own))


def measure(folder: Path, n_windows: int, counter: Path | None) -> Measured:
    """Build, run and measure what :func:`write_subject` wrote."""
    return measure_image(build_image(folder), n_windows, counter)


def measure_image(image: Path, n_windows: int, counter: Path | None) -> Measured:
    """Run and measure an image."""
    _, equal, memory = run_image(image)
    instructions, cycles = count_instructions(image, counter) if counter else (None, None)
    return Measured(instructions, cycles, flash_bytes(image), 4 * memory, equal, n_windows)


def begin(name: str, description: str) -> tuple[Path, Path | None] | None:
    """Read a bench's command line and find its tools: where results go, and m4cost; None if it cannot run."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if missing_tools():
        print(f"{name}: {' and '.join(missing_tools())} not found")
        return None
    counter = find_m4cost()
    if counter is None:
        print(f"{name}: m4cost not found (set $MYOPATCH_M4COST); instruction counts are left out")
    return arguments.out, counter


def tell(what: str, costs: Iterable[Any]) -> list[Any]:
    """Print a table of costs, each a `Measured` with a name, as they come; give them all."""
    print(f"{what:{_NAME_WIDTH}} {'instr':>8} {'cycles':>8} {'flash':>6} {'RAM':>6} {'equal':>6}")
    found = []
    for r in costs:
        found.append(r)
        instructions, cycles = (f"{v:.0f}" if v is not None else "-" for v in (r.instructions, r.cycles))
        equal = f"{r.equal_windows}/{r.n_windows}"
        print(
            f"{r.name:{_NAME_WIDTH}} {instructions:>8} {cycles:>8} {r.flash:>6} {r.memory_bytes:>6} {equal:>6}"
        )
    return found


def write_results(out: Path, key: str, costs: Sequence[Any], **more: object) -> None:
    """Put a bench's results beside the others'."""
    old = json.loads(out.read_text()) if out.exists() else {}
    how = f"mps2-an386 under QEMU, {COMPILER}, {' '.join([*CPU_FLAGS, *C_FLAGS])}; mean of 8 decisions"
    old[key] = {"how": how, "channels": N_CHANNELS, "hop": HOP, **more, "sets": [asdict(r) for r in costs]}
    write_json(out, old)
