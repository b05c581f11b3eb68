"""The boards that MyoPatch knows, and how a virtual one is started."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from myo_pipeline.errors import LinkError

BOOT_TIMEOUT_S = 15.0  # for a virtual board to name its port
STOP_TIMEOUT_S = 3.0  # between asking a virtual board to end and killing it
DEATH_TIMEOUT_S = 0.5  # between a port that vanishes and the end of the process behind it


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes
    ----------
    name
        Name on the command line, of the PlatformIO environment and in the hello.
    description
        In words.
    command
        What starts it, ``{elf}`` standing for the firmware; empty for a board that is plugged in.
    instructions_per_tick
        Instructions per tick of the board's counter where that is exact, else None.
    has_cycles
        Whether the export's estimate of cycles (Cortex-M4, zero wait states) is meant for its core.
    clock_hz
        Core clock for which times are stated.
    firmware
        What its firmware calls itself in the hello, where that is another name: one image runs on two boards.
    tick_hz
        Rate of its counter, which then tells the two apart; None: any.
    slow_tick_hz
        Rate of its counter where its crystal failed; None: it would not say.
    origin
        Address of its vector table, where it is not 0.
    line
        Where its serial line is, for whom it does not answer.
    store_variable
        Environment variable that names the file in which it keeps heads; empty: it keeps none when it is stopped.
    """

    name: str
    description: str
    command: tuple[str, ...] = ()
    instructions_per_tick: float | None = None
    has_cycles: bool = False
    clock_hz: float = 64e6
    firmware: str = ""
    tick_hz: float | None = None
    slow_tick_hz: float | None = None
    origin: int = 0
    line: str = ""
    store_variable: str = ""

    @property
    def machine(self) -> str:
        """QEMU's name of the machine; empty where it is none of QEMU's."""
        return self.command[self.command.index("-M") + 1] if "-M" in self.command else ""


NS_PER_INSTRUCTION = 64  # QEMU's clock under `-icount shift=6`


def _virtual(name: str, machine: str, description: str, tick_hz: float, has_cycles: bool = False) -> Board:
    """Describe a machine of QEMU whose counter runs at ``tick_hz``."""
    command = (
        "qemu-system-arm", "-M", machine, "-kernel", "{elf}", "-display", "none", "-monitor", "none",
        "-serial", "pty", "-icount", "shift=6",
    )  # fmt: skip
    per_tick = 1e9 / tick_hz / NS_PER_INSTRUCTION
    return Board(name, f"{description} in QEMU", command, per_tick, has_cycles)


STM32_TICK_HZ = (
    1e9 / NS_PER_INSTRUCTION
)  # of QEMU's timers as firmware/ports/stm32f405 divides them; silicon counts 84 or 16 MHz

BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        _virtual("virtual_m4", "mps2-an386", "Cortex-M4F (Arm MPS2 AN386)", 25e6, has_cycles=True),
        _virtual("virtual_m0", "microbit", "Cortex-M0 (nRF51822, 16 kB of RAM)", 16e6),
        _virtual("virtual_m3", "mps2-an385", "Cortex-M3 (Arm MPS2 AN385)", 25e6),
        _virtual("virtual_m7", "mps2-an500", "Cortex-M7 (Arm MPS2 AN500)", 25e6),
        _virtual("virtual_m33", "mps2-an505", "Cortex-M33, secure state (Arm MPS2 AN505)", 20e6),
        _virtual("virtual_m55", "mps3-an547", "Cortex-M55 (Arm MPS3 AN547)", 32e6),
        replace(
            _virtual(
                "virtual_stm32f405",
                "netduinoplus2",
                "STM32F405, the image of the real one (Netduino Plus 2)",
                STM32_TICK_HZ,
            ),
            clock_hz=168e6,
            firmware="stm32f405",
            tick_hz=STM32_TICK_HZ,
            origin=0x0800_0000,
        ),
        Board(
            "stm32f405",
            "STM32F405 on the desk (Cortex-M4F, 168 MHz)",
            clock_hz=168e6,
            slow_tick_hz=16e6,
            line="its line is USART1: PB6 to the bridge's RX, PB7 to its TX, GND to GND; BOOT0 low",
        ),
        Board(
            "native",
            "a process on this machine, under address and undefined-behaviour sanitizers",
            ("{elf}",),
            store_variable="MYO_NATIVE_STORE",
        ),
    )
}

