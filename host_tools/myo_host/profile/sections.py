"""A run divided into what a reader asks for: the parts of one function, and the layers of a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from myo_host.profile.calls import Call
from myo_host.profile.cycles import Cycles
from myo_host.profile.image import Image
from myo_pipeline.errors import ProfileError


@dataclass
class Section:
    """A function's calls, wherever they came from: one of several places merged with the same places below.

    Attributes
    ----------
    name
        The function's.
    n_calls
        How often it was entered.
    instructions, cycles
        Of all these calls, without what they call.
    stack_bytes
        Bytes of stack below the stack pointer with which the outermost function was entered, or None where that is not known.
    children
        What it calls, by place, in the order of execution.
    """

    name: str
    n_calls: int = 0
    instructions: int = 0
    cycles: Cycles = field(default_factory=Cycles)
    stack_bytes: int | None = None
    children: dict[tuple[int, int], Section] = field(default_factory=dict)

    def walk(self) -> Iterator[Section]:
        """Yield the section and everything below it."""
        pending = [self]
        while pending:
            section = pending.pop()
            yield section
            pending += reversed(section.children.values())

    def add(self, call: Call, image: Image, stack_on_entry: int | None) -> None:
        """Add a call, with what it calls."""
        pending: list[tuple[Section, Call]] = [(self, call)]
        while pending:
            section, call = pending.pop()
            section.n_calls += call.n_calls
            section.instructions += call.instructions
            section.cycles += call.cycles
            if stack_on_entry is not None and call.lowest is not None and call.lowest < stack_on_entry:
                section.stack_bytes = max(section.stack_bytes or 0, stack_on_entry - call.lowest)
            for child in call.children:
                key = (child.site, child.entry)
                if key not in section.children:
                    section.children[key] = Section(base_name(image.name_at(child.entry)))
                pending.append((section.children[key], child))

    def total(self) -> Total:
        """Return the cost with everything that is called."""
        return sum_sections([self])


@dataclass(frozen=True)
class Total:
    """Instructions, cycles and deepest stack of some sections."""

    instructions: int
    cycles: Cycles
    stack_bytes: int | None

    def __add__(self, other: Total) -> Total:
        return Total(self.instructions + other.instructions, self.cycles + other.cycles, self.stack_bytes)

    def __sub__(self, other: Total) -> Total:
        return Total(self.instructions - other.instructions, self.cycles - other.cycles, self.stack_bytes)


def sum_sections(sections: Sequence[Section]) -> Total:
    """Return the cost of sections with everything below them; none may lie in another one."""
    below = [s for section in sections for s in section.walk()]
    stack = [s.stack_bytes for s in below if s.stack_bytes is not None]
    return Total(
        sum(s.instructions for s in below), sum((s.cycles for s in below), Cycles()), max(stack, default=None)
    )


def base_name(name: str) -> str:
    """Return a function's name without what the compiler appends to its copies."""
    return name.split(".")[0]


def find_function(image: Image, threads: Call, names: Sequence[str]) -> Section | None:
    """Return the outermost calls of the first of some functions that ran, merged; None if none did."""
    for name in names:
        found = Section(name)
        pending = [threads]
        while pending:
            call = pending.pop()
            if call.entry and call.n_calls and base_name(image.name_at(call.entry)) == name:
                found.add(call, image, None if image.has_heap else call.stack_on_entry)
            else:
                pending += call.children
        if found.n_calls:
            return found
    return None


def divide(section: Section, sort: Callable[[str], str]) -> dict[str, Total]:
    """Divide a section by what its functions are for.

    Parameters
    ----------
    section
        What to divide.
    sort
        Gives a function's group, or an empty text: then it belongs to its caller's. The section's own must not be empty.

    Returns
    -------
    dict
        Cost by group.
    """
    groups: dict[str, list[Section]] = {}
    pending = [(section, sort(section.name))]
    while pending:
        part, group = pending.pop()
        alone = Section(part.name, part.n_calls, part.instructions, part.cycles, part.stack_bytes)
        groups.setdefault(group, []).append(alone)
        pending += [(child, sort(child.name) or group) for child in part.children.values()]
    return {group: sum_sections(parts) for group, parts in groups.items()}


@dataclass(frozen=True)
class PlannedLayer:
    """What the compiler says of a layer.

    Attributes
    ----------
    index, op_name, macs
        As in its report.
    kernels
        Functions that it calls, in order.
    """

    index: int
    op_name: str
    macs: int
    kernels: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredLayer:
    """A layer and what it costs."""

    plan: PlannedLayer
    cost: Total
    kernels: tuple[str, ...]


_KERNEL = re.compile(r"myo_\w+_run")  # as firmware/core/nn names what generated code calls


def _kind(name: str) -> str:
    """Return a kernel's name without its variant: which one runs is the core's choice."""
    return re.sub(r"_(dsp|mve)_run$", "_run", base_name(name))


def _is_kernel(name: str) -> bool:
    """Tell kernels from copies, which a compiler may write in place."""
    return name.startswith("myo_")


def match_layers(root: Section, layers: Sequence[PlannedLayer]) -> list[MeasuredLayer]:
    """Give each layer the calls that run it.

    Generated code calls the layers' kernels one after the other, so the calls in the order of execution are the layers in theirs.

    Parameters
    ----------
    root
        ``net_run``, ``net_run_observed`` or ``net_push``.
    layers
        What the compiler plans, in order of execution.

    Raises
    ------
    ProfileError
        If the calls are not those of this network.
    """
    known = {_kind(kernel) for layer in layers for kernel in layer.kernels if _is_kernel(kernel)}
    calls = list(_find_kernels(root, known))
    out = []
    for layer in layers:
        wanted = [k for k in layer.kernels if _is_kernel(k)]
        taken, calls = calls[: len(wanted)], calls[len(wanted) :]
        if [_kind(c.name) for c in taken] != [_kind(k) for k in wanted]:
            found = ", ".join(c.name for c in taken) or "no further call"
            raise ProfileError(
                f"{root.name}: layer {layer.index} ({layer.op_name}) calls {', '.join(wanted)} in this model, the image {found}; "
                "give the model that the image was compiled from"
            )
        out.append(MeasuredLayer(layer, sum_sections(taken), tuple(c.name for c in taken)))
    if calls:
        raise ProfileError(
            f"{root.name}: calls {calls[0].name} after the last of {len(layers)} layers; give the model that the image was "
            "compiled from"
        )
    return out


def _find_kernels(section: Section, known: set[str]) -> Iterator[Section]:
    for child in section.children.values():
        if _kind(child.name) in known or _KERNEL.fullmatch(child.name):
            yield child
        else:
            yield from _find_kernels(child, known)
