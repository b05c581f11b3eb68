"""Passes over a lowered network that leave work out: every word that remains is the same.

A layer that another one computes along is folded into it: PAD into the window of a convolution, a function table
that only clamps into the limits of the layer before it, tables into one table. What changes no word becomes an
alias. A fold removes the tensor in between, so that tensor may have one reader only and not be the network's output;
the joint layer has the index of the operator whose output it writes, and `Step.folded` names the others.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from myo_export.graph import Op
from myo_export.lowered import (
    Add,
    Alias,
    Conv,
    DepthwiseConv,
    FullyConnected,
    Layer,
    Mean,
    Mul,
    Network,
    Pad,
    Pool,
    Step,
    Table,
)
from myo_export.quantized_math import clamp_int8, scale, table_of

_WORDS = np.arange(-128, 128)
_MOST_PAD = 65535  # of a window's field in C


def simplify_network(network: Network) -> Network:
    """Fold and elide layers until nothing more can be.

    Parameters
    ----------
    network : Network
        From `lower_graph`.

    Returns
    -------
    Network
        Of the same graph. Every tensor that it still writes has the words that it had.
    """
    steps = tuple(_elide(step) for step in network.steps)
    while (folded := _fold_once(network, steps)) is not None:
        steps = tuple(_elide(step) for step in folded)
    return replace(network, steps=steps)


def _elide(step: Step) -> Step:
    """Give a layer its cheapest form by itself."""
    layer = _as_table(step.layer)
    if _changes_nothing(layer):
        layer = Alias(_size(layer))
    return step if layer is step.layer else replace(step, layer=layer)


def _as_table(layer: Layer) -> Layer:
    """Turn a mean or a pool of single words into a table of them."""
    match layer:
        case Mean(reduced_0=1, reduced_1=1):

            def mean_of(x: int) -> int:
                return clamp_int8(scale(x + layer.sum_offset, layer.factor) + layer.zero_point)

            return Table(table_of(mean_of), layer.kept_0 * layer.kept_1)
        case Pool():
            w = layer.window
            if (w.height, w.width) == (1, 1) and layer.input_shape == layer.output_shape:
                return Table(
                    np.clip(_WORDS, layer.low, layer.high).astype(np.int8), int(np.prod(layer.input_shape))
                )
    return layer


def _changes_nothing(layer: Layer) -> bool:
    match layer:
        case Table():
            return np.array_equal(layer.table, _WORDS)
        case Pad():
            return not any(layer.before + layer.after)
        case _:
            return False


def _size(layer: Layer) -> int:
    match layer:
        case Table():
            return layer.size
        case Pad():
            return int(np.prod(layer.input_shape))
        case _:
            raise TypeError(f"{type(layer).__name__} changes words")


def _fold_once(network: Network, steps: tuple[Step, ...]) -> tuple[Step, ...] | None:
    """Fold the first pair that can be folded; None if there is none."""
    writer = {step.output: step for step in steps}
    readers: dict[int, int] = {network.graph.output: 1}
    for step in steps:
        for tensor in step.inputs:
            readers[tensor] = readers.get(tensor, 0) + 1
    for place, later in enumerate(steps):
        if not isinstance(later.layer, Table | Conv | DepthwiseConv):
            continue
        # Aliases in between vanish with the tensor: they are names for it.
        between: list[Step] = []
        tensor = later.inputs[0]
        while tensor in writer and readers[tensor] == 1 and isinstance(writer[tensor].layer, Alias):
            between.append(writer[tensor])
            tensor = writer[tensor].inputs[0]
        if tensor not in writer or readers[tensor] != 1:
            continue
        earlier = writer[tensor]
        layer = _joined(earlier.layer, later.layer)
        if layer is None:
            continue
        gone = [earlier, *between]
        joint = replace(
            later,
            layer=layer,
            inputs=earlier.inputs,
            macs=earlier.macs + later.macs,
            folded=_in_order(
                op for step in (*gone, later) for op in (*step.folded, step.op) if op != later.op
            ),
        )
        # The joint layer stands where the later one stood: what it reads has been written by then.
        return tuple(joint if i == place else s for i, s in enumerate(steps) if s not in gone)
    return None


def _in_order(ops: Iterable[Op]) -> tuple[Op, ...]:
    return tuple(sorted(ops, key=lambda op: op.index))


def _joined(earlier: Layer, later: Layer) -> Layer | None:
    """Give the layer that computes both, or None if there is none."""
    match earlier, later:
        case Pad(), Conv() | DepthwiseConv():
            return _padded(earlier, later)
        case Table(), Table():
            return replace(later, table=later.table[earlier.table.astype(np.intp) + 128])
        case Conv() | DepthwiseConv() | FullyConnected(), Table():
            limits = _limits(earlier.requantize.low, earlier.requantize.high, later.table)
            if limits is None:
                return None
            low, high = limits
            return replace(earlier, requantize=replace(earlier.requantize, low=low, high=high))
        case Add() | Mul() | Pool(), Table():
            limits = _limits(earlier.low, earlier.high, later.table)
            return None if limits is None else replace(earlier, low=limits[0], high=limits[1])
        case _:
            return None


def _padded(pad: Pad, layer: Conv | DepthwiseConv) -> Layer | None:
    """Fold padding into the window: what lies outside of a convolution's input counts as its zero point."""
    window = layer.window
    top, left = window.pad_top + pad.before[0], window.pad_left + pad.before[1]
    padded = tuple(b + n + a for b, n, a in zip(pad.before, pad.input_shape, pad.after, strict=True))
    is_plane = pad.before[2] == pad.after[2] == 0 and padded == layer.input_shape
    if not is_plane or pad.value != -layer.input_offset or max(top, left) > _MOST_PAD:
        return None
    return replace(layer, input_shape=pad.input_shape, window=replace(window, pad_top=top, pad_left=left))


def _limits(low: int, high: int, table: np.ndarray) -> tuple[int, int] | None:
    """Limits that do what a table does to words from low to high; None if the table does more than clamp."""
    words = np.arange(low, high + 1)
    found = table[words + 128]
    least, most = int(found[0]), int(found[-1])
    return (least, most) if np.array_equal(found, np.clip(words, least, most)) else None
