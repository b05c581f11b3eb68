"""The sample ring and the byte ring in C against a deque: order, wrap, overflow."""

from __future__ import annotations

import struct
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_line import Harness

OK, ERROR_CONFIG = 0, 2


@given(st.sampled_from([1, 2, 8, 64]), st.integers(1, 5), st.lists(st.integers(-70, 70), max_size=30))
def test_ring_is_a_bounded_queue(parts: Harness, capacity: int, n_channels: int, steps: list[int]) -> None:
    answer = parts.ask("r", struct.pack(f"<II{len(steps)}i", capacity, n_channels, *steps))
    words = iter(struct.unpack(f"<{len(answer) // 4}I", answer))
    assert next(words) == OK
    queue: deque[int] = deque()
    tick = lost = taken_ever = 0
    for step in steps:
        for _ in range(max(step, 0)):
            if len(queue) < capacity:
                queue.append(tick)
            else:
                lost += 1
            tick += 1
        n_taken = next(words)
        assert n_taken == min(max(-step, 0), len(queue))
        for _ in range(n_taken):
            oldest = queue.popleft()
            assert [next(words) for _ in range(n_channels + 1)] == [
                oldest,
                *(oldest * 16 + c for c in range(n_channels)),
            ]
        taken_ever += n_taken
        contiguous = min(len(queue), capacity - taken_ever % capacity)
        assert [next(words) for _ in range(3)] == [len(queue), contiguous, lost]
    assert next(words, None) is None


@pytest.mark.parametrize(("capacity", "n_channels"), [(0, 1), (3, 1), (8, 0), (1 << 17, 1)])
def test_ring_refuses_what_it_cannot_hold(parts: Harness, capacity: int, n_channels: int) -> None:
    assert parts.ask("r", struct.pack("<II", capacity, n_channels)) == struct.pack("<I", ERROR_CONFIG)


STEPS = st.one_of(st.integers(-200, 200), st.integers(0, 200).map(lambda n: n + 0x40000000))


@given(st.sampled_from([1, 16, 128]), st.lists(STEPS, max_size=30))
def test_byte_ring_is_a_bounded_queue(parts: Harness, capacity: int, steps: list[int]) -> None:
    queue: deque[int] = deque()
    expected = bytearray()
    value = lost = 0
    for step in steps:
        if step >= 0x40000000:
            n = step - 0x40000000
            if n <= capacity - len(queue):
                queue.extend((value + k) % 256 for k in range(n))
                value += n
            continue
        for _ in range(max(step, 0)):
            if len(queue) < capacity:
                queue.append(value % 256)
            else:
                lost += 1
            value += 1
        expected += bytes(queue.popleft() for _ in range(min(max(-step, 0), len(queue))))
    answer = parts.ask("b", struct.pack(f"<I{len(steps)}i", capacity, *steps))
    assert answer == struct.pack("<I", OK) + bytes(expected) + struct.pack("<II", len(queue), lost)
