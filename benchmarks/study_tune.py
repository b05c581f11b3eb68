"""What a search is worth on persons that it never saw, and what scalings of the features are worth.

usage: python benchmarks/study_tune.py [--trials N] [--judges N] [--work FOLDER] [--out FILE]

From the template `features` under a budget: `myopatch tune`, then the template, what was found, and the template with other
scalings are trained in full and measured on the persons held out. Each stands in the work folder, and a study that was stopped
goes on. Needs the recordings of myo_readings; about a quarter of an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from myo_host.cli.app import show_progress
from myo_host.cli.tune_command import run_search
from myo_pipeline.bundle import write_json, write_text
from myo_pipeline.spec import find_templates, load_spec, parse_spec
from myo_training.datasets import find_dataset
from myo_training.metrics import estimate_mean
from myo_training.train import train

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "tune.json"
DATA = "myo_readings"
BUDGET = "\n[budget]\nflash_kb = 64.0\nram_kb = 26.0\nlatency_ms = 10.0\n"
N_TRIALS, EPOCHS, N_FINALISTS = 40, 3, 3


def make_specs() -> dict[str, str]:
    """Return the template, and the template with other scalings, by name."""
    template = find_templates()["features"].read_text(encoding="utf-8").replace("@NAME@", "features") + BUDGET
    return {
        "template": template,
        "each channel's own scaling": template.replace("[training]\n", '[training]\nscaling = "channel"\n'),
        "sizes without logarithm": template.replace("log = true", "log = false"),
    }


def measure(name: str, text: str, folder: Path) -> dict[str, Any]:
    """Train a spec in full, or read what was trained of the same text."""
    spec_path, record = folder / "given.toml", folder / "training.json"
    if not (record.is_file() and spec_path.is_file() and spec_path.read_text(encoding="utf-8") == text):
        record.unlink(missing_ok=True)
        write_text(spec_path, text)
        with show_progress(name) as progress:
            train(spec_path, folder, None, progress)
    found = json.loads(record.read_text(encoding="utf-8"))
    whole, int8 = found["metrics"]["float"]["across_persons"], found["metrics"]["int8"]
    return {
        "what": name,
        **{f"float_{k}": whole[k]["macro_accuracy"] for k in ("window", "voted")},
        "persons": {p: own["macro_accuracy"] for p, own in whole["voted"]["per_person"].items()},
        "int8_voted": int8["int8"]["voted"]["macro_accuracy"]["mean"],
        "float_voted_same_windows": int8["float"]["voted"]["macro_accuracy"]["mean"],
    }


def compare(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float | None]:
    """Return the mean over persons of what one gains on another, with its interval."""
    gains = [one["persons"][p] - other["persons"][p] for p in other["persons"]]
    found = estimate_mean(gains, -1.0, 1.0)
    return {
        "mean": found.mean, "low": found.low, "high": found.high, "n_persons": len(gains),
        "n_better": int(np.sum(np.array(gains) > 0)),
    }  # fmt: skip


def main() -> int:
    """Search, train, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=N_TRIALS)
    parser.add_argument("--judges", type=int)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "study_tune")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if find_dataset(DATA) is None:
        sys.stderr.write(
            f"study_tune: {DATA} is not here: get it with `myopatch data get {DATA}`; nothing is studied\n"
        )
        return 0
    specs = make_specs()
    given = options.work / "features.toml"
    write_text(given, specs["template"])
    with show_progress("search") as progress:
        search = run_search(
            given,
            options.work / "search",
            None,
            options.trials,
            None,
            "core",
            EPOCHS,
            N_FINALISTS,
            progress,
            options.judges,
        )
    specs["found by the search"] = (options.work / "search" / "patch.toml").read_text(encoding="utf-8")
    parse_spec(specs["found by the search"])
    rows = [
        measure(name, text, options.work / name.replace(" ", "_").replace("'", ""))
        for name, text in specs.items()
    ]
    template = rows[0]
    for row in rows[1:]:
        row["gain_on_template"] = compare(row, template)
    selection = json.loads((options.work / "search" / "selection.json").read_text(encoding="utf-8"))
    write_json(
        options.out,
        {
            "how": "benchmarks/study_tune.py: persons held out, trained in full; costs predicted for a Cortex-M4F at 64 MHz",
            "data": DATA,
            "budget": load_spec(given).budget.model_dump(),
            "search": {k: v for k, v in search.items() if k not in ("tried",)},
            "selection": {
                k: selection[k] for k in ("ranked", "forward", "backward", "own", "chosen", "projections")
            },
            "held_out": rows,
        },
    )
    for row in rows:
        gain = row.get("gain_on_template")
        said = (
            f", gain {100 * gain['mean']:+.1f} points ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
            if gain
            else ""
        )
        alone, voted = (100 * row[key]["mean"] for key in ("float_window", "float_voted"))
        print(f"{row['what']:<28} window {alone:.1f} %, voted {voted:.1f} %{said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
