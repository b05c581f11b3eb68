"""What a layer needs to compute only its newest columns: a column is all words of one time step of a tensor.

A layer streams where every output column follows from its own stretch of input columns, whichever column it is:
convolutions and pools without padding over time, and whatever works word by word or row by row. The rules look
at how words lie in memory, not at shapes, so reshapes are no obstacle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

from myo_export.lowered import (
    Add,
    Alias,
    Binary,
    Concatenation,
    Conv,
    DepthwiseConv,
    Extremum,
    FullyConnected,
    Layer,
    Mean,
    Mul,
    Pad,
    Pool,
    Prelu,
    Reduce,
    Softmax,
    SquaredDifference,
    Table,
)

_OVER_TIME = "works over the whole time axis at once"


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
        case Alias():
            return Rule(1, 1, width, lambda n: layer)
        case Table():
            return Rule(1, 1, width, lambda n: replace(layer, size=n * sources[0].n_words))
        case Conv() | DepthwiseConv() | Pool():
            return _window_rule(_along_width(layer), sources[0])
        case FullyConnected() | Softmax() | Concatenation():
            if layer.n_rows != width:
                return _OVER_TIME
            return Rule(1, 1, width, lambda n: replace(layer, n_rows=n))
        case Mean() | Reduce():
            if layer.kept_0 != width:
                return _OVER_TIME
            return Rule(1, 1, width, lambda n: replace(layer, kept_0=n))
        case Pad():
            return _pad_rule(layer, sources[0])
        case Add() | Mul() | SquaredDifference() | Prelu() | Extremum():
            return _binary_rule(layer, sources)


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

    return Rule(1, 1, width, narrow)
