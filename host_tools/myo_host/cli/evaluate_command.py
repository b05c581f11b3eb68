"""``myopatch evaluate``: a spec's model and the floor, on every person or session in turn."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from myo_host.cli.app import app, show_progress
from myo_host.cli.commands import DataOption, JsonOption, SpecArgument, _spec_path

if TYPE_CHECKING:
    from myo_pipeline.spec import PatchSpec

RUNS = "runs"


class Across(StrEnum):
    """What folds hold apart."""

    PERSONS = "persons"
    SESSIONS = "sessions"


@app.command("evaluate", short_help="Test on every person, or session, in turn, beside a floor.")
def evaluate(
    spec: SpecArgument = Path("patch.toml"),
    folds: Annotated[
        Across, typer.Option(help="Persons never seen, or other sessions of known persons.")
    ] = Across.PERSONS,
    k: Annotated[
        int | None,
        typer.Option("--k", help="How many folds; each person, or session, by itself if not given."),
    ] = None,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder, gone on with if it is there; build/NAME-evaluation if not given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the spec's model anew for every person (or session), test it there, and compare it with a linear floor.

    Ctrl-C keeps the folds that are finished; the same command goes on. Another [decision] is measured without training.
    """
    from myo_host.evaluation_page import write_evaluation
    from myo_pipeline.bundle import render_json
    from myo_pipeline.spec import load_spec
    from myo_training.cross_validation import CrossValidation, summarize_folds
    from myo_training.datasets import resolve_dataset
    from myo_training.folds import make_folds
    from myo_training.recordings import check_fits

    path = _spec_path(spec)
    loaded = load_spec(path)
    recorded = loaded.as_recorded()
    found = resolve_dataset(loaded.training.data, data, recorded, path.parent)
    check_fits(found.info, recorded)
    divided = make_folds(found.sessions(), folds.value, loaded.training, k)
    folder = (out or Path("build") / f"{loaded.name}-evaluation") / folds.value
    validation = CrossValidation(loaded, found, divided, folder)
    with show_progress("evaluate") as progress:
        results = validation.run(progress)
        progress("measuring decisions", 1.0)
        record = summarize_folds(results, validation, found, folds.value)
        write_evaluation(record, folder, getattr(loaded.output, "unit", ""))
    run = log_command(folder.parent.parent / RUNS, f"evaluate-{folds.value}", loaded, record)
    if as_json:
        print(render_json(record))
        return
    _show(record)
    print(f"wrote {folder}/evaluation.md, .json, persons.csv, latency.png, confusion.png; logged {run}")


def log_command(folder: Path, command: str, spec: PatchSpec, record: dict[str, Any]) -> Path:
    """Log what ``train`` or ``evaluate`` found among the runs; return the run's file."""
    from myo_training.run_log import log_run

    data = record["data"]
    tags: dict[str, Any] = {
        "source": record["source"], "licence": data["licence"], "citation": data["citation"], "versions": record["versions"],
        "files": data["files"],
    }  # fmt: skip
    tags |= {"data_sha256": data["digest"]} if "digest" in data else {}
    tags |= {"model_sha256": record["model"]["sha256"]} if "sha256" in record["model"] else {}
    tags |= {"folds": len(record["folds"])} if "folds" in record else {}
    figures = {**record["metrics"], "latency": record["latency"], "paired": record.get("paired", {})}
    return log_run(folder, command, spec, figures, tags)


def _show(record: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from myo_host.evaluation_page import describe_paired, list_figures

    latency = record["latency"]
    table = Table(
        title=f"{record['name']}, {len(record['folds'])} folds of {record['across']}; the floor: four features, linear"
    )
    alone, voted = latency["alone_ms"], latency["total_ms"]
    for heading in ("", f"window, {alone:g} ms", "floor", f"decision, {voted:g} ms", "floor"):
        table.add_column(heading)
    for row in list_figures(record):
        table.add_row(*row)
    console = Console(width=None if Console().is_terminal else 130, highlight=False)
    console.print(table)
    for line in describe_paired(record):
        console.print(line, soft_wrap=True)
