"""Every kind of network on the same persons: what it costs, and what it knows in float and in both ways to int8.

usage: python benchmarks/study_models.py [--epochs N] [--kinds KIND ...] [--work FOLDER] [--out FILE]
       python benchmarks/study_models.py --untrained: costs alone, without recordings, in a minute

Specs of about the same multiply-accumulates, one split, the same passes. Each is learned in float, quantized after training,
then learned further with rounding in the way; what stands in the work folder is not done again, so a study that was stopped
goes on. Needs the recordings of myo_readings; about half an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

import myo_training.train as training
from myo_export.export import export_bundle
from myo_export.price import price_spec
from myo_host.cli.app import show_progress
from myo_pipeline.bundle import write_json, write_text
from myo_pipeline.spec import find_templates, parse_spec
from myo_training.convert import convert_model
from myo_training.datasets import find_dataset
from myo_training.networks.builder import Form
from myo_training.networks.counting import count_network
from myo_training.networks.shapes import build_network
from myo_training.quiet import quiet_stderr

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "models.json"
DATA = "myo_readings"
AWARE_EPOCHS = 1
N_INT8_WINDOWS = 8000  # of persons never seen, through tflite_micro one at a time

STFT = """
[[features]]
kind = "stft_power"
segment_ms = 80.0
step_ms = 20.0
bands_hz = [[10, 20], [20, 30], [30, 45], [45, 55], [55, 70], [70, 80], [80, 90], [90, 101]]
"""
MODELS = {
    "cnn": 'kind = "cnn"\nfilters = [24, 32, 48]\nkernel = 5\nstrides = [1, 2, 2]\ndense = 32',
    "mlp": 'kind = "mlp"\nhidden = [48]',
    "mlp, 5 windows": 'kind = "mlp"\nwindows = 5\nhidden = [24, 32]',
    "tcn": 'kind = "tcn"\nfilters = 20\ndilations = [1, 2, 4, 8]',
    "tcn, separable": 'kind = "tcn"\nfilters = 32\ndilations = [1, 2, 4, 8]\nseparable = true',
    "spectrogram": 'kind = "spectrogram"\nfilters = [16, 16]',
    "attention": 'kind = "attention"\nfilters = 40\nstride = 2',
    "lstm": 'kind = "lstm"\nunits = 32',
}


# Of one width, and of about the same instructions, in both forms; and what a window that streams takes.
TCN = 'kind = "tcn"\ndilations = [1, 2, 4, 8]\n'
WIDTHS = {
    "32 filters": f"{TCN}filters = 32",
    "64 filters": f"{TCN}filters = 64",
    "64 filters, separable": f"{TCN}filters = 64\nseparable = true",
    "20 filters, without residual": f"{TCN}filters = 20\nresidual = false",
    "20 filters, valid padding": f'{TCN}filters = 20\nresidual = false\npadding = "valid"',
    "32 filters, separable, valid padding": f'{TCN}filters = 32\nresidual = false\npadding = "valid"\nseparable = true',
}


def make_spec(kind: str, epochs: int, model: str | None = None) -> str:
    """Return the text of a kind's spec: a template with its model, or another, and its features."""
    template = find_templates()["features" if kind.startswith("mlp") else "gestures"].read_text(
        encoding="utf-8"
    )
    head, _, rest = template.replace("@NAME@", "study").partition("[model]\n")
    # Kinds are compared as they are: a gate costs each the same.
    head = re.sub(r"^\[quality\].*?\n\n", "", head, flags=re.DOTALL | re.MULTILINE)
    _, _, tail = rest.partition("[output]\n")
    if kind == "spectrogram":
        before, _, after = head.partition("[window]\n")
        head = f"{before}{STFT}\n[window]\n{after}"
    method = "post" if kind == "lstm" else "aware"
    tail = re.sub(r"epochs = \d+", f"epochs = {epochs}", tail)
    text = f"{head}[model]\n{model or MODELS[kind]}\n\n[output]\n{tail}"
    return f'{text}quantization = "{method}"\naware_epochs = {AWARE_EPOCHS}\n'


