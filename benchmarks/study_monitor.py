"""The monitor under load, for ten minutes in headless Chromium: frames, memory, processor time, and what it saves.

usage: python benchmarks/study_monitor.py [--seconds 600] [--out FILE]

A patch of 16 channels at 2 kHz runs as the native board; `myopatch monitor` streams a simulated recording into it, has the
filtered signal sent back, and serves the page, which a headless Chromium shows at 1500 x 950. Frames are counted by a
requestAnimationFrame loop of this study's own beside the page's; the heap is read after a garbage collection, every ten
seconds. On the way a recording is saved, ended and read back.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy import signal as dsp
from scipy import stats

from headless import Tab, find_chromium, start_chromium
from myo_pipeline.bundle import write_json
from myo_pipeline.recording import read_recording
from myo_pipeline.recording.edf import EdfWriter

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "study_monitor"
RESULTS = ROOT / "benchmarks" / "results" / "monitor.json"
N_CHANNELS, RATE_HZ, LSB_UV, RECORDING_S = 16, 2000.0, 0.2, 60
WARM_UP_S, SAMPLE_EVERY_S, SAVED_S = 20, 10, 30
SPEC = f"""
format = 1
name = "study_monitor"
[sensor]
channels = {N_CHANNELS}
rate_hz = {RATE_HZ}
lsb_uv = {LSB_UV}
adc_bits = 16
[[stage]]
kind = "bandpass"
low_hz = 20.0
high_hz = 450.0
order = 4
[[stage]]
kind = "notch"
frequency_hz = 50.0
[window]
window_ms = 128.0
hop_ms = 64.0
[model]
filters = [8, 8]
strides = [4, 4]
kernel = 5
dense = 0
[output]
kind = "classes"
labels = ["rest", "open", "close", "point"]
[decision]
vote = 5
[training]
data = "simulated"
held_out_persons = 1
validation_persons = 1
epochs = 1
hop_ms = 500.0
"""
# Frames as the browser presents them: how many, how many later than 1/30 s after the one before, and the longest wait.
PROBE = """
globalThis.probe = {frames: 0, late: 0, later: 0, longest: 0, last: performance.now()};
(function tick(now) {
  const p = globalThis.probe, wait = now - p.last;
  p.last = now;
  if (wait > 0) { p.frames++; p.late += wait > 34; p.later += wait > 51; p.longest = Math.max(p.longest, wait); }
  requestAnimationFrame(tick);
})(performance.now());
"""


def run_myopatch(*arguments: object) -> None:
    """Run a command to its end."""
    import subprocess

    code = "from myo_host.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def make_bundle() -> Path:
    """Train, export and build the patch, if that was not done."""
    bundle = FOLDER / "bundle"
    if not (bundle / "firmware" / "native.elf").is_file():
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "patch.toml").write_text(SPEC)
        run_myopatch("train", bundle, "--out", bundle)
        run_myopatch("export", bundle)
        run_myopatch("build", bundle, "--board", "native")
    return bundle


def make_recording() -> Path:
    """Write contractions of 16 muscles: noise of 20 to 450 Hz in bursts, one channel with mains, one with wander."""
    path = FOLDER / "recording.bdf"
    if path.exists():
        return path
    rng = np.random.default_rng(1)
    n = round(RECORDING_S * RATE_HZ)
    t = np.arange(n) / RATE_HZ
    band = dsp.butter(2, (20, 450), "bandpass", fs=RATE_HZ, output="sos")
    noise = dsp.sosfilt(band, rng.normal(size=(n, N_CHANNELS)), axis=0)
    bursts = 4 + 60 * np.clip(
        np.sin(2 * np.pi * (0.25 * t[:, None] + np.arange(N_CHANNELS) / N_CHANNELS)), 0, 1
    )
    uv = noise / noise.std() * bursts
    uv[:, 4] += 80 * np.sin(2 * np.pi * 50 * t)
    uv[:, 11] += 150 * np.sin(2 * np.pi * 0.7 * t)
    names = tuple(f"EMG{k + 1}" for k in range(N_CHANNELS))
    with EdfWriter(
        path, names, RATE_HZ, np.full(N_CHANNELS, LSB_UV), full_scale_counts=32768, durable=False
    ) as out:
        out.append(np.rint(uv / LSB_UV).astype(np.int32))
    return path


def resident_bytes(pid: int) -> int:
    """Return the proportional set size of a process and its children."""
    total = 0
    for name in Path("/proc").iterdir():
        if not name.name.isdigit():
            continue
        try:
            parent = int(re.search(r"PPid:\s*(\d+)", (name / "status").read_text())[1])  # type: ignore[index]
            if int(name.name) == pid:
                total += int(re.search(r"^Pss:\s*(\d+)", (name / "smaps_rollup").read_text(), re.M)[1]) * 1024  # type: ignore[index]
            elif parent == pid:
                total += resident_bytes(int(name.name))
        except (OSError, TypeError):
            continue
    return total


def cpu_seconds(pid: int) -> float:
    """Return the processor time of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def sample(tab: Tab, browser: int, monitor: int) -> dict[str, float]:
    """Read every counter once."""
    probe = await tab.evaluate(
        "(() => { const p = {...globalThis.probe}; globalThis.probe.longest = 0; return p; })()"
    )
    own = await tab.evaluate("globalThis.monitorFrames")
    heap = await tab.heap_bytes()
    metrics = {m["name"]: m["value"] for m in (await tab.call("Performance.getMetrics"))["metrics"]}
    return {
        "time": time.monotonic(), "frames": probe["frames"], "late": probe["late"], "later": probe["later"],
        "longest_ms": probe["longest"], "work_ms": own["work_ms"], "heap_bytes": heap, "nodes": metrics["Nodes"],
        "browser_bytes": resident_bytes(browser), "monitor_bytes": resident_bytes(monitor),
        "monitor_cpu_s": cpu_seconds(monitor), "page_cpu_s": metrics["TaskDuration"],
    }  # fmt: skip


