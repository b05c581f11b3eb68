"""Plan a stream: a window that moves by a hop of time steps, of which only new columns are computed.

Every streamed tensor keeps its newest columns in a buffer of its own, for as far as its readers look back. A push
moves them towards the beginning and computes the new ones at the end, with the kernels of the whole window on a
narrower one. What does not stream is computed from there on as in a run.
"""

from dataclasses import dataclass
from math import lcm
from typing import NoReturn

from myo_export.graph import Graph
from myo_export.lowered import Alias, Layer, Network, Step
from myo_export.memory_plan import ALIGNMENT, Lifetime, MemoryPlan, place
from myo_export.stream_rules import Columns, Rule, find_rule
from myo_pipeline.errors import ExportError


@dataclass(frozen=True)
class StreamBuffer:
    """Columns of one tensor that live from push to push.

    Attributes
    ----------
    columns : Columns
        The tensor.
    n_new : int
        Columns that a push adds.
    n_kept : int
        Columns in the buffer: the last ones of the window, the new ones included.
    offset : int
        Bytes from the arena's beginning.
    """

    columns: Columns
    n_new: int
    n_kept: int
    offset: int


@dataclass(frozen=True, eq=False)
class StreamedStep:
    """A step that computes new columns only.

    Attributes
    ----------
    layer : Layer
        The layer that makes them.
    first : tuple of int
        Column of each input's buffer at which it begins to read.
    """

    layer: Layer
    first: tuple[int, ...]


@dataclass(frozen=True)
class Obstacle:
    """A step that reads streamed tensors and does not stream: what it is, and why."""

    index: int
    op_name: str
    reason: str


@dataclass(frozen=True, eq=False)
class StreamPlan:
    """How a network is pushed.

    Attributes
    ----------
    hop, n_steps : int
        Time steps a push, and in the window.
    root_of : dict
        Streamed tensor to the tensor that names its buffer.
    buffers : dict
        Root to buffer.
    streamed : dict
        Steps, by place in order, that compute new columns only; an alias has no work and is among them.
    obstacles : tuple of Obstacle
        Where recomputing begins.
    better_hops : tuple of int
        The nearest hops at which no stride is an obstacle; empty where none is now, or no hop helps.
    macs_push, macs_recomputed, macs : int
        Of a push, those of it that are recomputed, and of a run.
    offsets, scratch : dict
        Arena offsets of recomputed buffers, and of working memory by place in order.
    state_bytes, push_bytes : int
        Arena that lives from push to push, and what a push needs altogether, that included.
    """

    hop: int
    n_steps: int
    root_of: dict[int, int]
    buffers: dict[int, StreamBuffer]
    streamed: dict[int, StreamedStep]
    obstacles: tuple[Obstacle, ...]
    better_hops: tuple[int, ...]
    macs_push: int
    macs_recomputed: int
    macs: int
    offsets: dict[int, int]
    scratch: dict[int, int]
    state_bytes: int
    push_bytes: int


def _input_columns(graph: Graph) -> Columns:
    shape = graph.tensors[graph.input].shape
    if len(shape) == 3:
        return Columns(shape[1], shape[2], 1)
    if len(shape) == 4 and 1 in shape[1:3]:
        return Columns(shape[1] * shape[2], shape[3], 1)
    raise ExportError(
        f"model: --hop needs an input over time, [1, time, channels] or [1, 1, time, channels], found {list(shape)};"
        " leave --hop out, or export the model with a time axis"
    )


def _refuse_hop(hop: int, n_steps: int) -> NoReturn:
    remedy = f"give 1 to {n_steps - 1}" if n_steps > 1 else "leave it out"
    raise ExportError(
        f"--hop {hop} does not overlap windows of {n_steps} time steps; {remedy}, or use net_run"
    )


def _better_hops(hop: int, paces: list[int], n_steps: int) -> tuple[int, ...]:
    pace = lcm(*paces)
    nearest = hop // pace * pace
    return tuple(n for n in (nearest, nearest + pace) if 0 < n < n_steps)


def _walk(
    network: Network, first: Columns, hop: int | None
) -> tuple[dict[int, Columns], dict[int, Rule], list[Obstacle]]:
    """Find what streams; without a hop, what would with a hop of any length."""
    columns, rules, obstacles = {network.graph.input: first}, {}, []
    for place_in_order, step in enumerate(network.steps):
        if not all(i in columns for i in step.inputs):
            continue
        sources = [columns[i] for i in step.inputs]
        found = find_rule(step.layer, sources)
        if isinstance(found, Rule):
            pace = sources[0].pace * found.stride
            n_words = network.graph.tensors[step.output].size // found.width
            if hop is None or hop % pace == 0:
                rules[place_in_order] = found
                columns[step.output] = Columns(found.width, n_words, pace)
                continue
            found = f"moves by {pace} time steps of the input, of which hop {hop} is no multiple"
        obstacles.append(Obstacle(step.op.index, step.op.name, found))
    return columns, rules, obstacles


