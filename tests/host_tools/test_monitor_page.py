"""The page in headless Chromium: what it shows, by keyboard, on a phone, in the dark; and what a hostile page gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from headless import Tab, find_chromium, start_chromium
from monitor_case import EchoBoard, make_counts, start_monitor
from myo_host.monitor.feed import Replay
from myo_host.monitor.server import MonitorServer

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="chromium is not installed")


@asynccontextmanager
async def open_browser(tmp_path: Path) -> AsyncIterator[tuple[Tab, MonitorServer]]:
    with EchoBoard() as board:
        async with (
            start_monitor(board.port, tmp_path, Replay("test.bdf", make_counts(3000), loop=True)) as (
                server,
                _,
            ),
            start_chromium() as (tab, _),
        ):
            await tab.resize(1300, 900)
            await tab.open(server.guard.url)
            await tab.until("document.getElementById('state')?.textContent === 'live'")
            yield tab, server


def text_of(name: str) -> str:
    return f"document.getElementById('{name}').textContent"


def test_the_page_shows_the_patch_and_obeys_keys(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_browser(tmp_path) as (tab, _):
            await tab.until(f"{text_of('decided')} === 'output 1'")
            assert "confidence 100 %" in await tab.evaluate(text_of("confidence"))
            await tab.until(f"{text_of('counters')}.includes('samples processed')")
            await tab.until(f"{text_of('latency-note')}.includes('median 7.00')")
            await tab.until(f"{text_of('spectrum-note')}.includes('largest at')")
            assert await tab.evaluate("document.querySelectorAll('#lanes button').length") == 2
            # The traces are drawn: some of the canvas has the colour of the signal.
            drawn = (
                "(() => { const c = document.getElementById('traces'), k = document.createElement('canvas');"
                " Object.assign(k, { width: c.width, height: c.height });"
                " const p = k.getContext('2d', { willReadFrequently: true }); p.drawImage(c, 0, 0);"
                " const d = p.getImageData(0, 0, k.width, k.height).data; let n = 0;"
                " for (let i = 0; i < d.length; i += 4) n += d[i] === 11 && d[i + 1] === 110 && d[i + 2] === 105; return n; })()"
            )
            await tab.until(f"{drawn} > 1000")
            await tab.press("m")
            await tab.until(f"{text_of('events')}.includes('mark 1')")
            await asyncio.sleep(1.5)  # of signal, to look back at
            await tab.press(" ")
            assert await tab.evaluate(text_of("state")) == "view paused"
            await tab.until(f"!{text_of('axis-end')}.includes('now')")
            before = await tab.evaluate(text_of("axis-end"))
            await tab.press("ArrowLeft")
            await tab.until(f"{text_of('axis-end')} !== '{before}'")
            await tab.press(" ")
            await tab.until(f"{text_of('axis-end')} === 'now'")
            await tab.press("ArrowDown")
            assert (
                await tab.evaluate("document.querySelector('[aria-checked=true] .name').textContent")
                == "EMG 2"
            )
            await tab.press("+")
            assert await tab.evaluate("document.getElementById('span').value") == "10"
            await tab.press("4")
            assert await tab.evaluate("document.querySelector('#views :checked').value") == "envelope"
            await tab.press("s")
            await tab.until(f"{text_of('save')}.startsWith('Saving')")
            await tab.press("s")
            await tab.until(f"{text_of('events')}.includes('saved')")
            await tab.press("?")
            assert await tab.evaluate("document.getElementById('keys').open")
            await tab.press("Escape")
            await tab.until("!document.getElementById('keys').open")
            assert not tab.messages

    asyncio.run(run())
    assert len(list(tmp_path.glob("monitor-*.bdf"))) == 1


def test_by_keyboard_on_a_phone_and_in_the_dark(tmp_path: Path) -> None:
    """Everything is reached by Tab, in the order of the page; nothing is wider than a phone; text has contrast."""
    order = "(() => { const e = document.activeElement; return e.id || e.value || e.getAttribute('role') || e.textContent; })()"
    contrast = """(() => {
      const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const light = (colour) => {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
        const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((v) => linear(v / 255));
        return .2126 * r + .7152 * g + .0722 * b;
      };
      const style = getComputedStyle(document.documentElement), ground = light(style.getPropertyValue('--card'));
      return Math.min(...['fg', 'dim', 'good', 'warn', 'bad', 'accent', 'second'].map((name) => {
        const ink = light(style.getPropertyValue('--' + name));
        return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
      }));
    })()"""
    wide = (
        "[...document.querySelectorAll('button, select, input, canvas, p, dl')]"
        ".filter((e) => e.getBoundingClientRect().right > 360).length"
    )

    async def run() -> None:
        async with open_browser(tmp_path) as (tab, _):
            await tab.until("document.querySelectorAll('#lanes button').length === 2")
            seen = []
            for _ in range(11):
                await tab.press("Tab")
                seen.append(await tab.evaluate(order))
            assert seen[1:10] == [
                "pause", "mark", "save", "help", "both", "span", "scale", "radio", "mark-text",
            ]  # fmt: skip
            assert await tab.evaluate(
                "[...document.querySelectorAll('canvas')].every((c) => c.getAttribute('aria-label'))"
            )
            assert await tab.evaluate(contrast) >= 4.5
            light = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
            await tab.resize(360, 740, ratio=2.0, dark=True)
            await tab.until(f"getComputedStyle(document.body).backgroundColor !== '{light}'")
            assert await tab.evaluate(contrast) >= 4.5
            assert await tab.evaluate("document.documentElement.scrollWidth") <= 360
            assert await tab.evaluate(wide) == 0
            assert await tab.evaluate("document.getElementById('traces').getBoundingClientRect().width") > 200
            assert not tab.messages

    asyncio.run(run())


ATTACK = Path(__file__).with_name("hostile_page.html").read_text()


def test_a_hostile_page_gets_nothing_though_it_knows_the_address(tmp_path: Path) -> None:
    """From another port, from another name, and from a name that resolves to loopback (DNS rebinding)."""

    async def run() -> None:
        with EchoBoard() as board:
            replay = Replay("test.bdf", make_counts(3000), loop=True)
            async with start_monitor(board.port, tmp_path, replay) as (server, _):
                target = server.guard.url

                async def attack(request: web.Request) -> web.Response:
                    aim = target.replace("127.0.0.1", request.query.get("aim", "127.0.0.1"))
                    return web.Response(text=ATTACK.replace("TARGET", f'"{aim}"'), content_type="text/html")

                app = web.Application()
                app.router.add_get("/", attack)
                runner = web.AppRunner(app)
                await runner.setup()
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                port = runner.addresses[0][1]
                try:
                    async with start_chromium("--host-resolver-rules=MAP *.example 127.0.0.1") as (tab, _):
                        for url in (
                            f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://evil.example:{port}/",
                            f"http://evil.example:{port}/?aim=evil.example",
                        ):  # fmt: skip
                            await tab.open(url)
                            await tab.until("globalThis.outcome")
                            outcome = await tab.evaluate("outcome")
                            assert set(outcome) == {
                                "read",
                                "blind",
                                "socket",
                                "script",
                                "picture",
                                "style",
                                "frame",
                            }
                            assert not [name for name, got in outcome.items() if got is not None], (
                                url,
                                outcome,
                            )
                        # Rebound: the browser takes it for the server's own page, the server does not.
                        await tab.open(target.replace("127.0.0.1", "evil.example"))
                        await tab.until("document.body?.textContent.includes('refused: the Host header')")
                        # And the page itself, by its own name, still works.
                        await tab.open(target)
                        await tab.until("document.getElementById('state')?.textContent === 'live'")
                        await tab.until(f"{text_of('events')} !== null")
                        assert "evil" not in await tab.evaluate(text_of("events"))
                finally:
                    await runner.cleanup()

    asyncio.run(run())
