"""Lower what gathers words or surrounds them: pools, padding, and reshapes."""

from myo_export.graph import PoolOptions
from myo_export.lower_weights import clamp_of, window_of
from myo_export.lowered import Alias, Pad, Pool, Step
from myo_export.op_view import OpView


def lower_pool(view: OpView) -> Step:
    """Lower AVERAGE_POOL_2D and MAX_POOL_2D."""
    view.expect_arity((1, 1))
    options = view.options(PoolOptions)
    source, target = view.activation(0), view.output()
    input_shape, output_shape = view.plane(source, "input"), view.plane(target, "output")
    view.expect_shape(output_shape[2:], input_shape[2:], "output channels")
    view.expect_same_quantization(source.quantization, target.quantization)
    window = window_of(
        view, options, (options.filter_height, options.filter_width), input_shape, output_shape
    )
    low, high = clamp_of(view, options.activation, target)
    kind = "average" if view.op.name == "AVERAGE_POOL_2D" else "max"
    return Step(
        view.op, Pool(kind, input_shape, output_shape, window, low, high), (source.index,), target.index, 0
    )


def lower_pad(view: OpView) -> Step:
    """Lower PAD (with the zero point) and PADV2 (with a constant) of at most 4 axes, the batch left alone."""
    view.expect_arity((2, 3))
    source, target = view.activation(0), view.output()
    paddings = view.constant(1, "int32", "paddings")
    rank = len(source.shape)
    if paddings.data is None or paddings.shape != (rank, 2) or not 0 < rank <= 4:
        view.fail(
            f"has paddings of shape {list(paddings.shape)} for {list(source.shape)}", "use at most 4 axes"
        )
    pads = [(int(before), int(after)) for before, after in paddings.data]
    if (
        any(not 0 <= n <= 65535 for pair in pads for n in pair)
        or pads[0] != (0, 0)
        or max(source.shape) > 65535
    ):
        view.fail(f"pads {list(source.shape)} by {pads}", "pad by 0 to 65535, and not the batch")
    expected = tuple(b + n + a for (b, a), n in zip(pads, source.shape, strict=True))
    view.expect_shape(target.shape, expected, "output")
    view.expect_same_quantization(source.quantization, target.quantization)
    value = target.quantization.zero_point
    if len(view.op.inputs) == 3:
        constant = view.constant(2, "int8", "padding value")
        if constant.data is None or constant.size != 1 or constant.quantization != target.quantization:
            view.fail(
                "has a padding value that is not one word of its output's scale", "quantize the model again"
            )
        value = int(constant.data.reshape(-1)[0])
    sizes = [1] * (4 - rank) + list(source.shape[1:])
    befores = [0] * (4 - rank) + [b for b, _ in pads[1:]]
    afters = [0] * (4 - rank) + [a for _, a in pads[1:]]
    layer = Pad(
        (sizes[0], sizes[1], sizes[2]),
        (befores[0], befores[1], befores[2]),
        (afters[0], afters[1], afters[2]),
        value,
    )
    return Step(view.op, layer, (source.index,), target.index, 0)


def lower_alias(view: OpView) -> Step:
    """Lower RESHAPE, EXPAND_DIMS and SQUEEZE: nothing moves."""
    view.expect_arity((1, 2))
    source, target = view.activation(0, any_batch=True), view.output(any_batch=True)
    if source.size != target.size:
        view.fail(
            f"turns {list(source.shape)} into {list(target.shape)}", "the file is damaged, export again"
        )
    view.expect_same_quantization(source.quantization, target.quantization)
    return Step(view.op, Alias(target.size), (source.index,), target.index, 0)
