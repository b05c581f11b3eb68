"""What a page is told is what the patch said; what it saves is the recorder's format; nothing grows behind a slow page."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from monitor_case import HOP, WINDOW, EchoBoard, make_counts, open_page, start_monitor
from myo_host import messages as m
from myo_host.boards import BOARDS
from myo_host.cli.monitor_command import find_only_bundle
from myo_host.link import Hello
from myo_host.monitor.feed import Replay
from myo_host.monitor.packets import pack_json
from myo_host.monitor.server import MAX_PENDING_BYTES, Page
from myo_host.monitor.session import unwrap
from myo_host.monitor.signals import ENVELOPE, FILTERED, RAW
from myo_host.monitor.timing import TimeScale, Timing, scale_ticks
from myo_pipeline.errors import DataError
from myo_pipeline.recording import read_recording
from test_recorder import BLOCK, ConverterBoard, make_count


def test_a_page_gets_every_sample_and_decision_of_a_replay(tmp_path: Path) -> None:
    counts = make_counts(1500)

    async def run() -> None:
        with EchoBoard() as board:
            async with (
                start_monitor(board.port, tmp_path, Replay("r.bdf", counts)) as (server, _),
                open_page(server.guard.url) as page,
            ):
                await page.until(lambda: any(s["state"] == "ended" for s in page.all("state")))
                assert page.all("setup")[0]["replayed"] == "r.bdf"
                raw, filtered = page.signal(RAW), page.signal(FILTERED)
                for stream, frames in ((RAW, raw), (FILTERED, filtered)):
                    first = page.frames[stream][0][0]
                    np.testing.assert_array_equal(frames, counts[first:])
                assert len(filtered) > 1000
                rows = {row["window"]: row for row in page.decisions()}
                assert sorted(rows) == list(range((1500 - WINDOW) // HOP + 1))
                assert rows[3] == {
                    "window": 3, "end": WINDOW + 3 * HOP, "latency_ms": 7.0, "load": 0.3, "decided": 1, "raw": 1,
                    "votes": 1, "confidence": round(255 / 256, 4), "scores": [0.0, round(255 / 256, 4)],
                }  # fmt: skip
                counters = page.all("counters")[-1]
                told = {"type": "quality", "flags": [[], ["mains"]], "masked": 1, "gated": True}
                assert page.all("quality")[-1] == told
                assert counters["latency"]["percentiles"] == [7.0] * 4
                assert sum(counters["latency"]["bins"]) == counters["latency"]["n"] == len(rows)
                first, envelope = page.frames[ENVELOPE][0][0], page.signal(ENVELOPE)
                blocks = counts.reshape(-1, 25, 2).astype(float)
                np.testing.assert_allclose(envelope, np.sqrt((blocks**2).mean(axis=1))[first:], rtol=1e-5)
        assert board.sources == [m.Source.HOST]
        assert board.stops == 1

    asyncio.run(run())


def test_a_page_that_opens_late_knows_what_was(tmp_path: Path) -> None:
    async def run() -> None:
        with EchoBoard() as board:
            replay = Replay("r.bdf", make_counts(400), real_time=False)
            async with start_monitor(board.port, tmp_path, replay) as (server, feed):
                await asyncio.to_thread(feed.ended.wait, 10)
                async with open_page(server.guard.url) as page:
                    await page.until(lambda: page.all("state"))
                    assert len(page.decisions()) == (400 - WINDOW) // HOP + 1
                    assert [event["kind"] for event in page.all("event")] == ["ended"]
                    assert page.all("state")[-1]["state"] == "ended"

    asyncio.run(run())


def test_marks_and_samples_are_saved_as_a_recorder_would(tmp_path: Path) -> None:
    counts = make_counts(1700)

    async def run() -> None:
        with EchoBoard() as board:
            async with (
                start_monitor(board.port, tmp_path, Replay("r.bdf", counts, loop=True)) as (server, _),
                open_page(server.guard.url) as page,
            ):
                await page.until(lambda: len(page.decisions()) > 3)
                await page.tell("save")
                await page.until(lambda: any(s["path"] for s in page.all("saving")))
                n = len(page.decisions())
                await page.until(lambda: len(page.decisions()) > n + 30)
                await page.tell("mark", "cuff\non")
                await page.until(lambda: any(e["kind"] == "mark" for e in page.all("event")))
                await page.tell("finish")
                await page.until(lambda: any(e["kind"] == "saved" for e in page.all("event")))

    asyncio.run(run())
    (path,) = tmp_path.glob("monitor-*.bdf")
    saved = read_recording(path)
    samples = saved.read()
    assert len(samples) > 500
    first = int(samples[0, 0]) + 1000
    np.testing.assert_array_equal(samples, np.resize(counts, (first + len(samples), 2))[first:])
    texts = [note.text for note in saved.annotations]
    assert "cuff on" in texts
    assert sum(text.startswith("decision") for text in texts) > 20
    assert (saved.meta["ended"], saved.meta["replayed"], saved.meta["samples_missing"]) == (
        "stopped",
        "r.bdf",
        0,
    )
    assert saved.meta["board"] == "fake"


def test_what_the_line_loses_is_a_gap_and_is_counted(tmp_path: Path) -> None:
    async def run() -> None:
        with ConverterBoard(lose=(7, 8), pace_s=0.005) as board:
            async with (
                start_monitor(board.port, tmp_path, None, with_filtered=False) as (server, _),
                open_page(server.guard.url) as page,
            ):
                await page.until(lambda: sum(len(f) for _, f in page.frames.get(RAW, [])) > 30 * BLOCK)
                await page.until(lambda: any(c["host"]["samples_missing"] for c in page.all("counters")))
                raw = page.signal(RAW)
                first = page.frames[RAW][0][0]
                frames = np.arange(first, first + len(raw))
                lost = (frames >= 7 * BLOCK) & (frames < 9 * BLOCK)
                expected = np.stack([make_count(frames, k) for k in range(2)], axis=1).astype(float)
                expected[lost] = np.nan
                np.testing.assert_array_equal(raw, expected)
                assert page.all("counters")[-1]["host"]["samples_missing"] == 2 * BLOCK
                assert [e["text"] for e in page.all("event") if e["kind"] == "gap"] == [
                    "40 frames lost on the line"
                ]

    asyncio.run(run())


class RestartingBoard(EchoBoard):
    """Resets once, in the middle of its first run."""

    def _decide(self, window: int, end: int) -> None:
        if window == 9 and len(self.sources) == 1:
            self.send(m.HELLO, **(self.hello | {"reason": m.HelloReason.BOOT}))
        super()._decide(window, end)


def test_a_board_that_resets_is_found_again_and_the_file_is_closed(tmp_path: Path) -> None:
    async def run() -> None:
        with RestartingBoard() as board:
            async with (
                start_monitor(board.port, tmp_path, Replay("r", make_counts(3000))) as (server, _),
                open_page(server.guard.url) as page,
            ):
                await page.until(lambda: page.all("setup"))
                await page.tell("save")
                await page.until(lambda: any("reset" in s["text"] for s in page.all("state")))
                await page.until(lambda: {2} <= {s["run"] for s in page.all("setup")})
                await page.until(lambda: page.all("state")[-1]["state"] == "running")
                assert any(e["kind"] == "saved" for e in page.all("event"))

    asyncio.run(run())
    (path,) = tmp_path.glob("monitor-*.bdf")
    assert "reset" in read_recording(path).meta["ended"]


def test_a_page_that_does_not_keep_up_costs_no_memory() -> None:
    async def run() -> None:
        page = Page()
        block = bytes(1 << 16)
        for number in range(500):
            page.put(block)
            if number % 50 == 0:
                page.put(pack_json("event", number=number))
            assert sum(map(len, page._packets)) == page._pending_bytes <= MAX_PENDING_BYTES
        assert page.skipped > 400
        texts = [packet for packet in page._packets if isinstance(packet, str)]
        assert [t for t in texts if '"event"' in t] == [
            pack_json("event", number=k) for k in range(0, 500, 50)
        ]
        assert any('"skipped"' in text for text in texts)

    asyncio.run(run())


def test_counters_that_wrap_go_on() -> None:
    assert unwrap(5, (1 << 32) - 3) == (1 << 32) + 5
    assert unwrap((1 << 32) - 3, (1 << 32) + 5) == (1 << 32) - 3
    assert unwrap(7, 3 << 32) == (3 << 32) + 7


def test_ticks_are_stated_for_what_they_are(tmp_path: Path) -> None:
    hello = Hello("b", 1, 0, "", 2, 1e3, 1000, 10, 5, 1, 2, 1, 2, 16, 512, 2, 0, 0, 0)
    own = scale_ticks(None, hello, None)
    assert (own.ms_per_tick, own.words) == (1.0, "measured by the patch")
    least = scale_ticks(BOARDS["virtual_m3"], hello, None)
    assert least.ms_per_tick == pytest.approx(0.625 / 64e3)  # 25 MHz ticks, 64 ns an instruction
    assert "at least" in least.words
    estimate = TimeScale(0.5, {"front_end": 1.0, "network": 2.0, "decision": 1.0}, "")
    timing = Timing(estimate, hello, 1e3)
    parts = {"front_end_ticks": 2, "network_ticks": 6, "decision_ticks": 2}
    latency_ms, load = timing.take({"window": 1, "latency_ticks": 20, **parts}, 10)
    assert (latency_ms, load) == (20 * 0.5 * 1.6, (2 + 12 + 2) * 0.5 / 5.0)


def test_ctrl_c_leaves_board_port_and_file_in_order(tmp_path: Path) -> None:
    with ConverterBoard(pace_s=BLOCK / 1000) as board:
        code = "from myo_host.cli import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, "monitor", "--port", board.port, "--save-to", str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout
        url = re.findall(r"http://127\.0\.0\.1:\d+/\S+", process.stdout.readline())[0]

        async def save() -> None:
            async with open_page(url) as page:
                await page.until(lambda: page.all("state") and page.all("state")[-1]["state"] == "running")
                await page.tell("save")
                await page.until(lambda: any((c["saving"] or 0) > 0.7 for c in page.all("counters")))
                process.send_signal(signal.SIGINT)
                await page.until(lambda: page.all("state")[-1]["state"] == "closed")

        try:
            asyncio.run(save())
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        assert (process.returncode, said) == (0, "")
        assert not board._running.is_set()  # it was told to stop
        os.close(os.open(board.port, os.O_RDWR | os.O_NOCTTY))
    (path,) = tmp_path.glob("monitor-*.bdf")
    saved = read_recording(path)
    assert saved.meta["ended"] == "stopped"
    assert saved.meta["status"]["samples_lost"] == 5
    samples = saved.read()
    assert len(samples) >= 700


def test_a_board_that_does_not_answer_ends_it_in_one_line(tmp_path: Path) -> None:
    code = "from myo_host.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "monitor", "--port", "/dev/nowhere"],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(r"myopatch: /dev/nowhere: no such port.*\n", done.stderr)


def test_without_a_bundle_the_only_one_of_the_board_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"native: none in build/; give the folder of one"):
        find_only_bundle("native")
    for name in ("a", "b"):
        (tmp_path / "build" / name / "firmware").mkdir(parents=True)
        (tmp_path / "build" / name / "firmware" / "native.elf").touch()
    with pytest.raises(DataError, match=r"native: build/a, build/b; give the folder of one"):
        find_only_bundle("native")
    (tmp_path / "build" / "b" / "firmware" / "native.elf").unlink()
    assert find_only_bundle("native") == Path("build/a")
