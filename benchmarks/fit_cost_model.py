"""Fit the cost model's constants (export/myo_export/cost_m4.json) to counted layers, and say how well it predicts.

usage: python benchmarks/fit_cost_model.py [--check] [--layers N] [--models FOLDER] [--out FILE]

The fit sees N random layers of each kind and form, at -O3 and at -Os. It is judged on as many others, drawn with another
seed, and on the bench's networks, layer by layer and whole. --check judges the constants as they are and writes nothing
but --out, the figures (benchmarks/results/cost_model.json). Needs arm-none-eabi-gcc, qemu-system-arm and m4cost (see
bench_network.py).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from bench_network import COMPILER, RESULTS, WAYS, find_m4cost, find_models, missing_tools
from cost_layers import LEVELS, Bench, Case, Count, Shapes
from myo_export import cost_model
from myo_export.cost_events import count_events
from myo_export.cost_model import ASSEMBLY, CONSTANTS, Level, kernel_name
from myo_export.emit_net import render_network
from myo_export.network_report import report_network
from myo_export.pack_dsp import Optimize
from myo_pipeline.errors import MyoError

SEED_FIT, SEED_CHECK = 1, 2
SMALL = 1000  # instructions: layers below are judged by the network that they are in


def fit(cases: Sequence[Case], counts: Sequence[Count]) -> dict[str, list[float]]:
    """Fit a price, not below 0, to every piece that is not counted from the assembly; errors weigh by their share."""
    events = [count_events(case.layer, case.form) or {} for case in cases]
    names = sorted({name for found in events for name in found} - set(ASSEMBLY))
    matrix = np.array([[found.get(name, 0.0) for name in names] for found in events])
    prices: list[NDArray[np.float64]] = []
    for place in range(2):
        counted = np.array([(c.instructions, c.cycles)[place] for c in counts], float)
        known = np.array([sum(ASSEMBLY[n][place] * k for n, k in e.items() if n in ASSEMBLY) for e in events])
        weight = 1 / np.maximum(counted, 100.0)  # a few instructions of a small layer do not matter
        prices.append(nnls(matrix * weight[:, None], (counted - known) * weight, maxiter=100_000)[0])
    return {name: [round(float(p[k]), 3) for p in prices] for k, name in enumerate(names)}


def measure_code(cases: Sequence[Case], bench: Bench) -> dict[str, dict[str, int]]:
    """Bytes of the functions of each kind and form of layer, by name: layers share functions."""
    found: dict[str, dict[str, int]] = {}
    for case in cases:
        name = kernel_name(case.layer, case.form)
        if name not in found:
            found[name] = bench.code(case)
    return found


def judge(cases: Sequence[Case], counts: Sequence[Count], level: Level) -> dict[str, dict[str, Any]]:
    """Compare predictions with counts, by kind and form, for layers above `SMALL` instructions."""
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for case, count in zip(cases, counts, strict=True):
        if count.instructions > SMALL:
            found = cost_model.estimate_layer(case.layer, case.form, level)
            pair = found.instructions / count.instructions - 1, found.cycles / count.cycles - 1
            errors[kernel_name(case.layer, case.form)].append(pair)
    return {name: _spread(pairs) for name, pairs in errors.items()}


def _spread(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    size = np.abs(np.array(pairs)) * 100
    found: dict[str, Any] = {"layers": len(pairs)}
    for place, what in enumerate(("instructions", "cycles")):
        found[what] = {
            "median_percent": round(float(np.median(size[:, place])), 2),
            "p95_percent": round(float(np.percentile(size[:, place], 95)), 2),
            "worst_percent": round(float(size[:, place].max()), 2),
        }
    return found


_OBSERVE = re.compile(r"    observe\(observer, context, .*\);\n")


def judge_network(
    models: Path, name: str, optimize: Optimize, bench: Bench, level: Level, counter: Path
) -> dict[str, Any]:
    """Compare a bench model, whole and by layer, on its first recorded inputs."""
    text = render_network((models / f"{name}.tflite").read_bytes(), "cost", "dsp", optimize)
    inputs = np.load(models / f"{name}_inputs.npy")
    inputs = inputs.reshape(len(inputs), -1)[:4]
    source = re.sub(r'#include "net.h"\n', text.header, text.source)
    rows = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in inputs.tolist())
    main = _MAIN.format(size=inputs.shape[1], rows=rows, n=len(inputs))
    layered = _OBSERVE.sub("    roi_end();\n    roi_begin();\n", source)
    by_layer = bench.run(_ROI + layered + main, counter)
    whole = bench.run(_ROI + source + main, counter)
    report = report_network(text, level=level)
    n = len(report.layers) + 1  # the last region is the way out
    counted = [np.mean([(c.instructions, c.cycles) for c in by_layer[k::n]], axis=0) for k in range(n - 1)]
    run = np.mean([(c.instructions, c.cycles) for c in whole], axis=0)
    layers = [
        {"index": layer.index, "op": layer.op_name, "instructions": float(i), "predicted": round(layer.cost.instructions),
         "cycles": float(c), "predicted_cycles": round(layer.cost.cycles)}
        for layer, (i, c) in zip(report.layers, counted, strict=True)
    ]  # fmt: skip
    return {
        "model": name,
        "optimize": optimize,
        "level": level,
        "instructions": float(run[0]),
        "predicted": round(report.cost.instructions),
        "error_percent": round(100 * (report.cost.instructions / run[0] - 1), 2),
        "cycles": float(run[1]),
        "predicted_cycles": round(report.cost.cycles),
        "cycles_error_percent": round(100 * (report.cost.cycles / run[1] - 1), 2),
        "layers": layers,
    }


_ROI = """#include "board.h"
__attribute__((noinline)) void roi_begin(void) { __asm__ volatile("nop"); }
__attribute__((noinline)) void roi_end(void) { __asm__ volatile("nop"); }
"""
_MAIN = """
static _Alignas(16) uint8_t bench_arena[NET_ARENA_SIZE];
static const int8_t bench_inputs[{n}][{size}] = {{
{rows}}};
int main(void) {{
    static int8_t result[NET_OUTPUT_SIZE];
    roi_begin();
    roi_end();
    for (size_t i = 0; i < {n}; i++) {{
        roi_begin();
        net_run(bench_arena, bench_inputs[i], result);
        roi_end();
    }}
    return 0;
}}
"""


def main() -> int:
    """Fit, judge, write."""
    parser = argparse.ArgumentParser(description="Fit and judge the compiler's cost model.")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--layers", type=int, default=60)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS.with_name("cost_model.json"))
    arguments = parser.parse_args()
    models, counter = find_models(arguments.models), find_m4cost()
    if models is None or counter is None or missing_tools():
        print("fit_cost_model: needs the bench models ($MYOPATCH_BENCH), m4cost ($MYOPATCH_M4COST), "
              "arm-none-eabi-gcc and qemu-system-arm")  # fmt: skip
        return 2
    version = subprocess.run(
        [COMPILER, "-dumpversion"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        benches = {level: Bench(level, Path(folder)) for level in LEVELS}
        if not arguments.check:
            cases = Shapes(SEED_FIT).cases(arguments.layers)
            pieces = {level: fit(cases, bench.measure(cases, counter)) for level, bench in benches.items()}
            code = {level: measure_code(cases, bench) for level, bench in benches.items()}
            how = (
                f"{COMPILER} {version}, Cortex-M4F; {len(cases)} layers; [instructions, cycles] of each piece"
            )
            _write(
                CONSTANTS,
                {"how": f"python benchmarks/fit_cost_model.py: {how}", "pieces": pieces, "code": code},
            )
            cost_model.read_constants.cache_clear()
            cost_model.read_pieces.cache_clear()
        others = Shapes(SEED_CHECK).cases(arguments.layers)
        layers = {}
        for level, bench in benches.items():
            layers[level] = judge(others, bench.measure(others, counter), level)  # type: ignore[arg-type]
            for name, found in layers[level].items():
                i, c = (found[what] for what in ("instructions", "cycles"))
                print(f"{level} {name:24} {found['layers']:4} layers: instructions median {i['median_percent']:5.2f} % "
                      f"95 % within {i['p95_percent']:5.2f} % worst {i['worst_percent']:5.2f} %; "
                      f"cycles {c['median_percent']:5.2f} {c['p95_percent']:5.2f} {c['worst_percent']:5.2f}")  # fmt: skip
        networks = []
        for path in sorted(models.glob("*.tflite")):
            for optimize, level in zip((*WAYS, "size"), (*("-O3",) * len(WAYS), "-Os"), strict=True):
                try:
                    found = judge_network(models, path.stem, optimize, benches[level], level, counter)  # type: ignore[arg-type]
                except MyoError as error:
                    print(f"{path.stem}: {error}")
                    break
                networks.append(found)
                print(f"{path.stem:14} {optimize:5} {level} {found['instructions']:9.0f} instructions, predicted "
                      f"{found['predicted']:7} ({found['error_percent']:+.2f} %); cycles {found['cycles']:9.0f}, "
                      f"predicted {found['predicted_cycles']:7} ({found['cycles_error_percent']:+.2f} %)")  # fmt: skip
    _write(arguments.out, {"compiler": f"{COMPILER} {version}", "layers": layers, "networks": networks})
    return 0


def _write(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
