"""How much the link carries: samples a second through a virtual board, and its share of what the line could.

usage: python benchmarks/bench_link.py BUNDLE [--board native] [--out FILE]

Paced, the line passes what a UART of 1 Mbaud would, 100,000 bytes a second each way: the share is the bytes that went in the
busier direction, of those that could have gone. Unpaced it is a pty: its limit is measured with bytes that mean nothing,
passed through the same kind of port by the same reads. Efficiency is sample bytes of all bytes on the line.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
import tty
from pathlib import Path
from typing import Any

import numpy as np
import serial

from myo_host import messages as m
from myo_host.boards import find_board, start_board
from myo_host.line_faults import FaultyLine
from myo_host.link import BAUD, PatchLink
from myo_host.streaming import stream_segment
from myo_pipeline.bundle import open_bundle, write_json

RESULTS = Path(__file__).parent / "results" / "link.json"
SECONDS = 6.0  # about, of each measurement on the paced line
RAW_BYTES = 16 << 20


def measure_pty() -> float:
    """Return the bytes a second that a pty passes from one thread to pyserial in another."""
    master, slave = os.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    block = bytes(range(1, 256)) * 16

    def write() -> None:
        left = RAW_BYTES
        while left > 0:
            left -= os.write(master, block[: min(left, len(block))])

    with serial.Serial(os.ttyname(slave), BAUD, timeout=0.05) as port:
        writer = threading.Thread(target=write)
        began = time.monotonic()
        writer.start()
        n = 0
        while n < RAW_BYTES:
            n += len(port.read(max(1, min(4096, port.in_waiting))))
        seconds = time.monotonic() - began
        writer.join()
    os.close(master)
    os.close(slave)
    return RAW_BYTES / seconds


def measure(port: str, bundle_hash: str, baud: int | None, trace: int, n: int) -> dict[str, Any]:
    """Stream ``n`` samples and return what went over the line in that time."""
    with FaultyLine(port, 0.0, baud=baud) as line, PatchLink(line.port) as link:
        hello = link.say_hello(bundle_hash)
        counts = np.random.default_rng(0).integers(-100, 100, (n, hello.n_channels))
        before = dict(line.bytes)
        capture = stream_segment(link, counts, trace)
        went = {way: line.bytes[way] - before.get(way, 0) for way in ("up", "down")}
    sample_bytes = n * hello.n_channels * hello.sample_bytes
    return {
        "samples_per_s": round(n / capture.seconds),
        "times_real_time": round(n / capture.seconds / hello.rate_hz, 1),
        "bytes_per_s": {way: round(count / capture.seconds) for way, count in went.items()},
        "efficiency_up": round(sample_bytes / went["up"], 3),
        "seconds": round(capture.seconds, 2),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--board", default="native")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    bundle = open_bundle(arguments.bundle)
    elf = bundle.path / "firmware" / f"{arguments.board}.elf"
    limit, pty = BAUD / 10, measure_pty()
    result: dict[str, Any] = {
        "board": arguments.board,
        "channels": bundle.spec.sensor.channels,
        "uart_limit_bytes_per_s": limit,
        "pty_limit_bytes_per_s": round(pty),
    }
    with start_board(find_board(arguments.board), elf) as port:
        for name, baud in (("uart_1mbaud", BAUD), ("pty", None)):
            for what, trace in (("decisions", 0), ("decisions and samples back", 1 << m.Stage.RAW)):
                rate = measure(port, bundle.bundle_hash, baud, trace, 2000)["samples_per_s"]
                found = measure(port, bundle.bundle_hash, baud, trace, max(2000, round(rate * SECONDS)))
                busier = max(found["bytes_per_s"].values())
                found["share_of_limit"] = round(busier / (limit if baud else pty), 3)
                result[f"{name}, {what}"] = found
                print(f"{name}, {what}: {found}", flush=True)
    write_json(arguments.out, result)


if __name__ == "__main__":
    main()
