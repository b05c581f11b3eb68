"""Headless Chromium by the DevTools protocol, as far as the monitor's tests and its study need it; aiohttp talks.

References
----------
Chrome DevTools Protocol, domains Page, Runtime, Input, Emulation, HeapProfiler and Performance.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 60.0
MAX_MESSAGES = 20  # kept of a page's errors
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run",
    "--hide-scrollbars", "--mute-audio", "--remote-debugging-port=0", "--disable-background-networking",
    "--js-flags=--expose-gc",
)  # fmt: skip


def find_chromium() -> str | None:
    """Return the browser's path, or None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Tab:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.messages: list[str] = []  # console errors and exceptions
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Stop listening."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            said = message.json()
            if (waiting := self._waiting.pop(said.get("id", 0), None)) and not waiting.done():
                waiting.set_result(said)
            elif len(self.messages) >= MAX_MESSAGES:
                continue
            elif said.get("method") == "Runtime.exceptionThrown":
                details = said["params"]["exceptionDetails"]
                where = f"{details.get('url', '').rsplit('/', 1)[-1]}:{details['lineNumber'] + 1}"
                self.messages.append(f"{where}: {details.get('exception', {}).get('description', '')[:200]}")
            elif said.get("method") == "Log.entryAdded":
                self.messages.append(said["params"]["entry"]["text"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401
        """Call a method of the protocol."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await asyncio.wait_for(self._waiting[number], CALL_TIMEOUT_S)
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error']}")
        return dict(said["result"])

    async def open(self, url: str) -> None:
        """Go to a page."""
        for domain in ("Page", "Runtime", "Log", "Performance", "HeapProfiler"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def evaluate(self, code: str) -> Any:  # noqa: ANN401
        """Return what an expression gives, promises awaited."""
        said = await self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            raise RuntimeError(str(said["exceptionDetails"])[:600])
        return said["result"].get("value")

    async def until(self, code: str, timeout_s: float = 60.0) -> Any:  # noqa: ANN401
        """Wait until an expression is true, and return it."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not (value := await self.evaluate(code)):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"not true within {timeout_s:g} s: {code}; the page said {self.messages}")
            await asyncio.sleep(0.05)
        return value

    async def press(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {}
        codes = {
            "Tab": 9,
            "Enter": 13,
            "Escape": 27,
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowDown": 40,
        }
        code = {"windowsVirtualKeyCode": codes[key], "code": key} if key in codes else {}
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **code)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    async def resize(self, width: int, height: int, *, ratio: float = 1.0, dark: bool = False) -> None:
        """Make the window so large, in CSS pixels, and light or dark."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of what is seen, or of the whole page."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def heap_bytes(self) -> int:
        """Return the bytes that JavaScript holds, after a collection."""
        await self.call("HeapProfiler.collectGarbage")
        metrics = (await self.call("Performance.getMetrics"))["metrics"]
        return int(next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize"))


@asynccontextmanager
async def start_chromium(*flags: str) -> AsyncIterator[tuple[Tab, int]]:
    """Start a browser with a folder of its own; yield its tab and its process id.

    Raises
    ------
    FileNotFoundError
        If there is no browser on this machine.
    """
    if (path := find_chromium()) is None:
        raise FileNotFoundError("chromium is not installed: sudo apt-get install -y chromium")
    with tempfile.TemporaryDirectory(prefix="myopatch-chromium-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            path, *FLAGS, *flags, f"--user-data-dir={folder}", "about:blank",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            process_group=0,  # it has children, which shall end with it
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as http:
                port = await _read_port(Path(folder) / "DevToolsActivePort")
                async with http.get(f"http://127.0.0.1:{port}/json") as answer:
                    tabs = await answer.json()
                address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
                async with http.ws_connect(address, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    try:
                        yield tab, process.pid
                    finally:
                        await tab.close()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


async def _read_port(path: Path) -> int:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    while asyncio.get_running_loop().time() < deadline:
        with suppress(OSError, ValueError, IndexError):
            return int(path.read_text().splitlines()[0])
        await asyncio.sleep(0.05)
    raise TimeoutError("chromium did not start")
