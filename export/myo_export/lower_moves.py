"""Lower what moves words and leaves their values: joining, cutting, transposing.

Each becomes strided copies, one per input or output. Where the words of an output are one stretch of its input,
nothing moves: the output is a place in the input's buffer.
"""

from collections.abc import Sequence

import numpy as np

from myo_export.graph import ConcatenationOptions, PackOptions, StridedSliceOptions, Tensor
from myo_export.lowered import Alias, Copy, CopyPart, Layer, Part, Step
from myo_export.op_view import OpView
from myo_export.strided_copy import Axis, copy_part, dense_strides

_MAX_AXES = 5  # of the kernel, and of the format's own
_DAMAGED = "the file is damaged, export again"


def _integers(view: OpView, position: int, what: str) -> tuple[int, ...]:
    """Input ``position`` as a constant list of integers; a scalar is a list of one."""
    index = view.op.inputs[position]
    tensor = view.graph.tensors[index] if index >= 0 else None
    if tensor is None or tensor.data is None or tensor.dtype not in ("int32", "int64"):
        found = "no constant" if tensor is None or tensor.data is None else tensor.dtype
        view.fail(f"has {found} as {what}, expected constant integers", "export a model with fixed shapes")
    if len(tensor.shape) > 1:
        view.fail(f"has {what} of shape {list(tensor.shape)}, expected a list", _DAMAGED)
    return tuple(int(n) for n in np.ravel(tensor.data))


def _axis(view: OpView, axis: int, rank: int) -> int:
    """Resolve an axis that may count from the end."""
    if not -rank <= axis < rank:
        view.fail(f"names axis {axis} of {rank}", f"give -{rank} to {rank - 1}" if rank else "reshape it")
    return axis % rank


def _step(view: OpView, source: Tensor, target: Tensor, part: CopyPart) -> Step:
    """Make a step of one copy: where nothing moves, the output is a part of the input's buffer."""
    view.expect_same_quantization(source.quantization, target.quantization)
    if len(part.sizes) > _MAX_AXES:
        view.fail(f"moves words along {len(part.sizes)} axes", f"reshape to at most {_MAX_AXES}")
    layer: Layer = Copy((part,), target.size)
    if part.is_run:
        is_whole = target.size == source.size
        layer = Alias(target.size) if is_whole else Part(part.source_begin, target.size)
    return Step(view.op, layer, (source.index,), target.index, 0)


def _cut(
    view: OpView,
    source: Tensor,
    target: Tensor,
    begin: Sequence[int],
    step: Sequence[int],
    shape: Sequence[int],
) -> Step:
    """Take ``shape`` words, every ``step``-th from ``begin`` on along each axis; all of them lie in the input."""
    strides = dense_strides(source.shape)
    axes = [
        Axis(n, stride * by, to)
        for n, stride, by, to in zip(shape, strides, step, dense_strides(shape), strict=True)
    ]
    return _step(
        view, source, target, copy_part(axes, sum(b * s for b, s in zip(begin, strides, strict=True)))
    )


def lower_slice(view: OpView) -> Step:
    """Lower SLICE: a block of the input; a size of -1 reaches to the end."""
    view.expect_arity((3, 3))
    source, target = view.activation(0, any_batch=True), view.output(any_batch=True)
    begin, size = _integers(view, 1, "begin"), _integers(view, 2, "size")
    rank = len(source.shape)
    sizes = tuple(n - b if s == -1 else s for n, b, s in zip(source.shape, begin, size, strict=False))
    fits = len(begin) == len(size) == rank and all(
        b >= 0 and 0 < s <= n - b for n, b, s in zip(source.shape, begin, sizes, strict=True)
    )
    if not fits or rank > _MAX_AXES:
        view.fail(
            f"takes {list(size)} from {list(begin)} on of {list(source.shape)}",
            f"stay inside of the input, of at most {_MAX_AXES} axes",
        )
    view.expect_shape(target.shape, sizes, "output")
    return _cut(view, source, target, begin, (1,) * rank, sizes)


