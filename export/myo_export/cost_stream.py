"""The compiler's cost model for pushes, and for layers whose words are in their places already."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from myo_export.cost_copies import copy_events, fill_events
from myo_export.cost_events import form_of
from myo_export.cost_model import Cost, Level, estimate_code, estimate_layer, estimate_network, price
from myo_export.cost_push import ColumnSums, MeanOfSums
from myo_export.lowered import Copy, Layer, Lstm, Step
from myo_export.memory_plan import MemoryPlan
from myo_export.network_source import NetworkSource
from myo_export.stream_plan import StreamPlan

_PUSH_BYTES: Final = 230  # of net_reset and net_push without their calls, and of advance
_CALL_BYTES: Final = 20  # of a call in a push: its arguments


def moving_parts(step: Step, plan: MemoryPlan) -> Layer:
    """Return a step's layer without the parts of a copy whose words the plan has put where they belong."""
    if not isinstance(step.layer, Copy):
        return step.layer
    target = plan.homes[step.output]
    parts = []
    for part, tensor in zip(step.layer.parts, step.inputs, strict=True):
        source = plan.homes[tensor]
        begins = source.begin + part.source_begin, target.begin + part.target_begin
        if not (part.is_run and source.buffer == target.buffer and begins[0] == begins[1]):
            parts.append(part)
    return replace(step.layer, parts=tuple(parts))


def estimate_push(
    text: NetworkSource, stream: StreamPlan, costs: Mapping[int, Cost], level: Level = "-O3"
) -> Cost:
    """Predict a push: columns that move, layers on new columns, running sums, and layers that are recomputed.

    Parameters
    ----------
    text : NetworkSource
        The network.
    stream : StreamPlan
        How it is pushed.
    costs : mapping
        Of the layers in a run, by index.
    level : str
        How the kernels are compiled.

    Returns
    -------
    Cost
        Of one push, its call included.
    """
    found = Cost(0.0, 0.0)
    source = text.network.graph.input
    for root, buffer in stream.buffers.items():
        n_words = buffer.columns.n_words
        n_new = buffer.n_new if root == source else 0
        for n in (buffer.n_old, n_new):
            found += price(copy_events(n * n_words, int(n > 0)), level)
    for sums in stream.sums:
        buffer = stream.buffers[sums.root]
        n_words = buffer.columns.n_words
        for before in (True, False):
            for _, n in buffer.changing(before):
                found += estimate_layer(ColumnSums(n, n_words), "plain", level)
        found += estimate_layer(MeanOfSums(n_words), "plain", level)
    in_sums = {sums.place for sums in stream.sums}
    for place, (step, form) in enumerate(zip(text.network.steps, text.packed, strict=True)):
        n_words = text.network.graph.tensors[step.output].size
        if place in stream.streamed:
            for part in stream.streamed[place]:
                found += estimate_layer(part.layer, form_of(form), level, n_words=2 * n_words, macs=step.macs)
        elif place not in in_sums:
            # What a run finds in its place comes from a stream's buffer here.
            is_fed = any(tensor in stream.root_of for tensor in step.inputs)
            found += (
                estimate_layer(step.layer, form_of(form), level, n_words=2 * n_words, macs=step.macs)
                if is_fed
                else costs[step.index]
            )
        if isinstance(step.layer, Lstm):  # every window begins anew
            n_cells = step.layer.n_cells
            found += price(fill_events(2 * n_cells, 1) + fill_events(n_cells, 1), level)
    return estimate_network([found])


def push_functions(text: NetworkSource, stream: StreamPlan, level: Level = "-O3") -> dict[str, int]:
    """Predict what pushes add to an image.

    Parameters
    ----------
    text : NetworkSource
        The network.
    stream : StreamPlan
        How it is pushed.
    level : str
        How the kernels are compiled.

    Returns
    -------
    dict
        Bytes of functions, by name, and of the configurations and calls of pushes.
    """
    functions: dict[str, int] = {}
    own = _PUSH_BYTES + _CALL_BYTES * sum(buffer.n_old > 0 for buffer in stream.buffers.values())
    in_sums = {sums.place: sums for sums in stream.sums}
    for place in range(len(text.network.steps)):
        if place in in_sums:
            buffer = stream.buffers[in_sums[place].root]
            for kind in (ColumnSums(1, 1), MeanOfSums(1)):
                functions |= estimate_code(kind, "plain", level)[0]
            n_calls = 1 + sum(len(buffer.changing(before)) for before in (True, False))
            own += _CALL_BYTES * n_calls
        elif place not in stream.streamed:
            own += _CALL_BYTES
        for part in stream.streamed.get(place, ()):
            n_bytes = estimate_code(part.layer, form_of(text.packed[place]), level)[1]
            own += n_bytes
    return functions | {"net_push": own}
