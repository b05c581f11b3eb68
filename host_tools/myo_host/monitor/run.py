"""One run of ``myopatch monitor``: a feed, a session and a server, and their orderly end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from myo_host.boards import Board
from myo_host.monitor.feed import Feed, Replay
from myo_host.monitor.packets import Packet
from myo_host.monitor.server import MonitorServer
from myo_host.monitor.session import Session
from myo_pipeline.bundle import Bundle


async def serve_patch(
    port: str, bundle: Bundle | None, board: Board | None, *, replay: Replay | None, with_filtered: bool,
    save_to: Path, http_port: int, on_ready: Callable[[str], None],
) -> None:  # fmt: skip
    """Monitor the patch at a serial port until SIGINT or SIGTERM; board, port and file are in order when this returns.

    Parameters
    ----------
    port
        Serial port.
    bundle
        What the board must run; without it there are no names, and counts have no worth.
    board
        The virtual board behind the port, or None for one that is plugged in, which is looked for again when it goes.
    replay
        Recording to stream; None: the board's own converter.
    with_filtered
        Have the signal behind the front end sent back.
    save_to
        Folder for recordings that the page asks for.
    http_port
        TCP port on loopback, 0 for any.
    on_ready
        Called with the page's address.

    Raises
    ------
    LinkError, MismatchError
        If the board does not answer, runs another bundle, or, a virtual one, stops.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def interrupt(number: signal.Signals) -> None:
        ended.set()
        loop.remove_signal_handler(number)  # whoever presses twice wants out at once

    def publish(packet: Packet) -> None:
        loop.call_soon_threadsafe(server.publish, packet)

    session = Session(publish, bundle, board, save_to)
    server = MonitorServer(session.snapshot, session.obey, http_port)
    feed = Feed(
        port, session, bundle_hash=bundle.bundle_hash if bundle else None, replay=replay,
        with_filtered=with_filtered, reconnect=board is None,
    )  # fmt: skip
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    async with server.serve() as url:
        feed.start()
        try:
            on_ready(url)
            while not ended.is_set() and not feed.error:
                try:
                    await asyncio.wait_for(ended.wait(), 0.2)
                except TimeoutError:
                    continue
        finally:
            await asyncio.to_thread(feed.stop)
    if feed.error:
        raise feed.error
