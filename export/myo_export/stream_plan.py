"""Plan a stream: a window that moves by a hop of time steps, of which only what changes is computed.

Every streamed tensor has a buffer of its own for the columns that its readers look back to. A push moves them
towards the beginning and computes the new ones at the end, with the kernels of the whole window on a narrower one.
Where a layer pads the time axis, the columns at both ends of the window are computed again with every push; so the
buffer has the first columns as well, and all that will be among them once. What does not stream is computed from
there on as in a run; a mean over time keeps sums.
"""

from dataclasses import dataclass, replace
from math import lcm
from typing import Final, NoReturn

from myo_export.graph import Graph
from myo_export.lowered import Alias, Layer, Mean, Network
from myo_export.memory_plan import ALIGNMENT, Lifetime, MemoryPlan, place
from myo_export.stream_buffers import StreamBuffer, size_buffers
from myo_export.stream_rules import Columns, Rule, find_rule
from myo_pipeline.errors import ExportError

_SUM_BYTES: Final = 4
_CALL_COLUMNS: Final = (
    6  # what a call that takes columns out of sums or in costs beside theirs; measured on M4
)


@dataclass(frozen=True, eq=False)
class StreamedPart:
    """A stretch of columns that a push computes.

    Attributes
    ----------
    layer : Layer
        The layer that makes them.
    sources : tuple of int
        Place in each input's buffer at which it begins to read, in columns.
    target : int
        Place in the output's buffer at which it begins to write.
    n : int
        Columns.
    """

    layer: Layer
    sources: tuple[int, ...]
    target: int
    n: int


@dataclass(frozen=True)
class RunningSums:
    """Sums over a buffer's columns, int32 for each word of a column, that a mean over time is made from.

    Attributes
    ----------
    place : int
        The mean, by its place in order.
    root : int
        Whose columns are summed.
    offset : int
        Bytes from the arena's beginning.
    """

    place: int
    root: int
    offset: int


@dataclass(frozen=True)
class Obstacle:
    """A step that reads streamed tensors and does not stream: what it is, and why."""

    index: int
    op_name: str
    reason: str
    is_pace: bool = False  # another hop would help


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
        Steps, by place in order, that compute some columns only: the parts in which they do. An alias has none.
    sums : tuple of RunningSums
        What means over time are made from.
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
    streamed: dict[int, tuple[StreamedPart, ...]]
    sums: tuple[RunningSums, ...]
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
    network: Network, first: Columns, hop: int, any_pace: bool
) -> tuple[dict[int, Columns], dict[int, Rule], list[Obstacle]]:
    """Find what streams; with any pace, what would if the hop were a multiple of all strides."""
    columns, rules, obstacles = {network.graph.input: first}, {}, []
    for place_in_order, step in enumerate(network.steps):
        if not all(i in columns for i in step.inputs):
            continue
        sources, is_pace = [columns[i] for i in step.inputs], False
        found = find_rule(step.layer, sources)
        if isinstance(found, Rule):
            pace = sources[0].pace * found.stride
            left, right = found.edges(sources)
            is_pace = not any_pace and hop % pace != 0
            if is_pace:
                found = f"moves by {pace} time steps of the input, of which hop {hop} is no multiple"
            elif left + right and left + right + hop // pace >= found.width:
                found = f"pads the time axis, so that all of its {found.width} columns change with every push"
            else:
                rules[place_in_order] = found
                n_words = network.graph.tensors[step.output].size // found.width
                columns[step.output] = Columns(found.width, n_words, pace, left, right)
                continue
        obstacles.append(Obstacle(step.index, step.op.name, found, is_pace))
    return columns, rules, obstacles


def _root_of(network: Network, rules: dict[int, Rule]) -> dict[int, int]:
    """Name the buffer of each streamed tensor: aliases share one."""
    roots = {network.graph.input: network.graph.input}
    for place_in_order in rules:
        step = network.steps[place_in_order]
        roots[step.output] = roots[step.inputs[0]] if isinstance(step.layer, Alias) else step.output
    return roots


def _stream_step(rule: Rule, sources: list[StreamBuffer], target: StreamBuffer) -> tuple[StreamedPart, ...]:
    """Give the stretches of columns that a push computes: at the left end, and from the first new one on."""
    stretches = [(0, target.columns.left), (target.first_new, target.columns.width - target.first_new)]
    parts = []
    for first, n in stretches:
        if n:
            begins = [s.at(rule.reads(first, n, s.columns.width)[0]) for s in sources]
            parts.append(StreamedPart(rule.part(first, n), tuple(begins), target.at(first), n))
    return tuple(parts)


def _has_running_sums(layer: Layer, buffer: StreamBuffer) -> bool:
    """Whether a layer is a mean over time that less work keeps up to date than makes anew."""
    c = buffer.columns
    shape = (1, c.width, c.n_words, 1)
    n_calls = 2 + (c.left > 0) + (c.right > 0)
    return (
        isinstance(layer, Mean)
        and (layer.kept_0, layer.reduced_0, layer.kept_1, layer.reduced_1) == shape
        and 2 * (c.left + buffer.n_new + c.right) + _CALL_COLUMNS * n_calls < c.width
    )


