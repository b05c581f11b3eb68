"""A serial line with faults: a port that passes bytes between a host and a board, harms some frames, and keeps its own books.

The books are a second witness: what a host reports as lost must be what was harmed here.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
import serial

from myo_host import messages as m
from myo_host.framing import LONGEST_ENCODED, FrameDecoder
from myo_host.link import BAUD
from myo_pipeline.errors import LinkError

KINDS = ("flipped", "lost", "bytes_lost", "cut", "twice", "late", "garbage_before", "zero_inside")
READ_BYTES = 4096
BACKLOG_BYTES = 65536  # of a side that does not take its bytes; then the other is not read
PACED_BACKLOG_BYTES = 512  # of a line with a rate, as a UART bridge has
PACED_S = 0.0005  # sleep of a line that waits for its rate
SELECT_S = 0.05  # longest sleep before the line looks whether it should end


@dataclass
class _Direction:
    """One way of the line: what came in and is no whole frame yet, what is to go out."""

    name: str
    source: int
    sink: int
    pending: bytearray = field(default_factory=bytearray)
    held: bytes = b""
    out: bytearray = field(default_factory=bytearray)
    allowed: float = 0.0  # bytes that the line's rate lets out now


class FaultyLine:
    """A port with faults in front of another; a context manager that owns both.

    Attributes
    ----------
    port
        Path that the host opens; it outlives the host's close, as a USB bridge does.
    frames
        Frames that came in, by direction (``up``: to the board).
    faults
        Faults put in, by ``direction/kind``.
    bytes
        Bytes that went out, by direction.
    """

    def __init__(
        self, port: str, share: float, seed: int = 0, tamper: Callable[[bytes], bytes] | None = None,
        *, baud: int | None = None,
    ) -> None:  # fmt: skip
        """Open the board's port and make the host's.

        Parameters
        ----------
        port
            The board's port.
        share
            Of the frames of each direction, how many get a fault, 0..1.
        seed
            Of the faults; frames come when they come, so a seed gives the same mixture, not the same places.
        tamper
            What else happens to each frame from the board, without its zero, unknown to the books: for tests.
        baud
            Pass no more than a UART of this rate would, ten bits a byte, each way; as fast as it goes without.

        Raises
        ------
        LinkError
            If the board's port cannot be opened.
        """
        try:
            self._board = serial.Serial(port, BAUD, timeout=0, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise LinkError(
                f"{port}: cannot be opened ({error}): close the program that has it, or plug the board in"
            ) from None
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self.frames: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._share, self._rng, self._tamper = share, np.random.default_rng(seed), tamper
        self._bytes_per_s = None if baud is None else baud / 10
        self.bytes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._outstanding: dict[bytes, tuple[int, int, int]] = {}  # RAW pieces that have not gone out whole
        self._passed = bytearray()  # to the host since the last zero
        self._stop = threading.Event()
        board = self._board.fileno()
        self._ways = (
            _Direction("up", self._master, board),
            _Direction("down", board, self._master),
        )
        self._thread = threading.Thread(target=self._pass, name=f"faulty line before {port}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._board.close()
        os.close(self._slave)
        os.close(self._master)

    def list_harmed_pieces(self) -> list[tuple[int, int, int]]:
        """Return the RAW pieces of the board's last run that did not get through whole: index, offset and words of each."""
        with self._lock:
            return list(self._outstanding.values())

    def _pass(self) -> None:
        last = time.monotonic()
        backlog = BACKLOG_BYTES if self._bytes_per_s is None else PACED_BACKLOG_BYTES
        while not self._stop.is_set():
            now = time.monotonic()
            for way in self._ways:
                way.allowed = min(
                    way.allowed + (now - last) * (self._bytes_per_s or float("inf")), READ_BYTES
                )
            last = now
            sources = [way.source for way in self._ways if len(way.out) <= backlog]
            sinks = [way.sink for way in self._ways if way.out and way.allowed >= 1]
            waiting = any(way.out and way.allowed < 1 for way in self._ways)
            try:
                readable, writable, _ = select.select(sources, sinks, [], PACED_S if waiting else SELECT_S)
                for way in self._ways:
                    if way.source in readable:
                        self._take(way, os.read(way.source, READ_BYTES))
                    if way.out and way.sink in writable:
                        n = os.write(way.sink, way.out[: int(way.allowed)])
                        del way.out[:n]
                        way.allowed -= n
                        self.bytes[way.name] += n
            except BlockingIOError:
                continue
            except OSError:  # the board's port is gone: the host sees silence
                return

    def _take(self, way: _Direction, data: bytes) -> None:
        *whole, rest = data.split(b"\x00")
        for piece in whole:
            frame, way.pending = bytes(way.pending) + piece, bytearray()
            if way.name == "up":
                way.out += self._harm(way, frame)
                continue
            with self._lock:
                self._note(frame)
                out = self._harm(way, self._tamper(frame) if self._tamper else frame)
                self._strike(out)
            way.out += out
        way.pending += rest
        if len(way.pending) > LONGEST_ENCODED:  # no frame: nothing to harm
            way.out += way.pending
            way.pending.clear()

    def _note(self, frame: bytes) -> None:
        """Write into the books what the board sent."""
        for told in FrameDecoder().feed(frame + b"\x00"):
            if told.type == m.CREDIT.type and not any(told.payload):
                self._outstanding.clear()  # the board has begun a run
            elif told.type == m.TENSOR.type and told.payload[0] == m.Stage.RAW:
                values, tail = m.TENSOR.unpack(told.payload)
                self._outstanding[frame] = (values["index"], values["offset"], len(tail) // 4)

    def _strike(self, out: bytes) -> None:
        """Strike out of the books what goes to the host whole."""
        *whole, rest = out.split(b"\x00")
        for piece in whole:
            self._outstanding.pop(bytes(self._passed) + piece, None)
            self._passed.clear()
        self._passed += rest

    def _harm(self, way: _Direction, frame: bytes) -> bytes:
        """Return what goes on instead of a frame and its zero."""
        self.frames[way.name] += 1
        before, way.held = way.held, b""
        if not frame or self._rng.random() >= self._share:
            return frame + b"\x00" + before
        kind = str(self._rng.choice(KINDS))
        self.faults[f"{way.name}/{kind}"] += 1
        at = int(self._rng.integers(len(frame)))
        out = frame + b"\x00"
        if kind == "flipped":
            harmed = bytearray(out)
            for bit in self._rng.integers(0, 8 * len(frame), int(self._rng.integers(1, 4))).tolist():
                harmed[bit // 8] ^= 1 << bit % 8
            out = bytes(harmed)
        elif kind == "lost":
            out = b""
        elif kind == "bytes_lost":
            out = out[:at] + out[at + int(self._rng.integers(1, 9)) :]
        elif kind == "cut":
            out = out[:at]
        elif kind == "twice":
            out += out
        elif kind == "late":
            way.held, out = out, b""
        elif kind == "garbage_before":
            out = self._rng.integers(0, 256, int(self._rng.integers(1, 40)), np.uint8).tobytes() + out
        else:
            out = out[:at] + b"\x00" + out[at:]
        return out + before
