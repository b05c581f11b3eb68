"""``myopatch compile``: a model by itself to C, without a patch around it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myo_host.cli.app import app


@app.command("compile")
def compile_network(
    model: Annotated[Path, typer.Argument(help="The .tflite file, quantized to int8.")],
    out: Annotated[Path, typer.Option("--out", help="Folder that takes net.h, net.c and build.json.")],
    core: Annotated[str, typer.Option("--core", help="m0, m3, m4, m7, m33, m55 or host.")] = "m4",
    optimize: Annotated[str, typer.Option("--optimize", help="speed, or size: packed weights.")] = "speed",
    hop: Annotated[
        int | None, typer.Option("--hop", help="New time steps a push: adds net_reset and net_push.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Show each layer's kernel and predicted cost.")
    ] = False,
    show_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compile an int8 .tflite file to C for a core."""
    from myo_export.compile_model import compile_model, report_choice
    from myo_host.cli.network_table import as_json, print_network
    from myo_pipeline.bundle import render_json

    found = compile_model(model, core, optimize, out, hop)
    if report or show_json:
        other = report_choice(model, core, "size" if optimize == "speed" else "speed", hop)
        if show_json:
            print(render_json(as_json(found, other, core, optimize)))
            return
        print_network(found, other, core, optimize)
    print(
        f"wrote net.h, net.c and build.json to {out}: {found.macs} MACs, {found.flash_bytes} bytes of weights "
        f"and tables, {found.arena_bytes} bytes of arena"
    )