def plan_stream(
    network: Network, hop: int, plan: MemoryPlan, scratch_bytes: list[int], first_byte: int = 0
) -> StreamPlan:
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
    first_byte : int
        Where the stream's memory begins in the arena, a multiple of its alignment: state of the network stands before
        it.

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
    columns, rules, obstacles = _walk(network, first, hop, any_pace=False)
    root_of = _root_of(network, rules)
    buffers = size_buffers(network, hop, columns, rules, root_of)
    streamed = {
        p: ()
        if isinstance(network.steps[p].layer, Alias)
        else _stream_step(
            rule, [buffers[root_of[i]] for i in network.steps[p].inputs], buffers[network.steps[p].output]
        )
        for p, rule in rules.items()
    }
    summed = {
        p: root_of[step.inputs[0]]
        for p, step in enumerate(network.steps)
        if p not in rules
        and step.inputs[0] in root_of
        and root_of[step.inputs[0]] != network.graph.input
        and _has_running_sums(step.layer, buffers[root_of[step.inputs[0]]])
    }
    in_sums = {network.steps[p].index for p in summed}
    obstacles = [o for o in obstacles if o.index not in in_sums]

    offset = first_byte
    sums = []
    for root, buffer in sorted(buffers.items()):
        if buffer.n_old or root == network.graph.input:
            buffers[root] = replace(buffer, offset=offset)
            offset += _aligned(buffer.n_kept * buffer.columns.n_words)
    for p, root in summed.items():
        sums.append(RunningSums(p, root, offset))
        offset += _aligned(_SUM_BYTES * buffers[root].columns.n_words)
    passing = {root for root, buffer in buffers.items() if not (buffer.n_old or root == network.graph.input)}
    placement = place(_lifetimes(network, streamed, root_of, buffers, passing, plan, scratch_bytes))
    at = {key: offset + begin for key, begin in placement.offsets.items()}
    for root in passing:
        buffers[root] = replace(buffers[root], offset=at.pop(_passing_key(network, root)))
    macs_streamed = sum(
        network.steps[p].macs * part.n // rules[p].width for p, parts in streamed.items() for part in parts
    )
    macs_recomputed = sum(step.macs for p, step in enumerate(network.steps) if p not in streamed)
    is_hindered = any(o.is_pace for o in obstacles)
    ideal = _walk(network, first, hop, any_pace=True)[0] if is_hindered else {}
    return StreamPlan(
        hop,
        first.width,
        root_of,
        buffers,
        streamed,
        tuple(sums),
        tuple(obstacles),
        _better_hops(hop, [c.pace for c in ideal.values()], first.width) if is_hindered else (),
        macs_streamed + macs_recomputed,
        macs_recomputed,
        sum(step.macs for step in network.steps),
        {key: begin for key, begin in at.items() if key >= 0},
        {~key: begin for key, begin in at.items() if key < 0},
        offset,
        offset + placement.size,
    )


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _passing_key(network: Network, root: int) -> int:
    """Name a buffer that lives during a push only; the run's buffers have the tensors' own numbers."""
    return len(network.graph.tensors) + root


def _lifetimes(
    network: Network,
    streamed: dict[int, tuple[StreamedPart, ...]],
    root_of: dict[int, int],
    buffers: dict[int, StreamBuffer],
    passing: set[int],
    plan: MemoryPlan,
    scratch_bytes: list[int],
) -> list[Lifetime]:
    """Lifetimes of what lives during a push only, and of every step's working memory."""
    order = sorted(range(len(network.steps)), key=lambda p: (p not in streamed, p))
    sizes: dict[int, int] = {}
    lives: dict[int, list[int]] = {}
    found = []
    for now, p in enumerate(order):
        step = network.steps[p]
        if scratch_bytes[p]:
            found.append(Lifetime(~p, scratch_bytes[p], now, now))
        for tensor in (*step.inputs, step.output):
            root = root_of.get(tensor)
            if root is None:
                key = plan.homes[tensor].buffer
                sizes[key] = plan.sizes[key]
                if key == plan.output_buffer:
                    continue
            elif root in passing:
                key = _passing_key(network, root)
                sizes[key] = buffers[root].n_kept * buffers[root].columns.n_words
            else:
                continue
            lives.setdefault(key, []).append(now)
    if network.graph.output in root_of and root_of[network.graph.output] in passing:
        lives[_passing_key(network, root_of[network.graph.output])].append(len(order))
    if network.kept is not None and network.kept not in root_of:
        lives.get(plan.homes[network.kept].buffer, []).append(len(order))
    return found + [Lifetime(key, sizes[key], min(times), max(times)) for key, times in sorted(lives.items())]
