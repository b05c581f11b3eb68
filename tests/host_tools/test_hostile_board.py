"""A board that sends well-formed nonsense: the host refuses in one line, keeps what it has, and never hangs."""

from __future__ import annotations

import itertools
import queue
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_board import HELLO, STATUS
from myo_host import messages as m
from myo_host.framing import Frame, FrameDecoder
from myo_host.link import PatchLink
from myo_host.recorder import FrameAssembler, record_patch
from myo_host.streaming import stream_segment, take_credit
from myo_pipeline.errors import LinkError, MyoError
from myo_pipeline.recording import read_recording
from myo_pipeline.recording.edf import EdfWriter

COUNTS = np.arange(200).reshape(100, 2)
settings.register_profile("hostile", deadline=None, derandomize=True, max_examples=80)
settings.load_profile("hostile")


class ScriptedLink(PatchLink):
    """A link whose board sends a script and is then gone."""

    def __init__(self, frames: list[Frame]) -> None:
        self.port, self.decoder, self.hello = "script", FrameDecoder(), None
        self.sent: list[m.Message] = []
        self._frames: queue.Queue[Frame | Exception] = queue.Queue()
        for frame in [*frames, OSError("the script is over")]:
            self._frames.put(frame)
        self._sequence, self._reader = 0, threading.Thread()

    def send(self, message: m.Message, tail: bytes = b"", **values: Any) -> None:
        message.pack(tail, **values)
        self.sent.append(message)


def script(*messages: tuple[m.Message, dict[str, Any], bytes]) -> list[Frame]:
    return [
        Frame(message.type, k, message.pack(tail, **values))
        for k, (message, values, tail) in enumerate(messages)
    ]


def hello_frame(**changes: Any) -> Frame:
    return Frame(m.HELLO.type, 0, m.HELLO.pack(**(HELLO | changes)))


BITS = {"B": 8, "H": 16, "I": 32, "b": 8, "h": 16}


def any_field(field: m.Field) -> st.SearchStrategy[Any]:
    if field.count > 1:
        return st.binary(min_size=field.count, max_size=field.count)
    bits = BITS[field.code]
    low, high = (0, (1 << bits) - 1) if field.code.isupper() else (-(1 << bits - 1), (1 << bits - 1) - 1)
    return st.one_of(st.integers(0, min(high, 12)), st.integers(low, high), st.sampled_from([low, high]))


@st.composite
def any_frame(draw: st.DrawFn) -> Frame:
    message = draw(st.sampled_from([x for x in m.MESSAGES if x.type >= 0x80]))
    values = {field.name: draw(any_field(field)) for field in message.fields}
    tail = draw(st.binary(max_size=24)) if message.tail else b""
    payload = message.pack(tail, **values)
    kind = draw(st.sampled_from([message.type] * 20 + [0, 0x42, 0xFF]))
    return Frame(kind, draw(st.integers(0, 0xFFFF)), payload[: draw(st.integers(0, 3)) or None])


@given(st.lists(any_frame(), max_size=12), st.booleans())
def test_streaming_refuses_nonsense_in_one_line(frames: list[Frame], lockstep: bool) -> None:
    link = ScriptedLink([hello_frame(), *frames])
    link.say_hello()
    with pytest.raises(MyoError) as refused:
        stream_segment(link, COUNTS, 0x7F, lockstep=lockstep)
    assert "\n" not in str(refused.value)


@given(st.dictionaries(st.sampled_from([f.name for f in m.HELLO.fields]), st.none()), st.data())
def test_a_hello_of_an_impossible_board_is_refused(names: dict[str, None], data: st.DataObject) -> None:
    by_name = {field.name: field for field in m.HELLO.fields}
    changes = {name: data.draw(any_field(by_name[name])) for name in names}
    link = ScriptedLink([hello_frame(**changes | {"reason": 0})])
    try:
        hello = link.say_hello()
    except MyoError:
        return
    counts = np.zeros((40, hello.n_channels), np.int32)
    with pytest.raises(MyoError, match="the port is gone"):
        stream_segment(link, counts)
    assert m.SAMPLES in link.sent


