"""The host's end of the serial line: open a port, say hello, stream samples under credit, collect what comes back."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import serial

from myo_host import messages as m
from myo_host.framing import Frame, FrameDecoder, encode_frame
from myo_host.ports import describe_port, find_port
from myo_pipeline.errors import LinkError, MismatchError

BAUD = 1_000_000  # what a UART bridge is set to; virtual boards and USB CDC ports ignore it
READ_TIMEOUT_S = 0.05  # longest that the reader sleeps before it looks whether it should stop
WRITE_TIMEOUT_S = 10.0  # a line that takes no bytes for this long is dead
HELLO_TIMEOUT_S = 2.0  # one attempt; a board that boots needs the next one
HELLO_ATTEMPTS = 3
REPLY_TIMEOUT_S = 10.0  # without any frame while one is due: far above the slowest window of any board


@dataclass(frozen=True)
class Hello:
    """What a board says of itself."""

    board: str
    protocol: int
    schema_hash: int
    bundle_hash: str
    n_channels: int
    rate_hz: float
    tick_hz: int
    window_samples: int
    hop_samples: int
    decimation: int
    n_filtered: int
    n_layers: int
    n_outputs: int
    credit_frames: int
    max_payload: int
    sample_bytes: int
    output_kind: int
    n_aux: int
    aux_wide: int


class PatchLink:
    """One open serial port with a patch at its other end; close it, or use it as a context manager."""

    def __init__(self, port: str) -> None:
        """Open a port: a device, ``usb:SERIAL`` or ``auto``.

        Raises
        ------
        LinkError
            If the port is absent, busy or not permitted.
        """
        self.port = port = find_port(port)
        self.decoder = FrameDecoder()
        self.hello: Hello | None = None
        self._sequence = 0
        self._frames: queue.Queue[Frame | Exception] = queue.Queue()
        self._closing = threading.Event()
        try:
            self._serial = serial.Serial(
                port, BAUD, timeout=READ_TIMEOUT_S, write_timeout=WRITE_TIMEOUT_S, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise LinkError(_explain_open_failure(port, error)) from None
        self._reader = threading.Thread(target=self._read, name=f"reader of {port}", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the port; harmless if it is closed already."""
        self._closing.set()
        self._reader.join()
        self._serial.close()

    def _read(self) -> None:
        try:
            while not self._closing.is_set():
                data = self._serial.read(max(1, min(4096, self._serial.in_waiting)))
                for frame in self.decoder.feed(data) if data else ():
                    self._frames.put(frame)
        except Exception as error:
            self._frames.put(error)

    def send(self, message: m.Message, tail: bytes = b"", **values: Any) -> None:  # noqa: ANN401
        """Send one message."""
        data = encode_frame(message.type, self._sequence, message.pack(tail, **values))
        self._sequence = (self._sequence + 1) & 0xFFFF
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException:
            raise LinkError(
                f"{self.port}: the line took no bytes for {WRITE_TIMEOUT_S:g} s: reset the board and try again"
            ) from None
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from None

    def receive(self, timeout_s: float = REPLY_TIMEOUT_S) -> tuple[m.Message, dict[str, Any], bytes]:
        """Return the next message: its kind, its fields, its tail.

        Raises
        ------
        LinkError
            If none comes in time, the port vanishes, the board faults, or a frame is not understood.
        """
        try:
            frame = self._frames.get(timeout=timeout_s)
        except queue.Empty:
            raise LinkError(self._explain_silence(timeout_s)) from None
        return self._open_frame(frame)

    def poll(self, timeout_s: float = 0.0) -> tuple[m.Message, dict[str, Any], bytes] | None:
        """Return the next message as :meth:`receive` does, or None if none comes in time."""
        try:
            frame = self._frames.get(timeout=timeout_s) if timeout_s > 0 else self._frames.get_nowait()
        except queue.Empty:
            return None
        return self._open_frame(frame)

    def _open_frame(self, frame: Frame | Exception) -> tuple[m.Message, dict[str, Any], bytes]:
        if isinstance(frame, Exception):
            self._frames.put(frame)
            raise self._gone(frame) from None
        message = m.BY_TYPE.get(frame.type)
        if message is None:
            raise LinkError(
                f"{self.port}: message type 0x{frame.type:02x} is unknown here: build the firmware and the host tools "
                "from the same version"
            )
        try:
            values, tail = message.unpack(frame.payload)
        except ValueError as error:
            raise LinkError(
                f"{self.port}: {error}: build the firmware and the host tools from the same version"
            ) from None
        return message, values, tail

    def say_hello(self, bundle_hash: str | None = None) -> Hello:
        """Ask who the board is, and check that it belongs to this host and, if given, to a bundle.

        Parameters
        ----------
        bundle_hash
            Hash of the bundle that the board must run, or None to take any.

        Raises
        ------
        LinkError
            If the board does not answer.
        MismatchError
            If protocol, message schema or bundle differ.
        """
        for attempt in range(HELLO_ATTEMPTS):
            self._sequence = 0
            self.send(m.HELLO_REQUEST, protocol=m.PROTOCOL_VERSION)
            deadline = time.monotonic() + HELLO_TIMEOUT_S
            while (left := deadline - time.monotonic()) > 0:
                try:
                    message, values, _ = self.receive(left)
                except LinkError:
                    if attempt + 1 == HELLO_ATTEMPTS or not self._reader.is_alive():
                        raise
                    break
                if message is m.HELLO and values["reason"] == m.HelloReason.REQUESTED:
                    self.decoder.restart_sequence()
                    # Opening the port may have cut what the board was saying: no loss of this session.
                    self.decoder.frames_bad = self.decoder.lost = self.decoder.repeated = (
                        self.decoder.out_of_turn
                    ) = 0
                    self.hello = self._check_hello(values, bundle_hash)
                    return self.hello
        raise LinkError(self._explain_silence(HELLO_ATTEMPTS * HELLO_TIMEOUT_S))

    def _check_hello(self, values: dict[str, Any], bundle_hash: str | None) -> Hello:
        hello = Hello(
            board=values["board"].rstrip(b"\x00").decode("ascii", "replace"),
            bundle_hash=values["bundle_hash"].hex(),
            rate_hz=values["rate_mhz"] / 1000,
            **{
                k: values[k]
                for k in Hello.__dataclass_fields__
                if k not in ("board", "bundle_hash", "rate_hz")
            },
        )
        if hello.protocol != m.PROTOCOL_VERSION:
            raise MismatchError(
                f"{self.port}: board {hello.board} speaks protocol {hello.protocol}, this host {m.PROTOCOL_VERSION}: "
                "flash it again with `myopatch flash`"
            )
        if hello.schema_hash != m.SCHEMA_HASH:
            raise MismatchError(
                f"{self.port}: board {hello.board} has message schema {hello.schema_hash:08x}, this host "
                f"{m.SCHEMA_HASH:08x}: flash it again with `myopatch flash`"
            )
        for name, fine in _possible(hello).items():
            if not fine:
                raise LinkError(
                    f"{self.port}: board {hello.board} says {name} {getattr(hello, name)}, which no patch has: "
                    "flash it again with `myopatch flash`"
                )
        if bundle_hash is not None and hello.bundle_hash != bundle_hash:
            raise MismatchError(
                f"{self.port}: board {hello.board} runs bundle {hello.bundle_hash[:12]}, this bundle is {bundle_hash[:12]}: "
                "flash it with `myopatch flash`, or give the bundle that it was flashed with"
            )
        return hello

    def _explain_silence(self, timeout_s: float) -> str:
        decoder = self.decoder
        if decoder.other_version is not None:
            return (
                f"{self.port}: the board sends protocol version {decoder.other_version}, this host speaks "
                f"{m.PROTOCOL_VERSION}: flash it again with `myopatch flash`"
            )
        if decoder.bytes_seen and not decoder.frames_good:
            return (
                f"{self.port}{self._what()}: {decoder.bytes_seen} bytes came and none made a valid frame: "
                "check the baud rate and that MyoPatch firmware is flashed"
            )
        if decoder.frames_bad:
            return (
                f"{self.port}: silent for {timeout_s:.1f} s after {decoder.frames_bad} damaged frame(s): "
                "check the cable, then reset the board"
            )
        return (
            f"{self.port}{self._what()}: no answer for {timeout_s:.1f} s: "
            "check the cable and that MyoPatch firmware is flashed"
        )

    def _what(self) -> str:
        what = describe_port(self.port)
        return f" ({what})" if what else ""

    def _gone(self, error: Exception) -> LinkError:
        reason = str(error).split("(", 1)[0].strip().rstrip(":") or type(error).__name__
        return LinkError(
            f"{self.port}: the port is gone ({reason}): plug the board in again, or start the virtual board"
        )