def fit_growth(samples: list[dict[str, float]], key: str) -> dict[str, float]:
    """Return first and last value and the slope a minute, with its 95 % interval."""
    minutes = [(s["time"] - samples[0]["time"]) / 60 for s in samples]
    slope, _, low, high = stats.theilslopes([s[key] for s in samples], minutes)
    return {
        "first": samples[0][key], "last": samples[-1][key], "per_minute": slope, "low": low, "high": high,
    }  # fmt: skip


async def measure(seconds: int) -> dict[str, Any]:
    """Run monitor and browser, and return what was measured."""
    bundle, recording, saved = make_bundle(), make_recording(), FOLDER / "saved"
    saved.mkdir(exist_ok=True)
    for old in saved.glob("*.bdf"):
        old.unlink()
    command = ("monitor", bundle, "--board", "native", "--replay", recording, "--loop", "--save-to", saved)
    monitor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from myo_host.cli import main; main()", *map(str, command),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    if monitor.stdout is None:
        raise RuntimeError("no output")
    try:
        url = re.search(rb"http://\S+", await monitor.stdout.readline())
        if url is None:
            raise RuntimeError("the monitor said no address")
        async with start_chromium() as (tab, browser):
            await tab.resize(1500, 950)
            await tab.open(url[0].decode())
            await tab.until("document.getElementById('state')?.textContent === 'live'")
            await tab.evaluate(PROBE)
            await asyncio.sleep(WARM_UP_S)
            samples = [await sample(tab, browser, monitor.pid)]
            began = time.monotonic()
            saving = 0
            while time.monotonic() - began < seconds:
                await asyncio.sleep(SAMPLE_EVERY_S - 0.5)
                samples.append(await sample(tab, browser, monitor.pid))
                elapsed = time.monotonic() - began
                if saving == 0 or (saving == 1 and elapsed > SAVED_S):
                    await tab.press("s")
                    await tab.press("m")
                    saving += 1
                print(
                    f"{elapsed:4.0f} s {samples[-1]['frames']} frames, heap {samples[-1]['heap_bytes']}",
                    file=sys.stderr,
                )
            counters = await tab.evaluate(
                "Object.fromEntries([...document.querySelectorAll('#counters dt')]"
                ".map((row) => [row.textContent, row.nextSibling.textContent]))"
            )
            speed = await tab.evaluate("document.getElementById('speed').textContent")
            errors = tab.messages
    finally:
        monitor.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(monitor.wait(), 20)
    first, last = samples[0], samples[-1]
    span = last["time"] - first["time"]
    frames = last["frames"] - first["frames"]
    files = [read_recording(path) for path in saved.glob("*.bdf")]
    return {
        "seconds": span, "frames_per_s": frames / span, "late_share": (last["late"] - first["late"]) / frames,
        "later_share": (last["later"] - first["later"]) / frames,
        "slowest_10_s": min((b["frames"] - a["frames"]) / (b["time"] - a["time"]) for a, b in pairwise(samples)),
        "longest_ms": max(s["longest_ms"] for s in samples[1:]), "draw_ms": float(np.mean([s["work_ms"] for s in samples])),
        "page_core_share": (last["page_cpu_s"] - first["page_cpu_s"]) / span,
        "monitor_core_share": (last["monitor_cpu_s"] - first["monitor_cpu_s"]) / span,
        "growth": {key: fit_growth(samples[1:], key) for key in ("heap_bytes", "browser_bytes", "monitor_bytes", "nodes")},
        "speed": speed, "counters": counters, "errors": errors, "exit_code": code, "load_average": os.getloadavg()[2],
        "saved": [
            {"samples": f.n_samples, "ended": f.meta["ended"], "marks": sum(a.text.startswith("mark") for a in f.annotations)}
            for f in files
        ],
    }  # fmt: skip


def main() -> None:
    """Run the study and say what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if find_chromium() is None:
        print("study_monitor: chromium is not installed, nothing measured: sudo apt-get install -y chromium")
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # through every `finally`
    found = asyncio.run(measure(arguments.seconds))
    write_json(arguments.out, found)
    print(f"{found['seconds']:.0f} s, {N_CHANNELS} channels at {RATE_HZ:g} Hz, {found['speed']}")
    print(
        f"frames a second     {found['frames_per_s']:.1f}, slowest ten seconds {found['slowest_10_s']:.1f}; later than "
        f"1/30 s: {100 * found['late_share']:.2f} %, 1/20 s: {100 * found['later_share']:.2f} %; "
        f"longest {found['longest_ms']:.0f} ms"
    )
    print(f"drawing a frame     {found['draw_ms']:.2f} ms; page {100 * found['page_core_share']:.0f} % of a core, "
          f"monitor {100 * found['monitor_core_share']:.0f} %")  # fmt: skip
    for key, fit in found["growth"].items():
        print(f"{key:<19} {fit['first']:,.0f} to {fit['last']:,.0f}, {fit['per_minute']:+,.0f} a minute "
              f"({fit['low']:+,.0f} to {fit['high']:+,.0f})")  # fmt: skip
    print(
        f"saved               {found['saved']}; exit code {found['exit_code']}; page errors {len(found['errors'])}"
    )
    print(f"counters            {found['counters']}")


if __name__ == "__main__":
    main()
