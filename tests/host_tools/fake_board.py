"""A board at the other end of a pty that behaves, or misbehaves, as a test tells it."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Callable
from types import TracebackType

from myo_host import messages as m
from myo_host.framing import Frame, FrameDecoder, encode_frame

HELLO = {
    "protocol": m.PROTOCOL_VERSION, "reason": m.HelloReason.REQUESTED, "n_channels": 2, "schema_hash": m.SCHEMA_HASH,
    "bundle_hash": bytes(range(32)), "board": b"fake", "rate_mhz": 200_000, "tick_hz": 1000, "window_samples": 10,
    "hop_samples": 5, "decimation": 1, "n_filtered": 2,
    "n_layers": 1, "n_outputs": 2, "credit_frames": 16, "max_payload": m.MAX_PAYLOAD,
    "sample_bytes": 2, "output_kind": 0, "n_aux": 0, "aux_wide": 0,
}  # fmt: skip
STATUS = {field.name: 0 for field in m.STATUS.fields}


class FakeBoard:
    """Answers hello and status; ``on_samples(board, n_so_far)`` decides what happens while samples come."""

    def __init__(self, on_samples: Callable[[FakeBoard, int], None] | None = None, **hello: object) -> None:
        self._master, slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave: int | None = slave
        self.hello = HELLO | hello
        self.version = m.PROTOCOL_VERSION
        self._on_samples = on_samples or (lambda board, n: board.credit(n))
        self._sequence = 0
        self.n_samples = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeBoard:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.cut()

    def send(self, message: m.Message, tail: bytes = b"", skip: int = 0, **values: object) -> None:
        self._sequence += skip
        self.write(encode_frame(message.type, self._sequence, message.pack(tail, **values), self.version))
        self._sequence += 1

    def write(self, data: bytes) -> None:
        os.write(self._master, data)

    def credit(self, consumed: int) -> None:
        self.send(m.CREDIT, consumed_frames=consumed)

    def cut(self) -> None:
        """Pull the cable."""
        self._stop.set()
        for end in (self._slave, self._master):
            if end is not None and end >= 0:
                os.close(end)
        self._slave, self._master = None, -1

    def _serve(self) -> None:
        decoder = FrameDecoder()
        while not self._stop.is_set():
            if not select.select([self._master], [], [], 0.02)[0]:
                continue
            try:
                data = os.read(self._master, 4096)
            except OSError:
                return
            for frame in decoder.feed(data):
                self._take(frame, decoder)
                if self._stop.is_set():
                    return

    def _take(self, frame: Frame, decoder: FrameDecoder) -> None:
        message = m.BY_TYPE[frame.type]
        values, _ = message.unpack(frame.payload)
        if message is m.HELLO_REQUEST:
            decoder.restart_sequence()
            self._sequence = 0
            self.send(m.HELLO, **self.hello)
        elif message is m.START:
            self.n_samples = 0
        elif message is m.SAMPLES:
            self.n_samples += values["n_frames"]
            self._on_samples(self, self.n_samples)
        elif message in (m.STOP, m.STATUS_REQUEST):
            self.send(
                m.STATUS,
                **(STATUS | {"samples_received": self.n_samples, "samples_processed": self.n_samples}),
            )
