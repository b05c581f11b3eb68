"""The host's end of the serial line: open a port, say hello, stream samples under credit, collect what comes back."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import serial
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.framing import Frame, FrameDecoder, encode_frame
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
    n_layers: int
    n_outputs: int
    credit_frames: int
    max_payload: int
    sample_bytes: int
    output_kind: int


class PatchLink:
    """One open serial port with a patch at its other end; close it, or use it as a context manager."""

    def __init__(self, port: str) -> None:
        """Open a port.

        Raises
        ------
        LinkError
            If the port is absent, busy or not permitted.
        """
        self.port = port
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
                    self.decoder.lost = 0
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
                f"{self.port}: {decoder.bytes_seen} bytes came and none made a valid frame: "
                "check the baud rate and that MyoPatch firmware is flashed"
            )
        if decoder.frames_bad:
            return (
                f"{self.port}: silent for {timeout_s:.1f} s after {decoder.frames_bad} damaged frame(s): "
                "check the cable, then reset the board"
            )
        return f"{self.port}: no answer for {timeout_s:.1f} s: check the cable and that MyoPatch firmware is flashed"

    def _gone(self, error: Exception) -> LinkError:
        reason = str(error).split("(", 1)[0].strip().rstrip(":") or type(error).__name__
        return LinkError(
            f"{self.port}: the port is gone ({reason}): plug the board in again, or start the virtual board"
        )


def _explain_open_failure(port: str, error: Exception) -> str:
    text = str(error)
    if "Permission" in text:
        return f"{port}: permission denied: add yourself to the group that owns it (`sudo usermod -aG dialout $USER`)"
    if "lock" in text or "busy" in text.lower() or "Resource temporarily unavailable" in text:
        return f"{port}: busy, another program has it open: close that program and try again"
    if not Path(port).exists():
        return f"{port}: no such port: plug the board in, or start a virtual one with `myopatch run --board virtual_m4`"
    return f"{port}: cannot be opened as a serial port ({text}): give the board's port"


@dataclass(frozen=True)
class Capture:
    """What a board sent while one segment ran through it.

    Attributes
    ----------
    raw, filtered_q31
        int32 (n_samples, n_channels); empty where not traced.
    inputs, outputs
        int8, a row a window; empty where not traced.
    layers
        int8, one array a layer, a row a window; empty where not traced.
    decisions
        DECISION's fields, one dictionary a window.
    sums
        int32, a row a window, where the output kind is values.
    status
        STATUS's fields at the end.
    seconds
        Wall time from START to STATUS.
    """

    raw: NDArray[np.int32]
    filtered_q31: NDArray[np.int32]
    inputs: NDArray[np.int8]
    layers: list[NDArray[np.int8]]
    outputs: NDArray[np.int8]
    decisions: list[dict[str, int]]
    sums: NDArray[np.int32]
    status: dict[str, int]
    seconds: float


_DTYPES: dict[int, np.dtype[Any]] = {
    m.Dtype.INT8: np.dtype("i1"), m.Dtype.INT16: np.dtype("<i2"), m.Dtype.INT32: np.dtype("<i4"),
}  # fmt: skip


class _Collector:
    """Puts TENSOR pieces together and checks that none is missing."""

    def __init__(self, port: str, hello: Hello) -> None:
        self._port, self._hello = port, hello
        self._pieces: dict[tuple[int, int, int], list[NDArray[Any]]] = {}
        self._samples: dict[int, list[NDArray[Any]]] = {m.Stage.RAW: [], m.Stage.FILTERED: []}
        self._windows: dict[tuple[int, int], list[NDArray[Any]]] = {}
        self.decisions: list[dict[str, int]] = []

    def take(self, message: m.Message, values: dict[str, Any], tail: bytes) -> None:
        if message is m.TENSOR:
            self._take_tensor(values, np.frombuffer(tail, _DTYPES[values["dtype"]]))
        elif message is m.DECISION:
            if values["window"] != len(self.decisions):
                raise LinkError(
                    f"{self._port}: decision of window {values['window']} came where {len(self.decisions)} was due: "
                    "frames were lost, check the line"
                )
            self.decisions.append(values)
            for (stage, layer, window), pieces in self._pieces.items():
                if window != values["window"]:
                    raise LinkError(
                        f"{self._port}: stage {m.Stage(stage).name} of window {window} came out of turn"
                    )
                self._windows.setdefault((stage, layer), []).append(np.concatenate(pieces))
            self._pieces.clear()

    def _take_tensor(self, values: dict[str, Any], data: NDArray[Any]) -> None:
        stage = m.Stage(values["stage"])
        if stage in self._samples:
            due = sum(map(len, self._samples[stage]))
            found = values["index"] * self._hello.n_channels + values["offset"]
            if found != due:
                raise LinkError(
                    f"{self._port}: {stage.name} piece at word {found} came where {due} was due: frames were lost, check the line"
                )
            self._samples[stage].append(data)
            return
        pieces = self._pieces.setdefault((stage, values["layer"], values["index"]), [])
        due = sum(map(len, pieces))
        if values["offset"] != due:
            raise LinkError(
                f"{self._port}: {stage.name} {values['layer']} of window {values['index']}: piece at {values['offset']} "
                f"came where {due} was due: frames were lost, check the line"
            )
        pieces.append(data)

    def samples(self, stage: m.Stage) -> NDArray[np.int32]:
        words = np.concatenate([np.zeros(0, np.int32), *self._samples[stage]])
        whole = len(words) // self._hello.n_channels * self._hello.n_channels
        return words[:whole].reshape(-1, self._hello.n_channels)

    def windows(self, stage: m.Stage, layer: int = 0) -> NDArray[Any]:
        rows = self._windows.get((stage, layer))
        return np.stack(rows) if rows else np.zeros((0, 0), np.int8)


def stream_segment(
    link: PatchLink, counts: NDArray[np.integer], trace_mask: int = 0, *, lockstep: bool = False
) -> Capture:
    """Feed a segment to a board from reset, under its credit, and collect all that it sends.

    Parameters
    ----------
    link
        A link whose :meth:`PatchLink.say_hello` has succeeded.
    counts
        Integer counts, shape (n_samples, n_channels).
    trace_mask
        Sum of ``1 << Stage`` for the stages to be sent back; decisions always are.
    lockstep
        Wait for each window's decision before more samples are sent, so that no sample queues behind a running network and
        the board's latency is what a patch has at its own sample rate.

    Raises
    ------
    LinkError
        If the board resets, faults, falls silent, or loses anything.
    """
    hello = link.hello
    if hello is None:
        raise LinkError(f"{link.port}: no hello yet: call say_hello first")
    if counts.ndim != 2 or counts.shape[1] != hello.n_channels:
        raise LinkError(
            f"{link.port}: signal of shape {counts.shape}, the board takes (n, {hello.n_channels})"
        )
    dtype = np.dtype("<i2" if hello.sample_bytes == 2 else "<i4")
    collector = _Collector(link.port, hello)
    frame_bytes = hello.n_channels * hello.sample_bytes
    chunk = max(
        1, min((hello.max_payload - m.SAMPLES.struct.size) // frame_bytes, hello.credit_frames // 2 or 1)
    )
    sent = consumed = 0
    began = time.monotonic()
    link.send(m.START, source=m.Source.HOST, trace_mask=trace_mask)
    window_end = hello.window_samples if lockstep else len(counts)
    while sent < len(counts):
        n = min(chunk, len(counts) - sent, window_end - sent)
        due = len(collector.decisions) + 1 if lockstep and sent + n == window_end else 0
        while sent + n - consumed > hello.credit_frames:
            for message, values, tail in _next_messages(link):
                if message is m.CREDIT:
                    consumed = values["consumed_frames"]
                collector.take(message, values, tail)
        data = counts[sent : sent + n].astype(dtype).tobytes()
        link.send(m.SAMPLES, data, first_sample=sent, n_frames=n)
        sent += n
        while len(collector.decisions) < due:
            for message, values, tail in _next_messages(link):
                if message is m.CREDIT:
                    consumed = values["consumed_frames"]
                collector.take(message, values, tail)
        if lockstep and sent == window_end:
            window_end += hello.hop_samples
    link.send(m.STOP)
    status: dict[str, int] | None = None
    while status is None:
        for message, values, tail in _next_messages(link):
            collector.take(message, values, tail)
            if message is m.STATUS:
                status = values
    seconds = time.monotonic() - began
    _check_nothing_lost(link, status, sent)
    n_layers = hello.n_layers if trace_mask & (1 << m.Stage.LAYER) else 0
    return Capture(
        collector.samples(m.Stage.RAW), collector.samples(m.Stage.FILTERED), collector.windows(m.Stage.INPUT),
        [collector.windows(m.Stage.LAYER, k) for k in range(n_layers)], collector.windows(m.Stage.OUTPUT),
        collector.decisions, collector.windows(m.Stage.DECISION).astype(np.int32), status, seconds,
    )  # fmt: skip


def _next_messages(link: PatchLink) -> Iterator[tuple[m.Message, dict[str, Any], bytes]]:
    """Yield the next message, after refusing what must not come while a segment runs."""
    message, values, tail = link.receive()
    if message is m.HELLO:
        raise LinkError(
            f"{link.port}: the board reset in the middle of a run: check its supply, then run again"
        )
    if message is m.FAULT:
        code = values["code"]
        name = m.Fault(code).name if code in list(m.Fault) else f"code {code}"
        raise LinkError(
            f"{link.port}: the board reports {name} ({values['argument0']}, {values['argument1']}): "
            "check the line and run again"
        )
    yield message, values, tail


def _check_nothing_lost(link: PatchLink, status: dict[str, int], sent: int) -> None:
    losses = {
        key: status[key]
        for key in (
            "samples_lost",
            "rx_bytes_lost",
            "rx_frames_bad",
            "rx_sequence_gaps",
            "tx_frames_dropped",
            "faults",
        )
        if status[key]
    }
    if link.decoder.lost or link.decoder.frames_bad:
        losses |= {"host_frames_lost": link.decoder.lost, "host_frames_bad": link.decoder.frames_bad}
    if status["samples_processed"] != sent:
        losses["samples_unprocessed"] = sent - status["samples_processed"]
    if losses:
        counted = ", ".join(f"{key} {value}" for key, value in losses.items())
        raise LinkError(f"{link.port}: the line lost something ({counted}): check the cable and run again")
