"""The compiler's cost model: instructions and cycles of a layer on a Cortex-M4F, without running anything.

`cost_events` counts how often each piece of a kernel runs; here is what each piece costs. The inner loops of the DSP
kernels are written in instructions, and their cost is counted from ``firmware/core/nn/tile_dsp_arm.c``. The pieces
that a compiler writes come from ``cost_m4.json``: `benchmarks/fit_cost_model.py` fits them to counted layers of
random shapes, for ``-O3`` and ``-Os`` apart, and says how well the model then meets layers that the fit never saw.

Instructions do not depend on data, with these exceptions, for which the model has what is typical: softmax
(exponentials of words far below the row's highest are skipped), the clamp of fused activations, and max pools.

References
----------
Arm, Cortex-M4 Processor Technical Reference Manual, 100166_0001, section 3.3 (instruction timings): cycles assume zero
wait states, two cycles for a taken branch's refill, and six for a division.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from myo_export.cost_copies import Events
from myo_export.cost_events import Form, count_events
from myo_export.cost_push import PushStep
from myo_export.lowered import Copy, Layer, Pool

# How the kernels are compiled: what build.json says for speed and for size. A patch's firmware is always -O3.
Level = Literal["-O3", "-Os"]

CONSTANTS: Final = Path(__file__).with_name("cost_m4.json")

# Instructions and cycles of the pieces in tile_dsp_arm.c, and of memcpy. A taken branch counts two more cycles: once a turn of a
# loop but the last, hence the differences that are not instructions.
#   call: registers saved and restored, less the branch that the last tile does not take
#   tile: biases, loop set-up, four outputs scaled and stored
#   group: four input words against four outputs; turn: the end of a turn over four groups, or two of one position;
#   first_n: a first turn of n groups; odd: the same of one
ASSEMBLY: Final[dict[str, tuple[int, int]]] = {
    "tiles.wide.two.call": (4, 26),
    "tiles.wide.two.tile": (66, 88),
    "tiles.wide.two.group": (22, 34),
    "tiles.wide.two.turn": (3, 6),
    "tiles.wide.two.first_1": (0, 2),
    "tiles.wide.two.first_2": (1, 1),
    "tiles.wide.two.first_3": (0, 0),
    "tiles.wide.two.odd": (0, 2),  # of gates, whose turns are two groups
    "tiles.packed.two.call": (4, 26),
    "tiles.packed.two.tile": (74, 96),
    "tiles.packed.two.group": (30, 42),
    "tiles.packed.two.turn": (3, 6),
    "tiles.packed.two.first_1": (0, 2),
    "tiles.packed.two.first_2": (1, 1),
    "tiles.packed.two.first_3": (0, 0),
    "tiles.packed.two.odd": (0, 2),  # of gates, whose turns are two groups
    "tiles.wide.one.call": (5, 27),
    "tiles.wide.one.tile": (38, 57),
    "tiles.wide.one.group": (11, 21),
    "tiles.wide.one.turn": (2, 4),
    "tiles.wide.one.first_1": (0, 2),
    "tiles.wide.one.odd": (0, 2),
    "tiles.packed.one.call": (5, 27),
    "tiles.packed.one.tile": (42, 61),
    "tiles.packed.one.group": (18, 24),
    "tiles.packed.one.turn": (2, 4),
    "tiles.packed.one.first_1": (0, 2),
    "tiles.packed.one.odd": (0, 2),
    "tiles.depthwise.call": (8, 31),
    "tiles.depthwise.tile": (35, 58),  # an even number of elements: the first branch is taken
    "tiles.depthwise.turn": (19, 28),  # two elements
    "tiles.depthwise.odd": (12, 18),
    # newlib's memcpy, from a disassembly
    "memcpy.64_bytes": (34, 52),
    "memcpy.16_bytes": (10, 16),
    "memcpy.word": (4, 7),
}

# Of a layer whose kind has no formula: words in and out, and multiplications. Above what the plain kernels take.
_DEFAULT_PER_WORD: Final = (20.0, 26.0)
_DEFAULT_PER_MAC: Final = (8.0, 11.0)
_DEFAULT_CODE_BYTES: Final = 1500  # of a kernel that was not measured
_COPY_BYTES: Final = 60  # myo_copy_config_t
_MORE_CALL_BYTES: Final = 16  # of a layer's second call
_CALL_BYTES: Final = 36  # of a layer in net_run_observed: its arguments, the call, the observer's call


@dataclass(frozen=True)
class Cost:
    """What runs: instructions, and cycles on zero wait states.

    Attributes
    ----------
    instructions, cycles : float
        Of one call.
    is_modelled : bool
        Whether a formula gave them; else they are a guess, meant to be too high.
    """

    instructions: float
    cycles: float
    is_modelled: bool = True

    def __add__(self, other: Cost) -> Cost:
        """Sum; modelled where both are."""
        return Cost(
            self.instructions + other.instructions,
            self.cycles + other.cycles,
            self.is_modelled and other.is_modelled,
        )


def kernel_name(layer: Layer | PushStep, form: Form) -> str:
    """Name what runs a layer, as ``cost_m4.json`` does: average and max pools are two functions, runs are memcpy's."""
    kind = type(layer).__name__
    if isinstance(layer, Copy) and all(part.is_run for part in layer.parts):
        return f"{kind} of runs"
    return f"{layer.kind} {kind}" if isinstance(layer, Pool) else f"{kind} {form}"


