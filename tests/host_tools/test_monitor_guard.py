"""Nobody but the page gets anything: not another site, not a rebound name, not who guesses."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import resources

import pytest

from myo_host.monitor.guard import Guard
from myo_host.monitor.packets import Packet, pack_json
from myo_host.monitor.server import PAGE, MonitorServer
from myo_pipeline.errors import LinkError

SECRET = "words of the patch"
OWN_ADDRESS = "127.0.0.2"  # of this machine, and not the server's: Linux takes all of 127/8 as its own
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}  # fmt: skip


@asynccontextmanager
async def serve(obeyed: list[tuple[str, str]]) -> AsyncIterator[MonitorServer]:
    def snapshot() -> list[Packet]:
        return [pack_json("state", state="running", text=SECRET)]

    server = MonitorServer(snapshot, lambda name, text: obeyed.append((name, text)))
    async with server.serve():
        yield server


async def ask(server: MonitorServer, path: str, headers: dict[str, str], method: str = "GET") -> bytes:
    """Send a request with these headers, and return what comes before the end, or before silence on a socket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.guard.port)
    sent = {"Connection": "close"} | headers
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    got = b""
    try:
        while data := await asyncio.wait_for(reader.read(65536), 0.25):
            got += data
    except TimeoutError:
        pass
    writer.close()
    return got


def good(server: MonitorServer) -> dict[str, str]:
    return {"Host": f"127.0.0.1:{server.guard.port}"}


def test_the_page_itself_gets_in() -> None:
    async def run() -> None:
        async with serve([]) as server:
            token, port = server.guard.token, server.guard.port
            for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
                origin = f"http://{host.lower()}"
                got = await ask(server, f"/{token}/", {"Host": host, "Sec-Fetch-Site": "none"})
                assert got.startswith(b"HTTP/1.1 200")
                got = await ask(server, f"/{token}/stream", {"Host": host, "Origin": origin, **UPGRADE})
                assert got.startswith(b"HTTP/1.1 101")
                assert SECRET.encode() in got

    asyncio.run(run())


