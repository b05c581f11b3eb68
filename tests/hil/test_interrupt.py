"""Ctrl-C on a terminal, at any moment: the port is free, no board stays behind, the file is whole, the terminal as before."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands import MYOPATCH
from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_pipeline.recording import read_recording

Built = Callable[[str, str], Path]
LONGEST_S = 60.0  # until the words come, and from the key to the end
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@dataclass
class Ended:
    """How a command on a terminal ended."""

    code: int
    said: str
    same_terminal: bool
    seconds: float  # from the key to the end


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever starts the tests in the background ignores it


def press_ctrl_c(*arguments: object, after: str, wait_s: float = 0.0, times: int = 1) -> Ended:
    """Run a command on a terminal of its own and press Ctrl-C when it has said something and a while has passed."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [str(MYOPATCH), *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=_take_terminal, env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip
    said = b""

    def listen(seconds: float) -> None:
        nonlocal said
        if select.select([master], [], [], seconds)[0]:
            said += os.read(master, 65536)

    try:
        deadline = time.monotonic() + LONGEST_S
        while after.encode() not in said and time.monotonic() < deadline and process.poll() is None:
            listen(0.05)
        pressed = time.monotonic() + wait_s
        while time.monotonic() < pressed:
            listen(0.02)
        for _ in range(times):
            os.write(master, b"\x03")
        while process.poll() is None and time.monotonic() < pressed + LONGEST_S:
            listen(0.02)
        seconds = time.monotonic() - pressed
        listen(0.0)
        code = process.poll()
        assert code is not None, f"still runs; it said {said[-500:]!r}"
        return Ended(code, said.decode(errors="replace"), termios.tcgetattr(slave) == before, seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(master)
        os.close(slave)


def list_boards(elf: Path) -> list[str]:
    """Return the processes that run a firmware, or were given it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\x00", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(elf.resolve()) in command:
            found.append(command)
    return found


def expect_nothing_left(ended: Ended, elf: Path) -> None:
    assert ended.same_terminal
    assert ended.said.rfind(HIDE) <= ended.said.rfind(SHOW)
    assert "Traceback" not in ended.said
    assert list_boards(elf) == []
    assert ended.seconds < 10


@pytest.mark.parametrize(("name", "wait_s"), [("native", 0.0), ("native", 0.4), ("virtual_m4", 1.5)])
def test_validate_is_left_at_once(built: Built, name: str, wait_s: float) -> None:
    bundle = built("classes", name)
    (bundle / "validation.json").unlink(missing_ok=True)
    ended = press_ctrl_c("validate", bundle, "--board", name, after=HIDE, wait_s=wait_s)
    assert ended.code in (0, 130), ended.said
    written = bundle / "validation.json"
    if ended.code == 0 or written.exists():  # it was done before the key; whatever is there is whole
        assert json.loads(written.read_text())["passed"]
    expect_nothing_left(ended, bundle / "firmware" / f"{name}.elf")


@pytest.mark.parametrize(("name", "wait_s"), [("native", 0.0), ("virtual_m4", 1.2)])
def test_record_stops_and_keeps_its_file(built: Built, name: str, wait_s: float, tmp_path: Path) -> None:
    """The key reaches every process of the terminal; the board must live on until its last samples are in the file."""
    bundle = built("classes", name)
    path = tmp_path / "r.bdf"
    ended = press_ctrl_c("record", bundle, "--board", name, "--out", path, after=HIDE, wait_s=wait_s)
    assert ended.code == 0, ended.said
    expect_nothing_left(ended, bundle / "firmware" / f"{name}.elf")
    if wait_s:
        recording = read_recording(path)
        assert recording.meta["ended"] == "stopped"
        assert recording.meta["status"]["samples_processed"] == recording.n_samples > 0
    else:
        assert path.stat().st_size >= 256


def test_a_recording_that_is_cut_short_says_so(built: Built, tmp_path: Path) -> None:
    board = "native"
    bundle = built("classes", board)
    path = tmp_path / "r.bdf"
    ended = press_ctrl_c(
        "record", bundle, "--board", board, "--seconds", 500, "--out", path, after=HIDE, wait_s=1.2
    )
    assert ended.code == 130, ended.said
    expect_nothing_left(ended, bundle / "firmware" / f"{board}.elf")
    assert read_recording(path).n_samples > 0


def test_whoever_presses_twice_is_out_and_the_file_opens(built: Built, tmp_path: Path) -> None:
    board = "native"
    bundle = built("classes", board)
    path = tmp_path / "r.bdf"
    ended = press_ctrl_c("record", bundle, "--board", board, "--out", path, after=HIDE, wait_s=1.5, times=2)
    assert ended.code in (0, 130), ended.said
    expect_nothing_left(ended, bundle / "firmware" / f"{board}.elf")
    assert read_recording(path).n_samples > 0


@pytest.mark.parametrize("command", ["validate", "record"])
def test_the_port_is_free_afterwards(built: Built, command: str, tmp_path: Path) -> None:
    bundle = built("classes", "native")
    with start_board(BOARDS["native"], bundle / "firmware" / "native.elf") as port:
        more = ["--out", tmp_path / "r.bdf"] if command == "record" else []
        ended = press_ctrl_c(command, bundle, "--port", port, *more, after=HIDE, wait_s=0.3)
        assert ended.code in (0, 130), ended.said
        assert ended.same_terminal
        with PatchLink(port) as link:
            assert link.say_hello().board == "native"


@pytest.mark.parametrize("wait_s", [0.2, 0.5, 1.0, 1.6])
def test_no_moment_leaves_a_traceback(built: Built, wait_s: float, tmp_path: Path) -> None:
    """From our first import on: before that, Python itself speaks."""
    bundle = built("classes", "native")
    path = tmp_path / "r.bdf"
    ended = press_ctrl_c(
        "record", bundle, "--board", "native", "--seconds", 500, "--out", path, after="", wait_s=wait_s
    )
    assert ended.code in (130, -signal.SIGINT), ended.said
    expect_nothing_left(ended, bundle / "firmware" / "native.elf")
