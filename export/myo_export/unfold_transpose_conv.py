"""A transposed convolution as a plain one, where that gives the same words in the same places.

Output position ``q * s + p`` of a transposed convolution with stride ``s`` and padding ``pad`` sees the window's
elements ``r + s * j`` with ``r = (p + pad) % s``, at input positions ``q + (p + pad) // s - j``. So the positions
of one phase ``p`` are a convolution of stride 1 whose window is every s-th element, reversed; and all phases
together are one convolution with ``s`` times the output channels, in the order in which the words of
``[..., q, p, channel]`` lie in memory. Where phases see different stretches of the input, weights of 0 fill up.
"""

from dataclasses import replace

import numpy as np

from myo_export.lowered import Conv, Requantize, TransposeConv, Window

_MOST_FILLING = 2  # times the weights of the transposed convolution that the plain one may take


def as_conv(layer: TransposeConv) -> Conv | TransposeConv:
    """Give the convolution that computes a transposed convolution, or the layer itself.

    Parameters
    ----------
    layer : TransposeConv
        Of any strides.

    Returns
    -------
    Conv or TransposeConv
        A convolution where only one axis is strided and the output's size along it is a multiple of the stride, if
        at most as many weights as the layer has are zeros that fill up.
    """
    along_width = _along_width(layer)
    w, stride = along_width.window, along_width.window.stride_width
    height, width, n_outputs = along_width.output_shape
    if w.stride_height != 1 or width % stride or stride * n_outputs > 65535:
        return layer
    rows, pad_top = _reversed_phases(along_width.weights, 1, 1, w.pad_top)
    weights, pad_left = _reversed_phases(rows, 2, stride, w.pad_left)
    if weights.size > _MOST_FILLING * layer.weights.size:
        return layer
    r = layer.requantize
    return Conv(
        along_width.input_shape,
        (height, width // stride, stride * n_outputs),
        Window(weights.shape[1], weights.shape[2], 1, 1, 1, 1, pad_top, pad_left),
        layer.input_offset,
        weights,
        np.tile(layer.bias, stride),
        Requantize(r.factors * stride, r.zero_point, r.low, r.high),
    )


def _along_width(layer: TransposeConv) -> TransposeConv:
    """Turn a layer over (time, 1, channels) into the same over (1, time, channels)."""
    w, (h_in, w_in, c_in), (h_out, w_out, c_out) = layer.window, layer.input_shape, layer.output_shape
    if (w_in, w_out, w.width, w.stride_width) != (1, 1, 1, 1):
        return layer
    window = Window(1, w.height, 1, w.stride_height, 1, 1, 0, w.pad_top)
    weights = layer.weights.reshape(c_out, 1, w.height, c_in)
    return replace(
        layer, input_shape=(1, h_in, c_in), output_shape=(1, h_out, c_out), window=window, weights=weights
    )


def _reversed_phases(weights: np.ndarray, axis: int, stride: int, pad: int) -> tuple[np.ndarray, int]:
    """Weights of all phases, the phase outermost among the output channels, and the padding before."""
    size = weights.shape[axis]
    elements: dict[int, dict[int, int]] = {}  # by phase and place relative to q: element of the window
    for p in range(stride):
        base, first = divmod(p + pad, stride)
        elements[p] = {base - j: k for j, k in enumerate(range(first, size, stride))}
    places = [place for phase in elements.values() for place in phase]
    low, high = min(0, *places), max(0, *places)
    shape = list(weights.shape)
    shape[axis] = high - low + 1
    found = np.zeros((stride, *shape), np.int8)
    taken, given = np.moveaxis(found, axis + 1, 1), np.moveaxis(weights, axis, 0)
    for p, phase in elements.items():
        for place, k in phase.items():
            taken[p, place - low] = given[k]
    return found.reshape(-1, *shape[1:]), -low
