"""Activations of a network that may lie in one buffer.

They are aliases, operands that die where a layer works in place, and the parts of a concatenation, which their
layers write straight into their place.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from myo_export.lowered import (
    Add,
    Alias,
    Copy,
    Extremum,
    Mul,
    Network,
    Part,
    Prelu,
    Softmax,
    SquaredDifference,
    Step,
    Table,
)


@dataclass(frozen=True)
class Home:
    """Where a tensor lies: so many bytes from the beginning of a buffer."""

    buffer: int
    begin: int


class SharedMemory:
    """Buffers of a network's activations; at first each tensor has its own.

    Parameters
    ----------
    network : Network
        Lowered network.

    Attributes
    ----------
    first, last : dict
        Steps between which a tensor's words matter, both included: it is written in ``first`` (the network's
        input before all steps) and read for the last time in ``last`` (the network's output after all steps).
    copies : tuple of int
        Steps whose alias cannot be one, because it would join the caller's output with the caller's input, or with a
        buffer that is larger: they copy.
    """

    def __init__(self, network: Network) -> None:
        self._graph = network.graph
        self._steps = network.steps
        self.first = {network.graph.input: -1}
        self.last = {network.graph.input: -1}
        for place, step in enumerate(network.steps):
            for tensor in step.inputs:
                self.last[tensor] = place
            self.first[step.output] = self.last[step.output] = place
        self.last[network.graph.output] = len(network.steps)
        if network.kept is not None:
            self.last[network.kept] = len(network.steps)
        self.copies: tuple[int, ...] = ()
        self._homes = {tensor: Home(tensor, 0) for tensor in self.first}
        self._named: dict[int, int] = {}  # an alias, to the tensor that wrote its words
        self._parts: dict[int, set[int]] = {}  # a tensor, to those whose words lie in it

    def copy(self) -> "SharedMemory":
        """Return one to try with."""
        twin = SharedMemory.__new__(SharedMemory)
        twin.__dict__ = {
            name: value if name in ("_graph", "_steps") else deepcopy(value)
            for name, value in self.__dict__.items()
        }
        return twin

    def homes(self) -> dict[int, Home]:
        """Return where every tensor lies; a buffer is named by the tensor that is written first in it."""
        name: dict[int, int] = {}
        for tensor in sorted(self._homes, key=lambda t: (self.first[t], t)):
            name.setdefault(self._homes[tensor].buffer, tensor)
        return {tensor: Home(name[home.buffer], home.begin) for tensor, home in self._homes.items()}

    def share_aliases(self) -> None:
        """Put each alias, and each part that is one stretch, into its input's buffer."""
        for place, step in enumerate(self._steps):
            if not isinstance(step.layer, Alias | Part):
                continue
            source, tensors = self._words_of(step.inputs[0]), self._graph.tensors
            home = self._homes[source]
            is_whole = tensors[home.buffer].size == step.layer.size and home.buffer != self._graph.input
            if step.output == self._graph.output and not is_whole:
                self.copies += (place,)
            elif isinstance(step.layer, Part):
                self._parts.setdefault(source, set()).add(step.output)
                self._homes[step.output] = Home(home.buffer, home.begin + step.layer.begin)
            else:
                self._named[step.output] = source
                self._homes[step.output] = home

    def share_in_place(self) -> None:
        """Put the output of a layer that may work in place into the buffer of an operand that dies there."""
        for step in self._steps:
            for tensor in _in_place(step):
                if self._join(step.output, tensor, 0):
                    break

    def share_parts(self, step: Step) -> bool:
        """Put the inputs of a concatenation into its output, where each is one stretch of it.

        Returns
        -------
        bool
            Whether any input now lies there.
        """
        if not isinstance(step.layer, Copy):
            return False
        found = False
        for tensor, copied in zip(step.inputs, step.layer.parts, strict=True):
            size = self._graph.tensors[tensor].size
            if not copied.is_run or (copied.sizes, copied.source_begin) != ((size,), 0):
                continue
            parts = self._parts.setdefault(step.output, set())
            part = self._words_of(tensor)
            is_new = part not in parts
            parts.add(part)
            if self._join(tensor, step.output, copied.target_begin):
                found = True
            elif is_new:
                parts.discard(part)
        return found

    def _words_of(self, tensor: int) -> int:
        return self._named.get(tensor, tensor)

    def _holds(self, whole: int, part: int) -> bool:
        return whole == part or any(self._holds(p, part) for p in self._parts.get(whole, ()))

    def _same_words(self, a: int, b: int) -> bool:
        a, b = self._words_of(a), self._words_of(b)
        return self._holds(a, b) or self._holds(b, a)

    def _join(self, tensor: int, target: int, begin: int) -> bool:
        """Move a tensor's buffer to where it lies ``begin`` bytes into a target, if nothing is lost thereby."""
        home, other = self._homes[tensor], self._homes[target]
        shift = other.begin + begin - home.begin
        if home.buffer == other.buffer:
            return shift == 0
        moved = {t: h.begin + shift for t, h in self._homes.items() if h.buffer == home.buffer}
        there = {t: h.begin for t, h in self._homes.items() if h.buffer == other.buffer}
        both = moved | there
        if self._graph.input in both or any(
            self._clash(a, moved[a], b, there[b]) for a in moved for b in there
        ):
            return False
        low = min(both.values())
        high = max(at + self._graph.tensors[t].size for t, at in both.items())
        if self._graph.output in both and high - low > self._graph.tensors[self._graph.output].size:
            return False  # the caller's buffer has no more room
        self._homes |= {t: Home(other.buffer, at - low) for t, at in both.items()}
        return True

    def _clash(self, a: int, at_a: int, b: int, at_b: int) -> bool:
        """Whether one of two tensors would overwrite words of the other that are still read."""
        size_a, size_b = self._graph.tensors[a].size, self._graph.tensors[b].size
        if at_a + size_a <= at_b or at_b + size_b <= at_a:
            return False
        if self._same_words(a, b):
            return False
        if self.first[a] > self.first[b]:
            a, at_a, b, at_b = b, at_b, a, at_a
        if self.last[a] < self.first[b]:
            return False
        writer = self._steps[self.first[b]]
        return not (self.last[a] == self.first[b] and at_a == at_b and a in _in_place(writer))


def _in_place(step: Step) -> tuple[int, ...]:
    """Give the inputs in whose place a layer may write its output; see the kernels' contracts."""
    match step.layer:
        case Table() | Softmax():
            return step.inputs
        case Add() | Mul() | SquaredDifference() | Prelu() | Extremum():
            b = step.layer.broadcast
            strides = zip((step.layer.a, step.layer.b), (b.stride_a, b.stride_b), strict=True)
            return tuple(
                operand.tensor
                for operand, stride in strides
                if operand.values is None and _is_dense(b.size, stride)
            )
        case _:
            return ()


def _is_dense(size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether an operand's word for each place of the output stands at that very place."""
    expected = [int(np.prod(size[axis + 1 :])) for axis in range(len(size))]
    return all(n == 1 or s == e for n, s, e in zip(size, stride, expected, strict=True))
