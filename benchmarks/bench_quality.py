"""Cost of the signal quality on a Cortex-M4F, and whether every flag is right.

usage: python benchmarks/bench_quality.py [--out FILE]

8 channels of 16 bits at 2 kHz in portions as a patch cuts them: hops of 100 frames, at most 32 at once. Flags are compared
with the integer twin's. Instructions are counted by m4cost, as in bench_network.py.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench_network import (
    C_FLAGS,
    COMPILER,
    CPU_FLAGS,
    MACHINE,
    count_instructions,
)
from myo_export.emit_quality import render_quality
from myo_pipeline.bundle import write_json
from myo_pipeline.quality import QualityConfig, QualitySettings, compile_quality
from myo_pipeline.quality_flags import flag_counts
from window_image import CORE_DIR, begin, link_image, render_vector, run_comparison

N_CHANNELS, HOP = 8, 100
FRONT_END = 52.1  # instructions a sample and channel of three sections, docs/front_end.md


def bench_counts(n_frames: int, is_large: bool) -> np.ndarray:
    """Noise of EMG's size, or noise that reaches the ends."""
    rng = np.random.default_rng(7)
    size = 20_000 if is_large else 1500
    return np.clip(np.rint(rng.normal(0, size, (n_frames, N_CHANNELS))), -32768, 32767).astype(np.int32)


def write_sources(config: QualityConfig, counts: np.ndarray, folder: Path) -> int:
    """Write a config and its vectors; give the number of flags."""
    header, source = render_quality(config, "benchmarks/bench_quality.py")
    (folder / "quality_config.h").write_text(header)
    (folder / "quality_config.c").write_text(source)
    flags = flag_counts(config, counts).reshape(-1)
    lines = [
        "#include <stdint.h>",
        f"#define N_FRAMES {len(counts)}u",
        render_vector("int32_t", "vector_frames", counts.reshape(-1).tolist()),
        render_vector("uint8_t", "vector_flags", flags.tolist()),
        "",
    ]
    (folder / "vectors.h").write_text("\n".join(lines))
    return len(flags)


def build_image(folder: Path, machine: str = MACHINE) -> Path:
    """Compile the sources that :func:`write_sources` wrote to an image for a machine.

    Raises
    ------
    BuildError
        If the C cannot be compiled.
    """
    main = Path(__file__).resolve().parent / "quality_bench" / "main.c"
    sources = [CORE_DIR / "quality" / "myo_quality.c", folder / "quality_config.c", main]
    return link_image(sources, folder, machine)


def main() -> int:
    """Bench noise of EMG's size and noise at the ends, print a table, write the results."""
    begun = begin("bench_quality", "Cost of the signal quality on a Cortex-M4F.")
    if begun is None:
        return 2
    out, counter = begun
    config = compile_quality(
        QualitySettings(periods_on=1), n_channels=N_CHANNELS, rate_hz=2000, adc_bits=16, lsb_uv=0.1
    )
    old = json.loads(out.read_text()) if out.exists() else {}
    found: dict[str, object] = {
        "how": f"mps2-an386 under QEMU, {COMPILER}, {' '.join([*CPU_FLAGS, *C_FLAGS])}; mean of a whole period's hops",
        "channels": N_CHANNELS, "hop": HOP, "rate_hz": 2000,
    }  # fmt: skip
    n_differing = 0
    for name, is_large in (("emg", False), ("at_the_ends", True)):
        counts = bench_counts(2 * config.period_frames - 2 * config.period_frames % HOP, is_large)
        with tempfile.TemporaryDirectory() as folder:
            n_flags = write_sources(config, counts, Path(folder))
            image = build_image(Path(folder))
            wrong, of, memory = run_comparison(image)
            n_differing += wrong + (of != n_flags)
            per_hop = count_instructions(image, counter)[0] if counter else None
        each = per_hop / HOP / N_CHANNELS if per_hop else None
        found |= {name: each, "memory_bytes": memory}
        cost = f"{each:.2f} instructions a sample and channel, {each / FRONT_END:.1%}" if each else "-"
        print(
            f"{name:12} {cost} of a front end of three sections; {memory} bytes; {wrong} of {of} flags differ"
        )
    write_json(out, {**old, "quality": found})
    return 1 if n_differing else 0


if __name__ == "__main__":
    sys.exit(main())
