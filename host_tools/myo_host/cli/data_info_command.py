"""``myopatch data info``: what a data set holds, as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from myo_host.cli.app import show_progress
from myo_host.cli.commands import DataOption, JsonOption, data_app

_PARTS = " ▏▎▍▌▋▊▉█"


@data_app.command("info")
def data_info(
    name: Annotated[str, typer.Argument(help="Data set name, or a folder of recordings.")],
    data: DataOption = None,
    kind: Annotated[str | None, typer.Option(help="classes or values, of a set that has both.")] = None,
    persons: Annotated[str | None, typer.Option(help="Read only these, with commas between.")] = None,
    png: Annotated[
        Path | None, typer.Option(help="Write the picture here; build/data/NAME.png if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a data set and show who and what is in it, with a picture of a labelled signal, the balance and spectra."""
    from myo_pipeline.bundle import render_json
    from myo_training.data_picture import draw_summary
    from myo_training.data_summary import summarize_set
    from myo_training.datasets import open_named

    opened = open_named(name, data, kind)
    wanted = [person.strip() for person in persons.split(",")] if persons else None
    with show_progress(f"data info {name}") as progress:
        summary = summarize_set(opened, wanted, progress)
        picture = draw_summary(summary)
    path = png or Path("build") / "data" / f"{_file_name(summary.info.name)}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
    if as_json:
        print(render_json(summary.as_json() | {"picture": str(path)}))
        return
    _show(summary)
    print(f"picture: {path}")


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name) or "set"


def _show(summary: Any) -> None:  # noqa: ANN401 - a SetSummary, whose package loads with the command
    from rich.console import Console
    from rich.table import Table

    from myo_training.data_picture import tell_unit

    info, lengths = summary.info, summary.lengths_s
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    rows = [
        ("set", f"{info.name}: {info.description}"),
        ("persons", f"{len(summary.persons)}: {_list_some(summary.persons)}"),
        ("sessions", f"{summary.n_sessions}"),
        (
            "recordings",
            f"{summary.n_recordings}, {lengths.min():.3g} to {lengths.max():.3g} s, {lengths.sum() / 60:.1f} min in all",
        ),
        (
            "signal",
            f"{info.n_channels} channels, {info.rate_hz:g} Hz, {tell_unit(info.lsb_uv)}, fits {summary.bits} bits",
        ),
        *([("channels", _list_some(info.channels))] if info.channels else []),
        ("licence", info.licence),
        ("citation", info.citation),
        ("source", info.source),
        *((f"fault {k}", fault) for k, fault in enumerate(info.faults, 1)),
    ]
    for row in rows:
        facts.add_row(*row)
    held = Table(box=None, padding=(0, 2, 0, 0))
    if info.kind == "classes":
        for column in ("label", "class", "seconds", "share", "persons", ""):
            held.add_column(column, justify="left" if column in ("class", "") else "right")
        counts = summary.windows.sum(axis=0)
        for label, output in enumerate(info.outputs):
            share = counts[label] / max(1, counts.sum())
            with_it = int((summary.windows[:, label] > 0).sum())
            held.add_row(
                str(label), output, f"{counts[label] * 0.25:.0f}", f"{100 * share:.1f} %", str(with_it),
                _bar(share / max(1e-12, counts.max() / max(1, counts.sum()))),
            )  # fmt: skip
    else:
        for column in ("value", "lowest", "highest"):
            held.add_column(column, justify="left" if column == "value" else "right")
        for k, output in enumerate(info.outputs):
            held.add_row(output, f"{summary.lowest[k]:.4g}", f"{summary.highest[k]:.4g}")
    console = Console()
    console.print(facts)
    console.print()
    console.print(held)
    quoted = ", ".join(f'"{output}"' for output in info.outputs)
    print(f"\nin patch.toml:\n  [sensor]\n  channels = {info.n_channels}\n  rate_hz = {info.rate_hz}")
    print(f"  lsb_uv = {info.lsb_uv!r}\n  adc_bits = {summary.bits}")
    key = "labels" if info.kind == "classes" else "names"
    print(f'  [output]\n  kind = "{info.kind}"\n  {key} = [{quoted}]\n')


def _list_some(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:10])}, ... {names[-1]}"


def _bar(share: float) -> str:
    eighths = round(8 * 20 * share)
    return "█" * (eighths // 8) + _PARTS[eighths % 8].strip()