@given(st.lists(any_frame(), max_size=12))
def test_a_recording_of_nonsense_is_whole(
    tmp_path_factory: pytest.TempPathFactory, frames: list[Frame]
) -> None:
    path = tmp_path_factory.mktemp("nonsense") / "r.bdf"
    link = ScriptedLink([hello_frame(), *frames])
    link.say_hello()
    writer = EdfWriter(path, ("a", "b"), 200.0, np.array([1.0, 1.0]), durable=False)
    with pytest.raises(MyoError) as refused:
        record_patch(link, writer, lambda n: False)
    assert "\n" not in str(refused.value)
    if writer.n_samples:
        assert read_recording(path).n_samples == writer.n_samples


def raw_piece(index: int, words: list[int], offset: int = 0) -> tuple[m.Message, dict[str, Any], bytes]:
    values = {"stage": m.Stage.RAW, "dtype": m.Dtype.INT32, "layer": 0, "index": index, "offset": offset}
    return m.TENSOR, values, struct.pack(f"<{len(words)}i", *words)


def test_a_recorder_whose_stop_is_lost_says_it_again(tmp_path: Path) -> None:
    """The board runs on after the first STOP: the recorder must not record for ever."""

    def endless() -> Iterator[Frame]:
        for k in itertools.count():
            yield from script(raw_piece(2 * k, [1, 2, 3, 4]))

    class Deaf(ScriptedLink):
        def receive(self, timeout_s: float = 1.0) -> tuple[m.Message, dict[str, Any], bytes]:
            stops = self.sent.count(m.STOP)
            frame = next(stream) if stops < 2 else script((m.STATUS, STATUS, b""))[0]
            return self._open_frame(frame)

    stream = endless()
    link = Deaf([hello_frame()])
    link._frames.get()
    link.hello = link._check_hello(HELLO, None)
    writer = EdfWriter(tmp_path / "r.bdf", ("a", "b"), 200.0, np.array([1.0, 1.0]), durable=False)
    session = record_patch(link, writer, lambda n: n >= 10)
    assert session.samples_missing == 0
    assert link.sent.count(m.STOP) == 2


def test_a_board_that_is_not_running_ends_the_recording(tmp_path: Path) -> None:
    """Its hello after a reset was lost on the line; its status still tells."""
    frames = script(raw_piece(0, [1, 2, 3, 4]), (m.STATUS, STATUS, b""))
    link = ScriptedLink([hello_frame(), *frames])
    link.say_hello()
    writer = EdfWriter(tmp_path / "r.bdf", ("a", "b"), 200.0, np.array([1.0, 1.0]), durable=False)
    with pytest.raises(LinkError, match="reset in the middle of a recording"):
        record_patch(link, writer, lambda n: False)
    assert read_recording(tmp_path / "r.bdf").n_samples == 2


def test_samples_go_on_where_their_number_wraps() -> None:
    samples = FrameAssembler(2)
    samples._due = 2 * (2**32 - 3)
    for index, lost in ((2**32 - 3, 0), (2**32 - 1, 2), (1, 2)):
        frames, missing, gap_at = samples.take({"index": index, "offset": 0}, struct.pack("<2i", 1, 2))
        assert missing == lost
        assert len(frames) == 1 + lost // 2
    assert gap_at == 2**32
    assert samples._due == 2 * (2**32 + 2)


def test_samples_that_come_twice_are_left_out() -> None:
    samples = FrameAssembler(2)
    samples.take({"index": 0, "offset": 0}, struct.pack("<4i", 1, 2, 3, 4))
    frames, missing, _ = samples.take({"index": 0, "offset": 0}, struct.pack("<4i", 1, 2, 3, 4))
    assert (len(frames), missing) == (0, 0)
    frames, _, _ = samples.take({"index": 1, "offset": 0}, struct.pack("<4i", 3, 4, 5, 6))
    assert frames.tolist() == [[5, 6]]


def test_credit_goes_on_where_its_count_wraps() -> None:
    assert m.unwrap_count(3, 2**32 - 2) == 2**32 + 3
    assert m.unwrap_count(2**32 - 4, 2**32 + 1) == 2**32 - 4
    assert m.unwrap_count(2**32 - 4, 5) == 2**32 - 4
    assert (m.unwrap_count(7, 5), m.unwrap_count(5, 7)) == (7, 5)
    assert take_credit("port", 2, 2**32 - 3, 2**32 + 9) == 2**32 + 2
    with pytest.raises(LinkError, match="credit for 12 samples where 4 had been taken and 9 sent"):
        take_credit("port", 12, 4, 9)
