"""``myopatch profile``: what the network and the whole patch cost, measured call by call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myo_host.cli.app import app
from myo_pipeline.errors import ProfileError

if TYPE_CHECKING:
    from myo_host.profile.image import Image
    from myo_host.profile.parts import Part
    from myo_host.profile.result import Profile
    from myo_host.profile.sections import PlannedLayer

CLOCK_HZ = 64e6  # for images that belong to no board


@app.command(
    "profile",
    short_help="Count what a patch, or any image, costs: by layer.",
    epilog="Instructions are counted in QEMU; cycles are a Cortex-M4's by its manual, with zero wait states. Energy needs "
    "a part's milliamperes: --part, or --active-ma with --volts and --clock-mhz from its data sheet.",
)
def profile_command(
    bundle: Annotated[Path | None, typer.Argument(help="The bundle's folder, or --elf.")] = None,
    board: Annotated[
        str, typer.Option("--board", help="Virtual board that the bundle was built for.")
    ] = "virtual_m4",
    windows: Annotated[
        int, typer.Option("--windows", min=1, max=1000, help="Decisions of the bundle to count.")
    ] = 20,
    elf: Annotated[Path | None, typer.Option("--elf", help="Any image for mps2-an386.")] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="The .tflite file in the image: names its layers.")
    ] = None,
    hop: Annotated[
        int | None, typer.Option("--hop", help="With --model: time steps a push; profiles net_push.")
    ] = None,
    function: Annotated[
        list[str] | None, typer.Option("--function", help="Only this function and what it calls; repeat.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=3600, help="Longest time that the image may run.")
    ] = 60.0,
    part: Annotated[str | None, typer.Option("--part", help="As if on this one: nrf54l15.")] = None,
    clock_mhz: Annotated[float | None, typer.Option("--clock-mhz", help="Core clock.")] = None,
    active_ma: Annotated[
        float | None, typer.Option("--active-ma", help="Current while the core runs.")
    ] = None,
    volts: Annotated[float | None, typer.Option("--volts", help="Supply of that current.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder that takes profile.json and profile.svg.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:
    """Count what a bundle's firmware, or any image, costs: instructions, cycles, time, energy and stack, by layer."""
    from myo_host.profile.parts import find_part
    from myo_host.profile.show import print_profile, write_profile
    from myo_pipeline.bundle import render_json

    if (bundle is None) == (elf is None):
        raise ProfileError("give one of BUNDLE (its firmware runs golden windows) and --elf IMAGE")
    if bundle is not None and (model or function or hop is not None):
        raise ProfileError("--model, --function and --hop are for --elf; a bundle brings its model")
    if hop is not None and model is None:
        raise ProfileError("--hop names the layers of a push: give --model as well")
    if model is not None and function:
        raise ProfileError("--model and --function exclude each other: layers, or functions")
    on = find_part(part, clock_mhz, active_ma, volts, CLOCK_HZ)
    if bundle is not None:
        found = _profile_bundle(bundle, board, windows, on, stated=part is not None or clock_mhz is not None)
    elif elf is not None:
        found = _profile_image(elf, model, hop, function or [], seconds, on)
    if on.core != "Cortex-M4F":
        found.notes.append(f"cycles are a Cortex-M4's; a {on.core} may take others")
    paths = write_profile(found, out) if out else []
    if as_json:
        print(render_json(found.as_dict()))
        return
    print_profile(found)
    if paths:
        print(f"wrote {' and '.join(map(str, paths))}")


def _profile_bundle(folder: Path, board_name: str, windows: int, part: Part, *, stated: bool) -> Profile:
    import dataclasses

    from myo_host.boards import find_board
    from myo_host.cli.app import show_progress
    from myo_host.profile.generated import read_layers
    from myo_host.profile.image import read_image
    from myo_host.profile.patch import profile_patch
    from myo_host.profile.result import present_patch
    from myo_pipeline.bundle import open_bundle

    board = find_board(board_name)
    bundle = open_bundle(folder)
    firmware = folder / "firmware" / f"{board.name}.elf"
    if not board.command or board.command[0] == "{elf}":
        raise ProfileError(f"board {board.name}: does not run under QEMU; profile --board virtual_m4")
    if not firmware.is_file():
        raise ProfileError(
            f"{firmware}: no such firmware; run `myopatch build {folder} --board {board.name}`"
        )
    image = read_image(firmware, board.origin)
    source = (bundle.path / "c" / "net.c").read_text(encoding="ascii")
    layers = read_layers(source, push="void net_push(" in source)
    with show_progress("profile"):
        found = profile_patch(bundle, image, board, layers, windows)
    on = part if stated else dataclasses.replace(part, clock_hz=board.clock_hz)
    title = f"{board.name}: {found.n_decisions} decisions of {bundle.spec.name}"
    note = "samples came in blocks, from the host; one by one, as from a converter, the front end takes more"
    return present_patch(found, image, title, on, bundle.spec.window.hop_ms, [note])


def _profile_image(
    elf: Path, model: Path | None, hop: int | None, functions: list[str], seconds: float, part: Part
) -> Profile:
    from myo_host.profile.emulator import Watch, record, run_image
    from myo_host.profile.image import read_image
    from myo_host.profile.result import gather_all, present_functions, present_network
    from myo_host.profile.sections import find_function

    image = read_image(elf)
    layers = _plan_layers(model, hop) if model else []
    roots = _network_functions(image, hop) if model else functions
    with record(Watch(image, timed=[] if not model else roots)) as recording:
        ended = run_image(image, recording, seconds, ["-M", "mps2-an386"])
        trace = recording.read()
    notes = [] if ended else [f"the image did not end within {seconds:g} s: counted until then"]
    if image.has_heap:
        notes.append("stack left out: the image has a heap, whose words cannot be told from the stack's")
    if model:
        root = find_function(image, trace.threads, roots)
        if root is None:
            raise ProfileError(f"{elf}: {' and '.join(roots)} never ran; give an image that runs the network")
        entry = image.find(root.name)
        timed = trace.timed.get(entry.begin, []) if entry else []
        title = f"{elf.name}: {root.n_calls} calls of {root.name}, {model.name}"
        return present_network(root, layers, image, title, part, timed, notes)
    if not functions:
        return present_functions(
            gather_all(image, trace.threads, trace.interrupts), image, elf.name, part, notes
        )
    sections = []
    for name in functions:
        section = find_function(image, trace.threads, [name])
        if section is None:
            known = image.find(name)
            raise ProfileError(
                f"{elf}: {name} never ran{'' if known else ' and is not in the image'}; "
                "see what does without --function"
            )
        sections.append(section)
    return present_functions(sections, image, f"{elf.name}: {', '.join(functions)}", part, notes)


def _network_functions(image: Image, hop: int | None) -> list[str]:
    """Return the functions that run the network in this image, outermost first."""
    names = [name for name in (["net_push"] if hop else ["net_run", "net_run_observed"]) if image.find(name)]
    if not names:
        wanted = "net_push" if hop else "net_run"
        raise ProfileError(
            f"{image.path}: has no function {wanted}; profile it with --function instead of --model"
        )
    return names


def _plan_layers(model: Path, hop: int | None) -> list[PlannedLayer]:
    """Return a model's layers in the order in which generated code runs them."""
    from myo_export.emit_net import render_network
    from myo_host.profile.generated import read_layers

    try:
        content = model.read_bytes()
    except OSError as error:
        raise ProfileError(f"{model}: cannot be read ({error.strerror}); give a .tflite file") from None
    return read_layers(render_network(content, "profile", hop=hop).source, push=hop is not None)
