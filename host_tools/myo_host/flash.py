"""After a board was flashed: wait for its port, and check by its hello that it runs the bundle."""

from __future__ import annotations

import re
import time
from pathlib import Path

from myo_host.boards import Board
from myo_host.link import Hello, PatchLink
from myo_host.ports import AUTO, find_port, list_ports
from myo_pipeline.errors import LinkError, MismatchError

PORT_TIMEOUT_S = 10.0  # for a port to come back: a board with its bridge on the same USB cable boots anew
PORT_POLL_S = 0.1
_PERCENT = re.compile(r"(\d{1,3})(?:\.\d+)?\s?%")
_PAGES = re.compile(r"(\d+)/\s*(\d+) pages written")


def check_port_is_clear(name: str) -> None:
    """Refuse ``auto`` where several boards are plugged in, before anything is flashed.

    Raises
    ------
    LinkError
        Names the boards.
    """
    if name == AUTO and sum(bool(port.bridge) for port in list_ports()) > 1:
        find_port(name)


def read_progress(line: str) -> float | None:
    """Return the share that an uploader says is done, or None where a line tells of none."""
    if found := _PERCENT.search(line):
        return min(int(found[1]) / 100, 1.0)
    if found := _PAGES.search(line):
        return int(found[1]) / max(int(found[2]), 1)
    return None


def await_port(name: str, timeout_s: float = PORT_TIMEOUT_S) -> str:
    """Return the device of a port as soon as it is there.

    Raises
    ------
    LinkError
        If it does not come in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            device = find_port(name)
            if Path(device).exists():
                return device
            lack = LinkError(
                f"{name}: no such port {timeout_s:g} s after the upload: check the cable of the serial line, and --port"
            )
        except LinkError as error:
            lack = error
        if time.monotonic() > deadline:
            raise lack
        time.sleep(PORT_POLL_S)


def greet_flashed(board: Board, port: str, bundle_hash: str, timeout_s: float = PORT_TIMEOUT_S) -> Hello:
    """Wait for a board that was just flashed, and check that it runs a bundle.

    Parameters
    ----------
    board
        What was flashed.
    port
        A device, ``usb:SERIAL`` or ``auto``.
    bundle_hash
        Of the bundle that it must run.
    timeout_s
        For the port to be there.

    Raises
    ------
    LinkError
        If no port comes, or nothing answers there.
    MismatchError
        If another board answers, or one with another bundle.
    """
    with PatchLink(await_port(port, timeout_s)) as link:
        try:
            hello = link.say_hello()
        except LinkError as error:
            raise LinkError(
                f"{board.name} was flashed and does not answer at {error}; {board.line}"
            ) from None
        if hello.board != (board.firmware or board.name):
            raise MismatchError(
                f"{link.port}: {hello.board} answers and {board.name} was flashed: give the port of the board that was flashed"
            )
        if hello.bundle_hash != bundle_hash:
            raise MismatchError(
                f"{link.port}: after the upload {hello.board} runs bundle {hello.bundle_hash[:12]}, expected "
                f"{bundle_hash[:12]}: check that --port and the uploader reach the same board, reset it, and flash again"
            )
    return hello
