"""A profile as rows: what each part of one decision, or one run, costs in instructions, cycles, time, energy and stack."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from myo_host.profile.calls import Call
from myo_host.profile.cycles import Cycles
from myo_host.profile.generated import PUSH
from myo_host.profile.image import Image
from myo_host.profile.parts import Part
from myo_host.profile.patch import NETWORK_STAGE, PatchProfile
from myo_host.profile.sections import MeasuredLayer, PlannedLayer, Section, Total, base_name, match_layers

REST = "between layers"  # in the function that calls them, and copies


@dataclass(frozen=True)
class Row:
    """One part, for one decision or run: means over those that were counted.

    Attributes
    ----------
    name
        In words.
    instructions
        Executed.
    cycles
        Estimate, its least and its most.
    macs
        Multiplications with weights, 0 where there are none.
    stack_bytes
        Deepest stack below the caller of what was profiled, or None.
    n_calls
        Calls in all that was counted.
    inclusive_instructions
        With what it calls, where a row is a function by itself, else None.
    """

    name: str
    instructions: float
    cycles: tuple[float, float, float]
    macs: int = 0
    stack_bytes: int | None = None
    n_calls: int | None = None
    inclusive_instructions: float | None = None

    @property
    def middle(self) -> float:
        """The cycle estimate."""
        return self.cycles[1]


def make_row(name: str, total: Total, n: int, macs: int = 0, **more: Any) -> Row:  # noqa: ANN401
    """Return a row: a total over ``n`` decisions or runs."""
    c = total.cycles
    cycles = (c.least / n, c.middle / n, c.most / n)
    return Row(name, total.instructions / n, cycles, macs, total.stack_bytes, **more)


def sum_rows(name: str, rows: Sequence[Row]) -> Row:
    """Return the sum of rows; of the stack the deepest."""
    stack = [row.stack_bytes for row in rows if row.stack_bytes is not None]
    a, b, c = (sum(row.cycles[k] for row in rows) for k in range(3))
    return Row(
        name,
        sum(row.instructions for row in rows),
        (a, b, c),
        sum(row.macs for row in rows),
        max(stack, default=None),
    )


@dataclass(frozen=True)
class Profile:
    """What was counted of an image.

    Attributes
    ----------
    title
        What was run.
    unit
        What a row's figures are for: ``decision``, ``run``, ``push`` or ``whole run``.
    rows
        What is computed, in order; they sum up to ``total``.
    total
        Their sum.
    others
        What is not part of it: reports, serial link, interrupts.
    part
        As whose core time and energy are stated.
    hop_ms
        Time between two decisions, or None.
    memory
        Bytes: ``flash_bytes``, ``ram_bytes``, and where known ``stack_used_bytes``, ``stack_bytes``.
    network
        Sum of the layers where there is more than them.
    calls
        Instructions of each counted run of the network.
    notes
        What a reader must know.
    """

    title: str
    unit: str
    rows: list[Row]
    total: Row
    others: list[Row]
    part: Part
    hop_ms: float | None
    memory: dict[str, int]
    network: Row | None = None
    calls: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def milliseconds(self, row: Row) -> float:
        """Return a row's time on the part, zero wait states."""
        return row.middle / self.part.clock_hz * 1000

    def charge_uc(self, row: Row) -> float | None:
        """Return a row's charge in microcoulombs, or None where the part's current is not known."""
        return None if self.part.active_ma is None else self.milliseconds(row) * self.part.active_ma

    def energy_uj(self, row: Row) -> float | None:
        """Return a row's energy in microjoules, or None where the part's current or supply is not known."""
        charge = self.charge_uc(row)
        return None if charge is None or self.part.volts is None else charge * self.part.volts

    @property
    def duty(self) -> float | None:
        """Share of the core that decisions take, or None where there is no hop."""
        return None if self.hop_ms is None else self.milliseconds(self.total) / self.hop_ms

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        duty = self.duty
        mean_ma = None if duty is None or self.part.active_ma is None else duty * self.part.active_ma
        return {
            "title": self.title,
            "unit": self.unit,
            "rows": [self._row(row) for row in self.rows],
            "total": self._row(self.total),
            "network": None if self.network is None else self._row(self.network),
            "others": [self._row(row) for row in self.others],
            "part": vars(self.part),
            "hop_ms": self.hop_ms,
            "duty": duty,
            "mean_ma": mean_ma,
            "memory": self.memory,
            "calls": self.calls,
            "notes": self.notes,
        }

    def _row(self, row: Row) -> dict[str, Any]:
        least, middle, most = row.cycles
        out: dict[str, Any] = {
            "name": row.name, "instructions": row.instructions, "cycles": middle, "cycles_least": least,
            "cycles_most": most, "ms": self.milliseconds(row), "charge_uc": self.charge_uc(row),
            "energy_uj": self.energy_uj(row), "stack_bytes": row.stack_bytes,
        }  # fmt: skip
        if row.macs:
            out |= {
                "macs": row.macs,
                "instructions_per_mac": row.instructions / row.macs,
                "cycles_per_mac": middle / row.macs,
            }
        if row.n_calls is not None:
            out |= {"calls": row.n_calls, "inclusive_instructions": row.inclusive_instructions}
        return out