HOSTILE: dict[str, Callable[[dict[str, str], int], dict[str, str]]] = {
    "another site's origin": lambda h, _: h | {"Origin": "http://evil.example"},
    "an origin of another port": lambda h, port: h | {"Origin": f"http://127.0.0.1:{port - 1}"},
    "a secure origin of the same name": lambda h, port: h | {"Origin": f"https://127.0.0.1:{port}"},
    "an origin that hides": lambda h, _: h | {"Origin": "null"},
    "an origin that begins like ours": lambda h, port: h | {"Origin": f"http://127.0.0.1:{port}.evil.example"},
    "a name that was pointed at loopback": lambda h, port: h | {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"},
    "a rebound name without origin": lambda h, port: h | {"Host": f"evil.example:{port}"},
    "another port in Host": lambda h, port: h | {"Host": f"127.0.0.1:{port + 1}"},
    "no port in Host": lambda h, _: h | {"Host": "127.0.0.1"},
    "a script of another site": lambda h, _: h | {"Sec-Fetch-Site": "cross-site"},
    "a page of another port": lambda h, _: h | {"Sec-Fetch-Site": "same-site"},
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_others_get_nothing_even_with_the_token(what: str) -> None:
    async def run() -> None:
        obeyed: list[tuple[str, str]] = []
        async with serve(obeyed) as server:
            headers = HOSTILE[what](good(server), server.guard.port)
            for path, more in (("", {}), ("main.js", {}), ("stream", UPGRADE)):
                got = await ask(server, f"/{server.guard.token}/{path}", headers | more)
                assert got.startswith(b"HTTP/1.1 403"), path
                assert b"Access-Control-Allow-Origin" not in got
                assert SECRET.encode() not in got
                assert b"<html" not in got
        assert not obeyed

    asyncio.run(run())


def test_the_socket_wants_an_origin() -> None:
    """A browser always sends one; what sends none is a program that has no business here."""

    async def run() -> None:
        async with serve([]) as server:
            got = await ask(server, f"/{server.guard.token}/stream", good(server) | UPGRADE)
            assert got.startswith(b"HTTP/1.1 403")

    asyncio.run(run())


def test_two_hosts_or_none_are_refused() -> None:
    guard = Guard(8000, "t")
    assert guard.refuse("GET", "/t/", {"host": ["127.0.0.1:8000"]}) == ""
    assert "Host" in guard.refuse("GET", "/t/", {"host": ["127.0.0.1:8000", "127.0.0.1:8000"]})
    assert "Host" in guard.refuse("GET", "/t/", {})
    assert "GET" in guard.refuse("POST", "/t/", {"host": ["127.0.0.1:8000"]})


@pytest.mark.parametrize(
    "path", ["/", "/x/", "/x/stream", "/../{token}/", "/{token}x/", "/{short}/", "//{token}/"]
)
def test_who_lacks_the_token_gets_nothing(path: str) -> None:
    async def run() -> None:
        async with serve([]) as server:
            token = server.guard.token
            got = await ask(server, path.format(token=token, short=token[:-1]), good(server))
            assert got.startswith(b"HTTP/1.1 403")
            assert token.encode() not in got

    asyncio.run(run())


def test_tokens_are_new_and_long() -> None:
    tokens = {Guard(1).token for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32


def test_only_the_page_s_files_are_served_with_a_strict_policy() -> None:
    async def run() -> None:
        async with serve([]) as server:
            for path in ("../guard.py", "%2e%2e/guard.py", "server.py", "page/main.js", "index.html", "x"):
                got = await ask(server, f"/{server.guard.token}/{path}", good(server))
                assert got.split(b" ", 2)[1] in (b"403", b"404"), path
                assert b"Content-Security-Policy: default-src 'none'; " in got
            for path, (_, kind) in PAGE.items():
                head = (await ask(server, f"/{server.guard.token}/{path}", good(server))).split(b"\r\n\r\n")[
                    0
                ]
                assert head.startswith(b"HTTP/1.1 200"), path
                assert kind.encode() in head
                for line in (
                    b"default-src 'none'; script-src 'self'; style-src 'self'", b"frame-ancestors 'none'",
                    b"Cross-Origin-Resource-Policy: same-origin", b"X-Content-Type-Options: nosniff",
                    b"Referrer-Policy: no-referrer", b"Cache-Control: no-store",
                ):  # fmt: skip
                    assert line in head
                assert b"unsafe" not in head

    asyncio.run(run())


def test_every_file_of_the_page_is_served_and_needs_nothing_from_elsewhere() -> None:
    folder = resources.files("myo_host.monitor") / "page"
    assert {file.name for file in folder.iterdir()} == {name for name, _ in PAGE.values()}
    for name, _ in PAGE.values():
        text = (folder / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//cdn" not in text
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text
        assert "style=" not in text


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"do": "reset"}', '{"do": 1}', '{"do": "mark", "text": 1}', "[" * 4000, "x" * 5000],
)
def test_what_is_no_command_ends_the_socket(text: str) -> None:
    import aiohttp

    async def run() -> None:
        obeyed: list[tuple[str, str]] = []
        async with serve(obeyed) as server, aiohttp.ClientSession() as http:
            origin = f"http://127.0.0.1:{server.guard.port}"
            async with http.ws_connect(f"{server.guard.url}stream", origin=origin) as page:
                await page.receive(2)
                await page.send_str(text)
                while (message := await page.receive(2)).type is aiohttp.WSMsgType.TEXT:
                    pass
                assert message.type is aiohttp.WSMsgType.CLOSE
                assert message.data in (1008, 1009)
        assert not obeyed

    asyncio.run(run())


def test_it_is_on_loopback_only_and_says_so_when_a_port_is_taken() -> None:
    async def run() -> None:
        async with serve([]) as server:
            with socket.socket() as outside:
                outside.settimeout(1)
                with pytest.raises(ConnectionRefusedError):
                    outside.connect((OWN_ADDRESS, server.guard.port))
            other = MonitorServer(list, lambda *_: None, server.guard.port)
            with pytest.raises(LinkError, match=r"cannot be served .*leave --http-port out"):
                async with other.serve():
                    pass

    asyncio.run(run())
