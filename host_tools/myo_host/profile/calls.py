"""The tree of calls that the plugin counted, with instructions and cycles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from myo_host.profile.cycles import BlockCost, Cycles, Decoder, count_cycles
from myo_pipeline.errors import ProfileError

_NO_ADDRESS = (1 << 64) - 1


@dataclass
class Call:
    """One chain of calls, by call sites.

    Attributes
    ----------
    site, entry
        Addresses of the call and of the function; 0 at the roots.
    n_calls
        How often it was entered.
    instructions, cycles
        Of the function itself, without what it calls.
    lowest
        Lowest stack address that the function itself wrote, or None.
    stack_on_entry
        Stack pointer on entry where the function begins by saving the link register, or None.
    children
        What it calls, in the order in which each was called first.
    """

    site: int
    entry: int
    n_calls: int
    lowest: int | None
    stack_on_entry: int | None
    instructions: int = 0
    cycles: Cycles = field(default_factory=Cycles)
    children: list[Call] = field(default_factory=list)

    def walk(self) -> Iterator[Call]:
        """Yield the call and everything below it."""
        pending = [self]
        while pending:
            call = pending.pop()
            yield call
            pending += reversed(call.children)


@dataclass(frozen=True)
class Cost:
    """Instructions and cycles of a part of a run, and the lowest stack address that it wrote."""

    instructions: int = 0
    cycles: Cycles = field(default_factory=Cycles)
    lowest: int | None = None

    def __add__(self, other: Cost) -> Cost:
        lowest = [x for x in (self.lowest, other.lowest) if x is not None]
        return Cost(
            self.instructions + other.instructions,
            self.cycles + other.cycles,
            min(lowest) if lowest else None,
        )


def own_cost(call: Call) -> Cost:
    """Return what a call costs by itself."""
    return Cost(call.instructions, call.cycles, call.lowest)


def total_cost(call: Call) -> Cost:
    """Return what a call costs with everything that it calls."""
    return sum((own_cost(c) for c in call.walk()), Cost())


@dataclass(frozen=True)
class Trace:
    """All that was counted in one run.

    Attributes
    ----------
    threads, interrupts
        Root of what ran outside interrupts, and of the handlers.
    timed
        Instructions of every call of a timed function, by its address, in order.
    """

    threads: Call
    interrupts: Call
    timed: dict[int, list[int]]


def read_trace(path: Path) -> Trace:
    """Read what the plugin wrote.

    Raises
    ------
    ProfileError
        If it is incomplete or holds code that cannot be decoded.
    """
    lines = path.read_text().splitlines() if path.is_file() else []
    if not lines or lines[-1] != "end":
        raise ProfileError(
            f"{path.name}: the emulator ended before it wrote its counts; run the command again"
        )
    decoder = Decoder()
    blocks: dict[int, tuple[int, BlockCost | None]] = {}
    addresses: dict[int, int] = {}
    calls: dict[int, Call] = {}
    timed: dict[int, list[int]] = {}
    for line in lines[:-1]:
        kind, *words = line.split()
        if kind == "block":
            block, address, n = int(words[0]), int(words[1], 16), int(words[2])
            addresses[block] = address
            blocks[block] = (n, decoder.cost(bytes.fromhex(words[3]), address, n))
        elif kind == "node":
            node, parent, n_calls = int(words[0]), int(words[1]), int(words[4])
            site, entry, lowest, on_entry = (int(words[k], 16) for k in (2, 3, 5, 6))
            call = Call(site, entry, n_calls, None if lowest == _NO_ADDRESS else lowest, on_entry or None)
            calls[node] = call
            if parent >= 0:
                calls[parent].children.append(call)
        elif kind == "count":
            node, block, executed, taken = (int(word) for word in words)
            n, cost = blocks[block]
            if cost is None:
                raise ProfileError(
                    f"code at 0x{addresses[block]:x} is not known to the decoder; is it for a Cortex-M4?"
                )
            calls[node].instructions += n * executed
            calls[node].cycles += count_cycles(cost, executed, taken)
        elif kind == "call":
            timed.setdefault(int(words[0], 16), []).append(int(words[1]))
    return Trace(calls[0], calls[1], timed)
