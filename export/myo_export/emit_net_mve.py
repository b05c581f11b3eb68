"""C text of one layer for Helium's kernels: the plain layer with another call, and other biases."""

from dataclasses import replace

import numpy as np

from myo_export.emit_net_layers import LayerText, bias_array, layer_text
from myo_export.fold_mve import Folded
from myo_export.lowered import Conv, DepthwiseConv, FullyConnected, Layer


def mve_layer_text(
    index: int, layer: Layer, folded: Folded, source: str, target: str, scratch: str, suffix: str = ""
) -> LayerText:
    """Write one layer with folded biases.

    Parameters
    ----------
    index : int
        The layer's index; its constants are named ``layer_<index>...``.
    layer : Layer
        What to write: a layer with weights.
    folded : Folded
        The same layer from `fold_layer`.
    source, target, scratch : str
        C expressions of the activations and of the working memory.
    suffix : str
        See `layer_text`.

    Returns
    -------
    LayerText
        Constants and call; the constants differ from the plain ones in the biases' words only.

    Raises
    ------
    TypeError
        If the layer has no weights.
    """
    name = f"layer_{index}{suffix}"
    match layer:
        case Conv():
            call = f"myo_conv_mve_run(&{name}, {source}, {target}, {scratch});"
        case DepthwiseConv():
            call = f"myo_depthwise_conv_mve_run(&{name}, {source}, {target});"
        case FullyConnected():
            call = f"myo_fully_connected_mve_run(&{name}, {source}, {target});"
        case _:
            raise TypeError(f"{type(layer).__name__} has no form for Helium")
    return replace(
        layer_text(index, replace(layer, bias=folded.bias), [source], target, suffix), calls=(call,)
    )


def either_bias(index: int, plain: LayerText, layer: Layer, folded: Folded) -> str:
    """Give a layer's arrays with both biases, of which the compiler takes one; the weights stand once."""
    if not isinstance(layer, Conv | FullyConnected) or np.array_equal(layer.bias, folded.bias):
        return plain.arrays
    ours, theirs = (bias_array(f"layer_{index}", bias) for bias in (layer.bias, folded.bias))
    both = f"#if !MYO_NN_MVE\n{ours}#else /* with the zero point folded in */\n{theirs}#endif\n"
    return plain.arrays.replace(ours, both)
