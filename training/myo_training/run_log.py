"""Runs in plain files: a JSON a run, and one CSV of all of them that a spreadsheet reads.

``runs/<id>.json`` holds ``id``, ``command``, ``name``, ``time``, and three flat tables: ``params`` (the whole spec, defaults
included), ``metrics`` (numbers alone) and ``tags`` (hashes, versions, source, licence). ``runs/runs.csv`` is made from these
files, so it can always be made again; a column stands where any run has it.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from myo_pipeline.bundle import replace_file, write_json
from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec

TABLE = "runs.csv"
_HEAD = ("id", "command", "name", "time")
_PARTS = ("params", "metrics", "tags")
_NO_METRICS = (
    "per_person",
    "details_per_person",
    "alarms_per_person",
    "confusion",
)  # they stay in the run's own file


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a tree of mappings as one level, keys joined by dots; lists as JSON text."""
    out: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            out |= flatten(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list | tuple) else value
    return out


def pick_metrics(tree: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a tree of figures, without those of single persons and classes."""
    kept = {key: value for key, value in tree.items() if key not in _NO_METRICS}
    out: dict[str, float] = {}
    for key, value in kept.items():
        if isinstance(value, Mapping):
            out |= {f"{key}.{name}": number for name, number in pick_metrics(value).items()}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            out[key] = value
    return out


def log_run(
    folder: Path, command: str, spec: PatchSpec, metrics: Mapping[str, Any], tags: Mapping[str, Any]
) -> Path:
    """Write a run beside the others, and the table of all anew.

    Parameters
    ----------
    folder
        Where runs stand; made if it is not there.
    command
        What ran: ``train``, ``evaluate``.
    spec
        What it ran on; its keys are the parameters.
    metrics
        Figures, nested as they are in the command's own record.
    tags
        Hashes, versions, source and licence.

    Returns
    -------
    Path
        The run's file.

    Raises
    ------
    DataError
        If a file among the runs is no run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    moment = time.gmtime()
    stem = f"{time.strftime('%Y%m%dT%H%M%SZ', moment)}-{command}-{spec.name}"
    number, path = 1, folder / f"{stem}.json"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.json"
    run = {
        "id": path.stem, "command": command, "name": spec.name, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", moment),
        "params": flatten(spec.model_dump(mode="json")), "metrics": pick_metrics(metrics), "tags": flatten(tags),
    }  # fmt: skip
    write_json(path, run)
    write_table(folder)
    return path


def write_table(folder: Path) -> None:
    """Write ``runs.csv`` from the runs of a folder, the oldest first.

    Raises
    ------
    DataError
        If a file among the runs is no run.
    """
    runs = []
    for path in sorted(folder.glob("*.json")):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            row = {key: run[key] for key in _HEAD}
            row |= {f"{part}.{key}": value for part in _PARTS for key, value in run[part].items()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(f"{path}: is no run ({error}); move it away and run the command again") from None
        runs.append(row)
    runs.sort(key=lambda row: str(row["id"]))
    columns = dict.fromkeys(_HEAD)
    for part in _PARTS:
        columns |= dict.fromkeys(sorted({key for row in runs for key in row if key.startswith(f"{part}.")}))
    with replace_file(folder / TABLE) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows(runs)
