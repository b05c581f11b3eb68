"""Plan one arena for all activations of a network: tensors that never live at once share bytes.

The network's input and output are the caller's buffers and take no arena. Reshapes move nothing: their
tensors are one buffer under several names, and a part of a tensor that is one stretch is a place in its buffer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from myo_export.lowered import Alias, Network, Part

ALIGNMENT: Final = 16  # bytes; the widest load of any core that we compile for


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
    """Place buffers, the largest first, each at the lowest offset that is free while it lives.

    Parameters
    ----------
    lifetimes : sequence of Lifetime
        In any order; the result does not depend on it.

    Returns
    -------
    Placement
        No two buffers that live at one step overlap.
    """
    offsets: dict[int, int] = {}
    placed: list[tuple[Lifetime, int]] = []
    for buffer in sorted(lifetimes, key=lambda b: (-b.size, b.first, b.key)):
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
    size = max((offset + _aligned(buffer.size) for buffer, offset in placed), default=0)
    # The sum of what lives changes only where a buffer begins to live.
    lower_bound = max(
        (
            sum(_aligned(b.size) for b in lifetimes if b.first <= step <= b.last)
            for step in {b.first for b in lifetimes}
        ),
        default=0,
    )
    return Placement(offsets, size, lower_bound)


@dataclass(frozen=True)
class MemoryPlan:
    """Where every activation of a network lives.

    Attributes
    ----------
    buffer_of : dict
        Tensor index to buffer: the tensor that first wrote it.
    begin_of : dict
        Byte of its buffer at which a tensor begins, where that is not 0.
    offsets : dict
        Arena offset in bytes of every buffer but the caller's.
    input_buffer, output_buffer : int
        Buffers that are the caller's.
    scratch : dict
        Arena offset of the working memory of every step that has some.
    copies : tuple of int
        Steps whose alias cannot be one, because it would join the caller's output with the caller's input, or with a
        buffer that is larger: they copy.
    arena_size, lower_bound : int
        Bytes; see `Placement`.
    """

    buffer_of: dict[int, int]
    begin_of: dict[int, int]
    offsets: dict[int, int]
    scratch: dict[int, int]
    input_buffer: int
    output_buffer: int
    copies: tuple[int, ...]
    arena_size: int
    lower_bound: int


def plan_memory(network: Network, scratch_bytes: Sequence[int] = ()) -> MemoryPlan:
    """Plan the arena of a network.

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
    tensors, ends = network.graph.tensors, (network.graph.input, network.graph.output)
    # An alias is in its input's buffer. The caller's output must be a buffer of its own and of its own size: if all
    # steps from the caller's input to it, or from a larger tensor, are aliases, the last one copies.
    buffer_of = {network.graph.input: network.graph.input}
    begin_of: dict[int, int] = {}
    copies = []
    for place_in_order, step in enumerate(network.steps):
        if isinstance(step.layer, Alias | Part):
            source = buffer_of[step.inputs[0]]
            is_whole = tensors[source].size == step.layer.size and source != network.graph.input
            if step.output != network.graph.output or is_whole:
                buffer_of[step.output] = source
                begin = begin_of.get(step.inputs[0], 0) + (
                    step.layer.begin if isinstance(step.layer, Part) else 0
                )
                begin_of |= {step.output: begin} if begin else {}
                continue
            copies.append(place_in_order)
        buffer_of[step.output] = step.output
    input_buffer, output_buffer = (buffer_of[i] for i in ends)

    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for place_in_order, step in enumerate(network.steps):
        for tensor in (*step.inputs, step.output):
            buffer = buffer_of[tensor]
            first.setdefault(buffer, place_in_order)
            last[buffer] = place_in_order
    lifetimes = [
        Lifetime(buffer, tensors[buffer].size, first[buffer], last[buffer])
        for buffer in first
        if buffer not in (input_buffer, output_buffer)
    ]
    # Tensors have keys from 0 on; below stand the steps' working memories.
    lifetimes += [Lifetime(~i, size, i, i) for i, size in enumerate(scratch_bytes) if size]
    placement = place(lifetimes)
    return MemoryPlan(
        buffer_of,
        begin_of,
        {key: offset for key, offset in placement.offsets.items() if key >= 0},
        {~key: offset for key, offset in placement.offsets.items() if key < 0},
        input_buffer,
        output_buffer,
        tuple(copies),
        placement.size,
        placement.lower_bound,
    )
