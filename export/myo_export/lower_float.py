"""Lower float operators between DEQUANTIZE and QUANTIZE: they are a table too.

Converters leave some in int8 networks, a NEG in every layer normalization among them. Each number there is a
function of one int8 word. So the word stands for the number, nothing moves, and the QUANTIZE at the end is a table
of all functions before it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from myo_export import quantized_functions as f
from myo_export.graph import Graph, Tensor
from myo_export.lowered import Alias, Step, Table
from myo_export.op_view import OpView

FLOAT_FUNCTIONS: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "ABS": np.abs,
    "ELU": f.elu,
    "EXP": f.exp,
    "NEG": np.negative,
    "RSQRT": lambda x: np.float32(1) / np.sqrt(x),
    "SQRT": np.sqrt,
    "SQUARE": np.square,
}
_MOST_OPS: Final = 16  # one after the other, beside DEQUANTIZE and QUANTIZE
_REMEDY: Final = "use activations that have an int8 form, so that nothing in between is float"


def is_float(network: Graph, tensor: int) -> bool:
    """Whether a tensor is one that `lower_float` and `lower_from_float` know."""
    return network.tensors[tensor].dtype == "float32"


def lower_dequantize(view: OpView) -> Step:
    """Lower DEQUANTIZE: the words stand for its numbers."""
    view.expect_arity((1, 1))
    source, target = view.activation(0), view.graph.tensors[view.op.outputs[0]]
    if target.dtype != "float32" or target.data is not None:
        view.fail(f"has {target.dtype} as its output, expected float32", _REMEDY)
    view.expect_shape(target.shape, source.shape, "output")
    return Step(view.op, Alias(target.size), (source.index,), target.index, 0)


def lower_float(view: OpView) -> Step:
    """Lower an operator on float numbers, each of which is a function of one word."""
    view.expect_arity((1, 1))
    target = view.graph.tensors[view.op.outputs[0]]
    source = view.graph.tensors[view.op.inputs[0]] if view.op.inputs[0] >= 0 else target
    if (source.dtype, target.dtype) != ("float32", "float32"):
        view.fail(
            f"has {source.dtype} as input, expected float32: the format has no int8 form of it", _REMEDY
        )
    view.expect_shape(target.shape, source.shape, "output")
    find_origin(view)
    return Step(view.op, Alias(target.size), (source.index,), target.index, 0)


def lower_from_float(view: OpView) -> Step:
    """Lower a QUANTIZE whose input is float: the table of all functions since the DEQUANTIZE."""
    view.expect_arity((1, 1))
    source, target = view.graph.tensors[view.op.inputs[0]], view.output()
    view.expect_shape(target.shape, source.shape, "output")
    origin, functions = find_origin(view)
    numbers = f.dequantize(origin.quantization)
    with np.errstate(all="ignore"):
        for function in functions:
            numbers = function(numbers)
        steps = numbers / np.float32(target.quantization.scale)
    if not f.all_finite(steps):
        view.fail(
            "is given numbers that are infinite or none", "limit what the float operators before it get"
        )
    return Step(
        view.op,
        Table(f.quantize_numbers(numbers, target.quantization), target.size),
        (source.index,),
        target.index,
        0,
    )


def find_origin(view: OpView) -> tuple[Tensor, list[Callable[[np.ndarray], np.ndarray]]]:
    """Follow an operator's float input back to the DEQUANTIZE that it comes from.

    Returns
    -------
    Tensor
        The int8 tensor there.
    list of callable
        Functions of float32 arrays in between, in order, without that of the operator itself.

    Raises
    ------
    ExportError
        If there is none, or other or too many operators in between; one line.
    """
    writers = {tensor: op for op in view.graph.ops[: view.op.index] for tensor in op.outputs}
    functions: list[Callable[[np.ndarray], np.ndarray]] = []
    op = writers.get(view.op.inputs[0])
    while op is not None and op.name in FLOAT_FUNCTIONS and len(functions) < _MOST_OPS:
        functions.append(FLOAT_FUNCTIONS[op.name])
        op = writers.get(op.inputs[0]) if op.inputs else None
    if op is None or op.name != "DEQUANTIZE":
        view.fail(
            f"has a float input that is not a DEQUANTIZE and at most {_MOST_OPS} of"
            f" {', '.join(sorted(FLOAT_FUNCTIONS))} after it",
            _REMEDY,
        )
    return view.graph.tensors[op.inputs[0]], functions[::-1]


def with_stand_ins(network: Graph, steps: list[Step]) -> Graph:
    """Give float tensors the scale and zero point of the words that stand for them."""
    tensors = list(network.tensors)
    for step in steps:
        if is_float(network, step.output):
            words = tensors[step.inputs[0]]
            tensors[step.output] = replace(
                tensors[step.output], scales=words.scales, zero_points=words.zero_points
            )
    return replace(network, tensors=tuple(tensors))
