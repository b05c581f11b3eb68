"""``myopatch flash``: build, upload, and hear from the board that it runs the bundle."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myo_host.cli.app import app, show_progress
from myo_host.cli.commands import BundleArgument, _build

if TYPE_CHECKING:
    from myo_host.boards import Board


@app.command(
    short_help="Build, flash, and check that the board answers.",
    epilog="Exit codes: 0 the board answers and runs the bundle; 2 not so, one line says why. Wiring: docs/boards.md.",
)
def flash(
    bundle: BundleArgument,
    board: Annotated[str, typer.Option("--board", help="stm32f405, or a virtual board.")] = "virtual_m4",
    port: Annotated[
        str | None, typer.Option(help="Serial port where the flashed board answers: a device, usb:SERIAL, or auto.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="stlink or dfu; without, dfu if an STM32 bootloader is on USB, else stlink.")
    ] = None,
) -> None:  # fmt: skip
    """Build, put the firmware on the board, and check by its hello that it runs this bundle."""
    from myo_host.boards import find_board, start_board
    from myo_host.flash import check_port_is_clear, greet_flashed
    from myo_pipeline.bundle import open_bundle
    from myo_pipeline.errors import LinkError

    description = find_board(board)
    if description.command:
        if port or protocol:
            raise LinkError(
                f"board {board}: is virtual and makes its own port; leave {'--port' if port else '--protocol'} out"
            )
        context = start_board(description, _build(bundle, board))
    else:
        if not port:
            raise LinkError(
                f"board {board}: give the port where it answers: --port auto, or one of `myopatch ports`"
            )
        check_port_is_clear(port)
        _upload(bundle, description, protocol)
        context = nullcontext(port)  # type: ignore[assignment]
    with context as name:
        hello = greet_flashed(description, name, open_bundle(bundle).bundle_hash)
    print(f"{board} booted and runs bundle {hello.bundle_hash[:12]}")
    if not description.command:
        print(
            f"at {port}: {hello.n_channels} channels at {hello.rate_hz:g} Hz, ticks of {hello.tick_hz / 1e6:g} MHz"
        )
        if description.slow_tick_hz == hello.tick_hz:
            print("its crystal did not start, so it runs from its internal oscillator: see docs/boards.md")


def _upload(bundle: Path, board: Board, protocol: str | None) -> None:
    from myo_export.firmware_build import upload_firmware
    from myo_export.uploaders import choose_uploader
    from myo_host.flash import read_progress
    from myo_host.ports import find_bootloader

    uploader = choose_uploader(
        protocol or ("dfu" if find_bootloader() else "stlink")
    )  # before minutes of building
    _build(bundle, board.name)
    with show_progress(f"upload {board.name}") as progress:

        def step(line: str) -> None:
            share = read_progress(line)
            if share is not None:
                progress(line.split("\t")[0].split("[")[0].strip()[:40] or uploader.tool, share)

        upload_firmware(bundle, board.name, uploader.protocol, step)
