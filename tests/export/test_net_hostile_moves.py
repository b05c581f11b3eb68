"""Hostile begins, sizes, axes and permutations: refused in one line, or C that stays inside of its buffers."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_export.lowered import Alias, BatchMatmul, Copy, Network, Part, TransposeConv
from myo_pipeline.errors import ExportError

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_models import ModelBuilder, fill
from nn_moving_models import MOVED, MovingNetwork
from nn_run import build_kernels, host_compiler, run_c, varied_inputs

KINDS = [*MOVED, "transpose_conv", "concatenation"]
HOSTILE = [-(2**31), 2**31 - 1, -(2**16), 2**16, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 100]
OPTIONS = [
    "axis",
    "beginMask",
    "endMask",
    "ellipsisMask",
    "newAxisMask",
    "shrinkAxisMask",
    "padding",
    "strideH",
]
N_MODELS = 250


def hostile_model(kind: str, seed: int) -> bytes:
    """A sound model of which one to three constants, options or shapes are made something else."""
    network = MovingNetwork(seed, [kind], (2, 4, 6))
    b, rng = network.b, np.random.default_rng(seed)
    constants = [t.buffer for t in b.tensors if t.buffer and t.type == schema.TensorType.INT32]
    for _ in range(int(rng.integers(1, 4))):
        draw, op = rng.random(), b.operators[int(rng.integers(len(b.operators)))]
        if draw < 0.7 and constants:
            buffer = b.buffers[int(rng.choice(constants))]
            values = buffer.data.view(np.int32).copy()
            values[int(rng.integers(len(values)))] = rng.choice(HOSTILE)
            buffer.data = values.view(np.uint8)
        elif draw < 0.9:
            present = [name for name in OPTIONS if hasattr(op.builtinOptions, name)]
            if present:
                value = int(rng.choice(HOSTILE))
                setattr(
                    op.builtinOptions,
                    str(rng.choice(present)),
                    value & 1 if present == ["padding"] else value,
                )
        else:
            tensor = b.tensors[int(rng.choice([i for i in [*op.inputs, *op.outputs] if i >= 0]))]
            if len(tensor.shape) > 1 and not tensor.buffer:
                tensor.shape = [int(n) for n in rng.permutation(tensor.shape)]
    try:
        return network.pack()
    except Exception:
        return b""


def check_bounds(network: Network) -> None:
    """Every word that is read or written exists, and every word of an output is written once."""
    for step in network.steps:
        target = network.graph.tensors[step.output]
        sources = [network.graph.tensors[i] for i in step.inputs]
        match step.layer:
            case Alias():
                assert step.layer.size == target.size == sources[0].size
            case Part():
                assert 0 <= step.layer.begin < step.layer.begin + step.layer.size <= sources[0].size
                assert step.layer.size == target.size
            case Copy():
                written = np.zeros(target.size, int)
                for part, source in zip(step.layer.parts, sources, strict=True):
                    index = np.indices(part.sizes).reshape(len(part.sizes), -1)
                    read = part.source_begin + np.array(part.source_strides, int) @ index
                    assert read.min() >= 0
                    assert read.max() < source.size
                    places = part.target_begin + np.array(part.target_strides, int) @ index
                    np.add.at(written, places, 1)
                    assert places.min() >= 0
                    assert len(part.sizes) <= 5
                assert (written == 1).all()
            case TransposeConv():
                assert int(np.prod(step.layer.output_shape)) == target.size
            case BatchMatmul():
                assert (
                    target.size == int(np.prod(step.layer.batch)) * step.layer.n_rows * step.layer.n_columns
                )


def test_constants_are_refused_or_stay_inside(tmp_path):
    seen: Counter[tuple[str, bool]] = Counter()
    accepted, messages = [], set()
    for kind in KINDS:
        for seed in range(N_MODELS):
            model = hostile_model(kind, seed)
            try:
                text = render_network(model, "test")
            except ExportError as error:
                seen[kind, False] += bool(model)
                messages.add(str(error))
                continue
            seen[kind, True] += 1
            check_bounds(text.network)
            accepted.append(text)
    assert all("\n" not in message and ";" in message for message in messages)
    assert all(seen[kind, is_accepted] > 5 for kind in KINDS for is_accepted in (False, True)), seen
    if host_compiler() is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    (tmp_path / "kernels").mkdir()
    kernels = build_kernels(tmp_path / "kernels", [])
    for i, text in enumerate(accepted[:: -(-len(accepted) // 20)]):
        source = text.network.graph.tensors[text.network.graph.input]
        inputs = varied_inputs(source.size, source.quantization.zero_point, i, 1)
        run_c(text, inputs, kernels, tmp_path / str(i))


def one_op(
    name: str, shapes: list[tuple[int, ...]], constants: list, outputs: list[tuple[int, ...]], options
) -> bytes:
    """``constants`` holds an array where an input is a constant, None where the next shape's activation is, or INPUT."""
    b = ModelBuilder()
    activations = [b.activation(shape, 0.1, 0) for shape in shapes]
    waiting = iter(activations)
    inputs = [
        activations[0]
        if c == INPUT
        else next(waiting)
        if c is None
        else b.tensor(np.shape(c), data=np.array(c, np.int32))
        for c in constants
    ]
    out = [b.activation(shape, 0.1, 0) for shape in outputs]
    b.op(name, inputs, out, options)
    return b.pack(activations[0], out[-1])


