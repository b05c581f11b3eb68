"""The firmware behind MLPerf Tiny's runner protocol, driven as the runner drives a device: line by line over a port."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import serial

from commands import must
from myo_export.firmware_build import firmware_path
from myo_host.boards import BOARDS, start_board
from myo_pipeline.vectors import load_vectors

BYTES_A_COMMAND = 31  # that the runner sends at once
TIMEOUT_S = 20.0


class Runner:
    """The runner's side: a command ends with %, the answer with the line m-ready."""

    def __init__(self, port: str) -> None:
        self.port = serial.Serial(port, 115200, timeout=TIMEOUT_S)
        self.port.write(b"name%")  # what it said of its boot may come first
        self.name = ""
        while not self.name.startswith("m-name-dut-["):
            line = self.port.read_until(b"\n")
            assert line, "no answer to name"
            self.name = line.decode().strip()
        assert self.port.read_until(b"\n") == b"m-ready\r\n"

    def send(self, command: str) -> list[str]:
        self.port.write(f"{command}%".encode())
        lines: list[str] = []
        while not lines or lines[-1] != "m-ready":
            line = self.port.read_until(b"\n")
            assert line.endswith(b"\r\n"), f"no answer to {command!r}: {lines} {line!r}"
            lines.append(line.decode().strip())
        return lines[:-1]

    def load(self, data: bytes) -> None:
        assert self.send(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
        said: list[str] = []
        for k in range(0, len(data), BYTES_A_COMMAND):
            said += self.send(f"db {data[k : k + BYTES_A_COMMAND].hex()}")
        assert said == ["m-load-done"]

    def infer(self, n: int, warmup: int) -> tuple[int, list[float]]:
        lines = self.send(f"infer {n} {warmup}")
        assert lines[:3] == [f"m-warmup-start-{warmup}", "m-warmup-done", f"m-infer-start-{n}"]
        start, end = (int(match[1]) for line in lines if (match := re.fullmatch(r"m-lap-us-(\d+)", line)))
        assert lines[5] == "m-infer-done"
        return end - start, results(lines[6:])


def results(lines: list[str]) -> list[float]:
    match = re.fullmatch(r"m-results-\[([^]]+)\]", lines[0])
    assert match is not None, lines
    return [float(number) for number in match[1].split(",")]


def build_runner(bundle: Path, board: str) -> Path:
    """Return the image that answers a runner, built once."""
    elf = firmware_path(bundle, board, "mlperf")
    if not elf.is_file():
        must("build", bundle, "--board", board, "--mlperf")
    return elf


@pytest.fixture(params=[("classes", "native"), ("values", "virtual_m4")], ids=lambda p: f"{p[0]}-{p[1]}")
def device(
    request: pytest.FixtureRequest, built: Callable[[str, str], Path]
) -> Iterator[tuple[Path, Runner]]:
    kind, board = request.param
    bundle = built(kind, board)
    with start_board(BOARDS[board], build_runner(bundle, board)) as port:
        runner = Runner(port)
        yield bundle, runner
        runner.port.close()


def test_the_runner_finds_the_networks_words(device: tuple[Path, Runner]) -> None:
    bundle, runner = device
    assert runner.name.startswith("m-name-dut-[")
    assert runner.send("profile") == [
        "m-profile-[ULPMark for tinyML Firmware V0.0.1]",
        f"m-model-[{bundle.name}]",
    ]
    assert runner.send("results") == ["e-[no result yet: infer first]"]
    layer = json.loads((bundle / "budget.json").read_text())["network"]["layers"][-1]
    segment = load_vectors(bundle)[0]
    for k in (0, 3):
        words = segment.inputs[k].astype(np.int8)
        runner.load(words.tobytes())
        _, found = runner.infer(1, 0)
        expected = (segment.outputs[k].ravel().astype(int) - layer["zero_point"]) * layer["scale"]
        np.testing.assert_allclose(found, expected, atol=5.1e-7, rtol=0)
    assert results(runner.send("results")) == found
    printed = "".join(line.removeprefix("m-buffer-").replace("-", "") for line in runner.send("db print"))
    assert bytes.fromhex(printed) == words.tobytes()


def test_time_grows_with_the_runs(device: tuple[Path, Runner]) -> None:
    bundle, runner = device
    runner.load(load_vectors(bundle)[0].inputs[0].astype(np.int8).tobytes())
    before = int(runner.send("timestamp")[0].removeprefix("m-lap-us-"))
    ten, _ = runner.infer(10, 2)
    hundred, _ = runner.infer(100, 0)
    after = int(runner.send("timestamp")[0].removeprefix("m-lap-us-"))
    assert before + ten + hundred <= after
    if "native" not in runner.name:  # whose time is the machine's
        assert hundred == pytest.approx(10 * ten, rel=0.02)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("frobnicate", "e-[Unknown command: frobnicate]"),
        ("", "e-[Unknown command: ]"),
        ("db", "e-[db takes load N, print, or hexadecimal digits]"),
        ("db load 0", "e-[db load takes the size of the network's input"),
        ("db load 99999999999999999999", "e-[db load takes"),
        ("db 00", "e-[nothing more to load: db load first]"),
        ("infer", "e-[the input is not whole"),
        ("infer 0", "e-[infer takes how many runs"),
        ("infer 1 -1", "e-[infer takes how many runs"),
        ("x" * 300, "e-[command of over 80 characters]"),
    ],
    ids=lambda text: text[:12] or "nothing",
)
def test_wrong_commands_are_answered_and_change_nothing(
    built: Callable[[str, str], Path], command: str, said: str
) -> None:
    bundle = built("classes", "native")
    with start_board(BOARDS["native"], build_runner(bundle, "native")) as port:
        runner = Runner(port)
        first = runner.send(command)
        assert first[-1].startswith(said), first
        words = load_vectors(bundle)[0].inputs[0].astype(np.int8).tobytes()
        assert runner.send(f"db load {len(words)}")
        assert runner.send("db 0") == runner.send("db 0g") == ["e-[db takes pairs of hexadecimal digits]"]
        runner.load(words)
        assert len(runner.infer(1, 0)[1]) == 3
        runner.port.close()
