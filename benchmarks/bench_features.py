"""Cost of the features on a Cortex-M4F, and whether every word is right.

usage: python benchmarks/bench_features.py [--out FILE]

Each feature set is compiled to C for 8 channels, windows of 200 frames and a hop of 50, built with arm-none-eabi-gcc,
and run under QEMU (mps2-an386) on noise of EMG's size; every word is compared with the integer twin's. A decision is
the push of one hop. Instructions are counted by m4cost, as in bench_network.py.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
from myo_export.emit_features import render_features
from myo_pipeline.bundle import write_json
from myo_pipeline.errors import BuildError
from myo_pipeline.feature_twin import compute_words, cut_windows
from myo_pipeline.features import (
    CATALOGUE,
    AmplitudeFeature,
    AutocorrelationFeature,
    CountFeature,
    DescriptorFeature,
    Feature,
    FeatureConfig,
    HistogramFeature,
    PredictionFeature,
    ShapeFeature,
    compile_features,
)

CORE_DIR = ROOT / "firmware" / "core"
FEATURES_BENCH_DIR = Path(__file__).resolve().parent / "features_bench"
SOURCES = [
    *sorted((CORE_DIR / "features").glob("*.c")),
    *(CORE_DIR / "dsp" / name for name in ("myo_fixed_math.c", "myo_fft.c")),
]
RESULTS = Path(__file__).resolve().parent / "results" / "front_end.json"
N_CHANNELS, WINDOW, HOP, N_WINDOWS = 8, 200, 50, 10
RMS_WORDS, THRESHOLD_WORDS = 1500, 60
RUN_TIMEOUT_S = 60


@dataclass(frozen=True)
class FeatureCost:
    """One feature set's figures a decision; instructions are None where m4cost is absent."""

    name: str
    features: list[str]
    instructions: float | None
    cycles: float | None
    flash: int
    memory_bytes: int
    equal_windows: int
    n_windows: int


def one(kind: str) -> Feature:
    """Give a feature of the catalogue, its parameters those of the bench; of ``rms log`` its logarithm."""
    if kind.endswith(" log"):
        return AmplitudeFeature(kind=kind.removesuffix(" log"), log=True)  # type: ignore[arg-type]
    if kind in ("zc", "ssc", "wamp"):
        return CountFeature(kind=kind, threshold=THRESHOLD_WORDS)  # type: ignore[arg-type]
    if kind == "autocorrelation":
        return AutocorrelationFeature(kind="autocorrelation", lags=4)
    if kind in ("ar", "cepstrum"):
        return PredictionFeature(kind=kind, order=4)  # type: ignore[arg-type]
    if kind in ("tdpsd_sizes", "tdpsd_shapes"):
        return DescriptorFeature(kind=kind)  # type: ignore[arg-type]
    if kind == "histogram":
        return HistogramFeature(kind="histogram", bins=9, range=3 * RMS_WORDS)
    if kind in ("log_detector", "tm3", "tm4", "tkeo", "mobility", "complexity", "skewness", "kurtosis"):
        return ShapeFeature(kind=kind)  # type: ignore[arg-type]
    return AmplitudeFeature(kind=kind)  # type: ignore[arg-type]


SETS: dict[str, Sequence[str]] = {
    "Hudgins: mav, wl, zc, ssc": ("mav", "wl", "zc", "ssc"),
    "common: mav, wl, zc, ssc, rms, variance, log_detector": (
        "mav", "wl", "zc", "ssc", "rms", "variance", "log_detector",
    ),
    "Hjorth": ("activity", "mobility", "complexity"),
    "prediction of order 4: ar, cepstrum": ("ar", "cepstrum"),
    "TDPSD": ("tdpsd_sizes", "tdpsd_shapes"),
    "all": tuple(CATALOGUE),
}  # fmt: skip


def bench_config(kinds: Sequence[str]) -> FeatureConfig:
    """Compile a set for the bench's sizes."""
    return compile_features(
        [one(kind) for kind in kinds], n_channels=N_CHANNELS, window=WINDOW, hop=HOP, word_shift=0
    )


def bench_words(n_frames: int, n_channels: int) -> np.ndarray:
    """Noise of EMG's size and spectrum, in words."""
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(n_frames + 1, n_channels))
    return np.round(RMS_WORDS * (noise[1:] + 0.7 * noise[:-1]) / 1.22).astype(np.int16)


def write_sources(config: FeatureConfig, x: np.ndarray, folder: Path) -> int:
    """Write a config and its vectors; give the number of windows."""
    header, source = render_features(config, "benchmarks/bench_features.py")
    (folder / "features_config.h").write_text(header)
    (folder / "features_config.c").write_text(source)
    return write_vectors(x, compute_words(config, cut_windows(x, config.window, config.hop)), folder)