def _possible(hello: Hello) -> dict[str, bool]:
    """Return of each figure that the host counts with whether a patch can have it."""
    least = ("n_channels", "rate_hz", "tick_hz", "window_samples", "hop_samples", "decimation", "n_filtered", "n_outputs",
             "credit_frames")  # fmt: skip
    fits = m.SAMPLES.struct.size + hello.n_channels * hello.sample_bytes <= hello.max_payload
    return {name: getattr(hello, name) >= 1e-3 for name in least} | {
        "sample_bytes": hello.sample_bytes in (2, 4),
        "output_kind": hello.output_kind in (0, 1),
        "max_payload": fits and hello.max_payload <= m.MAX_PAYLOAD,
    }


def _explain_open_failure(port: str, error: Exception) -> str:
    text = str(error)
    if "Permission" in text:
        return f"{port}: permission denied: add yourself to the group that owns it (`sudo usermod -aG dialout $USER`)"
    if "lock" in text or "busy" in text.lower() or "Resource temporarily unavailable" in text:
        return f"{port}: busy, another program has it open: close that program and try again"
    if not Path(port).exists():
        return f"{port}: no such port: plug the board in, or start a virtual one with `myopatch run --board virtual_m4`"
    return f"{port}: cannot be opened as a serial port ({text}): give the board's port"
