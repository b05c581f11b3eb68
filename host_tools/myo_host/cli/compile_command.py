"""``myopatch compile``: a model by itself to C, without a patch around it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
    report: Annotated[bool, typer.Option("--report", help="Show each layer's kernel and cost.")] = False,
) -> None:
    """Compile an int8 .tflite file to C for a core."""
    from myo_export.compile_model import compile_model

    found = compile_model(model, core, optimize, out, hop)
    if report:
        _show(found)
    print(
        f"wrote net.h, net.c and build.json to {out}: {found.macs} MACs, {found.flash_bytes} bytes of weights "
        f"and tables, {found.arena_bytes} bytes of arena"
    )


def _show(report: Any) -> None:  # noqa: ANN401 - a NetworkReport, whose package loads with the command
    from myo_export.emit_net_stream import stream_summary

    print(f"{'layer':>5} {'operator':<20} {'output':<14} {'MACs':>9} {'flash':>7} {'scratch':>7}  kernel")
    for layer in report.layers:
        shape = "x".join(str(n) for n in layer.output_shape)
        flash = layer.weight_bytes + layer.table_bytes
        print(
            f"{layer.index:>5} {layer.op_name:<20} {shape:<14} {layer.macs:>9} {flash:>7} "
            f"{layer.scratch_bytes:>7}  {layer.kernel}"
        )
    print(f"arena {report.arena_bytes} bytes, of which {report.arena_lower_bound_bytes} live at once")
    if report.stream is not None:
        print("\n".join(stream_summary(report.stream)))
        print(f"arena of pushes alone {report.stream.push_bytes} bytes")
