"""What Helium's kernels (``firmware/core/nn/myo_nn_mve.h``) need beyond the plain layer: biases with the zero point in.

They read the plain weights and factors. sum((x - z) * w) + b = sum(x * w) + (b - z * sum(w)) makes their inner loop a
pure dot product, modulo 2^32 as the plain kernels' sums are, so there is nothing to prove.
"""

from dataclasses import dataclass

import numpy as np

from myo_export.lowered import Conv, DepthwiseConv, FullyConnected, Layer
from myo_export.pack_dsp import Packed


@dataclass(frozen=True, eq=False)
class Folded:
    """A layer for Helium's kernels.

    Attributes
    ----------
    bias : numpy.ndarray
        int32, one for each output channel.
    scratch_bytes : int
        Working memory while the layer runs.
    """

    bias: np.ndarray
    scratch_bytes: int


# How a layer with weights may be held: for the DSP extension, for Helium, or as it is, and why.
Form = Packed | Folded | str


def fold_layer(layer: Layer) -> Folded | str:
    """Prepare a layer for Helium's kernels.

    Parameters
    ----------
    layer : Layer
        Any layer.

    Returns
    -------
    Folded or str
        The biases; else why the plain kernel runs.
    """
    if isinstance(layer, DepthwiseConv):
        if layer.depth_multiplier != 1:
            return f"depth multiplier {layer.depth_multiplier}"
        return Folded(layer.bias.astype(np.int32), 0)
    if not isinstance(layer, Conv | FullyConnected):
        return "one form for all cores"
    rows = layer.weights.astype(np.int64).reshape(len(layer.weights), -1)
    folded = layer.bias.astype(np.int64) + layer.input_offset * rows.sum(axis=1)
    scratch = rows.shape[1] if isinstance(layer, Conv) else 0
    return Folded(folded.astype(np.uint32).astype(np.int32), scratch)
