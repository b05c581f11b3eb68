"""Cost of calibration on a Cortex-M4F, and whether every word of the head is the twin's.

usage: python benchmarks/bench_calibration.py [--out FILE]

Heads of 8 classes over 32 and 48 words. What a window costs that is collected, and one that is scored; and a commit: the head
that is made, and its record that is stored (in RAM: what flash takes comes on top). Instructions are counted by m4cost, as in
bench_network.py.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench_network import C_FLAGS, COMPILER, CPU_FLAGS, MACHINE, count_instructions
from myo_pipeline.bundle import write_json
from myo_pipeline.calibration_head import HeadConfig, Tally, fit_head, quantize_head, score, to_softmax
from window_image import CORE_DIR, begin, link_image, render_vector, run_comparison

N_CLASSES, N_WINDOWS = 8, 40
PARTS = ("collect a window", "make the head", "score a window", "store the record")


def draw_head(n_words: int) -> tuple[HeadConfig, np.ndarray]:
    """Return a head of the size of the demo's, and embeddings of classes that it tells apart now and then."""
    rng = np.random.default_rng(7)
    scatter = rng.normal(size=(400, n_words)) * rng.uniform(5, 25, n_words)
    precision = np.linalg.inv(scatter.T @ scatter / 400 + 20 * np.eye(n_words)) / 6
    centres = rng.integers(0, 160, (N_CLASSES, n_words))
    config = quantize_head(
        layer=0, zero_point=-128, prior=centres.astype(float), precision=precision, prior_windows=16, memory_windows=60,
        min_windows=1,
    )  # fmt: skip
    own = centres[np.arange(N_WINDOWS) % N_CLASSES] - 128 + rng.normal(0, 30, (N_WINDOWS, n_words))
    return config, np.clip(np.rint(own), -128, 127).astype(np.int8)


def write_sources(part: int, n_words: int, folder: Path) -> None:
    """Write a head's config and its vectors."""
    config, embeddings = draw_head(n_words)
    tally = Tally.empty(config)
    for number, embedding in enumerate(embeddings):
        tally = tally.add(config, number % N_CLASSES, embedding)
    head = fit_head(config, tally)
    outputs = to_softmax(config, head, score(config, head, embeddings))

    lines = [
        "#include <stdint.h>", f"#define PART {part}", f"#define N_CLASSES {N_CLASSES}u", f"#define N_WORDS {n_words}u",
        f"#define N_WINDOWS {N_WINDOWS}u",
        render_vector("int16_t", "head_prior", config.prior.ravel().tolist()),
        render_vector("int32_t", "head_precision", config.precision.ravel().tolist()),
        render_vector("int8_t", "vector_embeddings", embeddings.ravel().tolist()),
        render_vector("int16_t", "vector_weights", head.weights.ravel().tolist()),
        render_vector("int8_t", "vector_outputs", outputs.ravel().tolist()),
        "static const myo_head_config_t head_config = {.n_classes = N_CLASSES, .n_words = N_WORDS, .zero_point = -128,",
        f"    .precision_shift = {config.precision_shift}, .prior_windows = 16, .memory_windows = 60, .min_windows = 1,",
        "    .prior = head_prior, .precision = head_precision};", "",
    ]  # fmt: skip
    (folder / "vectors.h").write_text("\n".join(lines))


def build_image(folder: Path, machine: str = MACHINE) -> Path:
    """Compile the sources that :func:`write_sources` wrote to an image for a machine.

    Raises
    ------
    BuildError
        If the C cannot be compiled.
    """
    names = ("calibration/myo_head.c", "calibration/myo_store.c", "dsp/myo_fixed_math.c", "link/myo_crc32.c")
    main_c = Path(__file__).resolve().parent / "calibration_bench" / "main.c"
    ports = CORE_DIR.parent / "ports" / "myo_ram_store.h"
    (folder / ports.name).write_text(ports.read_text())
    return link_image([*(CORE_DIR / name for name in names), main_c], folder, machine)


def main() -> int:
    """Bench each part of both sizes, print a table, write the results."""
    begun = begin("bench_calibration", "Cost of calibration on a Cortex-M4F.")
    if begun is None:
        return 2
    out, counter = begun
    old = json.loads(out.read_text()) if out.exists() else {}
    rows: list[dict[str, object]] = []
    n_differing = 0
    for n_words in (32, 48):
        for part, what in enumerate(PARTS):
            with tempfile.TemporaryDirectory() as folder:
                write_sources(part, n_words, Path(folder))
                image = build_image(Path(folder))
                wrong, of, memory = run_comparison(image)
                counted = count_instructions(image, counter) if counter else (None, None)
            n_differing += wrong
            instructions, cycles = counted
            rows.append(
                {"what": what, "classes": N_CLASSES, "words": n_words, "instructions": instructions, "cycles": cycles,
                 "memory_bytes": memory}
            )  # fmt: skip
            cost = (
                f"{instructions:8.0f} instructions, {cycles:8.0f} cycles" if instructions and cycles else "-"
            )
            print(f"{n_words} words, {what:16} {cost}; {memory} bytes; {wrong} of {of} words differ")
    how = f"mps2-an386 under QEMU, {COMPILER}, {' '.join([*CPU_FLAGS, *C_FLAGS])}; mean of the regions"
    write_json(out, {**old, "calibration": {"how": how, "parts": rows}})
    return 1 if n_differing else 0


if __name__ == "__main__":
    sys.exit(main())
