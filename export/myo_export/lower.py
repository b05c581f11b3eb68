"""Lower a graph: every operator to the numbers that its kernel needs, or one line that says why not."""

from collections.abc import Callable
from typing import Final

from myo_export.graph import Graph
from myo_export.lower_binary import (
    lower_add,
    lower_extremum,
    lower_mul,
    lower_prelu,
    lower_squared_difference,
)
from myo_export.lower_elementwise import lower_softmax, lower_table
from myo_export.lower_float import (
    FLOAT_FUNCTIONS,
    is_float,
    lower_dequantize,
    lower_float,
    lower_from_float,
    with_stand_ins,
)
from myo_export.lower_lstm import lower_lstm
from myo_export.lower_matmul import lower_batch_matmul, lower_fully_connected_any
from myo_export.lower_moves import (
    lower_concatenation,
    lower_pack,
    lower_slice,
    lower_split,
    lower_strided_slice,
    lower_transpose,
    lower_unpack,
)
from myo_export.lower_reduce import lower_mean, lower_reduce
from myo_export.lower_shapes import lower_alias, lower_pad, lower_pool
from myo_export.lower_weights import lower_conv, lower_depthwise_conv, lower_transpose_conv
from myo_export.lowered import Network, Step
from myo_export.op_view import OpView

_LOWERINGS: Final[dict[str, Callable[[OpView], Step | tuple[Step, ...]]]] = {
    "ABS": lower_table,
    "ADD": lower_add,
    "AVERAGE_POOL_2D": lower_pool,
    "BATCH_MATMUL": lower_batch_matmul,
    "CONCATENATION": lower_concatenation,
    "CONV_2D": lower_conv,
    "DEPTHWISE_CONV_2D": lower_depthwise_conv,
    "DEQUANTIZE": lower_dequantize,
    "ELU": lower_table,
    "EXP": lower_float,
    "EXPAND_DIMS": lower_alias,
    "FULLY_CONNECTED": lower_fully_connected_any,
    "HARD_SWISH": lower_table,
    "LEAKY_RELU": lower_table,
    "LOGISTIC": lower_table,
    "MAXIMUM": lower_extremum,
    "MAX_POOL_2D": lower_pool,
    "MEAN": lower_mean,
    "MINIMUM": lower_extremum,
    "MUL": lower_mul,
    "NEG": lower_float,
    "PACK": lower_pack,
    "PAD": lower_pad,
    "PADV2": lower_pad,
    "PRELU": lower_prelu,
    "QUANTIZE": lower_table,
    "REDUCE_MAX": lower_reduce,
    "REDUCE_MIN": lower_reduce,
    "RELU": lower_table,
    "RELU6": lower_table,
    "RESHAPE": lower_alias,
    "RSQRT": lower_table,
    "SLICE": lower_slice,
    "SOFTMAX": lower_softmax,
    "SPLIT": lower_split,
    "SPLIT_V": lower_split,
    "SQRT": lower_float,
    "SQUARE": lower_float,
    "SQUARED_DIFFERENCE": lower_squared_difference,
    "SQUEEZE": lower_alias,
    "STRIDED_SLICE": lower_strided_slice,
    "SUB": lower_add,
    "SUM": lower_mean,
    "TANH": lower_table,
    "TRANSPOSE": lower_transpose,
    "TRANSPOSE_CONV": lower_transpose_conv,
    "UNPACK": lower_unpack,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lower_lstm,
}
# Of operators whose input is float; the others' lowerings refuse it.
_FLOAT_LOWERINGS: Final[dict[str, Callable[[OpView], Step]]] = {
    **dict.fromkeys(FLOAT_FUNCTIONS, lower_float),
    "QUANTIZE": lower_from_float,
}

SUPPORTED_OPS: Final = tuple(_LOWERINGS)


def lower_graph(network: Graph) -> Network:
    """Lower every operator of a graph.

    Parameters
    ----------
    network : Graph
        From `read_graph`.

    Returns
    -------
    Network
        One step per output of an operator, in order.

    Raises
    ------
    ExportError
        If an operator is not supported, or its shapes, types or scales are not. The message is one line
        that names the operator, its place, and what to do.
    """
    steps: list[Step] = []
    for op in network.ops:
        view = OpView(network, op)
        lowering = _LOWERINGS.get(op.name)
        if lowering is None:
            view.fail("is not supported", f"build the layer from: {', '.join(SUPPORTED_OPS)}")
        if op.inputs and op.inputs[0] >= 0 and is_float(network, op.inputs[0]):
            lowering = _FLOAT_LOWERINGS.get(op.name, lowering)
        lowered = lowering(view)
        steps += lowered if isinstance(lowered, tuple) else (lowered,)
    return Network(with_stand_ins(network, steps), tuple(steps))
