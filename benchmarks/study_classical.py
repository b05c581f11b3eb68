"""Classical models beside a network of dense layers, on persons never seen: accuracy, quantization's loss, and cost.

usage: python benchmarks/study_classical.py [--out FILE] [--work FOLDER]

The template ``features`` on myo_readings with each kind of model: trained, exported, built for virtual_m4, validated. Bundles
stay in --work, and those that are there are not made again. Prints the table of docs/classical.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from myo_pipeline.bundle import write_json
from myo_pipeline.spec import find_templates

RESULTS = Path(__file__).resolve().parent / "results" / "classical_study.json"
MODEL = 'kind = "mlp"\nhidden = [48]         # [] decides linearly, as LDA does'
MODELS = {
    "lda": 'kind = "lda"', "svm": 'kind = "svm"', "qda": 'kind = "qda"', "forest": 'kind = "forest"',
    "forest, 12 trees of 32": 'kind = "forest"\ntrees = 12\nleaves = 32', "boosted": 'kind = "boosted"',
    "mlp, 48 units": MODEL,
}  # fmt: skip
BOARD = "virtual_m4"


def run_myopatch(*arguments: object) -> str:
    """Run the command line as a user does; give what it printed.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    command = [str(Path(sys.executable).with_name("myopatch")), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command[1:])}: {run.stdout[-300:]}{run.stderr[-300:]}")
    return run.stdout


def study_model(name: str, model: str, work: Path) -> dict[str, Any]:
    """Train, export, build and validate one model; give its figures."""
    label = "".join(c if c.isalnum() else "-" for c in name)
    folder = work / label
    found = folder / "study.json"
    if not found.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        text = find_templates()["features"].read_text().replace("@NAME@", label)
        if MODEL not in text:
            raise RuntimeError("the template 'features' has another model: correct MODEL")
        (folder / "patch.toml").write_text(text.replace(MODEL, model))
        elf = folder / "firmware" / f"{BOARD}.elf"
        steps = (
            ("training.json", ("train", folder, "--out", folder)),
            ("manifest.json", ("export", folder)),
            (elf.relative_to(folder), ("build", folder, "--board", BOARD)),
        )
        for made, command in steps:
            if not (folder / made).is_file():
                run_myopatch(*command)
        found.write_text(run_myopatch("validate", folder, "--board", BOARD, "--json"))
    validation, training = json.loads(found.read_text()), json.loads((folder / "training.json").read_text())
    budget = json.loads((folder / "budget.json").read_text())
    image = json.loads((folder / "firmware" / f"{BOARD}.json").read_text())
    int8 = training["metrics"]["int8"]
    return {
        "model": name,
        "float": training["metrics"]["float"]["across_persons"]["window"]["macro_accuracy"],
        "lost_points": 100
        * (
            int8["float"]["window"]["macro_accuracy"]["mean"]
            - int8["int8"]["window"]["macro_accuracy"]["mean"]
        ),
        "table_bytes": budget["predicted"]["flash_bytes"]["weights and tables"],
        "flash_bytes": image["flash_bytes"],
        "ram_bytes": image["ram_bytes"],
        "front_end_instructions": validation["cost"]["front_end_instructions"],
        "network_instructions": validation["cost"]["network_instructions"],
        "predicted_instructions": budget["predicted"]["instructions"]["network"],
        "passed": validation["passed"],
        "twin_float_agreement": validation["agreement"]["twin_float"],
    }


def main() -> int:
    """Study every model, print the table, write the results."""
    parser = argparse.ArgumentParser(description="Classical models on persons never seen.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, default=Path("build/study_classical"))
    arguments = parser.parse_args()
    rows = [study_model(name, model, arguments.work) for name, model in MODELS.items()]
    print(
        "| model | float, macro accuracy | lost to int8 | instructions a decision | tables | flash | static RAM |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        f = row["float"]
        print(
            f"| {row['model']} | {100 * f['mean']:.1f} % ({100 * f['low']:.1f} to {100 * f['high']:.1f}) | "
            f"{row['lost_points']:+.1f} | {row['network_instructions']:,.0f} | {row['table_bytes']:,} B | "
            f"{row['flash_bytes']:,} B | {row['ram_bytes']:,} B |"
        )
    write_json(
        arguments.out, {"how": "benchmarks/study_classical.py: myo_readings, template features", "rows": rows}
    )
    return 0 if all(row["passed"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