def layer_rows(root: Section, layers: Sequence[MeasuredLayer], n: int) -> list[Row]:
    """Return a row a layer, and one for what lies between them."""
    rows = [make_row(f"{m.plan.index} {m.plan.op_name}", m.cost, n, m.plan.macs) for m in layers]
    rest = root.total()
    for measured in layers:
        rest -= measured.cost
    return [*rows, make_row(REST, Total(rest.instructions, rest.cycles, None), n)]


def present_patch(
    found: PatchProfile, image: Image, title: str, part: Part, hop_ms: float, notes: list[str]
) -> Profile:
    """Return a patch's profile, a decision as unit."""
    n = found.n_decisions
    layers = layer_rows(found.network, found.layers, n)
    rows: list[Row] = []
    for name, total in found.stages.items():
        rows += layers if name == NETWORK_STAGE else [make_row(name, total, n)]
    memory = {
        "flash_bytes": image.flash_bytes, "ram_bytes": image.ram_bytes,
        "stack_used_bytes": found.stack_used_bytes, "stack_bytes": found.stack_bytes,
    }  # fmt: skip
    others = [make_row(name, total, n) for name, total in found.others.items()]
    whole = dataclasses.replace(
        sum_rows("a decision", rows), macs=0
    )  # no figure for each MAC: not all work is multiplying
    network = sum_rows("network", layers)
    return Profile(title, "decision", rows, whole, others, part, hop_ms, memory, network, found.calls, notes)


def present_network(
    root: Section,
    layers: Sequence[PlannedLayer],
    image: Image,
    title: str,
    part: Part,
    calls: list[int],
    notes: list[str],
) -> Profile:
    """Return a network's profile in an image of its own, a run as unit."""
    rows = layer_rows(root, match_layers(root, layers), root.n_calls)
    unit = "push" if root.name in PUSH else "run"
    total = make_row(f"a {unit}", root.total(), root.n_calls, sum(row.macs for row in rows))
    memory = {"flash_bytes": image.flash_bytes, "ram_bytes": image.ram_bytes}
    return Profile(title, unit, rows, total, [], part, None, memory, None, calls, notes)


def present_functions(
    roots: Sequence[Section], image: Image, title: str, part: Part, notes: list[str]
) -> Profile:
    """Return the functions below some roots, with and without what they call, the costliest by themselves first.

    Counted over the whole run: the functions' own instructions sum up to the total.
    """
    own: dict[str, list[Section]] = {}
    inclusive: dict[str, int] = {}
    pending = [(root, frozenset[str]()) for root in roots]
    totals = _sum_instructions(roots)
    while pending:
        section, above = pending.pop()
        own.setdefault(section.name, []).append(section)
        if section.name not in above:  # a recursive call is part of the one above
            inclusive[section.name] = inclusive.get(section.name, 0) + totals[id(section)]
        pending += [(child, above | {section.name}) for child in section.children.values()]
    rows = []
    for name, sections in own.items():
        cycles = sum((s.cycles for s in sections), Cycles())
        alone = Total(sum(s.instructions for s in sections), cycles, None)
        n_calls = sum(s.n_calls for s in sections)
        rows.append(make_row(name, alone, 1, n_calls=n_calls, inclusive_instructions=inclusive[name]))
    rows.sort(key=lambda row: row.middle, reverse=True)
    memory = {"flash_bytes": image.flash_bytes, "ram_bytes": image.ram_bytes}
    return Profile(title, "whole run", rows, sum_rows("all", rows), [], part, None, memory, notes=notes)


def _sum_instructions(roots: Sequence[Section]) -> dict[int, int]:
    """Return each section's instructions with everything below it, by its identity."""
    totals: dict[int, int] = {}
    for section in reversed([s for root in roots for s in root.walk()]):  # what is below comes first
        totals[id(section)] = section.instructions + sum(totals[id(c)] for c in section.children.values())
    return totals


def gather_all(image: Image, threads: Call, interrupts: Call) -> list[Section]:
    """Return everything that ran as sections: the roots' callees."""
    out = []
    for root in (threads, interrupts):
        for call in root.children:
            section = Section(base_name(image.name_at(call.entry)))
            section.add(call, image, None)
            out.append(section)
        if root.instructions:
            out.append(Section("(before the first call)", 1, root.instructions, root.cycles))
    return out