INPUT = "the input again"
SLICE_OPTIONS = schema.StridedSliceOptionsT
REFUSED = {
    "begin beyond": ("SLICE", [(1, 6)], [None, [0, 5], [1, 2]], [(1, 2)], schema.SliceOptionsT(), "takes [1, 2] from [0, 5]"),
    "size -2": ("SLICE", [(1, 6)], [None, [0, 1], [1, -2]], [(1, 2)], schema.SliceOptionsT(), "takes [1, -2]"),
    "short begin": ("SLICE", [(1, 6)], [None, [0], [1]], [(1, 6)], schema.SliceOptionsT(), "takes [1] from [0]"),
    "ellipsis": (
        "STRIDED_SLICE", [(1, 6)], [None, [0, 0], [1, 2], [1, 1]], [(1, 2)],
        fill(SLICE_OPTIONS(), ellipsisMask=1), "ellipsis mask 1",
    ),
    "new axis": (
        "STRIDED_SLICE", [(1, 6)], [None, [0, 0], [1, 2], [1, 1]], [(1, 2)],
        fill(SLICE_OPTIONS(), newAxisMask=2), "new axis mask 2",
    ),
    "stride 0": ("STRIDED_SLICE", [(1, 6)], [None, [0, 0], [1, 2], [1, 0]], [(1, 2)], SLICE_OPTIONS(), "no stride of 0"),
    "empty": ("STRIDED_SLICE", [(1, 6)], [None, [0, 4], [1, 2], [1, 1]], [(1, 2)], SLICE_OPTIONS(), "takes nothing of axis 1"),
    "shrink beyond": (
        "STRIDED_SLICE", [(1, 6)], [None, [0, 6], [1, 7], [1, 1]], [(1,)],
        fill(SLICE_OPTIONS(), shrinkAxisMask=2), "takes nothing of axis 1",
    ),
    "five axes": (
        "STRIDED_SLICE", [(1, 1, 2, 2, 2)], [None, [0] * 5, [9] * 5, [1] * 5], [(1, 1, 2, 2, 2)],
        SLICE_OPTIONS(), "of at most 4",
    ),
    "twice an axis": ("TRANSPOSE", [(1, 6, 2)], [None, [0, 1, 1]], [(1, 6, 6)], None, "[1, 6, 2] as [0, 1, 1]"),
    "negative axis": ("TRANSPOSE", [(1, 6, 2)], [None, [0, -1, 1]], [(1, 2, 6)], None, "name each axis once"),
    "axis 3 of 2": ("SPLIT", [(1, 6)], [[3], None], [(1, 3), (1, 3)], None, "names axis 3 of 2; give -2 to 1"),
    "uneven": ("SPLIT", [(1, 5)], [[1], None], [(1, 2), (1, 3)], None, "splits 5 along axis 1"),
    "two rests": ("SPLIT_V", [(1, 5)], [None, [-1, -1], [1]], [(1, 2), (1, 3)], None, "parts of [-1, -1]"),
    "too much": ("SPLIT_V", [(1, 5)], [None, [9, -1], [1]], [(1, 2), (1, 3)], None, "add up"),
    "axis of a pack": (
        "PACK", [(1, 5)], [None], [(1, 1, 5)], fill(schema.PackOptionsT(), axis=-5, valuesCount=1), "names axis -5 of 3",
    ),
    "miscounted parts": (
        "UNPACK", [(1, 2)], [None], [(1,), (1,)], fill(schema.UnpackOptionsT(), axis=1, num=3), "takes 2 parts of axis 1",
    ),
    "miscounted inputs": (
        "PACK", [(1, 5)], [None], [(1, 1, 5)], fill(schema.PackOptionsT(), axis=1, valuesCount=2), "joins 1 inputs and states 2",
    ),
    "too few parts": (
        "UNPACK", [(1, 3)], [None], [(1,), (1,)], fill(schema.UnpackOptionsT(), axis=1, num=2), "takes 2 parts of axis 1",
    ),
    "inner sizes": (
        "BATCH_MATMUL", [(1, 2, 3)], [None], [(1, 2, 2)], schema.BatchMatMulOptionsT(), "has 1 inputs",
    ),
    "permutation by an activation": ("TRANSPOSE", [(1, 6)], [None, INPUT], [(1, 6)], None, "no constant as permutation"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case):
    *arguments, words = REFUSED[case]
    b = one_op(*arguments)
    with pytest.raises(ExportError) as caught:
        render_network(b, "test")
    message = str(caught.value)
    assert words in message
    assert f"operator 0 ({arguments[0]}, output" in message
    assert "\n" not in message


def test_matrices_that_do_not_fit():
    for shapes in (
        ((1, 2, 3), (1, 2, 3)),
        ((2, 2, 3), (3, 3, 2)),
        ((3,), (3, 2)),
        ((1, 1, 1, 1, 2, 3), (3, 2)),
    ):
        b = ModelBuilder()
        a, out = b.activation(shapes[0], 0.1, 0), b.activation((1, 2, 2), 0.1, 0)
        other = b.tensor(shapes[1], [0.1], [0], np.ones(shapes[1], np.int8))
        b.op("BATCH_MATMUL", [a, other], [out], schema.BatchMatMulOptionsT())
        with pytest.raises(ExportError, match=r"BATCH_MATMUL.*multiplies|batch 1"):
            render_network(b.pack(a, out), "test")
