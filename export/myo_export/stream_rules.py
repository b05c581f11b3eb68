"""What a layer needs to compute only some of its columns: a column is all words of one time step of a tensor.

A layer streams where every output column follows from its own stretch of input columns, whichever column it is:
convolutions and pools over time, and whatever works word by word or row by row. Columns whose stretch reaches into
padding, or sees such columns, are the window's edges: they change with every push. The others only move. The rules
look at how words lie in memory, not at shapes, so reshapes are no obstacle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

from myo_export.lowered import (
    Add,
    Alias,
    BatchMatmul,
    Binary,
    Conv,
    Copy,
    CopyPart,
    DepthwiseConv,
    Extremum,
    FullyConnected,
    Layer,
    Lstm,
    Mean,
    Mul,
    Pad,
    Part,
    Pool,
    Prelu,
    Reduce,
    Softmax,
    SquaredDifference,
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
    left, right : int
        Columns at both ends that padding reaches into.
    """

    width: int
    n_words: int
    pace: int
    left: int = 0
    right: int = 0


@dataclass(frozen=True)
class Rule:
    """How a layer makes columns from columns.

    Attributes
    ----------
    stride, reach, pad : int
        Input columns from one output column to the next, those that one output column sees, and those of
        padding before the first.
    width : int
        Output columns in the window.
    part : callable
        Gives the layer that makes n output columns from ``first`` on; its input are the columns of `reads`.
    """

    stride: int
    reach: int
    pad: int
    width: int
    part: Callable[[int, int], Layer]

    def reads(self, first: int, n: int, n_inputs: int) -> tuple[int, int]:
        """Return the first input column that output columns see, and one past the last; at least one."""
        return _inside(first * self.stride - self.pad, (n - 1) * self.stride + self.reach, n_inputs)

    def edges(self, sources: Sequence[Columns]) -> tuple[int, int]:
        """Return how many output columns at both ends change with every push."""
        left = max(-(-(s.left + self.pad) // self.stride) for s in sources)
        last = min((s.width - s.right - self.reach + self.pad) // self.stride for s in sources)
        return min(left, self.width), min(max(self.width - 1 - last, 0), self.width)


def _inside(first: int, n: int, n_inputs: int) -> tuple[int, int]:
    """Cut a stretch of columns to those that exist; one of them if it lies outside wholly."""
    begin = min(max(first, 0), n_inputs - 1)
    return begin, max(min(first + n, n_inputs), begin + 1)


def _wordwise(width: int, narrow: Callable[[int], Layer]) -> Rule:
    return Rule(1, 1, 0, width, lambda _, n: narrow(n))


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
            return _wordwise(width, lambda n: layer)
        case Table():
            return _wordwise(width, lambda n: replace(layer, size=n * sources[0].n_words))
        case Conv() | DepthwiseConv() | Pool():
            return _window_rule(_along_width(layer), sources[0])
        case FullyConnected() | Softmax():
            if layer.n_rows != width:
                return _OVER_TIME
            return _wordwise(width, lambda n: replace(layer, n_rows=n))
        case Mean() | Reduce():
            if layer.kept_0 != width:
                return _OVER_TIME
            return _wordwise(width, lambda n: replace(layer, kept_0=n))
        case Lstm():
            return "begins anew with every window, so that all its time steps change with every push"
        case Pad():
            return _pad_rule(layer, sources[0])
        case Add() | Mul() | SquaredDifference() | Prelu() | Extremum():
            return _binary_rule(layer, sources)
        case Copy():
            return _copy_rule(layer, sources)
        case TransposeConv():
            return "spreads over the time axis, so that columns at its ends change with every push"
        case BatchMatmul():
            is_row_by_row = layer.b.operand.values is not None and layer.a.row_stride == sources[0].n_words
            if (*layer.batch, layer.n_rows) != (1, 1, 1, width) or not is_row_by_row:
                return _OVER_TIME
            return _wordwise(width, lambda n: replace(layer, n_rows=n))


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

    def part(first: int, n: int) -> Layer:
        origin = first * window.stride_width - window.pad_left
        begin, end = _inside(origin, (n - 1) * window.stride_width + reach, source.width)
        return replace(
            layer,
            input_shape=(1, end - begin, source.n_words),
            output_shape=(1, n, n_outputs),
            window=replace(window, pad_left=max(-origin, 0)),
        )

    return Rule(window.stride_width, reach, window.pad_left, width, part)


def _pad_rule(layer: Pad, source: Columns) -> Rule | str:
    if layer.input_shape != (1, source.width, source.n_words):
        return "pads another plane than time and channels"
    if layer.before[0] or layer.after[0]:
        return "pads another axis than time and channels"
    before, after = layer.before[1], layer.after[1]

    def part(first: int, n: int) -> Layer:
        n_before = min(max(before - first, 0), n)
        n_after = min(max(first + n - before - source.width, 0), n)
        return replace(
            layer,
            input_shape=(1, n - n_before - n_after, source.n_words),
            before=(0, n_before, layer.before[2]),
            after=(0, n_after, layer.after[2]),
        )

    return Rule(1, 1, before, before + source.width + after, part)


def _binary_rule(layer: Binary, sources: Sequence[Columns]) -> Rule | str:
    width, sizes = sources[0].width, layer.broadcast.size
    n_words = prod(sizes) // width
    # The outermost axis that is one holds columns: so many of its steps make one.
    outer = next((axis for axis, n in enumerate(sizes) if n > 1), 3)
    steps = sizes[outer] // width
    if steps * width != sizes[outer] or prod(sizes) != n_words * width:
        return "joins tensors along another axis than time"
    remaining = iter(sources)
    strides = (layer.broadcast.stride_a, layer.broadcast.stride_b)
    for operand, stride in zip((layer.a, layer.b), strides, strict=True):
        moved = 0 if operand.values is not None else next(remaining).n_words
        if width > 1 and stride[outer] * steps != moved:
            return "has an operand that differs from time step to time step"

    def narrow(n: int) -> Layer:
        moved = (*sizes[:outer], n * steps, *sizes[outer + 1 :])
        return replace(
            layer, broadcast=replace(layer.broadcast, size=(moved[0], moved[1], moved[2], moved[3]))
        )

    return _wordwise(width, narrow)


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

    return _wordwise(width, narrow)


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
