"""The loopback server: the page's files, and one WebSocket a page that no slow page can hold up."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from myo_host.monitor.guard import HOST, Guard
from myo_host.monitor.packets import Packet, pack_json
from myo_pipeline.errors import LinkError

PAGE = {
    "": ("index.html", "text/html"),
    "monitor.css": ("monitor.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
} | {
    f"{name}.js": (f"{name}.js", "text/javascript")
    for name in ("main", "wire", "store", "scope", "history", "plots", "panels", "draw")
}
MAX_PENDING_BYTES = 4 << 20  # for one page; a page that is further behind loses samples, and is told so
MAX_COMMAND_BYTES = 4096
SHUTDOWN_TIMEOUT_S = 1.0  # for pages to say goodbye
HEARTBEAT_S = 20.0  # a page that answers no ping for this long is gone


class Page:
    """One open page: packets on their way to it."""

    def __init__(self) -> None:
        self._packets: deque[Packet] = deque()
        self._pending_bytes = 0
        self._ready = asyncio.Event()
        self.skipped = 0  # binary packets that were dropped because the page was behind

    def put(self, packet: Packet) -> None:
        """Queue a packet; where too much waits, binary ones are dropped, texts never."""
        self._packets.append(packet)
        self._pending_bytes += len(packet)
        if self._pending_bytes > MAX_PENDING_BYTES:
            texts = [p for p in self._packets if isinstance(p, str)]
            self.skipped += len(self._packets) - len(texts)
            self._packets = deque(texts[-4096:])
            self._packets.append(pack_json("skipped", packets=self.skipped))
            self._pending_bytes = sum(map(len, self._packets))
        self._ready.set()

    async def take(self) -> Packet:
        """Wait for the next packet."""
        while not self._packets:
            self._ready.clear()
            await self._ready.wait()
        packet = self._packets.popleft()
        self._pending_bytes -= len(packet)
        return packet


class MonitorServer:
    """Serves the page to whoever passes the guard."""

    def __init__(
        self, snapshot: Callable[[], list[Packet]], obey: Callable[[str, str], None], port: int = 0
    ) -> None:
        """Prepare a server.

        Parameters
        ----------
        snapshot
            What a page that opens now must know.
        obey
            Called in a thread with a page's command and its text.
        port
            TCP port; any that is free without.
        """
        self._snapshot, self._obey, self._wanted_port = snapshot, obey, port
        self.pages: set[Page] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self.guard = Guard(port)
        folder = resources.files("myo_host.monitor") / "page"
        self._files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in PAGE.items()}

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serve, and yield the address.

        Raises
        ------
        LinkError
            If the port is taken.
        """
        app = web.Application(middlewares=[self._check], client_max_size=MAX_COMMAND_BYTES)
        app.router.add_get("/{token}/stream", self._stream)
        app.router.add_get("/{token}/{name:.*}", self._file)
        app.on_shutdown.append(self._say_goodbye)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, self._wanted_port)
            try:
                await site.start()
            except OSError as error:
                raise LinkError(
                    f"{HOST}:{self._wanted_port}: cannot be served ({error.strerror}); leave --http-port out"
                ) from None
            self.guard = Guard(int(runner.addresses[0][1]), self.guard.token)
            yield self.guard.url
        finally:
            await runner.cleanup()

    def publish(self, packet: Packet) -> None:
        """Give every page a packet; in the server's thread only."""
        for page in self.pages:
            page.put(packet)

    @web.middleware
    async def _check(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        headers = {name: request.headers.getall(name, []) for name in ("host", "origin", "sec-fetch-site")}
        is_socket = request.path.endswith("/stream")
        if reason := self.guard.refuse(request.method, request.path, headers, is_socket=is_socket):
            return web.Response(
                status=403, text=f"refused: {reason}\n", headers=self.guard.response_headers()
            )
        try:
            return await handler(request)
        except web.HTTPException as error:
            return web.Response(
                status=error.status, text=f"{error.reason}\n", headers=self.guard.response_headers()
            )

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        body, kind = found
        headers = self.guard.response_headers()
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_COMMAND_BYTES, compress=False)
        await socket.prepare(request)
        page = Page()
        for packet in self._snapshot():
            page.put(packet)
        self.pages.add(page)
        self._sockets.add(socket)
        sender = asyncio.create_task(self._send(socket, page))
        try:
            async for message in socket:
                if message.type != WSMsgType.TEXT or not await self._serve_command(message.data, page):
                    await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"no such command")
        finally:
            self.pages.discard(page)
            self._sockets.discard(socket)
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
        return socket

    async def _send(self, socket: web.WebSocketResponse, page: Page) -> None:
        with suppress(ConnectionError, RuntimeError):  # the page has gone: the reader above sees it too
            while True:
                packet = await page.take()
                if isinstance(packet, str):
                    await socket.send_str(packet)
                else:
                    await socket.send_bytes(packet)

    async def _serve_command(self, text: str, page: Page) -> bool:
        """Obey one command of a page; whether it was one."""
        try:
            command: Any = json.loads(text)
            name, words = command["do"], command.get("text", "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
        if name not in ("mark", "save", "finish") or not isinstance(words, str):
            return False
        try:
            await asyncio.to_thread(self._obey, name, words[:200])
        except Exception as error:  # the disk is full, the folder is gone: the page says so, the feed goes on
            page.put(pack_json("refused", text=str(error)))
        return True

    async def _say_goodbye(self, _app: web.Application) -> None:
        goodbye = pack_json("state", state="closed", text="myopatch monitor has ended")
        for socket in set(self._sockets):
            with suppress(ConnectionError, RuntimeError):
                await socket.send_str(goodbye)
                await socket.close(code=WSCloseCode.GOING_AWAY, message=b"ended")
