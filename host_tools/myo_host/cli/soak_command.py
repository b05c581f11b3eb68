"""``myopatch soak``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from myo_host.cli.app import app, show_progress


@app.command(
    short_help="Stream for hours over a line with faults; account for every sample.",
    epilog="Exit codes: 0 every sample is accounted for and what came back is right; 1 not so; 2 could not run; 130 interrupted.",
)
def soak(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    board: Annotated[str | None, typer.Option("--board", help="Boot this virtual board.")] = None,
    port: Annotated[str | None, typer.Option("--port", help="Serial port of a board that is up.")] = None,
    minutes: Annotated[float, typer.Option("--minutes", min=0.01, help="Patch time.")] = 60.0,
    faults: Annotated[
        float, typer.Option("--faults", min=0.0, max=0.2, help="Share of the frames that get a fault.")
    ] = 0.01,
    run_seconds: Annotated[
        float, typer.Option("--run-seconds", min=0.1, help="Patch time of a run; each fourth is cut short.")
    ] = 60.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the faults and of where runs are cut.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="The result, .json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Stream recordings through a board over a line that flips, drops and repeats, through resets and host restarts."""
    from myo_host.boards import find_board, start_board
    from myo_host.line_faults import FaultyLine
    from myo_host.soak import expect_signals, read_board_head
    from myo_host.soak import soak as run_soak
    from myo_pipeline.bundle import open_bundle, render_json, write_json
    from myo_pipeline.errors import LinkError

    if bool(board) == bool(port):
        raise LinkError("give one of --board NAME (a virtual board) and --port DEVICE (a board on the line)")
    opened = open_bundle(bundle)
    if port:
        context = nullcontext(port)
    else:
        description = find_board(str(board))
        context = start_board(description, bundle / "firmware" / f"{description.name}.elf")  # type: ignore[assignment]
    with show_progress("soak") as progress, context as name:
        progress("the twin's decisions", 0.0)
        signals = expect_signals(opened, run_seconds, stored=read_board_head(name, opened))
        with FaultyLine(name, faults, seed) as line:
            result = run_soak(
                line, signals, 60 * minutes, bundle_hash=opened.bundle_hash, seed=seed, progress=progress
            )
    if out is not None:
        write_json(out, result)
    if as_json:
        print(render_json(result))
    else:
        samples, decisions = result["samples"], result["decisions"]
        print(
            f"{result['patch_seconds'] / 60:.1f} min of patch time in {result['wall_seconds'] / 60:.1f} min, "
            f"{result['runs']['reset']} resets, {result['runs']['restart']} host restarts, "
            f"{sum(result['faults_put_in'].values())} faults on the line"
        )
        print("samples: " + ", ".join(f"{n} {what}" for what, n in samples.items()))
        print("decisions: " + ", ".join(f"{n} {what}" for what, n in decisions.items()))
        for problem in result["problems"]:
            print(f"problem: {problem}")
        print("every sample is accounted for" if result["passed"] else "the account is not whole")
    if not result["passed"]:
        raise typer.Exit(1)
