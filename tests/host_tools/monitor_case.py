"""A monitor in the test's own process, its page a WebSocket client that keeps what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from fake_board import FakeBoard
from myo_host import messages as m
from myo_host.framing import Frame, FrameDecoder
from myo_host.monitor.feed import Feed, Replay
from myo_host.monitor.packets import HEADER, SAMPLES
from myo_host.monitor.server import MonitorServer
from myo_host.monitor.session import Session

RATE_HZ, HOP, WINDOW = 1000.0, 20, 40
BAD_WINDOW = 20  # from which on the board has mains on its second channel


class EchoBoard(FakeBoard):
    """Sends back every sample as filtered, and decides every hop; ``lose`` names the filtered pieces that it drops."""

    def __init__(self, lose: tuple[int, ...] = ()) -> None:
        super().__init__(
            rate_mhz=int(RATE_HZ * 1000), window_samples=WINDOW, hop_samples=HOP, credit_frames=64
        )
        self._lose, self._pieces = lose, 0
        self.sources: list[int] = []
        self.stops = 0

    def _take(self, frame: Frame, decoder: FrameDecoder) -> None:
        message = m.BY_TYPE[frame.type]
        values, tail = message.unpack(frame.payload)
        if message is m.START:
            self.sources.append(values["source"])
            self.credit(0)
        if message is m.STOP:
            self.stops += 1
        before = self.n_samples
        super()._take(frame, decoder)
        if message is not m.SAMPLES:
            return
        if self._pieces not in self._lose:
            words = np.frombuffer(tail, "<i2").astype("<i4").tobytes()
            self._tensor(m.Stage.FILTERED, m.Dtype.INT32, before, words)
        self._pieces += 1
        for end in range(before + 1, self.n_samples + 1):
            if end >= WINDOW and (end - WINDOW) % HOP == 0:
                self._decide((end - WINDOW) // HOP, end)

    def _tensor(self, stage: m.Stage, dtype: m.Dtype, index: int, data: bytes) -> None:
        self.send(m.TENSOR, data, stage=stage, dtype=dtype, layer=0, index=index, offset=0)

    def _decide(self, window: int, end: int) -> None:
        if window == BAD_WINDOW:
            self.send(m.QUALITY, bytes([0, 8]), period=0, end_sample=end, n_masked=1, gated=1)
        self._tensor(m.Stage.OUTPUT, m.Dtype.INT8, window, np.array([-128, 127], np.int8).tobytes())
        ticks = dict.fromkeys(("front_end_ticks", "network_ticks", "decision_ticks"), 2)
        self.send(
            m.DECISION, window=window, end_sample=end, decided=1, raw=1, confidence=127, n_votes=1, latency_ticks=7,
            aux_marks=0, **ticks,
        )  # fmt: skip


def make_counts(n: int) -> np.ndarray:
    """Counts whose every frame is another."""
    return np.stack([np.arange(n) % 2000 - 1000, (np.arange(n) * 7) % 2000 - 1000], axis=1).astype(np.int32)


class PageClient:
    """What a page was told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.texts: list[dict[str, Any]] = []
        self.frames: dict[int, list[tuple[int, np.ndarray]]] = {}

    async def tell(self, do: str, text: str = "") -> None:
        await self._socket.send_json({"do": do, "text": text})

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [text for text in self.texts if text["type"] == kind]

    def decisions(self) -> list[dict[str, Any]]:
        return [row for text in self.all("decisions") for row in text["decisions"]]

    def signal(self, stream: int) -> np.ndarray:
        """All frames of a stream, which must follow each other."""
        due, parts = self.frames[stream][0][0], []
        for first, frames in self.frames[stream]:
            assert first == due
            due += len(frames)
            parts.append(frames)
        return np.concatenate(parts)

    async def until(self, holds: Callable[[], object], timeout_s: float = 40.0) -> None:
        """Listen until something holds."""
        try:
            async with asyncio.timeout(timeout_s):  # receive's own begins anew at every ping
                await self._listen(holds)
        except TimeoutError:
            told = [text for text in self.texts if text["type"] not in ("decisions", "trend")][-8:]
            raise AssertionError(f"nothing in {timeout_s} s: {told}") from None

    async def _listen(self, holds: Callable[[], object]) -> None:
        while not holds():
            message = await self._socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self.texts.append(json.loads(message.data))
            elif message.type is aiohttp.WSMsgType.BINARY:
                kind, stream, n_channels, n, first = HEADER.unpack_from(message.data)
                values = np.frombuffer(message.data, "<f4", offset=HEADER.size)
                if kind == SAMPLES:
                    self.frames.setdefault(stream, []).append((int(first), values.reshape(n, n_channels)))
            else:
                assert holds(), f"the socket closed: {self.texts[-3:]}"


@asynccontextmanager
async def start_monitor(
    port: str, save_to: Path, replay: Replay | None, *, with_filtered: bool = True
) -> AsyncIterator[tuple[MonitorServer, Feed]]:
    """Feed, session and server without the command around them."""
    loop = asyncio.get_running_loop()
    session = Session(lambda packet: loop.call_soon_threadsafe(server.publish, packet), None, None, save_to)
    server = MonitorServer(session.snapshot, session.obey)
    feed = Feed(port, session, bundle_hash=None, replay=replay, with_filtered=with_filtered, reconnect=True)
    async with server.serve():
        feed.start()
        try:
            yield server, feed
        finally:
            await asyncio.to_thread(feed.stop)


@asynccontextmanager
async def open_page(url: str) -> AsyncIterator[PageClient]:
    """A page at a monitor's address."""
    origin = "/".join(url.split("/", 3)[:3])
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}stream", origin=origin) as socket:
        yield PageClient(socket)
