"""Lower a graph: every operator to the numbers that its kernel needs, or one line that says why not."""

from collections.abc import Callable
from typing import Final

from myo_export.graph import Graph
from myo_export.lower_elementwise import lower_add, lower_mul, lower_softmax, lower_table
from myo_export.lower_lstm import lower_lstm
from myo_export.lower_shapes import lower_alias, lower_concatenation, lower_mean, lower_pad, lower_pool
from myo_export.lower_weights import lower_conv, lower_depthwise_conv, lower_fully_connected
from myo_export.lowered import Network, OpView, Step

_LOWERINGS: Final[dict[str, Callable[[OpView], Step]]] = {
    "ADD": lower_add,
    "AVERAGE_POOL_2D": lower_pool,
    "CONCATENATION": lower_concatenation,
    "CONV_2D": lower_conv,
    "DEPTHWISE_CONV_2D": lower_depthwise_conv,
    "EXPAND_DIMS": lower_alias,
    "FULLY_CONNECTED": lower_fully_connected,
    "HARD_SWISH": lower_table,
    "LEAKY_RELU": lower_table,
    "LOGISTIC": lower_table,
    "MAX_POOL_2D": lower_pool,
    "MEAN": lower_mean,
    "MUL": lower_mul,
    "PAD": lower_pad,
    "PADV2": lower_pad,
    "QUANTIZE": lower_table,
    "RELU": lower_table,
    "RELU6": lower_table,
    "RESHAPE": lower_alias,
    "SOFTMAX": lower_softmax,
    "SQUEEZE": lower_alias,
    "TANH": lower_table,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lower_lstm,
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
        One step per operator, in order.

    Raises
    ------
    ExportError
        If an operator is not supported, or its shapes, types or scales are not. The message is one line
        that names the operator, its place, and what to do.
    """
    steps = []
    for op in network.ops:
        view = OpView(network, op)
        lowering = _LOWERINGS.get(op.name)
        if lowering is None:
            view.fail("is not supported", f"build the layer from: {', '.join(SUPPORTED_OPS)}")
        steps.append(lowering(view))
    return Network(network, tuple(steps))
