"""Cost of each way to decide on a Cortex-M4F, and whether every decision is the twin's.

usage: python benchmarks/bench_decision.py [--out FILE]

Softmax outputs of classes that change now and then, one window in sixteen gated. Instructions are counted by m4cost, as in
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
from myo_export.emit_patch import render_rule
from myo_pipeline.bundle import write_json
from myo_pipeline.decision_rule import make_rule
from myo_pipeline.spec import Decision
from myo_pipeline.twin import DecisionTwin
from myo_pipeline.twin_config import CLASSES, TwinConfig
from window_image import CORE_DIR, begin, link_image, render_vector, run_comparison

N_WINDOWS = 160
WAYS = {
    "majority": Decision(vote=5), "majority, held": Decision(vote=5, debounce=2, dwell=4),
    "average": Decision(method="average", vote=5), "bayes": Decision(method="bayes", vote=5),
    "bayes, held": Decision(method="bayes", vote=5, debounce=2, dwell=4),
}  # fmt: skip


def draw_outputs(n_windows: int, n_classes: int) -> np.ndarray:
    """Draw int8 softmax outputs whose class changes every few windows and is anything from sure to equal."""
    rng = np.random.default_rng(7)
    truth = np.repeat(rng.integers(0, n_classes, n_windows), 7)[:n_windows]
    logits = rng.normal(size=(n_windows, n_classes))
    logits[np.arange(n_windows), truth] += rng.uniform(0, 7, n_windows)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.asarray(np.clip(np.round(256 * shares) - 128, -128, 127).astype(np.int8))


def write_sources(decision: Decision, n_classes: int, folder: Path) -> int:
    """Write a decision's config and its vectors; give the number of windows."""
    rule, none = make_rule(decision, n_classes), np.zeros(0, np.int64)
    config = TwinConfig(
        n_channels=1, window_samples=1, hop_samples=1, n_outputs=n_classes, full_scale_counts=1, input_shift=0,
        step_table=none, step_words=none.astype(np.int32), exponent=0, multiplier=none, shift=none, zero_point=0,
        output_scale=1 / 256, output_zero_point=-128, output_kind=CLASSES, vote=decision.vote, reject_below=-100,
        layer_tensors=none, rule=rule,
    )  # fmt: skip
    twin, outputs = DecisionTwin(config), draw_outputs(N_WINDOWS, n_classes)
    gated = np.arange(N_WINDOWS) % 16 == 9
    found = [twin.decide(output, bool(gate)) for output, gate in zip(outputs, gated, strict=True)]

    lines = [
        "#include <stdint.h>", f"#define N_WINDOWS {N_WINDOWS}u", f"#define N_OUTPUTS {n_classes}u",
        f"#define VOTE {decision.vote}u", *(render_rule(rule) if rule else []),
        "static const myo_decision_config_t decision_config = {.output_kind = MYO_OUTPUT_CLASSES, .vote = VOTE,",
        f"    .reject_below = -100, .n_outputs = N_OUTPUTS, .rule = {'&decision_rule' if rule else 'NULL'}}};",
        render_vector("int8_t", "vector_outputs", outputs.ravel().tolist()),
        render_vector("uint8_t", "vector_gated", gated.astype(int).tolist()),
        render_vector("int16_t", "vector_decided", [d.decided for d in found]),
        render_vector("uint16_t", "vector_votes", [d.n_votes for d in found]),
        "",
    ]  # fmt: skip
    (folder / "vectors.h").write_text("\n".join(lines))
    return len(found)


def build_image(folder: Path, machine: str = MACHINE) -> Path:
    """Compile the sources that :func:`write_sources` wrote to an image for a machine.

    Raises
    ------
    BuildError
        If the C cannot be compiled.
    """
    here = Path(__file__).resolve().parent
    sources = [CORE_DIR / "stream" / name for name in ("myo_decision.c", "myo_decision_rule.c")]
    return link_image([*sources, here / "decision_bench" / "main.c"], folder, machine)


def main() -> int:
    """Bench every way for 8 and for 22 classes, print a table, write the results."""
    begun = begin("bench_decision", "Cost of each way to decide on a Cortex-M4F.")
    if begun is None:
        return 2
    out, counter = begun
    old = json.loads(out.read_text()) if out.exists() else {}
    rows: list[dict[str, object]] = []
    n_differing = 0
    for n_classes in (8, 22):
        for name, decision in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                n_windows = write_sources(decision, n_classes, Path(folder))
                image = build_image(Path(folder))
                wrong, of, memory = run_comparison(image)
                n_differing += wrong + (of != n_windows)
                counted = count_instructions(image, counter) if counter else (None, None)
            instructions, cycles = counted
            rows.append(
                {
                    "way": name, "classes": n_classes, "vote": decision.vote, "instructions": instructions, "cycles": cycles,
                    "memory_bytes": memory,
                }
            )  # fmt: skip
            cost = (
                f"{instructions:6.0f} instructions, {cycles:6.0f} cycles" if instructions and cycles else "-"
            )
            print(f"{n_classes:3} classes  {name:16} {cost}; {memory} bytes; {wrong} of {of} windows differ")
    how = f"mps2-an386 under QEMU, {COMPILER}, {' '.join([*CPU_FLAGS, *C_FLAGS])}; mean of the windows that are not gated"
    write_json(out, {**old, "decision": {"how": how, "ways": rows}})
    return 1 if n_differing else 0


if __name__ == "__main__":
    sys.exit(main())
