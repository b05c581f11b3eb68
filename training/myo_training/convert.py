"""From Keras to ``.tflite``: full int8 and float, with the same ops one to one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import ExportError
from myo_training.networks.builder import LSTM
from myo_training.networks.recurrent import rebuild
from myo_training.quiet import import_tensorflow, quiet_stderr

N_REPRESENTATIVE = 512


def choose_representative(x: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Choose the windows on which the converter measures activations.

    The input range is fixed by design, -1 .. 127/128, which is a scale of 1/128 and a zero point of 0; the
    first window chosen is given both ends so that the converter finds it whatever was drawn.
    """
    order = np.random.default_rng((seed, 7)).permutation(len(x))[:N_REPRESENTATIVE]
    chosen = x[np.sort(order)].copy()
    chosen[0, 0, 0, 0], chosen[0, 0, -1, -1] = -1.0, 127 / 128
    return chosen


def convert_model(model: Any, representative: NDArray[np.float32] | None) -> bytes:  # noqa: ANN401
    """Convert a Keras model to a TensorFlow Lite flatbuffer for one window at a time.

    Parameters
    ----------
    model
        Keras model.
    representative
        Input windows to measure activations on, for full int8 with int8 input and output; None for float.

    Returns
    -------
    bytes
        The flatbuffer.
    """
    tf = import_tensorflow()
    with quiet_stderr():
        converter = _freeze(model)
        if representative is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([window[None]] for window in representative)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def convert_ranged(model: Any) -> bytes:  # noqa: ANN401
    """Convert a Keras model that writes down the range of all its words (``Form.RANGED``) to full int8.

    Weights stand in it in float and are rounded by the converter, for each output by its largest: fake quantization of
    weights for each channel, which it would have to read, it does not take for every kind of layer.
    """
    tf = import_tensorflow()
    with quiet_stderr():
        converter = _freeze(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def _freeze(model: Any) -> Any:  # noqa: ANN401
    """Return a converter of the model, its variables made constants."""
    tf = import_tensorflow()
    if any(layer.name == LSTM for layer in model.layers):
        return tf.lite.TFLiteConverter.from_keras_model(rebuild(model))
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="emg")
    )
    return tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(function)])


def list_ops(flatbuffer: bytes) -> list[str]:
    """Return the names of a model's ops, in their order."""
    with quiet_stderr():
        from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAs(flatbuffer, 0)
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(graph.Operators(i).OpcodeIndex()) for i in range(graph.OperatorsLength())]
    return [names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes]


def read_quantization(flatbuffer: bytes, tensor: str) -> tuple[float, int]:
    """Return scale and zero point of the model's ``input`` or ``output``."""
    with quiet_stderr():
        from tensorflow.lite.python import schema_py_generated as schema

    graph = schema.Model.GetRootAs(flatbuffer, 0).Subgraphs(0)
    index = graph.Inputs(0) if tensor == "input" else graph.Outputs(0)
    quantization = graph.Tensors(index).Quantization()
    return float(quantization.Scale(0)), int(quantization.ZeroPoint(0))


def check_alignment(int8: bytes, floating: bytes) -> list[str]:
    """Return the ops that both models run, in the same order.

    Raises
    ------
    ExportError
        If they differ, so that layers cannot be compared one to one.
    """
    ops, other = list_ops(int8), list_ops(floating)
    if ops != other:
        raise ExportError(
            f"int8 ops {' '.join(ops)} and float ops {' '.join(other)} differ: layers cannot be compared; "
            "report this with the spec"
        )
    return ops
