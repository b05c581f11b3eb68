"""The commands. Each reads a spec or a bundle from disk; none needs the one before in the same process."""

from __future__ import annotations

import itertools
import re
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from myo_host.cli.app import app, show_progress
from myo_pipeline.errors import SpecError

SpecArgument = Annotated[Path, typer.Argument(help="The patch.toml, or the folder that holds it.")]
BundleArgument = Annotated[Path, typer.Argument(help="The bundle's folder.")]
BoardOption = Annotated[
    str,
    typer.Option("--board", help="Virtual board: virtual_m0, m3, m4, m7, m33, m55, stm32f405, or native."),
]
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder that holds the data sets.")]
MlperfOption = Annotated[
    bool,
    typer.Option("--mlperf", help="The network behind the MLPerf Tiny runner's protocol, not the patch."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]

data_app = typer.Typer(help="Data sets: list them, get them, look into them.", no_args_is_help=True)
app.add_typer(data_app, name="data")


# What the application's static memory is for; the names are those of firmware/app/main.c.
_RAM_PARTS = {
    "network arena": ("net_arena", "net_input", "net_output"),
    "sample ring and window": ("ring_counts", "ring_ticks", "window", "block"),
    "line buffers": ("rx_bytes", "tx_bytes", "link"),
    "filter state": ("filter_state", "filters"),
}


def _spec_path(path: Path) -> Path:
    return path / "patch.toml" if path.is_dir() else path


@app.command()
def new(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to make; its name becomes the patch's name.")
    ] = None,
    template: Annotated[str, typer.Option(help="Template to start from.")] = "gestures",
    list_templates: Annotated[bool, typer.Option("--list", help="List the templates.")] = False,
) -> None:
    """Make a patch.toml from a template."""
    from myo_pipeline.bundle import write_text
    from myo_pipeline.spec import NAME_PATTERN, find_templates, parse_spec

    templates = find_templates()
    if list_templates:
        for name, path in templates.items():
            print(f"{name:<10} {path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}")
        return
    if folder is None:
        raise SpecError("no folder given: `myopatch new FOLDER`, or `myopatch new --list`")
    if template not in templates:
        raise SpecError(f"template {template!r} is unknown, expected one of: {', '.join(templates)}")
    path = folder / "patch.toml"
    if path.exists():
        raise SpecError(f"{path}: exists already; edit it, or give another folder")
    name = folder.resolve().name.lower().replace(" ", "_")
    if not re.match(NAME_PATTERN, name):
        raise SpecError(
            f"{folder}: would make the patch name {name!r}, expected a letter a-z and up to 31 of a-z, 0-9, _ and -; "
            "give another folder"
        )
    text = templates[template].read_text(encoding="utf-8").replace("@NAME@", name)
    parse_spec(text, str(path))
    write_text(path, text)
    print(f"wrote {path}; next: myopatch train {path}")


@data_app.command("list")
def data_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the data sets and where each is found."""
    from myo_pipeline.bundle import render_json
    from myo_training.datasets import CATALOGUE, find_dataset

    rows = [
        {
            "name": entry.name,
            "where": str(find_dataset(entry.name, data) or ""),
            "description": entry.description,
            "licence": entry.licence,
            "home": entry.url,
            "can_fetch": entry.can_fetch,
        }
        for entry in CATALOGUE.values()
    ]
    if as_json:
        print(render_json(rows))
        return
    for row in rows:
        print(f"{row['name']:<16} {row['description']} ({row['licence']})")
        way = (
            f"get it with: myopatch data get {row['name']}"
            if row["can_fetch"]
            else f"get it from {row['home']}"
        )
        print(f"{'':<16} {row['where'] or 'not here; ' + way}")


@data_app.command("get")
def data_get(
    name: Annotated[str, typer.Argument(help="Data set name.")],
    url: Annotated[
        str | None, typer.Option(help="Take the archive from here instead of its public home.")
    ] = None,
) -> None:
    """Download a data set from its public home into the user cache, and check its content."""
    from myo_training.fetch import fetch_dataset

    with show_progress(f"data get {name}") as progress:
        path = fetch_dataset(name, url=url, progress=progress)
    print(f"{name}: {path}")


@app.command(short_help="Train, quantize and measure the spec's model.")
def train(
    spec: SpecArgument = Path("patch.toml"),
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option(help="Bundle folder; build/NAME if not given.")] = None,
) -> None:
    """Train the spec's model, quantize it to int8, and measure it on persons that it never saw."""
    from myo_pipeline.spec import load_spec

    path = _spec_path(spec)
    folder = out or Path("build") / load_spec(path).name
    from myo_host.cli.evaluate_command import RUNS, log_command
    from myo_host.report import summarize_training
    from myo_training.train import train as run_training

    with show_progress("train") as progress:
        result = run_training(path, folder, data, progress)
    print(f"data: {result.source}")
    for line in summarize_training(result.training):
        print(line)
    run = log_command(folder.parent / RUNS, "train", load_spec(path), result.training)
    print(f"wrote {folder}, logged {run}; next: myopatch export {folder}")


