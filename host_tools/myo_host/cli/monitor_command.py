"""``myopatch monitor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myo_host.cli.app import app
from myo_host.cli.recording_commands import (
    BoardOption,
    ChannelsOption,
    LsbOption,
    PortOption,
    RateOption,
    UnitOption,
    _open_board,
    _open_recording,
)


@app.command(
    short_help="Watch a running patch in the browser.",
    epilog="Exit codes: 0 ended by Ctrl-C; 2 the board does not answer, or stopped. Keys and panels: docs/monitor.md.",
)
def monitor(
    bundle: Annotated[
        Path | None, typer.Argument(help="Bundle that the board runs; with --board, the only one in build/.")
    ] = None,
    board: BoardOption = None,
    port: PortOption = None,
    replay: Annotated[
        str | None, typer.Option("--replay", help="Stream this file or data set; the board's own samples without.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin the recording again at its end.")] = False,
    speed: Annotated[str, typer.Option("--speed", help="real, or max: as fast as the line takes.")] = "real",
    filtered: Annotated[
        bool, typer.Option("--filtered/--no-filtered", help="Have the filtered signal sent back: most of the line.")
    ] = True,
    save_to: Annotated[Path, typer.Option("--save-to", help="Folder for what the page saves.")] = Path(),
    http_port: Annotated[int, typer.Option("--http-port", min=0, max=65535, help="0: any that is free.")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Bring another sample rate to the patch's.")] = False,
    rescale: Annotated[bool, typer.Option("--rescale", help="Round counts of another worth to the patch's.")] = False,
    channels: ChannelsOption = None,
    rate_hz: RateOption = None,
    lsb_uv: LsbOption = None,
    unit: UnitOption = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder that holds the data sets.")] = None,
) -> None:  # fmt: skip
    """Show a running patch on a page that only this computer can open: signal, spectrum, decisions, fatigue, faults."""
    import asyncio
    import sys
    import webbrowser

    from myo_host.boards import find_board
    from myo_pipeline.bundle import open_bundle
    from myo_pipeline.errors import DataError

    if speed not in ("max", "real"):
        raise DataError(f"--speed {speed!r}: expected max or real")
    if not save_to.is_dir():
        raise DataError(f"{save_to}: no such folder to save into; make it first")
    if bundle is None and board is not None:
        bundle = find_only_bundle(find_board(board).name)
    opened = open_bundle(bundle) if bundle else None
    from myo_host.monitor.feed import Replay  # from here on it takes its time: numbers, then the network
    from myo_host.monitor.run import serve_patch
    from myo_host.replay import fit_recording

    source = None
    if replay is not None:
        if opened is None:
            raise DataError("--replay: samples are made to fit a bundle's sensor; give the bundle's folder")
        found = _open_recording(replay, channels, rate_hz, lsb_uv, unit, data)
        fitted = fit_recording(found, opened.spec.sensor, resample=resample, rescale=rescale)
        for note in (*found.notes, *fitted.notes):
            print(f"note: {note}", file=sys.stderr)
        source = Replay(Path(replay).name, fitted.counts, loop=loop, real_time=speed == "real")

    def show(url: str) -> None:
        print(f"monitor: {url} (this computer only; end with Ctrl-C)", flush=True)
        if open_page:
            webbrowser.open(url)

    description = find_board(board) if board else None
    with _open_board(bundle, board, port) as name:
        asyncio.run(
            serve_patch(
                name, opened, description, replay=source, with_filtered=filtered, save_to=save_to, http_port=http_port,
                on_ready=show,
            )
        )  # fmt: skip


def find_only_bundle(board: str) -> Path:
    """Return the only bundle below ``build/`` that has this board's firmware."""
    from myo_pipeline.errors import DataError

    found = sorted(path.parent.parent for path in Path("build").glob(f"*/firmware/{board}.elf"))
    if len(found) != 1:
        names = ", ".join(map(str, found)) or "none in build/"
        raise DataError(f"bundles with firmware for {board}: {names}; give the folder of one")
    return found[0]
