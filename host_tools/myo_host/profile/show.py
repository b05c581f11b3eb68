"""A profile as a table on the terminal, and as files in a folder."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from myo_host.profile.result import Profile, Row
from myo_pipeline.bundle import write_json, write_text

MAX_FUNCTIONS = 30  # rows of a table of functions; JSON has all


def print_profile(profile: Profile) -> None:
    """Print rows, their sum, and what follows from them."""
    console = Console(width=None if Console().is_terminal else 130, highlight=False)
    console.print(_tabulate(profile))
    for label, text in summarize(profile):
        console.print(f"{label:<18} {text}", soft_wrap=True)


def _tabulate(profile: Profile) -> Table:
    of_functions = profile.unit == "whole run"
    table = Table(
        title=f"{profile.title}, for one {profile.unit}" if not of_functions else profile.title,
        title_justify="left",
    )
    table.add_column("function" if of_functions else "part")
    headings = ["calls", "instructions", "with callees"] if of_functions else ["MACs", "instructions", "/MAC"]
    headings += ["cycles"] if of_functions else ["cycles", "/MAC", "stack"]
    energy = "µJ" if profile.part.volts else "µC"
    headings += ["ms", *([energy] if profile.part.active_ma else []), "share"]
    for heading in headings:
        table.add_column(heading, justify="right")
    shown = profile.rows[:MAX_FUNCTIONS] if of_functions else profile.rows
    for place, row in enumerate(shown):
        table.add_row(*_cells(profile, row, of_functions), end_section=place + 1 == len(shown))
    table.add_row(*_cells(profile, profile.total, of_functions))
    return table


def _cells(profile: Profile, row: Row, of_functions: bool) -> list[str]:
    def per_mac(value: float) -> str:
        return f"{value / row.macs:.2f}" if row.macs else ""

    if of_functions:
        calls = "" if row.n_calls is None else f"{row.n_calls:,}"
        with_callees = "" if row.inclusive_instructions is None else f"{row.inclusive_instructions:,.0f}"
        cells = [row.name, calls, f"{row.instructions:,.0f}", with_callees, f"{row.middle:,.0f}"]
    else:
        cells = [
            row.name, f"{row.macs:,}" if row.macs else "", f"{row.instructions:,.0f}", per_mac(row.instructions),
            f"{row.middle:,.0f}", per_mac(row.middle), "" if row.stack_bytes is None else f"{row.stack_bytes:,}",
        ]  # fmt: skip
    amount = profile.energy_uj(row) if profile.part.volts else profile.charge_uc(row)
    cells += [f"{profile.milliseconds(row):.3f}", *([f"{amount:.2f}"] if amount is not None else [])]
    return [*cells, f"{100 * row.middle / (profile.total.middle or 1):.1f} %"]


def summarize(profile: Profile) -> list[tuple[str, str]]:
    """Return the lines below the table, as label and text."""
    total, part = profile.total, profile.part
    ms, (least, _, most) = profile.milliseconds(total), total.cycles
    scale = 1000 / part.clock_hz
    name = f"{part.name}, {part.core}" if part.name else part.core
    lines = [
        (
            "time",
            f"{ms:.3f} ms at {part.clock_hz / 1e6:g} MHz ({name}), "
            f"{least * scale:.3f} to {most * scale:.3f} by the manual's ranges",
        )
    ]
    if profile.network is not None:
        net = profile.network
        per_mac = f", {net.instructions / net.macs:.2f} a MAC" if net.macs else ""
        share = 100 * net.middle / (total.middle or 1)
        lines.append(
            (
                "network",
                f"{net.instructions:,.0f} instructions{per_mac}, {net.middle:,.0f} cycles, {share:.1f} %",
            )
        )
    if profile.calls and min(profile.calls) != max(profile.calls):
        lines.append(
            (
                "network's runs",
                f"{len(profile.calls)} counted, {min(profile.calls):,} to {max(profile.calls):,} instructions",
            )
        )
    duty = profile.duty
    if duty is not None:
        lines.append(("core", f"{100 * duty:.2f} % at a hop of {profile.hop_ms:g} ms"))
    if part.active_ma is not None:
        lines.append(("energy", _describe_energy(profile, duty)))
        if part.source != "the command line":
            lines.append(("current's source", part.source))
    memory = profile.memory
    stack = (
        f", stack {memory['stack_used_bytes']:,} B used of {memory['stack_bytes']:,} B"
        if "stack_used_bytes" in memory
        else ""
    )
    lines.append(
        ("memory", f"flash {memory['flash_bytes']:,} B, static RAM {memory['ram_bytes']:,} B{stack}")
    )
    if profile.others:
        others = ", ".join(f"{row.name} {row.instructions:,.0f}" for row in profile.others)
        lines.append(
            ("not in the table", f"instructions for one {profile.unit} on the virtual board: {others}")
        )
    return lines + [("note", note) for note in profile.notes]


def _describe_energy(profile: Profile, duty: float | None) -> str:
    part, total = profile.part, profile.total
    energy = profile.energy_uj(total)
    amount = (
        f"{energy:.2f} µJ a {profile.unit} at {part.volts:g} V"
        if energy is not None
        else f"{profile.charge_uc(total) or 0:.2f} µC a {profile.unit} (times the supply's volts: µJ)"
    )
    text = f"{amount}, {part.active_ma:g} mA while the core runs"
    if duty is not None and part.active_ma is not None:
        text += f", {part.active_ma * duty:.3f} mA on average for computing"
    return text + "; radio, converter and sleep left out"


def write_profile(profile: Profile, folder: Path) -> list[Path]:
    """Write ``profile.json`` and ``profile.svg`` into a folder and return their paths."""
    from myo_host.figures import draw_costs

    paths = [folder / "profile.json", folder / "profile.svg"]
    write_json(paths[0], profile.as_dict())
    shown = profile.rows[:MAX_FUNCTIONS]
    costs = {row.name: (row.instructions, row.middle) for row in shown}
    write_text(paths[1], draw_costs(costs, f"for one {profile.unit}"))
    return paths