_PORT = re.compile(rb"(/dev/\S+)")
_TELLING = re.compile(r"error|fatal", re.IGNORECASE)  # in what a sanitizer or QEMU says


def find_board(name: str) -> Board:
    """Return a board by name.

    Raises
    ------
    LinkError
        If there is none of that name.
    """
    try:
        return BOARDS[name]
    except KeyError:
        raise LinkError(f"board {name!r} is unknown, expected one of: {', '.join(BOARDS)}") from None


def identify_board(firmware: str, tick_hz: float) -> Board | None:
    """Return the board that a hello is of, by the name of its firmware and the rate of its counter; None: not known."""
    for board in BOARDS.values():
        if firmware == (board.firmware or board.name) and board.tick_hz in (None, tick_hz):
            return board
    return None


@contextmanager
def start_board(board: Board, firmware: Path, store: Path | None = None) -> Iterator[str]:
    """Start a virtual board, yield the path of its serial port, and stop the board in the end.

    Parameters
    ----------
    board
        A board that is not plugged in.
    firmware
        Its image.
    store
        File in which it keeps heads; without one it has those that its :attr:`Board.store_variable` names, else none.

    Raises
    ------
    LinkError
        If the firmware or the emulator is missing, or no port appears in time.
    """
    if not board.command:
        raise LinkError(f"board {board.name}: is not virtual; plug it in and give its port with --port")
    again = f"run `myopatch build {firmware.parent.parent} --board {board.name}`"  # the firmware's place in a bundle
    if not firmware.is_file():
        raise LinkError(f"{firmware}: no such firmware; {again}")
    command = [str(firmware.resolve()) if part == "{elf}" else part for part in board.command]
    environment = dict(os.environ)
    if store is not None:
        if not board.store_variable:
            raise LinkError(
                f"board {board.name}: keeps no heads when it is stopped; take --board native, or leave out --store"
            )
        environment[board.store_variable] = str(store.resolve())
    if board.command[0] != "{elf}" and shutil.which(command[0]) is None:
        raise LinkError(f"{command[0]}: not installed; `myopatch doctor` names the package to install")
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
            process_group=0,  # Ctrl-C is for the host, which then says goodbye to the board
        )  # fmt: skip
    except OSError as error:
        raise LinkError(f"{firmware}: does not start ({error.strerror}); {again}") from None
    try:
        port = _await_port(process, again)
        try:
            yield port
        except LinkError:
            if (last_words := _last_words(process)) is None:
                raise
            raise LinkError(f"board {board.name}: stopped by itself, {last_words}; {again}") from None
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _last_words(process: subprocess.Popen[bytes]) -> str | None:
    """Return how a board ended and the line that says why, or None if it runs."""
    try:
        code = process.wait(DEATH_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None
    return f"exit code {code}{_explain(process.stdout.read() if process.stdout else b'')}"


def _explain(said: bytes) -> str:
    """Return the telling line of a board's output: the first that speaks of an error, else the last."""
    lines = said.decode(errors="replace").strip().splitlines()
    telling = [line for line in lines if _TELLING.search(line)] or lines[-1:]
    return f", it said: {telling[0].strip()[:200]}" if telling else ""


def _await_port(process: subprocess.Popen[bytes], again: str) -> str:
    """Read what a starting board prints until it names its port."""
    stream = process.stdout
    if stream is None:
        raise LinkError(f"{process.args!r}: has no output to read its port from")
    seen = b""
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(timeout=0.1):
                if process.poll() is not None:
                    break
                continue
            data = stream.read1(4096)  # type: ignore[attr-defined]
            if not data:
                break
            seen += data
            if b"\n" in seen and (found := _PORT.search(seen)):
                return found.group(1).decode()
    raise LinkError(
        f"the board named no serial port within {BOOT_TIMEOUT_S:g} s{_explain(seen)}; {again}"
        if process.poll() is None and time.monotonic() >= deadline
        else f"the board stopped before it named a serial port{_explain(seen)}; {again}"
    )