def measure(kind: str, epochs: int, folder: Path) -> dict[str, Any]:
    """Train and export a kind, or read what was made of the same text."""
    text, given = make_spec(kind, epochs), folder / "given.toml"
    parse_spec(text)
    if not (
        given.is_file() and given.read_text(encoding="utf-8") == text and (folder / "budget.json").is_file()
    ):
        (folder / "budget.json").unlink(missing_ok=True)
        write_text(given, text)
        with show_progress(kind) as progress:
            training.train(given, folder, None, progress)
            export_bundle(folder, progress)
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    budget = json.loads((folder / "budget.json").read_text(encoding="utf-8"))
    int8, predicted = record["metrics"]["int8"], budget["predicted"]

    def macro(name: str) -> dict[str, float] | None:
        return (
            {k: 100 * int8[name][k]["macro_accuracy"]["mean"] for k in ("window", "voted")}
            if name in int8
            else None
        )

    whole = record["metrics"]["float"]["across_persons"]
    sensitivity = record["quantization"]["sensitivity"]
    return {
        "kind": kind,
        "model": MODELS[kind],
        "n_parameters": record["model"]["n_parameters"],
        "n_macs": record["model"]["n_macs"],
        "instructions": predicted["instructions"],
        "flash_bytes": predicted["flash_bytes"]["total"],
        "ram_bytes": predicted["ram_bytes"]["total"],
        "total_ms": predicted["latency_ms"]["total"],
        "across_persons_all_windows": {k: whole[k]["macro_accuracy"] for k in ("window", "voted")},
        "same_windows": int8["on"],
        "float_learned": macro("learned") or macro("float"),
        "int8_post": macro("post") or macro("int8"),
        "float_aware": macro("float") if "post" in int8 else None,
        "int8_aware": macro("int8") if "post" in int8 else None,
        "sensitivity": sensitivity,
    }


def price_untrained() -> str:
    """Return the table of what each kind costs: that depends on shapes, not on weights."""
    rows = [
        "| model | parameters | MACs | instructions a decision | of which network | flash | RAM | ms at 64 MHz |",
        "|---|---|---|---|---|---|---|---|",
    ]
    models = MODELS | {f"tcn, {name}": text for name, text in WIDTHS.items()}
    for kind, text in models.items():
        spec = parse_spec(make_spec(kind, 1, text))
        with quiet_stderr():
            network, _ = build_network(spec, Form.FOLDED)
            rng = np.random.default_rng(1)
            x = np.clip(rng.normal(size=(16, *network.input_shape[1:])), -1, 127 / 128).astype(np.float32)
            price = price_spec(spec, convert_model(network, x)).prediction
        n_parameters, n_macs = count_network(network)
        total = round(sum(price.instructions.values()))
        rows.append(
            f"| {kind} | {n_parameters:,} | {n_macs:,} | {total:,} | {round(price.instructions['network']):,} | "
            f"{price.flash_bytes:,} | {price.ram_bytes:,} | {price.total_ms:.2f} |"
        )
    return "\n".join(rows)


def show(found: list[dict[str, Any]]) -> str:
    """Return the table of docs/models.md."""

    def cell(values: dict[str, float] | None) -> str:
        return f"{values['voted']:.1f}" if values else "-"

    rows = [
        "| kind | parameters | MACs | instructions | flash | RAM | float, all windows | float | int8 after training | "
        "float, learned on | int8, aware |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in found:
        voted = r["across_persons_all_windows"]["voted"]
        rows.append(
            f"| {r['kind']} | {r['n_parameters']:,} | {r['n_macs']:,} | {r['instructions']['total']:,} | {r['flash_bytes']:,} | "
            f"{r['ram_bytes']:,} | {100 * voted['mean']:.1f} ({100 * voted['low']:.1f} to {100 * voted['high']:.1f}) | "
            + " | ".join(cell(r[k]) for k in ("float_learned", "int8_post", "float_aware", "int8_aware"))
            + " |"
        )
    return "\n".join(rows)


def main() -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--kinds", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "study-models")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--untrained", action="store_true", help="costs alone")
    options = parser.parse_args()
    if options.untrained:
        print(price_untrained())
        return 0
    if find_dataset(DATA) is None:
        print(f"{DATA} is not on this machine (see docs/data.md): nothing to study")
        return 0
    training.MAX_INT8_WINDOWS = N_INT8_WINDOWS
    found = []
    for kind in options.kinds:
        folder = options.work / re.sub(r"\W+", "-", kind)
        folder.mkdir(parents=True, exist_ok=True)
        found.append(measure(kind, options.epochs, folder))
    write_json(
        options.out, {"data": DATA, "epochs": options.epochs, "aware_epochs": AWARE_EPOCHS, "models": found}
    )
    print(show(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
