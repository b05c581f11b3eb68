"""A short soak over a line with faults; `make soak` runs an hour. Each witness alone must find an account that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import must, myopatch
from myo_host import messages as m
from myo_host import soak as soak_module
from myo_host.boards import BOARDS, start_board
from myo_host.framing import FrameDecoder, encode_frame
from myo_host.line_faults import FaultyLine
from myo_host.soak import Expected, Session, expect_signals, soak
from myo_pipeline.bundle import Bundle, open_bundle

Built = Callable[[str, str], Path]
Soak = Callable[..., dict[str, Any]]
RUN_S = 2.0


@pytest.fixture(scope="module")
def signals(built: Built) -> tuple[Bundle, list[Expected]]:
    bundle = open_bundle(built("classes", "native"))
    return bundle, expect_signals(bundle, RUN_S, 2)


@pytest.fixture
def native_soak(signals: tuple[Bundle, list[Expected]]) -> Iterator[Soak]:
    """Soak the process that is a board, for seconds."""
    bundle, expected = signals
    with start_board(BOARDS["native"], bundle.path / "firmware" / "native.elf") as port:

        def run(
            share: float, seconds: float, tamper: Callable[[bytes], bytes] | None = None
        ) -> dict[str, Any]:
            with FaultyLine(port, share, seed=1, tamper=tamper) as line:
                return soak(line, expected, seconds, bundle_hash=bundle.bundle_hash, seed=2)

        yield run


def test_every_sample_is_accounted_for(built: Built, board: str, tmp_path: Path) -> None:
    bundle = built("classes", board)
    out = tmp_path / "soak.json"
    must(
        "soak",
        bundle,
        "--board",
        board,
        "--minutes",
        0.25,
        "--run-seconds",
        1.5,
        "--faults",
        0.03,
        "--out",
        out,
    )
    result = json.loads(out.read_text())
    assert result["passed"]
    assert result["runs"]["reset"] >= 1
    assert result["runs"]["restart"] >= 1
    samples = result["samples"]
    assert samples["unaccounted"] == 0
    assert samples["sent"] >= 15 * 500
    assert samples["lost on the line back"] > 0
    assert samples["sent"] - samples["received"] == sum(row["samples"] for row in result["lost_by_number"])
    assert result["went_back"] > 0
    assert sum(result["faults_put_in"].values()) > 20


def test_without_faults_nothing_is_lost(native_soak: Soak) -> None:
    result = native_soak(0.0, 3 * RUN_S)
    assert result["passed"]
    assert result["samples"]["received"] == result["samples"]["sent"]
    assert result["decisions"]["equal to the twin's"] == result["decisions"]["due in runs to the end"]
    assert (result["went_back"], result["stalls"], result["board_refused"]) == (0, 0, {})


def rewrite(change: Callable[[m.Message, dict[str, Any], bytes], bytes | None]) -> Callable[[bytes], bytes]:
    """Return a tamperer that makes a frame anew, its CRC right, where `change` gives a payload."""

    def tamper(encoded: bytes) -> bytes:
        for frame in FrameDecoder().feed(encoded + b"\x00"):
            message = m.BY_TYPE[frame.type]
            payload = change(message, *message.unpack(frame.payload))
            if payload is not None:
                return encode_frame(frame.type, frame.sequence, payload)[:-1]
        return encoded

    return tamper


def test_a_sample_changed_under_a_right_crc_is_found(native_soak: Soak) -> None:
    def change(message: m.Message, values: dict[str, Any], tail: bytes) -> bytes | None:
        if message is m.TENSOR and values["stage"] == m.Stage.RAW and values["index"] >= 500:
            return message.pack(bytes([tail[0] ^ 1]) + tail[1:], **values)
        return None

    result = native_soak(0.0, RUN_S, rewrite(change))
    assert not result["passed"]
    assert "are not what was sent" in result["problems"][0]


def test_a_board_that_processed_less_than_it_says_is_found(native_soak: Soak) -> None:
    def change(message: m.Message, values: dict[str, Any], tail: bytes) -> bytes | None:
        if message is m.STATUS and not values["running"]:
            return message.pack(**values | {"samples_processed": values["samples_processed"] - 1})
        return None

    result = native_soak(0.0, RUN_S, rewrite(change))
    assert any("the board says that it processed 999" in problem for problem in result["problems"])


def test_a_wrong_decision_is_found(native_soak: Soak) -> None:
    def change(message: m.Message, values: dict[str, Any], tail: bytes) -> bytes | None:
        if message is m.DECISION and values["window"] == 7:
            return message.pack(**values | {"confidence": values["confidence"] ^ 1})
        return None

    result = native_soak(0.0, RUN_S, rewrite(change))
    assert any("decision 7 is" in problem for problem in result["problems"])


def test_an_account_that_forgets_a_loss_is_found(native_soak: Soak, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: samples that the line swallowed are booked as received."""

    class Forgetful(Session):
        def close(self, fate: soak_module.Fate, n_windows: int) -> None:
            self._words_lost.clear()
            super().close(fate, n_windows)

    assert native_soak(0.05, 2 * RUN_S)["passed"]
    monkeypatch.setattr(soak_module, "Session", Forgetful)
    result = native_soak(0.05, 2 * RUN_S)
    assert not result["passed"]
    assert "the account says received, the line's books say harmed" in result["problems"][0]


@pytest.mark.parametrize(("ranges", "said"), [
    ([(0, 10)], "10..19 are accounted for never"), ([(0, 10), (8, 12)], "8..9 are accounted for twice"),
    ([(0, 10), (10, 5)], "20 samples were sent, the account ends at 15"),
])  # fmt: skip
def test_holes_and_overlaps_in_an_account_are_found(ranges: list[tuple[int, int]], said: str) -> None:
    signal = Expected(np.zeros((20, 1), np.int32), np.zeros((0, 4), np.int32), np.zeros((0, 0), np.int32))
    session = Session(3, signal, 1, sent=20, processed=20)
    received = soak_module.Fate.RECEIVED
    rest = [(20, 0)] if said.startswith("10..19") else []
    session.ranges = [(first, n, received) for first, n in ranges + rest]
    assert any(said in line for line in soak_module.check_account(session, []))


def test_a_soak_of_nothing_is_refused(built: Built) -> None:
    done = myopatch("soak", built("classes", "native"))
    assert done.returncode == 2
    assert "--board NAME" in done.stderr