def lower_strided_slice(view: OpView) -> Step:
    """Lower STRIDED_SLICE with steps of either sign; bounds beyond an end mean the end."""
    view.expect_arity((4, 4))
    options = view.options(StridedSliceOptions)
    source, target = view.activation(0, any_batch=True), view.output(any_batch=True)
    begins, ends, steps = (_integers(view, i, what) for i, what in ((1, "begin"), (2, "end"), (3, "strides")))
    rank = len(source.shape)
    if options.ellipsis_mask or options.new_axis_mask or options.end_is_offset:
        view.fail(
            f"has ellipsis mask {options.ellipsis_mask}, new axis mask {options.new_axis_mask} and offset"
            f" {options.end_is_offset:d}, expected 0",
            "name every axis (x[:, a:b] as x[:, a:b, :]) and add axes by reshaping",
        )
    if not len(begins) == len(ends) == len(steps) == rank or rank > 4 or 0 in steps:
        view.fail(
            f"cuts {list(source.shape)} by begin {list(begins)}, end {list(ends)}, strides {list(steps)}",
            "give one of each for every axis, of at most 4, and no stride of 0",
        )
    first, counts, kept = [], [], []
    for axis, (n, begin, end, step) in enumerate(zip(source.shape, begins, ends, steps, strict=True)):
        bit = 1 << axis
        shrinks = bool(options.shrink_axis_mask & bit)
        low, high = (0, n) if step > 0 else (-1, n - 1)  # where both bounds are held
        at = min(max(begin + n if begin < 0 else begin, low), high)
        if options.begin_mask & bit:
            at = 0 if step > 0 else n - 1
        to = min(max(end + n if end < 0 else end, low), high)
        if options.end_mask & bit:
            to = n if step > 0 else -1
        count = 1 if shrinks else -(-(to - at) // step)
        if count <= 0 or not 0 <= at < n or (shrinks and step < 0):
            view.fail(
                f"takes nothing of axis {axis} of {list(source.shape)} (begin {begin}, end {end}, stride {step})",
                "cut inside of the input, and select single indices with a stride of 1",
            )
        first.append(at)
        counts.append(count)
        kept += [] if shrinks else [count]
    view.expect_shape(target.shape, tuple(kept), "output")
    return _cut(view, source, target, first, steps, counts)


def lower_split(view: OpView) -> tuple[Step, ...]:
    """Lower SPLIT (equal parts) and SPLIT_V (stated ones, of which one may be -1: the rest): a step per output."""
    has_sizes = view.op.name == "SPLIT_V"
    n_outputs = max(1, len(view.op.outputs))
    view.expect_arity((3, 3) if has_sizes else (2, 2), n_outputs)
    position, axis_position = (0, 2) if has_sizes else (1, 0)
    source = view.activation(position, any_batch=True)
    found = _integers(view, axis_position, "axis")
    if len(found) != 1:
        view.fail(f"has {len(found)} axes, expected 1", _DAMAGED)
    axis = _axis(view, found[0], len(source.shape))
    n = source.shape[axis]
    sizes = _integers(view, 1, "sizes") if has_sizes else (n // n_outputs,) * n_outputs
    if sizes.count(-1) == 1:
        rest = n - sum(size for size in sizes if size != -1)
        sizes = tuple(rest if size == -1 else size for size in sizes)
    if len(sizes) != n_outputs or min(sizes, default=0) <= 0 or sum(sizes) != n:
        view.fail(
            f"splits {n} along axis {axis} of {list(source.shape)} into {n_outputs} parts of {list(sizes)}",
            "give parts of at least 1 that add up to the axis",
        )
    steps, begin = [], [0] * len(source.shape)
    for place, size in enumerate(sizes):
        target = view.output(place, any_batch=True)
        shape = (*source.shape[:axis], size, *source.shape[axis + 1 :])
        view.expect_shape(target.shape, shape, f"output {place}")
        steps.append(_cut(view, source, target, begin, (1,) * len(shape), shape))
        begin[axis] += size
    return tuple(steps)


def lower_unpack(view: OpView) -> tuple[Step, ...]:
    """Lower UNPACK: a step per index along its axis, which the outputs do not have."""
    n_outputs = max(1, len(view.op.outputs))
    view.expect_arity((1, 1), n_outputs)
    source = view.activation(0, any_batch=True)
    options = view.options(PackOptions)
    axis = _axis(view, options.axis, len(source.shape))
    if not source.shape[axis] == options.count == n_outputs:
        view.fail(f"takes {n_outputs} parts of axis {axis} of {list(source.shape)}", _DAMAGED)
    steps, begin = [], [0] * len(source.shape)
    shape = (*source.shape[:axis], 1, *source.shape[axis + 1 :])
    for place in range(n_outputs):
        target = view.output(place, any_batch=True)
        view.expect_shape(target.shape, source.shape[:axis] + source.shape[axis + 1 :], f"output {place}")
        begin[axis] = place
        steps.append(_cut(view, source, target, begin, (1,) * len(shape), shape))
    return tuple(steps)


def lower_transpose(view: OpView) -> Step:
    """Lower TRANSPOSE: output axis ``i`` is the input's axis ``perm[i]``."""
    view.expect_arity((2, 2))
    source, target = view.activation(0, any_batch=True), view.output(any_batch=True)
    order = _integers(view, 1, "permutation")
    rank = len(source.shape)
    if sorted(order) != list(range(rank)) or not 0 < rank <= _MAX_AXES:
        view.fail(
            f"orders the axes of {list(source.shape)} as {list(order)}",
            f"name each axis once, of at most {_MAX_AXES}",
        )
    shape = tuple(source.shape[axis] for axis in order)
    view.expect_shape(target.shape, shape, "output")
    strides = dense_strides(source.shape)
    axes = [
        Axis(n, strides[axis], to) for n, axis, to in zip(shape, order, dense_strides(shape), strict=True)
    ]
    return _step(view, source, target, copy_part(axes))


def _join(view: OpView, target: Tensor, axis: int, widths: Sequence[int]) -> Step:
    """Put inputs side by side along an axis of the output, of which each takes some."""
    n_rows, inner = 1, 1
    for n in target.shape[:axis]:
        n_rows *= n
    for n in target.shape[axis + 1 :]:
        inner *= n
    row_size = target.shape[axis] * inner
    parts, sources, begin = [], [], 0
    for position, width in enumerate(widths):
        source, size = view.activation(position, any_batch=True), width * inner
        view.expect_same_quantization(source.quantization, target.quantization)
        parts.append(copy_part([Axis(n_rows, size, row_size), Axis(size, 1, 1)], 0, begin))
        sources.append(source.index)
        begin += size
    if len(parts) == 1:
        return Step(view.op, Alias(target.size), tuple(sources), target.index, 0)
    return Step(view.op, Copy(tuple(parts), target.size), tuple(sources), target.index, 0)


def lower_pack(view: OpView) -> Step:
    """Lower PACK: inputs of one shape along a new axis."""
    view.expect_arity((1, 64))
    target = view.output(any_batch=True)
    n_inputs = len(view.op.inputs)
    options = view.options(PackOptions)
    axis = _axis(view, options.axis, len(target.shape))
    if options.count != n_inputs:
        view.fail(f"joins {n_inputs} inputs and states {options.count}", _DAMAGED)
    for position in range(n_inputs):
        view.expect_shape(
            view.activation(position, any_batch=True).shape,
            target.shape[:axis] + target.shape[axis + 1 :],
            f"input {position}",
        )
    view.expect_shape(target.shape[axis : axis + 1], (n_inputs,), "output along its axis")
    return _join(view, target, axis, (1,) * n_inputs)


def lower_concatenation(view: OpView) -> Step:
    """Lower CONCATENATION of activations along any axis."""
    view.expect_arity((1, 10))
    options = view.options(ConcatenationOptions)
    target = view.output(any_batch=True)
    rank = len(target.shape)
    axis = _axis(view, options.axis, rank)
    if options.activation != "NONE" or rank > 4:
        view.fail(
            f"joins {list(target.shape)} with activation {options.activation}",
            "join at most 4 axes, and use the activation as a layer of its own",
        )
    widths = []
    for position in range(len(view.op.inputs)):
        source = view.activation(position, any_batch=True)
        view.expect_shape(
            source.shape[:axis] + source.shape[axis + 1 :],
            target.shape[:axis] + target.shape[axis + 1 :],
            f"input {position}",
        )
        if len(source.shape) != rank:
            view.fail(f"joins shape {list(source.shape)} to {list(target.shape)}", _DAMAGED)
        widths.append(source.shape[axis])
    view.expect_shape(target.shape[axis : axis + 1], (sum(widths),), "output along its axis")
    return _join(view, target, axis, widths)
