"""Lower what works on one tensor word by word, or row by row: activation functions, softmax."""

from dataclasses import replace

import numpy as np

from myo_export import quantized_functions as functions
from myo_export import quantized_math as q
from myo_export.graph import LeakyReluOptions, SoftmaxOptions
from myo_export.lowered import Softmax, Step, Table
from myo_export.op_view import OpView

# From 512 equal words on, the division by their sum asks for a shift of more than 31 bits: the format's end.
_SOFTMAX_MAX_ROW = 511


def lower_table(view: OpView) -> Step:
    """Lower an activation function of one word to a table that is computed here."""
    view.expect_arity((1, 1))
    source, target = view.activation(0), view.output()
    if source.size != target.size:
        view.expect_shape(target.shape, source.shape, "output")
    table = _function_table(view, source.quantization, target.quantization)
    if table is None:
        view.fail(
            "has scales that its integer format has no room for",
            "quantize the model again with representative data",
        )
    return Step(view.op, Table(table, target.size), (source.index,), target.index, 0)


def _function_table(view: OpView, source: q.Quantization, target: q.Quantization) -> np.ndarray | None:
    name = view.op.name
    if name == "LOGISTIC":
        _expect_output(view, target, 1.0 / 256.0, -128)
        return q.logistic_table(source)
    if name == "TANH":
        _expect_output(view, target, 1.0 / 128.0, 0)
        return q.tanh_table(source)
    if name == "ELU":
        return functions.elu_table(source, target)
    if name == "ABS":
        view.expect_factor(q.quantize_factor(source.scale / target.scale))
        return functions.abs_table(source, target)
    if name == "RSQRT":
        if source.zero_point != q.INT8_MIN:
            view.fail(
                f"has input zero point {source.zero_point}, expected -128: below it the root does not exist",
                "quantize the model again with an input that is never negative",
            )
        return functions.rsqrt_table(source, target)
    if name == "HARD_SWISH":
        return q.hard_swish_table(source, target)
    if name == "RELU6":
        # The kernel clamps without a change of scale: two scales would give a wrong result.
        view.expect_same_quantization(source, target)
        return q.relu6_table(source)
    if name == "LEAKY_RELU":
        alpha = view.options(LeakyReluOptions).alpha
        if not abs(alpha) <= 1e6:
            view.fail(f"has slope {alpha}", "the file is damaged, export again")
        factors = (
            q.quantize_factor(source.scale / target.scale),
            q.quantize_factor(source.scale * alpha / target.scale),
        )
        for factor in factors:
            view.expect_factor(replace(factor, multiplier=abs(factor.multiplier)))
        return q.leaky_relu_table(source, target, alpha)
    view.expect_factor(q.quantize_factor(source.scale / target.scale))
    return q.relu_table(source, target) if name == "RELU" else q.requantize_table(source, target)


def _expect_output(view: OpView, target: q.Quantization, scale: float, zero_point: int) -> None:
    if target != q.Quantization(scale, zero_point):
        view.fail(
            f"has output scale {target.scale:g} and zero point {target.zero_point},"
            f" expected {scale:g} and {zero_point}",
            "quantize the model again with a current converter",
        )


def lower_softmax(view: OpView) -> Step:
    """Lower SOFTMAX over the last axis."""
    view.expect_arity((1, 1))
    beta = view.options(SoftmaxOptions).beta
    source, target = view.activation(0), view.output()
    view.expect_shape(target.shape, source.shape, "output")
    _expect_output(view, target.quantization, 1.0 / 256.0, -128)
    if not source.shape or source.shape[-1] > _SOFTMAX_MAX_ROW:
        view.fail(
            f"has shape {list(source.shape)}, at most {_SOFTMAX_MAX_ROW} words in a row are possible",
            "use fewer classes",
        )
    factors = q.softmax_factors(source.quantization, beta)
    if factors is None:
        view.fail(
            f"has input scale {source.quantization.scale:g} and beta {beta:g}",
            "the scale is too fine; quantize again",
        )
    row_size = source.shape[-1]
    return Step(
        view.op, Softmax(source.size // row_size, row_size, factors), (source.index,), target.index, 0
    )