def write_vectors(x: np.ndarray, words: np.ndarray, folder: Path) -> int:
    """Write frames and the words expected of them; give the number of windows."""
    rows = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in words.reshape(len(words), -1).tolist())
    rows = rows.replace("-2147483648", "INT32_MIN")
    frames = ",".join(map(str, x.reshape(-1).tolist()))
    place = '__attribute__((section(".bench_vectors")))'
    (folder / "vectors.h").write_text(
        f"#include <stdint.h>\n#define N_FRAMES {len(x)}u\n#define N_WINDOWS {len(words)}u\n"
        f"{place} static const int16_t vector_frames[] = {{{frames}}};\n"
        f"{place} static const int32_t vector_words[N_WINDOWS][{words[0].size}] = {{\n{rows}}};\n"
    )
    return len(words)


def build_image(folder: Path, machine: str = MACHINE) -> Path:
    """Compile the sources that :func:`write_sources` wrote to an image for a machine.

    Raises
    ------
    BuildError
        If the C cannot be compiled.
    """
    return link_image(
        [*SOURCES, folder / "features_config.c", FEATURES_BENCH_DIR / "main.c"], folder, machine
    )


def link_image(sources: Sequence[Path], folder: Path, machine: str) -> Path:
    """Compile sources to an image of a bench's board, as :func:`build_image`."""
    image = folder / "bench.elf"
    target = MACHINES[machine]
    command = [COMPILER, *target.cpu, *C_FLAGS, "-Wl,--gc-sections", *target.link_flags()]
    command += [f"-I{CORE_DIR}", f"-I{BENCH_DIR}", f"-I{folder}"]
    command += [*map(str, [*sources, BENCH_DIR / "startup.c"]), "-o", str(image)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BuildError(f"{image}: {COMPILER} failed ({run.stderr.strip()[:300]}); see {folder}")
    return image


def run_image(image: Path, machine: str = MACHINE) -> tuple[int, int, int]:
    """Run an image; give differing words, equal windows, and words of memory.

    Raises
    ------
    BuildError
        If the image does not report.
    """
    text = bare_machine.run_image(machine, image, RUN_TIMEOUT_S)
    found = re.search(r"DIFFERING (\d+) EQUAL (\d+) OF (\d+) MEMORY (\d+)", text)
    if found is None:
        raise BuildError(f"{image.name}: printed {text[:80]!r} under {EMULATOR}, expected a count")
    return int(found[1]), int(found[2]), int(found[4])


def flash_bytes(image: Path) -> int:
    """Bytes of code and constants of the features themselves."""
    with image.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        sizes = {
            s.name: s["st_size"]
            for s in symbols.iter_symbols()
            if s["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT")
        }
    own = ("myo_", "features_config", "accumulate", "block_lengths", "features", "finish", "needs",
           "spectrum_config", "turns", "bins", "taper")  # fmt: skip
    return sum(size for name, size in sizes.items() if name.startswith(own))


def bench_features(name: str, kinds: Sequence[str], counter: Path | None) -> FeatureCost:
    """Compile, run and measure one set."""
    config = bench_config(kinds)
    x = bench_words(WINDOW + (N_WINDOWS - 1) * HOP, N_CHANNELS)
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        n_windows = write_sources(config, x, folder)
        image = build_image(folder)
        _, equal, memory = run_image(image)
        instructions, cycles = count_instructions(image, counter) if counter else (None, None)
        flash = flash_bytes(image)
    return FeatureCost(name, list(kinds), instructions, cycles, flash, 4 * memory, equal, n_windows)


def main() -> int:
    """Bench the sets and each feature alone, print a table, write the results."""
    parser = argparse.ArgumentParser(description="Cost of the features on a Cortex-M4F.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if missing_tools():
        print(f"bench_features: {' and '.join(missing_tools())} not found")
        return 2
    counter = find_m4cost()
    if counter is None:
        print("bench_features: m4cost not found (set $MYOPATCH_M4COST); instruction counts are left out")
    print(f"{'features, a decision':66} {'instr':>8} {'cycles':>8} {'flash':>6} {'RAM':>6} {'equal':>6}")
    results = []
    for name, kinds in {**SETS, **{kind: (kind,) for kind in CATALOGUE}}.items():
        r = bench_features(name, kinds, counter)
        results.append(r)
        instructions, cycles = (f"{v:.0f}" if v is not None else "-" for v in (r.instructions, r.cycles))
        equal = f"{r.equal_windows}/{r.n_windows}"
        print(f"{name:66} {instructions:>8} {cycles:>8} {r.flash:>6} {r.memory_bytes:>6} {equal:>6}")
    old = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    how = f"mps2-an386 under QEMU, {COMPILER}, {' '.join([*CPU_FLAGS, *C_FLAGS])}; mean of 8 decisions"
    old["features"] = {
        "how": how, "channels": N_CHANNELS, "window": WINDOW, "hop": HOP, "sets": [asdict(r) for r in results],
    }  # fmt: skip
    write_json(arguments.out, old)
    return 0 if all(r.equal_windows == r.n_windows for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