@app.command("export", short_help="Compile a trained bundle to C and golden vectors.")
def export_command(bundle: BundleArgument) -> None:
    """Compile a trained bundle: C arrays, fixed-point coefficients, golden vectors, memory and cost, manifest."""
    from myo_export.budget import describe_limits
    from myo_export.export import export_bundle

    with show_progress("export") as progress:
        exported = export_bundle(bundle, progress)
    network = exported.network
    for note in exported.front_end.notes:
        print(f"front end: {note}")
    for stream in exported.aux:
        print(f"auxiliary stream: {stream.note}")
    print(
        f"network: {len(network.layers)} layers, {network.macs} MACs, {network.flash_bytes} B of weights and tables, "
        f"arena {network.arena_bytes} B (lower bound {network.arena_lower_bound_bytes} B)"
    )
    for line in network.stream_summary[1:]:
        print(f"network: {line}")
    predicted = exported.choice.prediction
    limits = describe_limits(exported.bundle.spec.budget)
    print(
        f"predicted: flash {predicted.flash_bytes} B, RAM {predicted.ram_bytes} B, {predicted.total_ms:.3g} ms a decision "
        f"at {exported.bundle.spec.budget.clock_mhz:g} MHz; {exported.choice.describe()}, "
        f"{exported.choice.buffers.ring_frames} frames of samples under way"
        + (f"; within the budget of {limits}" if limits else "")
        + ("" if predicted.is_modelled else "; some layers are guessed, see myopatch compile --report")
    )
    print(
        f"bundle {exported.bundle.bundle_hash[:12]} in {bundle}; next: myopatch build {bundle} --board virtual_m4"
    )


def _build(bundle: Path, board: str, app: str = "app") -> Path:
    """Build the firmware of an exported bundle and return its ELF."""
    from myo_export.firmware_build import build_firmware, check_budget
    from myo_host.boards import find_board
    from myo_pipeline.bundle import open_bundle, write_json

    find_board(board)
    opened = open_bundle(bundle)
    with show_progress(f"build {board}") as progress:
        steps = itertools.count(1)

        def step(text: str) -> None:
            if text.startswith(("Compiling", "Linking")):
                done = next(steps)  # how many there are is not told beforehand
                progress(text, done / (done + 10))

        built = build_firmware(bundle, board, step, app)
    weights = int(opened.read_json("budget.json")["network"]["flash_bytes"])
    parts = {name: sum(built.symbol_bytes.get(s, 0) for s in symbols) for name, symbols in _RAM_PARTS.items()}
    parts |= {"stack": built.stack_bytes}
    write_json(
        built.elf.with_suffix(".json"),
        {
            "flash_bytes": built.flash_bytes,
            "ram_bytes": built.ram_bytes,
            "stack_bytes": built.stack_bytes,
            "flash_parts": {"weights and tables": weights, "code and settings": built.flash_bytes - weights},
            "ram_parts": parts | {"the rest": built.ram_bytes - sum(parts.values())},
        },
    )
    if board != "native":  # a process of this machine, with sanitizers
        check_budget(opened.spec.budget, built)
    print(
        f"{built.elf}: flash {built.flash_bytes} B, static RAM {built.ram_bytes} B of which stack {built.stack_bytes} B"
    )
    return built.elf


@app.command()
def build(bundle: BundleArgument, board: BoardOption = "virtual_m4", mlperf: MlperfOption = False) -> None:
    """Build the firmware with PlatformIO."""
    _build(bundle, board, "mlperf" if mlperf else "app")


