"""What a network costs, counted on its folded form: parameters, and multiply-accumulates of one window."""

from __future__ import annotations

import math
from typing import Any


def count_network(folded: Any) -> tuple[int, int]:  # noqa: ANN401
    """Return parameters and multiply-accumulates of a folded Keras model.

    Products of two activations count as multiply-accumulates and hold no parameter.
    """
    macs = 0
    for layer in folded.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            shape = layer.output.shape[1:]
            macs += math.prod(shape[:-1]) * math.prod(kernel.shape)
    return int(folded.count_params()), int(macs)
