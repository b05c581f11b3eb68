"""The host's end of the line against a board that fails in every way: one clear line each, never a hang."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from fake_board import FakeBoard
from myo_host import link as link_module
from myo_host import messages as m
from myo_host.link import PatchLink
from myo_host.streaming import stream_segment
from myo_pipeline.errors import LinkError, MismatchError

COUNTS = np.arange(120, dtype=np.int32).reshape(60, 2)


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "HELLO_TIMEOUT_S", 0.2)
    monkeypatch.setattr(link_module, "REPLY_TIMEOUT_S", 0.5)
    monkeypatch.setattr(PatchLink.receive, "__defaults__", (0.5,))


def test_a_whole_segment_goes_through_under_credit() -> None:
    with FakeBoard() as board, PatchLink(board.port) as link:
        assert link.say_hello(bytes(range(32)).hex()).board == "fake"
        capture = stream_segment(link, COUNTS)
        assert capture.status["samples_processed"] == 60
        assert link.decoder.lost == 0


def test_the_host_never_sends_beyond_the_credit() -> None:
    seen = []

    def hold(board: FakeBoard, n: int) -> None:
        seen.append(n)
        time.sleep(0.02)
        assert n - board.credited <= board.hello["credit_frames"]
        board.credited = n
        board.credit(n)

    with FakeBoard(hold) as board, PatchLink(board.port) as link:
        board.credited = 0
        link.say_hello()
        stream_segment(link, COUNTS)
    assert seen[-1] == 60


@pytest.mark.parametrize(
    ("hello", "expected"),
    [
        ({"protocol": 9}, "speaks protocol 9, this host 1: flash it again"),
        ({"schema_hash": 1}, "has message schema 00000001, this host"),
        ({"bundle_hash": bytes(32)}, "runs bundle 000000000000, this bundle is 000102030405"),
    ],
)
def test_a_board_that_does_not_belong_is_refused(hello: dict[str, object], expected: str) -> None:
    with FakeBoard(**hello) as board, PatchLink(board.port) as link, pytest.raises(MismatchError) as caught:
        link.say_hello(bytes(range(32)).hex())
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def fails(board: FakeBoard, expected: str) -> None:
    """Check that streaming to this board ends soon in one line that holds ``expected``."""
    with board, PatchLink(board.port) as link:
        link.say_hello()
        began = time.monotonic()
        with pytest.raises(LinkError) as caught:
            stream_segment(link, COUNTS)
        assert time.monotonic() - began < 3
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cut_cable() -> None:
    fails(FakeBoard(lambda board, n: board.cut()), "the port is gone")


def test_silent_board() -> None:
    fails(FakeBoard(lambda board, n: None), "no answer for 0.5 s")


def test_reset_in_the_middle() -> None:
    fails(
        FakeBoard(lambda board, n: board.send(m.HELLO, **(board.hello | {"reason": m.HelloReason.BOOT}))),
        "the board reset in the middle of a run",
    )


def test_fault_is_named() -> None:
    fails(
        FakeBoard(
            lambda board, n: board.send(m.FAULT, code=m.Fault.SAMPLE_GAP, count=1, argument0=3, argument1=9)
        ),
        "the board reports SAMPLE_GAP (3, 9)",
    )


def test_unknown_fault_is_told_by_its_code() -> None:
    fails(
        FakeBoard(lambda board, n: board.send(m.FAULT, code=99, count=1, argument0=0, argument1=0)),
        "reports code 99",
    )


def test_lost_frame_is_told() -> None:
    fails(FakeBoard(lambda board, n: board.send(m.CREDIT, skip=1, consumed_frames=n)), "host_frames_lost")


def test_damaged_frame_is_told() -> None:
    def damage(board: FakeBoard, n: int) -> None:
        board.write(b"\x03\x01\x01\x00")
        board.credit(n)

    fails(FakeBoard(damage), "host_frames_bad")


def test_missing_tensor_piece_is_told() -> None:
    def skip_a_piece(board: FakeBoard, n: int) -> None:
        board.send(
            m.TENSOR, b"\x01\x02", stage=m.Stage.OUTPUT, dtype=m.Dtype.INT8, layer=0, index=0, offset=4
        )

    fails(FakeBoard(skip_a_piece), "OUTPUT 0 of window 0: piece at 4 came where 0 was due")


def test_message_of_wrong_length_is_told() -> None:
    def shorten(board: FakeBoard, n: int) -> None:
        from myo_host.framing import encode_frame

        board.write(encode_frame(m.CREDIT.type, board._sequence, b"\x00"))

    fails(FakeBoard(shorten), "CREDIT of 1 bytes, expected 4")


def test_babbling_line() -> None:
    master, slave = os.openpty()
    try:
        with PatchLink(os.ttyname(slave)) as link:
            os.write(master, bytes(range(1, 256)) * 4 + b"\x00" * 3)
            with pytest.raises(
                LinkError, match="bytes came and none made a valid frame: check the baud rate"
            ):
                link.say_hello()
    finally:
        os.close(master)
        os.close(slave)


def test_another_protocol_version() -> None:
    with FakeBoard() as board:
        board.version = 7
        with (
            PatchLink(board.port) as link,
            pytest.raises(LinkError, match="protocol version 7, this host speaks 1"),
        ):
            link.say_hello()


def test_absent_port(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="no such port: plug the board in"):
        PatchLink(str(tmp_path / "ttyNONE"))


def test_busy_port() -> None:
    with (
        FakeBoard() as board,
        PatchLink(board.port),
        pytest.raises(LinkError, match="busy, another program has it open"),
    ):
        PatchLink(board.port)


def test_a_file_is_no_port(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(LinkError, match="cannot be opened as a serial port"):
        PatchLink(str(path))


def test_old_messages_before_the_hello_are_skipped() -> None:
    with FakeBoard() as board, PatchLink(board.port) as link:
        board.credit(3)
        board.write(b"\x05half a frame")
        assert link.say_hello().board == "fake"