def _root_of(network: Network, rules: dict[int, Rule]) -> dict[int, int]:
    """Name the buffer of each streamed tensor: aliases share one."""
    roots = {network.graph.input: network.graph.input}
    for place_in_order in rules:
        step = network.steps[place_in_order]
        is_alias = isinstance(step.layer, Alias)
        roots[step.output] = roots[step.inputs[0]] if is_alias else step.output
    return roots


def plan_stream(network: Network, hop: int, plan: MemoryPlan, scratch_bytes: list[int]) -> StreamPlan:
    """Plan the pushes of a network.

    Parameters
    ----------
    network : Network
        Lowered network.
    hop : int
        Time steps a push.
    plan : MemoryPlan
        Of a run of the same network.
    scratch_bytes : list of int
        Working memory of every step while it runs.

    Returns
    -------
    StreamPlan
        What streams, what does not and why, and where everything lives.

    Raises
    ------
    ExportError
        If the input has no time axis, or the hop does not overlap windows; one line.
    """
    first = _input_columns(network.graph)
    if not 0 < hop < first.width:
        _refuse_hop(hop, first.width)
    columns, rules, obstacles = _walk(network, first, hop)
    ideal = _walk(network, first, None)[0]
    root_of = _root_of(network, rules)

    def n_new(tensor: int) -> int:
        return min(hop // columns[tensor].pace, columns[tensor].width)

    kept = {root: n_new(root) for root in root_of.values()}

    def keep(tensor: int, n: int) -> None:
        kept[root_of[tensor]] = max(kept[root_of[tensor]], n)

    for place_in_order, step in enumerate(network.steps):
        rule = rules.get(place_in_order)
        for tensor in step.inputs:
            if tensor in root_of:
                width = columns[tensor].width
                keep(tensor, width - _first_column(rule, n_new(step.output)) if rule else width)
    if network.graph.output in root_of:
        keep(network.graph.output, columns[network.graph.output].width)

    buffers, offset = {}, 0
    for root, n in sorted(kept.items()):
        buffers[root] = StreamBuffer(columns[root], n_new(root), n, offset)
        offset += -(-n * columns[root].n_words // ALIGNMENT) * ALIGNMENT
    streamed = {}
    for place_in_order, rule in rules.items():
        step = network.steps[place_in_order]
        begin = _first_column(rule, n_new(step.output))
        lost = [columns[i].width - kept[root_of[i]] for i in step.inputs]
        streamed[place_in_order] = StreamedStep(
            rule.narrow(n_new(step.output)), tuple(begin - n for n in lost)
        )
    lifetimes = _lifetimes(network, streamed, plan, scratch_bytes)
    placement = place(lifetimes)
    macs_streamed = sum(
        network.steps[p].macs * n_new(network.steps[p].output) // rule.width for p, rule in rules.items()
    )
    macs_recomputed = sum(step.macs for p, step in enumerate(network.steps) if p not in streamed)
    is_hindered = len(ideal) > len(columns)
    return StreamPlan(
        hop,
        first.width,
        root_of,
        buffers,
        streamed,
        tuple(obstacles),
        _better_hops(hop, [c.pace for c in ideal.values()], first.width) if is_hindered else (),
        macs_streamed + macs_recomputed,
        macs_recomputed,
        sum(step.macs for step in network.steps),
        {key: offset + at for key, at in placement.offsets.items() if key >= 0},
        {~key: offset + at for key, at in placement.offsets.items() if key < 0},
        offset,
        offset + placement.size,
    )


def _first_column(rule: Rule, n_new: int) -> int:
    """First column of the input's window that the new output columns see."""
    return (rule.width - n_new) * rule.stride


def _lifetimes(
    network: Network, streamed: dict[int, StreamedStep], plan: MemoryPlan, scratch_bytes: list[int]
) -> list[Lifetime]:
    """Lifetimes of what a push recomputes, and of every step's working memory."""
    recomputed: list[tuple[int, Step]] = [
        (p, step) for p, step in enumerate(network.steps) if p not in streamed
    ]
    own = {plan.buffer_of[step.output] for _, step in recomputed} - {plan.output_buffer}
    lives: dict[int, list[int]] = {}
    for p, step in recomputed:
        for tensor in (*step.inputs, step.output):
            lives.setdefault(plan.buffer_of[tensor], []).append(p)
    found = [
        Lifetime(key, network.graph.tensors[key].size, min(lives[key]), max(lives[key]))
        for key in sorted(own)
    ]
    return found + [Lifetime(~p, size, p, p) for p, size in enumerate(scratch_bytes) if size]