@app.command(short_help="Boot a virtual board and leave its port open.")
def run(bundle: BundleArgument, board: BoardOption = "virtual_m4", mlperf: MlperfOption = False) -> None:
    """Boot a virtual board and leave its serial port open until Ctrl-C."""
    from myo_host.boards import find_board, start_board
    from myo_pipeline.bundle import open_bundle

    description = find_board(board)
    open_bundle(bundle)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the ordinary way to end it from a script
    with start_board(description, _firmware(bundle, board, "mlperf" if mlperf else "app")) as port:
        use = (
            "give it to the MLPerf Tiny runner"
            if mlperf
            else f"try: myopatch validate {bundle} --port {port}"
        )
        print(f"{board} is up at {port}; {use}", flush=True)
        signal.pause()


def _firmware(bundle: Path, board: str, app: str = "app") -> Path:
    from myo_export.firmware_build import firmware_path

    return firmware_path(bundle, board, app)


@app.command(
    short_help="Compare a board with the twin, word by word.",
    epilog="Exit codes: 0 every word equal and the twin within its bounds; 1 not so; 2 could not validate; 130 interrupted.",
)
def validate(
    bundle: BundleArgument,
    board: Annotated[str | None, typer.Option(help="Boot this virtual board.")] = None,
    port: Annotated[
        str | None, typer.Option(help="Serial port of a board that runs the bundle, usb:SERIAL, or auto.")
    ] = None,
    as_json: JsonOption = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the verdicts as JUnit XML.")
    ] = None,
) -> None:
    """Stream held-out recordings through a board and compare every stage, word by word, with the twin."""
    from myo_host.boards import Board, find_board, start_board
    from myo_host.junit import write_junit, write_junit_error
    from myo_host.link import PatchLink
    from myo_host.report import print_validation, write_report
    from myo_host.validate import validate_board
    from myo_host.validation_schema import check_record
    from myo_pipeline.bundle import open_bundle, render_json, write_json
    from myo_pipeline.errors import LinkError, MyoError

    if bool(board) == bool(port):
        raise LinkError("give one of --board NAME (a virtual board) and --port DEVICE (a board on the line)")
    try:
        opened = open_bundle(bundle)
        if port:
            description, context = Board("port", f"the board at {port}"), nullcontext(port)
        else:
            description = find_board(str(board))
            context = start_board(description, _firmware(bundle, description.name))  # type: ignore[assignment]
        with context as name, PatchLink(name) as link, show_progress("validate") as progress:
            result = validate_board(opened, link, description, progress)
    except MyoError as error:
        if junit is not None:
            write_junit_error(junit, bundle.resolve().name, str(error))
        raise
    values = check_record(result.as_dict())
    write_json(bundle / "validation.json", values)
    report = write_report(opened, result)
    if junit is not None:
        write_junit(junit, result, opened.spec.name)
    if as_json:
        print(render_json(values))
    else:
        print_validation(opened, result)
        print(f"report: {report}")
    if not result.passed:
        raise typer.Exit(1)


@app.command(
    short_help="Say what this machine lacks, and what mends it.",
    epilog="Exit codes: 0 nothing is missing; 1 something is.",
)
def doctor(as_json: JsonOption = False) -> None:
    """Say what is missing on this machine, and the command that mends it."""
    from myo_host.doctor import examine
    from myo_pipeline.bundle import render_json

    findings = examine()
    if as_json:
        print(render_json([vars(f) for f in findings]))
    else:
        for finding in findings:
            print(f"{'ok     ' if finding.ok else 'MISSING'} {finding.what:<28} {finding.found}")
            if not finding.ok:
                print(f"        {finding.needed_for}; mend with: {finding.remedy}")
    if not all(f.ok or f.optional for f in findings):
        raise typer.Exit(1)


@app.command()
def ports(as_json: JsonOption = False) -> None:
    """List the serial ports and what is plugged in there."""
    from dataclasses import asdict

    from myo_host.ports import list_portless, list_ports
    from myo_pipeline.bundle import render_json

    found, portless = list_ports(), list_portless()
    if as_json:
        print(render_json([{"name": port.name, **asdict(port)} for port in [*found, *portless]]))
        return
    for port in found:
        print(
            f"{port.name:<32} {port.device:<16} {port.what}{'' if port.permitted else '; not permitted, see doctor'}"
        )
    for device in portless:
        print(
            f"{'-':<32} {'no serial port':<16} {device.what}{'' if device.permitted else '; not permitted'}"
        )
    if not found:
        print("no serial port; plug a board in, or start a virtual one with `myopatch run`")


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib import metadata

        print(f"myopatch {metadata.version('myopatch')}")
        raise typer.Exit
