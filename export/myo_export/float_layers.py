"""Which tensors of the float model are the int8 model's layers in float."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myo_export.tflite_reader import read_ops
from myo_pipeline.errors import ExportError


def read_float_layers(float_model: bytes, int8_ops: list[str]) -> NDArray[np.int64]:
    """Return the output tensor of each operator of the float model, which must be the int8 model's, one for one.

    Parameters
    ----------
    float_model
        Content of ``model_float.tflite``.
    int8_ops
        Operator names of ``model.tflite``, in order.

    Raises
    ------
    ExportError
        If the two models do not have the same operators in the same order.
    """
    ops = read_ops(float_model)
    names = [op.name for op in ops]
    if names != int8_ops:
        raise ExportError(
            f"model_float.tflite has operators {', '.join(names)}; model.tflite {', '.join(int8_ops)}: "
            "convert both from the same Keras model"
        )
    return np.array([op.outputs[0] for op in ops], np.int64)
