"""What a layer needs to compute only its newest columns: a column is all words of one time step of a tensor.

A layer streams where every output column follows from its own stretch of input columns, whichever column it is:
convolutions and pools without padding over time, and whatever works word by word or row by row. The rules look
at how words lie in memory, not at shapes, so reshapes are no obstacle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from myo_export.lowered import (
    Add,
    Alias,
    BatchMatmul,
    Broadcast,
    Conv,
    Copy,
    CopyPart,
    DepthwiseConv,
    FullyConnected,
    Layer,
    Mean,
    Mul,
    Pad,
    Part,
    Pool,
    Softmax,
    Table,
    TransposeConv,
)
from myo_export.strided_copy import Axis, axes_of, copy_part

_OVER_TIME = "works over the whole time axis at once"
_MOVES_TIME = "moves words along the time axis"


@dataclass(frozen=True)
class Columns:
    """A tensor as columns over time.

    Attributes
    ----------
    width : int
        Columns in the window.
    n_words : int
        Words in a column.
    pace : int
        Time steps of the network's input from one column to the next.
    """

    width: int
    n_words: int
    pace: int


@dataclass(frozen=True)
class Rule:
    """How a layer makes columns from columns.

    Attributes
    ----------
    stride, reach : int
        Input columns from one output column to the next, and those that one output column sees.
    width : int
        Output columns in the window.
    narrow : callable
        Gives the layer that makes so many output columns.
    """

    stride: int
    reach: int
    width: int
    narrow: Callable[[int], Layer]


def find_rule(layer: Layer, sources: Sequence[Columns]) -> Rule | str:
    """Give the rule of a layer, or why it has none.

    Parameters
    ----------
    layer : Layer
        Any layer.
    sources : sequence of Columns
        Its activations, in the kernel's order.

    Returns
    -------
    Rule or str
        The rule, else the reason, as the end of a sentence about the layer.
    """
    width = sources[0].width
    if any((s.width, s.pace) != (width, sources[0].pace) for s in sources):
        return "joins tensors of different widths or paces"
    match layer:
        case Part():
            return "takes a part of the time axis"
        case Alias():
            return Rule(1, 1, width, lambda n: layer)
        case Table():
            return Rule(1, 1, width, lambda n: replace(layer, size=n * sources[0].n_words))
        case Conv() | DepthwiseConv() | Pool():
            return _window_rule(_along_width(layer), sources[0])
        case FullyConnected() | Softmax():
            if layer.n_rows != width:
                return _OVER_TIME
            return Rule(1, 1, width, lambda n: replace(layer, n_rows=n))
        case Mean():
            if layer.kept_0 != width:
                return _OVER_TIME
            return Rule(1, 1, width, lambda n: replace(layer, kept_0=n))
        case Pad():
            return _pad_rule(layer, sources[0])
        case Add() | Mul():
            return _binary_rule(layer, sources)
        case Copy():
            return _copy_rule(layer, sources)
        case TransposeConv():
            return "spreads over the time axis, so that columns at its ends change with every push"
        case BatchMatmul():
            is_row_by_row = layer.b.operand.values is not None and layer.a.row_stride == sources[0].n_words
            if (*layer.batch, layer.n_rows) != (1, 1, 1, width) or not is_row_by_row:
                return _OVER_TIME
            return Rule(1, 1, width, lambda n: replace(layer, n_rows=n))


def _along_width(layer: Conv | DepthwiseConv | Pool) -> Conv | DepthwiseConv | Pool:
    """Turn a layer over (time, 1, channels) into the same over (1, time, channels); weights lie as they did."""
    w = layer.window
    if layer.input_shape[1] != 1 or layer.output_shape[1] != 1 or w.width != 1:
        return layer
    (h_in, _, c_in), (h_out, _, c_out) = layer.input_shape, layer.output_shape
    window = replace(
        w,
        height=1,
        width=w.height,
        stride_height=1,
        stride_width=w.stride_height,
        dilation_height=1,
        dilation_width=w.dilation_height,
        pad_top=0,
        pad_left=w.pad_top,
    )
    return replace(layer, input_shape=(1, h_in, c_in), output_shape=(1, h_out, c_out), window=window)


def _window_rule(layer: Conv | DepthwiseConv | Pool, source: Columns) -> Rule | str:
    window = layer.window
    if layer.input_shape != (1, source.width, source.n_words) or layer.output_shape[0] != 1:
        return "slides over another axis than time"
    width, n_outputs = layer.output_shape[1:]
    reach = (window.width - 1) * window.dilation_width + 1
    if window.pad_left > 0 or (width - 1) * window.stride_width + reach > source.width:
        return "pads the time axis, so that columns at its ends change with every push"

    def narrow(n: int) -> Layer:
        n_inputs = (n - 1) * window.stride_width + reach
        return replace(layer, input_shape=(1, n_inputs, source.n_words), output_shape=(1, n, n_outputs))

    return Rule(window.stride_width, reach, width, narrow)


def _pad_rule(layer: Pad, source: Columns) -> Rule | str:
    if layer.input_shape != (1, source.width, source.n_words):
        return "pads another plane than time and channels"
    if (layer.before[:2], layer.after[:2]) != ((0, 0), (0, 0)):
        return "pads the time axis, so that columns at its ends change with every push"
    return Rule(1, 1, source.width, lambda n: replace(layer, input_shape=(1, n, source.n_words)))


def _binary_rule(layer: Add | Mul, sources: Sequence[Columns]) -> Rule | str:
    width, n_words = sources[0].width, max(s.n_words for s in sources)
    operands, b = (layer.a, layer.b), layer.broadcast
    has_constant = any(o.values is not None for o in operands)
    if b.size == (1, 1, 1, width * n_words) and not has_constant:
        return Rule(1, 1, width, lambda n: replace(layer, broadcast=replace(b, size=(1, 1, 1, n * n_words))))
    # The time axis stands third in [1, 1, time, channels], second in [1, time, 1, channels].
    order = (0, 2, 1, 3) if b.size[2] == 1 else (0, 1, 2, 3)
    size, stride_a, stride_b = (tuple(row[i] for i in order) for row in (b.size, b.stride_a, b.stride_b))
    if size[:3] != (1, 1, width):
        return "joins tensors along another axis than time"
    for operand, stride in zip(operands, (stride_a, stride_b), strict=True):
        if width > 1 and (operand.values is not None) == (stride[2] != 0):
            return "has an operand that differs from time step to time step"

    def narrow(n: int) -> Layer:
        moved = Broadcast((1, 1, n, size[3]), _four(stride_a), _four(stride_b))
        return replace(layer, broadcast=moved)

    return Rule(1, 1, width, narrow)


def _four(row: tuple[int, ...]) -> tuple[int, int, int, int]:
    return row[0], row[1], row[2], row[3]


def _copy_rule(layer: Copy, sources: Sequence[Columns]) -> Rule | str:
    """Find the time axis of every part; a column's words must come from the same column of the input."""
    width = sources[0].width
    if layer.size % width:
        return _MOVES_TIME
    n_words = layer.size // width
    found = [_time_axis(p, width, s.n_words, n_words) for p, s in zip(layer.parts, sources, strict=True)]
    splits = [(part, *axes) for part, axes in zip(layer.parts, found, strict=True) if axes is not None]
    if len(splits) < len(found):
        return _MOVES_TIME

    def narrow(n: int) -> Layer:
        parts = [
            copy_part([time._replace(size=n), *rest], part.source_begin, part.target_begin)
            for part, time, rest in splits
        ]
        return Copy(tuple(parts), n * n_words)

    return Rule(1, 1, width, narrow)


def _time_axis(
    part: CopyPart, width: int, source_words: int, target_words: int
) -> tuple[Axis, list[Axis]] | None:
    """Split a part into the axis from column to column and the axes within a column; None if there is none."""
    axes = axes_of(part)
    for place, axis in enumerate(axes):
        inner, rest = divmod(axis.size, width)
        if rest or (axis.source * inner, axis.target * inner) != (source_words, target_words):
            continue
        within = [*axes[:place], axis._replace(size=inner), *axes[place + 1 :]]
        reach = [(a.size - 1) * a.source for a in within]
        lowest = part.source_begin + sum(min(0, n) for n in reach)
        highest = part.source_begin + sum(max(0, n) for n in reach)
        if lowest >= 0 and highest < source_words:
            return Axis(width, source_words, target_words), within
    return None
