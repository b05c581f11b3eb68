"""What ``myopatch compile --report`` shows: a network's cost by layer, as a table or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the package loads with the command
    from myo_export.cost_model import Cost
    from myo_export.network_report import LayerReport, NetworkReport

_WIDE_COLUMNS = 104  # characters from which on the table has all of its columns
_MIDDLE_COLUMNS = 80

# The model is of the Cortex-M4; with the same kernels the other two run about as many instructions.
_M4, _LIKE_M4 = ("m4",), ("m4", "m7", "m33")


def describe_kernel(layer: LayerReport) -> tuple[str, str]:
    """Say which kernel runs, in a word or two, and why."""
    if layer.kernel.startswith("plain"):
        return "plain", layer.kernel.removeprefix("plain (").removesuffix(")")
    form = layer.kernel.removeprefix("dsp, weights ")
    if layer.op_name == "DEPTHWISE_CONV_2D":
        return f"dsp {form}", "few weights, always wide"
    return f"dsp {form}", "for speed" if form == "int16" else "for size"


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def _figure(value: float, cost: Cost) -> str:
    """Return a prediction; nothing where nothing runs, and marked where it is a guess."""
    if round(value) == 0:
        return ""
    return _thousands(value) if cost.is_modelled else f"~{_thousands(value)}"


def above_bound(report: NetworkReport) -> float:
    """Return by how many per cent the arena of a run exceeds what lives at once."""
    return 100 * (report.run_arena_bytes / max(report.arena_lower_bound_bytes, 1) - 1)


def as_json(report: NetworkReport, other: NetworkReport, core: str, optimize: str) -> dict[str, Any]:
    """Return the report for scripts; null where the model knows nothing of the core."""
    other_way = "size" if optimize == "speed" else "speed"
    return {
        "core": core,
        "optimize": optimize,
        "layers": [
            {
                "index": layer.index,
                "operator": layer.op_name,
                "output": layer.output_name,
                "shape": list(layer.output_shape),
                "macs": layer.macs,
                "instructions": round(layer.cost.instructions) if core in _LIKE_M4 else None,
                "cycles": round(layer.cost.cycles) if core in _M4 else None,
                "modelled": layer.cost.is_modelled,
                "flash_bytes": layer.flash_bytes,
                "scratch_bytes": layer.scratch_bytes,
                "kernel": describe_kernel(layer)[0],
                "why": describe_kernel(layer)[1],
            }
            for layer in report.layers
        ],
        "choices": {optimize: _totals(report, core), other_way: _totals(other, core)},
        "arena_above_lower_bound_percent": round(above_bound(report), 2),
    }


def _totals(report: NetworkReport, core: str) -> dict[str, Any]:
    push = report.push_cost
    found: dict[str, Any] = {
        "macs": report.macs,
        "instructions": round(report.cost.instructions) if core in _LIKE_M4 else None,
        "cycles": round(report.cost.cycles) if core in _M4 else None,
        "modelled": report.cost.is_modelled,
        "flash_bytes": report.flash_bytes,
        "code_bytes": report.code_bytes if core in _LIKE_M4 else None,
        "arena_bytes": report.arena_bytes,
        "arena_lower_bound_bytes": report.arena_lower_bound_bytes,
    }
    if push is not None and report.stream is not None:
        found["push"] = {
            "macs": report.stream.macs_push,
            "instructions": round(push.instructions) if core in _LIKE_M4 else None,
            "cycles": round(push.cycles) if core in _M4 else None,
            "arena_bytes": report.stream.push_bytes,
        }
    return found


def print_network(report: NetworkReport, other: NetworkReport, core: str, optimize: str) -> None:
    """Print a network by layer, its totals, and the other choice beside them."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, emoji=False, markup=False)
    is_wide, is_middle = console.width >= _WIDE_COLUMNS, console.width >= _MIDDLE_COLUMNS
    is_counted = core in _LIKE_M4
    reasons: dict[tuple[str, str], list[int]] = {}
    rows = []
    for layer in report.layers:
        kernel, why = describe_kernel(layer)
        reasons.setdefault((kernel, why), []).append(layer.index)
        shape = "x".join(str(n) for n in layer.output_shape)
        first = (str(layer.index), layer.op_name, shape)
        rows.append(_row(first, layer.macs, layer.cost, layer.flash_bytes, layer.scratch_bytes, kernel, core))
    rows.append(_row(("all", "", ""), report.macs, report.cost, report.flash_bytes, 0, "", core))
    heads = ("layer", "operator", "output", "MACs", "instr", "cycles", "flash", "scratch", "kernel")
    hidden = set() if is_wide else {"output"} if is_middle else {"output", "cycles", "scratch"}
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    widest = [max(len(head), *(len(cells[k]) for cells in rows)) for k, head in enumerate(heads)]
    shown = [k for k, head in enumerate(heads) if head not in hidden]
    excess = sum(widest[k] + 2 for k in shown) - console.width
    for k in shown:
        is_name = heads[k] == "operator"  # what gives way where there is no room
        table.add_column(
            heads[k],
            justify="left" if heads[k] in ("operator", "output", "kernel") else "right",
            no_wrap=True,
            width=max(6, widest[k] - max(excess, 0)) if is_name else widest[k],
        )
    for cells in rows:
        table.add_row(*(cells[k] for k in shown))
    console.print(table)
    for (kernel, why), places in reasons.items():
        many = "layers" if len(places) > 1 else "layer"
        console.print(f"{kernel}: {why} ({many} {', '.join(map(str, places))})")
    if not is_counted:
        console.print(f"instructions are modelled for the Cortex-M4's kernels; {core} runs others")
    elif core not in _M4:
        console.print(f"instructions as a Cortex-M4 runs them; cycles of {core} are not modelled")
    state = f" and the stream's {report.stream.state_bytes}" if report.stream else ""
    guessed = sorted({layer.op_name for layer in report.layers if not layer.cost.is_modelled})
    if guessed and is_counted:
        console.print(f"~ not modelled, a guess that is meant to be too high: {', '.join(guessed)}")
    console.print(
        f"arena {report.arena_bytes} bytes; a run needs {report.run_arena_bytes}{state}, {above_bound(report):.1f} % above the "
        f"{report.arena_lower_bound_bytes} that live at once"
    )
    other_way = "size" if optimize == "speed" else "speed"
    for name, found in ((optimize, report), (other_way, other)):
        console.print(_describe_choice(name, found, core, name == optimize), soft_wrap=True)
    if report.stream is not None:
        for line in report.stream_summary:
            console.print(line)
        pushed = (
            f"{report.push_cost.instructions:,.0f} instructions, " if report.push_cost and is_counted else ""
        )
        console.print(f"a push: {pushed}{report.stream.push_bytes} bytes of arena where only pushes run")


def _row(
    first: tuple[str, str, str], macs: int, cost: Cost, flash: int, scratch: int, kernel: str, core: str
) -> tuple[str, ...]:
    instructions = _figure(cost.instructions, cost) if core in _LIKE_M4 else "-"
    cycles = _figure(cost.cycles, cost) if core in _M4 else "-"
    counts = [_thousands(n) if n else "" for n in (macs, flash, scratch)]
    return (*first, counts[0], instructions, cycles, counts[1], counts[2], kernel)


def _describe_choice(name: str, report: NetworkReport, core: str, is_chosen: bool) -> str:
    figures = []
    if core in _LIKE_M4:
        figures.append(f"{_figure(report.cost.instructions, report.cost)} instructions")
    if core in _M4:
        figures.append(f"{_figure(report.cost.cycles, report.cost)} cycles")
    flash = f"{report.flash_bytes:,} bytes of weights and tables"
    if core in _LIKE_M4:
        flash += f" and {report.code_bytes:,} of code"
    figures += [flash, f"{report.arena_bytes:,} of arena"]
    return f"--optimize {name:<5} {', '.join(figures)}{' (this one)' if is_chosen else ''}"
