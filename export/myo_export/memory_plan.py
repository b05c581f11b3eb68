"""Plan one arena for all activations of a network: buffers that never live at once share bytes.

The network's input and output are the caller's buffers and take no arena. Which tensors lie in one buffer is
decided in `share_memory`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from myo_export.lowered import Network
from myo_export.share_memory import Home, SharedMemory

ALIGNMENT: Final = 16  # bytes; the widest load of any core that we compile for
_TRIES: Final = 12  # of each order in which buffers are placed


@dataclass(frozen=True)
class Lifetime:
    """A buffer and when it lives.

    Attributes
    ----------
    key : int
        Names the buffer.
    size : int
        Bytes.
    first, last : int
        Steps between which its content matters, both included.
    """

    key: int
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Placement:
    """Where buffers are put.

    Attributes
    ----------
    offsets : dict
        Byte offset of every key, a multiple of `ALIGNMENT`.
    size : int
        Bytes of the arena, a multiple of `ALIGNMENT`.
    lower_bound : int
        Largest sum of the aligned sizes that live at one step; no plan can need less.
    """

    offsets: dict[int, int]
    size: int
    lower_bound: int


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def place(lifetimes: Sequence[Lifetime]) -> Placement:
    """Place buffers, each at the lowest offset that is free while it lives.

    Several orders are tried, the largest buffer first, the longest-lived first, and the busiest step first; and each
    again with the buffer on top moved to the front. The smallest arena is kept, and the search ends where the
    lower bound is met.

    Parameters
    ----------
    lifetimes : sequence of Lifetime
        In any order; the result does not depend on it.

    Returns
    -------
    Placement
        No two buffers that live at one step overlap.
    """
    live = {
        step: sum(_aligned(b.size) for b in lifetimes if b.first <= step <= b.last)
        for step in {b.first for b in lifetimes}  # the sum changes only where a buffer begins to live
    }
    lower_bound = max(live.values(), default=0)

    def busiest(buffer: Lifetime) -> int:
        return max(n for step, n in live.items() if buffer.first <= step <= buffer.last)

    orders = (
        sorted(lifetimes, key=lambda b: (-b.size, b.first, b.key)),
        sorted(lifetimes, key=lambda b: (b.first - b.last, -b.size, b.first, b.key)),
        sorted(lifetimes, key=lambda b: (-busiest(b), -b.size, b.first, b.key)),
    )
    best, size = {}, None
    for order in orders:
        for _ in range(_TRIES):
            offsets = _place_in_order(order)
            tops = [offsets[b.key] + _aligned(b.size) for b in order]
            top = max(tops, default=0)
            if size is None or top < size:
                best, size = offsets, top
            if size == lower_bound:
                return Placement(best, size, lower_bound)
            highest = tops.index(top)
            order = [order[highest], *order[:highest], *order[highest + 1 :]]
    return Placement(best, size or 0, lower_bound)


def _place_in_order(order: Sequence[Lifetime]) -> dict[int, int]:
    offsets: dict[int, int] = {}
    placed: list[tuple[Lifetime, int]] = []
    for buffer in order:
        taken = sorted(
            (offset, offset + _aligned(other.size))
            for other, offset in placed
            if other.first <= buffer.last and buffer.first <= other.last
        )
        offset = 0
        for begin, end in taken:
            if begin - offset >= _aligned(buffer.size):
                break
            offset = max(offset, end)
        offsets[buffer.key] = offset
        placed.append((buffer, offset))
    return offsets


@dataclass(frozen=True)
class MemoryPlan:
    """Where every activation of a network lives.

    Attributes
    ----------
    homes : dict
        Buffer of every tensor, and its place there in bytes. A buffer's name is the tensor that is first
        written in it.
    sizes : dict
        Bytes of every buffer.
    offsets : dict
        Arena offset in bytes of every buffer but the caller's.
    input_buffer, output_buffer : int
        Buffers that are the caller's.
    scratch : dict
        Arena offset of the working memory of every step that has some.
    copies : tuple of int
        Steps whose alias cannot be one, because it would join the caller's input and output: they copy.
    arena_size, lower_bound : int
        Bytes; see `Placement`.
    """

    homes: dict[int, Home]
    sizes: dict[int, int]
    offsets: dict[int, int]
    scratch: dict[int, int]
    input_buffer: int
    output_buffer: int
    copies: tuple[int, ...]
    arena_size: int
    lower_bound: int


def plan_memory(network: Network, scratch_bytes: Sequence[int] = ()) -> MemoryPlan:
    """Plan the arena of a network.

    Layers work in place where they may and their operand dies there. The parts of a concatenation are written
    straight into their place, unless the arena would grow thereby.

    Parameters
    ----------
    network : Network
        Lowered network.
    scratch_bytes : sequence of int
        Working memory of every step while it runs; empty: none has any.

    Returns
    -------
    MemoryPlan
        Offsets, arena size and its lower bound.
    """
    memory = SharedMemory(network)
    memory.share_aliases()
    memory.share_in_place()
    plan = _plan(network, memory, scratch_bytes)
    for step in network.steps:
        trial = memory.copy()
        if trial.share_parts(step):
            found = _plan(network, trial, scratch_bytes)
            if found.arena_size <= plan.arena_size:
                memory, plan = trial, found
    return plan


def _plan(network: Network, memory: SharedMemory, scratch_bytes: Sequence[int]) -> MemoryPlan:
    tensors, homes = network.graph.tensors, memory.homes()
    input_buffer, output_buffer = (homes[i].buffer for i in (network.graph.input, network.graph.output))
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for tensor, home in homes.items():
        first[home.buffer] = min(memory.first[tensor], first.get(home.buffer, memory.first[tensor]))
        last[home.buffer] = max(memory.last[tensor], last.get(home.buffer, -1))
        sizes[home.buffer] = max(home.begin + tensors[tensor].size, sizes.get(home.buffer, 0))
    lifetimes = [
        Lifetime(buffer, sizes[buffer], first[buffer], last[buffer])
        for buffer in first
        if buffer not in (input_buffer, output_buffer)
    ]
    # Tensors have keys from 0 on; below stand the steps' working memories.
    lifetimes += [Lifetime(~i, size, i, i) for i, size in enumerate(scratch_bytes) if size]
    placement = place(lifetimes)
    return MemoryPlan(
        homes,
        sizes,
        {key: offset for key, offset in placement.offsets.items() if key >= 0},
        {~key: offset for key, offset in placement.offsets.items() if key < 0},
        input_buffer,
        output_buffer,
        memory.copies,
        placement.size,
        placement.lower_bound,
    )
