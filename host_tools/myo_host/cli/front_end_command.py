"""``myopatch front-end``: what the filters of a spec do, before anything is flashed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from myo_host.cli.app import app
from myo_host.cli.commands import JsonOption, SpecArgument, _spec_path

if TYPE_CHECKING:
    from rich.console import Console


@app.command("front-end", short_help="Show what a spec's filters do in fixed point.")
def front_end(
    spec: SpecArgument = Path("patch.toml"),
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with plots here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a spec's filters in fixed point: responses, ranges, noise, limit cycles, cost, and why they are scaled so."""
    from myo_export.aux_analysis import analyse_aux
    from myo_export.front_end_analysis import analyse_front_end
    from myo_export.motion_analysis import analyse_motion
    from myo_pipeline.bundle import render_json
    from myo_pipeline.spec import load_spec

    path = _spec_path(spec)
    loaded = load_spec(path)
    found = analyse_front_end(loaded)
    streams, motion = analyse_aux(loaded, found.front_end), analyse_motion(loaded, found.front_end)
    if html is not None:
        from myo_host.front_end_page import render_front_end
        from myo_pipeline.bundle import write_text

        write_text(html, render_front_end(loaded, found, streams, motion))
    if as_json:
        more = {"aux": [asdict(stream) for stream in streams], "motion": asdict(motion) if motion else None}
        print(render_json(_plain(asdict(found) | more)))
        return
    _show(loaded.name, found, streams, motion)
    if html is not None:
        print(f"plots: {html}")


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _show(name: str, found: Any, streams: Sequence[Any], motion: Any) -> None:  # noqa: ANN401 - of myo_export, which loads then
    from rich.console import Console

    from myo_host.front_end_page import summarize_aux, summarize_front_end

    console = Console(highlight=False)
    _show_chain(console, name, found, summarize_front_end(found, motion))
    for stream in streams:
        console.print()
        _show_chain(console, f"{name}, stream {stream.name}", stream, summarize_aux(stream))


def _show_chain(console: Console, name: str, found: Any, summary: list[tuple[str, str]]) -> None:  # noqa: ANN401
    from rich.table import Table

    from myo_host.front_end_page import SECTION_COLUMNS, STEP_COLUMNS, section_rows, step_rows

    table = Table(title=f"{name}: {len(found.sections)} second-order sections", title_justify="left")
    for column in SECTION_COLUMNS:
        table.add_column(column, justify="right")
    for row in section_rows(found):
        table.add_row(*row)
    if found.sections:
        console.print(table)
    if len(found.steps) > (1 if found.sections else 0):
        steps = Table(title="steps, in the order of the signal", title_justify="left")
        for column in STEP_COLUMNS:
            steps.add_column(column, justify="left" if not column else "right")
        for row in step_rows(found):
            steps.add_row(*row)
        console.print(steps)
    for label, text in summary:
        console.print(f"{label:<28} {text}", soft_wrap=True)
