"""Download against a local server: verified, unpacked safely, put in place whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from myo_pipeline.errors import DataError
from myo_training.datasets import CATALOGUE
from myo_training.fetch import fetch_dataset
from myo_training.myo_readings import PackedMyoReadings, parse_text
from myo_training.recordings import Recording, digest_listing, digest_recording

FILES = {
    "_readings_right_hand/100-1/0.txt": "1,2,3,4,5,6,7,8,0\n-1,2,3,4,5,6,7,8,0",
    "_readings_right_hand/100-1/8.txt": "not of the protocol",
    "_readings_left_hand/7-1/2.txt": "1,2,3,4,5,6,7,8,2\n",
    "_readings_left_hand/9-1/2.txt": "9,2,3,4,5,6,7,8,2\n",
    "LICENSE": "MIT",
    "README.md": "read me",
}


def pin(person: str, session: str, gesture: str, text: str) -> str:
    emg, labels = parse_text(text, "f")
    return digest_listing(
        [digest_recording(Recording(emg, labels, 200.0, 1.0, person, session, gesture, "f"))]
    )


PINS = {
    "R100": pin("R100", "1", "0", FILES["_readings_right_hand/100-1/0.txt"]),
    "L7": pin("L7", "1", "2", FILES["_readings_left_hand/7-1/2.txt"]),
}


def make_zip(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


ARCHIVE = make_zip({f"myo-readings-dataset-HEAD/{name}": text for name, text in FILES.items()})


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, answers: dict[str, tuple[int, bytes, int]], *args: object) -> None:
        self._answers = answers
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        status, body, length = self._answers.get(self.path, (404, b"", 0))
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, tuple[int, bytes, int]]]]:
    answers = {"/set.zip": (200, ARCHIVE, len(ARCHIVE))}
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, answers))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}", answers
    httpd.shutdown()
    thread.join()
    httpd.server_close()


Server = tuple[str, dict[str, tuple[int, bytes, int]]]


def test_fetch_verifies_packs_and_keeps_only_pinned_persons(server: Server, tmp_path: Path) -> None:
    told: list[float] = []
    folder = fetch_dataset(
        "myo_readings", f"{server[0]}/set.zip", lambda _, f: told.append(f), cache=tmp_path, pins=PINS
    )
    assert folder == tmp_path / "myo_readings"
    data = PackedMyoReadings(folder)
    assert data.persons() == ["L7", "R100"]
    assert [r.emg.tolist() for r in data.recordings(["L7"])] == [[[1, 2, 3, 4, 5, 6, 7, 8]]]
    assert (folder / "LICENSE").read_text() == "MIT"
    assert told == sorted(told)
    assert told[-1] == 1.0
    # A second download takes the first one's place, and nothing else is left behind.
    fetch_dataset("myo_readings", f"{server[0]}/set.zip", cache=tmp_path, pins=PINS)
    assert [path.name for path in tmp_path.iterdir()] == ["myo_readings"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x/_readings_left_hand/7-1/2.txt": "1,2,3,4,5,6,7,8,2\n"}, "recordings of R100 are missing"),
        (
            {"x/_readings_left_hand/7-1/2.txt": "1,2,3,4,5,6,7,7,2\n",
             "x/_readings_right_hand/100-1/0.txt": FILES["_readings_right_hand/100-1/0.txt"]},
            "recordings of L7 have digest",
        ),
        ({"x/../../evil.txt": "boo"}, "leads out of the archive"),
        ({"/etc/evil.txt": "boo"}, "leads out of the archive"),
        ({"x/_readings_left_hand/..\\7-1/2.txt": "boo"}, "leads out of the archive"),
        ({"x/README.md": "nothing"}, "no <id>-<session>"),
    ],
)  # fmt: skip
def test_wrong_archives_leave_the_cache_as_it_was(
    server: Server, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    cache = tmp_path / "a" / "cache"
    old = cache / "myo_readings"
    old.mkdir(parents=True)
    (old / "kept").write_text("as it was")
    body = make_zip(files)
    server[1]["/wrong.zip"] = (200, body, len(body))
    with pytest.raises(DataError, match=message) as caught:
        fetch_dataset("myo_readings", f"{server[0]}/wrong.zip", cache=cache, pins=PINS)
    assert "\n" not in str(caught.value)
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*")) if p.is_file()] == [
        "a/cache/myo_readings/kept"
    ]


def test_failing_servers_give_one_line(server: Server, tmp_path: Path) -> None:
    server[1]["/short.zip"] = (200, ARCHIVE[:100], len(ARCHIVE))
    server[1]["/no.zip"] = (200, b"<html>", 6)
    cases = [
        (f"{server[0]}/none.zip", "download failed"),
        (f"{server[0]}/short.zip", "download (failed|ended)"),
        (f"{server[0]}/no.zip", "not a whole zip archive"),
        ("ftp://127.0.0.1/x.zip", "not an http, https or file address"),
        ("http://127.0.0.1:1/x.zip", "download failed"),
    ]
    for url, message in cases:
        with pytest.raises(DataError, match=message) as caught:
            fetch_dataset("myo_readings", url, cache=tmp_path / "c", pins=PINS)
        assert "\n" not in str(caught.value)
    assert not list((tmp_path / "c").iterdir())
    with pytest.raises(DataError, match="unknown data set 'nothing'"):
        fetch_dataset("nothing", cache=tmp_path)


def test_plain_files_are_checked_by_their_published_digests(server: Server, tmp_path: Path) -> None:
    pins = {}
    for name, body in (("emg_healthy.hea", b"head"), ("emg_healthy.dat", b"signal")):
        server[1][f"/1.0.0/{name}"] = (200, body, len(body))
        pins[name] = hashlib.sha256(body).hexdigest()
    told: list[float] = []
    folder = fetch_dataset(
        "emgdb", f"{server[0]}/1.0.0/", lambda _, f: told.append(f), cache=tmp_path, pins=pins
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "emg_healthy.hea": b"head", "emg_healthy.dat": b"signal",
    }  # fmt: skip
    assert told == sorted(told)
    server[1]["/1.0.0/emg_healthy.dat"] = (200, b"sIgnal", 6)
    with pytest.raises(DataError, match=r"emg_healthy.dat: SHA-256 .* published is"):
        fetch_dataset("emgdb", f"{server[0]}/1.0.0/", cache=tmp_path, pins=pins)
    assert (folder / "emg_healthy.dat").read_bytes() == b"signal"


def test_sets_that_cannot_be_fetched_say_where_they_are(tmp_path: Path) -> None:
    for entry in CATALOGUE.values():
        assert entry.url.startswith(("https://", "http://"))
        assert all(len(pin) == 64 for pin in entry.pins.values())
        if not entry.can_fetch:
            with pytest.raises(DataError, match=entry.name) as caught:
                fetch_dataset(entry.name, cache=tmp_path)
            assert entry.url in str(caught.value)
            assert "\n" not in str(caught.value)
