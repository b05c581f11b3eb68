"""What a network costs, counted on its folded form: parameters, and multiply-accumulates of one window."""

from __future__ import annotations

import math
from typing import Any

from myo_training.networks.builder import LSTM


def count_network(folded: Any) -> tuple[int, int]:  # noqa: ANN401
    """Return parameters and multiply-accumulates of a folded Keras model.

    Products of two activations count as multiply-accumulates and hold no parameter.
    """
    macs = 0
    for layer in folded.layers:
        kernel, shape = getattr(layer, "kernel", None), layer.output.shape[1:]
        if layer.name == LSTM:
            steps, channels = layer.input.shape[1:]
            macs += steps * 4 * layer.units * (channels + layer.units)
        elif isinstance(layer.input, list) and hasattr(layer, "axes"):  # a product
            macs += math.prod(shape) * layer.input[0].shape[layer.axes[0]]
        elif kernel is not None:
            macs += math.prod(shape[:-1]) * math.prod(kernel.shape)
    return int(folded.count_params()), int(macs)
