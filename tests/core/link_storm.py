"""Hostile lines of link_storm.c and link_fuzz.c, driven from Python: the whole device in C, the host's decoder here."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from myo_host.framing import FrameDecoder
from myo_host.messages import HEADER, HELLO, PROTOCOL_VERSION

LONGEST_READ = 4096  # as PatchLink reads


@dataclass
class HostStorm:
    """What the host's decoder did on a hostile line, beside what the line says."""

    told: dict[str, Any]
    accepted: int
    wrong: list[str]
    decoder: FrameDecoder


def storm_device(program: Path, seed: int, n_refused: int) -> dict[str, Any]:
    """Run the device through a storm; raise AssertionError with what it did wrong."""
    done = subprocess.run(
        [str(program), "device", str(seed), str(n_refused)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def storm_host(
    program: Path,
    seed: int,
    n_refused: int,
    decoder: FrameDecoder | None = None,
    progress: Callable[[int], None] | None = None,
) -> HostStorm:
    """Feed a hostile line in pieces of any size to the host's decoder, and compare each frame that it accepts.

    A frame that comes twice in a row is given once."""
    decoder = decoder or FrameDecoder()
    rng = np.random.default_rng(seed)
    wrong: list[str] = []
    accepted, last = 0, b""
    with subprocess.Popen(
        [str(program), "host", str(seed), str(n_refused)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for line, bodies in _read_batches(process.stdout):
            frames = []
            at = 0
            for step in rng.integers(1, LONGEST_READ, 2 + 2 * len(line) // LONGEST_READ).tolist():
                frames += decoder.feed(line[at : at + step])
                at += step
            frames += decoder.feed(line[at:])
            accepted += len(frames)
            found = [HEADER.pack(PROTOCOL_VERSION, f.type, f.sequence) + f.payload for f in frames]
            due = [
                b
                for b, before in zip(bodies, [last, *bodies], strict=False)
                if b != before or b[1] == HELLO.type
            ]
            last = bodies[-1] if bodies else last
            if found != due:
                wrong.append(_describe_difference(found, due))
            if progress:
                progress(decoder.frames_bad)
        told = json.loads(process.stdout.read())
    return HostStorm(told, accepted, wrong, decoder)


def _read_batches(stream: IO[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    while True:
        n_line, n_bodies = struct.unpack("<II", stream.read(8))
        if not n_line:
            return
        packed, line = stream.read(n_bodies), stream.read(n_line)
        bodies, at = [], 0
        while at < n_bodies:
            end = at + 2 + (packed[at] | packed[at + 1] << 8)
            bodies.append(packed[at + 2 : end])
            at = end
        yield line, bodies


def _describe_difference(found: list[bytes], expected: list[bytes]) -> str:
    at = next(
        (k for k, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b),
        min(len(found), len(expected)),
    )
    ours = found[at].hex() if at < len(found) else "nothing"
    theirs = expected[at].hex() if at < len(expected) else "nothing"
    return f"frame {at} of {len(expected)}: accepted {ours}, sent {theirs}"