_NETWORK_CALL: Final = Cost(10.0, 24.0)  # net_run's registers, saved and restored


@cache
def read_constants() -> Any:  # noqa: ANN401 - JSON
    """Read ``cost_m4.json``, once."""
    return json.loads(CONSTANTS.read_text(encoding="utf-8"))


@cache
def read_pieces(level: Level) -> dict[str, tuple[float, float]]:
    """Return instructions and cycles of every piece of code, by name."""
    fitted = {name: (float(i), float(c)) for name, (i, c) in read_constants()["pieces"][level].items()}
    return fitted | ASSEMBLY


def price(events: Events, level: Level = "-O3") -> Cost:
    """Price pieces of code.

    Parameters
    ----------
    events : collections.Counter
        From `count_events`.
    level : str
        How the kernels are compiled.

    Returns
    -------
    Cost
        Not modelled where a piece has no price.
    """
    pieces = read_pieces(level)
    instructions = cycles = 0.0
    is_modelled = True
    for name, n in events.items():
        if name not in pieces:
            is_modelled = False
            continue
        instructions += n * pieces[name][0]
        cycles += n * pieces[name][1]
    return Cost(instructions, cycles, is_modelled)


def estimate_layer(
    layer: Layer | PushStep,
    form: Form,
    level: Level = "-O3",
    *,
    moves: bool = True,
    n_words: int = 0,
    macs: int = 0,
) -> Cost:
    """Predict what a layer costs.

    Parameters
    ----------
    layer : Layer or PushStep
        A lowered layer, or what a push runs beside; of its weights only the shape counts.
    form : str
        How it runs.
    level : str
        How the kernels are compiled.
    moves : bool
        Of an alias or a part: whether its words have to be copied.
    n_words, macs : int
        Words that it reads and writes, and multiplications: for a guess where there is no formula.

    Returns
    -------
    Cost
        Of one run of the layer, its call included.
    """
    events = count_events(layer, form, moves)
    if events is None:
        instructions, cycles = (
            w * n_words + m * macs for w, m in zip(_DEFAULT_PER_WORD, _DEFAULT_PER_MAC, strict=True)
        )
        return Cost(instructions, cycles, False)
    return price(events, level)


def estimate_code(layer: Layer | PushStep, form: Form, level: Level = "-O3") -> tuple[Mapping[str, int], int]:
    """Predict what a layer brings into an image beside its weights and tables.

    Parameters
    ----------
    layer : Layer or PushStep
        A lowered layer, or what a push runs beside.
    form : str
        How it runs.
    level : str
        How the kernels are compiled.

    Returns
    -------
    functions : mapping
        Bytes of each function by name; layers share them.
    own_bytes : int
        The layer's configuration and call.
    """
    kind = type(layer).__name__
    found = read_constants()["code"][level].get(kernel_name(layer, form), {kind: _DEFAULT_CODE_BYTES})
    functions = {name: int(size) for name, size in found.items() if name != "configuration"}
    own = int(found.get("configuration", 0))
    if isinstance(layer, Copy):  # every part has a call, those in rows a configuration
        n_rows = sum(not part.is_run for part in layer.parts)
        own = _COPY_BYTES * n_rows + _MORE_CALL_BYTES * (len(layer.parts) - 1)
    return functions, own + _CALL_BYTES


def estimate_network(costs: Iterable[Cost]) -> Cost:
    """Predict a run of a network from its layers: their sum and the frame of ``net_run``."""
    return sum(costs, _NETWORK_CALL)
