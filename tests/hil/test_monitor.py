"""`myopatch monitor` as a user starts it: what the page is told of a board is what the twin computes."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from commands import MYOPATCH
from monitor_case import PageClient, open_page
from myo_host.monitor.signals import FILTERED, RAW
from myo_pipeline.bundle import open_bundle
from myo_pipeline.twin import Twin
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import load_vectors

Built = Callable[[str, str], Path]


async def watch(url: str, process: subprocess.Popen[str]) -> PageClient:
    """Watch a replay from beginning to end, then press Ctrl-C."""
    async with open_page(url) as page:
        await page.until(lambda: any(s["state"] == "ended" for s in page.all("state")), 120)
        process.send_signal(signal.SIGINT)
        await page.until(lambda: page.all("state")[-1]["state"] == "closed")
        return page


def test_the_page_is_told_what_the_twin_computes(built: Built, board: str, tmp_path: Path) -> None:
    bundle = built("classes", board)
    counts = load_vectors(bundle)[0].counts.astype(np.int32)
    recording = tmp_path / "r.csv"
    header = ",".join(f"c{k}" for k in range(counts.shape[1]))
    facts = '# myopatch {"rate_hz": 500.0, "unit": "counts"}'
    np.savetxt(recording, counts, "%d", ",", header=f"{facts}\n{header}", comments="")
    command = [
        MYOPATCH, "monitor", bundle, "--board", board, "--replay", recording, "--lsb-uv", "1", "--rate-hz", "500",
    ]  # fmt: skip
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert process.stdout
        url = re.findall(r"http://127\.0\.0\.1:\d+/\S+", process.stdout.readline())[0]
        page = asyncio.run(watch(url, process))
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    config = TwinConfig.load(bundle / "twin.npz")
    twin = Twin(config, (bundle / "model.tflite").read_bytes())
    filtered, windows = twin.push(counts)
    worth = np.float64(2.0**-config.exponent * open_bundle(bundle).spec.sensor.lsb_uv)
    first = page.frames[FILTERED][0][0]
    np.testing.assert_array_equal(page.signal(FILTERED), (filtered[first:] * worth).astype(np.float32))
    first = page.frames[RAW][0][0]
    np.testing.assert_array_equal(page.signal(RAW), counts[first:])
    told = {row["window"]: (row["decided"], row["votes"]) for row in page.decisions()}
    assert told == {w.window: (w.decision.decided, w.decision.n_votes) for w in windows}
    counters = page.all("counters")[-1]
    assert counters["status"]["samples_processed"] == len(counts)
    assert not any(counters["host"].values())
    assert page.all("setup")[0]["labels"] == ["rest", "open", "close"]
