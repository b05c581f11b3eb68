"""Which tensors of the float model are the int8 model's layers in float."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_pipeline.errors import ExportError

_NAMES = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}


def read_float_layers(float_model: bytes, int8_ops: list[str]) -> NDArray[np.int64]:
    """Return the output tensors of the float model's operators, which must be the int8 model's, one for one.

    Parameters
    ----------
    float_model
        Content of ``model_float.tflite``.
    int8_ops
        Operator name of each layer of ``model.tflite``, in order; a layer is one output of one operator.

    Raises
    ------
    ExportError
        If the file is damaged, or the two models do not have the same operators in the same order.
    """
    try:
        file = schema.Model.GetRootAs(float_model, 0)
        subgraph = file.Subgraphs(0)
        ops = [subgraph.Operators(i) for i in range(subgraph.OperatorsLength())]
        codes = [file.OperatorCodes(op.OpcodeIndex()) for op in ops]
        outputs = [[int(i) for i in op.OutputsAsNumpy()] for op in ops]
        names = [
            _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            for code, own in zip(codes, outputs, strict=True)
            for _ in own
        ]
        tensors = np.array([tensor for own in outputs for tensor in own], np.int64)
        takes_float = subgraph.Tensors(subgraph.Inputs(0)).Type() == schema.TensorType.FLOAT32
    except (struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ExportError(
            f"model_float.tflite: damaged ({type(error).__name__}); run `myopatch train` again"
        ) from None
    if not takes_float:
        raise ExportError(
            "model_float.tflite: its input is not float32; convert the Keras model without quantization"
        )
    if names != int8_ops:
        raise ExportError(
            f"model_float.tflite has operators {', '.join(names)}; model.tflite {', '.join(int8_ops)}: "
            "convert both from the same Keras model"
        )
    return tensors
