"""Lower what makes one word of many: mean, sum, maximum, minimum over axes."""

from itertools import groupby

from myo_export.graph import Tensor
from myo_export.lowered import Mean, Reduce, Step
from myo_export.op_view import OpView
from myo_export.quantized_math import Factor, quantize_factor


def lower_mean(view: OpView) -> Step:
    """Lower MEAN and SUM over any axes; they make at most two stretches of neighbours among four."""
    source, target, (kept_0, reduced_0, kept_1, reduced_1) = _read_reduction(view)
    count = reduced_0 * reduced_1
    factor = view.expect_factor(quantize_factor(source.quantization.scale / target.quantization.scale))
    layer = Mean(
        kept_0,
        reduced_0,
        kept_1,
        reduced_1,
        -count * source.quantization.zero_point,
        _factor_of_mean(factor, count) if view.op.name == "MEAN" else factor,
        target.quantization.zero_point,
    )
    return Step(view.op, layer, (source.index,), target.index, 0)


def lower_reduce(view: OpView) -> Step:
    """Lower REDUCE_MAX and REDUCE_MIN over any axes."""
    source, target, stretches = _read_reduction(view)
    view.expect_same_quantization(source.quantization, target.quantization)
    layer = Reduce(view.op.name.removeprefix("REDUCE_").lower(), *stretches)
    return Step(view.op, layer, (source.index,), target.index, 0)


def _read_reduction(view: OpView) -> tuple[Tensor, Tensor, tuple[int, int, int, int]]:
    """Give input, output, and the input's shape as (kept, reduced, kept, reduced)."""
    view.expect_arity((2, 2))
    source, target = view.activation(0), view.output()
    axes = view.constant(1, "int32", "axes")
    rank = len(source.shape)
    found = [] if axes.data is None else [int(a) for a in axes.data.reshape(-1)]
    if not 0 < rank <= 4 or not found or not all(-rank <= a < rank for a in found):
        view.fail(
            f"reduces axes {found} of shape {list(source.shape)}",
            "use at most 4 axes and reduce existing ones",
        )
    reduced = {a % rank for a in found}
    kept = [n for axis, n in enumerate(source.shape) if axis not in reduced]
    if tuple(n for n in target.shape if n != 1) != tuple(n for n in kept if n != 1):
        view.fail(
            f"reduces {list(source.shape)} over {sorted(reduced)} to {list(target.shape)}", "export again"
        )
    return source, target, _stretches(source.shape, reduced)


def _stretches(shape: tuple[int, ...], reduced: set[int]) -> tuple[int, int, int, int]:
    """See a shape as (kept, reduced, kept, reduced); axes of size 1 separate nothing."""
    real = [(axis in reduced, n) for axis, n in enumerate(shape) if n != 1]
    sizes = [1, 1, 1, 1]
    place = 0
    for is_reduced, run in groupby(real, key=lambda item: item[0]):
        place += (place % 2 == 1) != is_reduced
        for _, n in run:
            sizes[place] *= n
        place += 1
    return sizes[0], sizes[1], sizes[2], sizes[3]


def _factor_of_mean(factor: Factor, count: int) -> Factor:
    """Fold 1 / count into a factor, as the format does: the quotient is cut, not rounded."""
    shift = min(count.bit_length() - 1, 32, 31 + factor.shift)
    return Factor((factor.multiplier << shift) // count, factor.shift - shift)
