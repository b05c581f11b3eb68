"""Files that are not whole int8 networks: one line, or a correct network, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_export.tflite_reader import read_graph
from myo_pipeline.errors import ExportError

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_models import ModelBuilder, RandomNetwork, fill
from nn_mutations import mutate
from nn_run import EMULATED_DSP, build_kernels, host_compiler, run_c, varied_inputs

WHOLE = RandomNetwork(
    3, ["conv", "add", "depthwise", "max_pool", "pad", "mean", "flatten", "dense", "softmax"], (4, 9, 3)
).pack()


def refused(model: bytes, *words: str) -> str:
    with pytest.raises(ExportError) as caught:
        render_network(model, "test")
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    for word in words:
        assert word in message
    return message


def chain(op: str = "CONV_2D", **tensor) -> bytes:
    """One operator between an input and an output, made wrong by the keyword arguments."""
    b = ModelBuilder()
    shape = tensor.get("shape", (1, 4, 4, 2))
    a = b.tensor(shape, [0.1], [0], dtype=tensor.get("dtype"))
    out = b.tensor(
        tensor.get("out_shape", shape), tensor.get("out_scales", [0.1]), tensor.get("out_zero_points", [0])
    )
    b.op(op, [a], [out], tensor.get("options"))
    return b.pack(a, out)


def test_whole_model_is_read():
    graph = read_graph(WHOLE)
    assert graph.ops[0].name == "CONV_2D"
    assert graph.tensors[graph.input].shape == (1, 4, 9, 3)
    assert graph.tensors[graph.output].quantization.zero_point == -128


def test_truncated_anywhere():
    for n in [*range(0, 64), *range(64, len(WHOLE), max(1, len(WHOLE) // 150))]:
        refused(WHOLE[:n], "model")


def test_other_files():
    refused(b"", "empty")
    refused(b"\x7fELF" + bytes(100), "TFL3")
    refused(b"\0" * 4 + b"TFL3" + b"\xff" * 400, "schema version")
    refused(b"\xff" * 4 + b"TFL3" + b"\xff" * 400, "damaged")


def test_damaged_files_give_an_error_or_a_sound_network(tmp_path):
    """Networks that are still accepted have to compile and run cleanly under the sanitizers; `make study` does more."""
    rng = np.random.default_rng(1)
    accepted, messages = [], []
    for _ in range(400):
        model, _ = mutate(WHOLE, rng)
        try:
            accepted.append(render_network(model, "test"))
        except ExportError as error:
            messages.append(str(error))
    assert not any("\n" in message for message in messages)
    assert 10 < len(accepted) < 390
    if host_compiler() is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    kinds = []
    for name, flags in (("plain", []), ("dsp", EMULATED_DSP)):
        (tmp_path / name).mkdir()
        kinds.append(build_kernels(tmp_path / name, flags))
    distinct = {text.source: text for text in accepted}
    for i, text in enumerate(list(distinct.values())[:25]):
        graph = text.network.graph
        source = graph.tensors[graph.input]
        inputs = varied_inputs(source.size, source.quantization.zero_point, i, 2)
        run_c(text, inputs, kinds[i % 2], tmp_path / str(i))


def test_unsupported_operator_is_named():
    message = refused(chain("SVDF"), "operator 0", "SVDF", "not supported")
    assert "'t1'" in message
    assert "CONV_2D" in message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dtype": "float32"}, ("float32", "int8", "inference_input_type")),
        ({"shape": (2, 4, 4, 2)}, ("batch 1",)),
        ({"shape": (1, -1, 4, 2)}, ("fixed shapes",)),
        ({"shape": (1, 60000, 60000, 2)}, ("MB", "smaller")),
        ({"out_scales": []}, ("0 scales", "quantize")),
        ({"out_scales": [0.0]}, ("not a positive number",)),
        ({"out_scales": [float("nan")]}, ("not a positive number",)),
        ({"out_zero_points": [300]}, ("zero points",)),
        ({"op": "RELU", "out_shape": (1, 4, 4, 3)}, ("RELU", "[1, 4, 4, 3]")),
        ({"op": "LOGISTIC"}, ("LOGISTIC", "0.00390625")),
        ({"op": "SOFTMAX"}, ("lacks its attributes",)),
        ({"op": "RELU6", "out_scales": [0.2]}, ("RELU6", "only moves words")),
        ({"op": "HARD_SWISH", "out_scales": [1e-8]}, ("HARD_SWISH", "scales")),
        ({"op": "RSQRT"}, ("RSQRT", "zero point 0, expected -128", "never negative")),
        ({"op": "NEG"}, ("NEG", "int8 as input, expected float32", "activations that have an int8 form")),
        ({"op": "DEQUANTIZE"}, ("DEQUANTIZE", "int8 as its output, expected float32")),
    ],
)
def test_wrong_tensors(wrong, words):
    arguments = dict(wrong)
    op = arguments.pop("op", "RELU")
    refused(chain(op, **arguments), *words)


def binary(op: str, options, shape=(1, 4, 4, 2), scale=0.1, out_scale=0.1) -> bytes:
    """The input joined with a constant."""
    b = ModelBuilder()
    a, out = b.activation((1, 4, 4, 2), 0.1, 0), b.activation((1, 4, 4, 2), out_scale, 0)
    b.op(op, [a, b.tensor(shape, [scale], [0], np.ones(shape, np.int8))], [out], options)
    return b.pack(a, out)


def test_wrong_operands():
    refused(binary("MAXIMUM", schema.MaximumMinimumOptionsT(), scale=0.2), "MAXIMUM", "only moves words")
    refused(binary("SUB", schema.SubOptionsT(), shape=(1, 4, 4, 3)), "SUB", "joins shapes", "4 axes")
    refused(binary("SUB", schema.SubOptionsT(), out_scale=1e-9), "SUB", "far finer")
    refused(binary("SQUARED_DIFFERENCE", None, out_scale=1e-20), "SQUARED_DIFFERENCE", "2^30")
    refused(binary("SUB", None), "SUB", "lacks its attributes")
    b = ModelBuilder()
    a, out = b.activation((1, 4), 0.1, 0), b.activation((1, 4), 0.1, 0)
    constant = b.tensor((1, 4), [0.1], [0], np.ones((1, 4), np.int8))
    b.op("MINIMUM", [constant, constant], [out])
    b.op("MINIMUM", [a, out], [b.activation((1, 4), 0.1, 0)])
    refused(b.pack(a, 3), "MINIMUM", "two constants")


def island(*names: str, scale: float = 0.1, end: str = "QUANTIZE") -> bytes:
    """Float operators between int8 ends."""
    b = ModelBuilder()
    first = at = b.activation((1, 4), scale, 0)
    for name in names:
        source, at = at, b.tensor((1, 4), dtype="float32")
        b.op(name, [source], [at])
    out = b.activation((1, 4), 0.1, 0)
    b.op(end, [at], [out])
    return b.pack(first, out)


def test_wrong_float_operators():
    refused(island("DEQUANTIZE", "SQRT"), "QUANTIZE", "infinite or none")
    refused(island("DEQUANTIZE", "EXP", scale=100.0), "QUANTIZE", "infinite or none")
    refused(island("NEG"), "NEG", "int8 as input")
    refused(island("DEQUANTIZE", *["NEG"] * 17), "is not a DEQUANTIZE and at most 16 of", "int8 form")
    refused(island("DEQUANTIZE", "LOG"), "LOG", "not supported")
    refused(island("DEQUANTIZE", end="RELU"), "RELU", "float32 as input 0")
    render_network(island("DEQUANTIZE", *["NEG"] * 16), "test")
    b = ModelBuilder()
    a, out = b.activation((1, 4), 0.1, 0), b.tensor((1, 4), dtype="float32")
    b.op("DEQUANTIZE", [a], [out])
    refused(b.pack(a, out), "output 't1' is float32, expected int8", "inference_output_type = tf.int8")


def test_bias_that_overflows_is_refused():
    b = ModelBuilder()
    a = b.activation((1, 4), 0.1, 0)
    w = b.tensor((1, 4), [0.1], [0], np.full((1, 4), 127, np.int8))
    bias = b.tensor((1,), [0.01], [0], np.array([2**31 - 1], np.int32))
    out = b.activation((1, 1), 0.1, 0)
    b.op("FULLY_CONNECTED", [a, w, bias], [out], schema.FullyConnectedOptionsT())
    refused(b.pack(a, out), "FULLY_CONNECTED", "int32")


def test_hostile_names_stay_comments(tmp_path):
    b = ModelBuilder()
    a, out = b.activation((1, 4), 0.1, 0), b.activation((1, 4), 0.1, 0)
    b.tensors[out].name = b'x */ int evil; /* "\\\n??/ \xff'
    b.op("RELU", [a], [out])
    text = render_network(b.pack(a, out), "from */ int evil2;\nsecond line \x07")
    assert "*/ int evil" not in text.source
    if host_compiler() is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    run_c(text, np.zeros((1, 4), np.int8), build_kernels(tmp_path, []), tmp_path / "net")


def test_two_outputs_and_cycles_are_refused():
    b = ModelBuilder()
    a, x, y = (b.activation((1, 4), 0.1, 0) for _ in range(3))
    b.op("ADD", [a, y], [x], schema.AddOptionsT())
    b.op("RELU", [x], [y])
    refused(b.pack(a, y), "before it is written")
    c = ModelBuilder()
    a, x = c.activation((1, 4), 0.1, 0), c.activation((1, 4), 0.1, 0)
    c.op("RELU", [a], [x])
    c.op("RELU", [a], [x])
    refused(c.pack(a, x), "already written")


def test_window_that_does_not_fit_its_output():
    options = fill(schema.Pool2DOptionsT(), padding=1, strideH=1, strideW=1, filterHeight=2, filterWidth=2)
    refused(chain("MAX_POOL_2D", options=options), "MAX_POOL_2D", "ask for 3")


def test_what_the_runtime_would_misread_is_refused():
    b = ModelBuilder()
    a, out = b.tensor((1, 4), [0.1], []), b.activation((1, 4), 0.1, 0)
    b.op("RELU", [a], [out])
    refused(b.pack(a, out), "'t0'", "zero points", "quantize")

    for scale, is_variable, words in ((1e-40, False, "not a positive number"), (0.1, True, "or a variable")):
        b = ModelBuilder()
        a, out = b.activation((1, 4), scale, 0), b.activation((1, 4), 0.1, 0)
        b.tensors[out].isVariable = is_variable
        b.op("RELU", [a], [out])
        refused(b.pack(a, out), words)

    weights = np.ones((1, 2, 2, 4), np.int8)
    for variable, multiplier, words in (
        (True, 2, "a constant and a variable"),
        (False, 0, "depth multiplier 0"),
    ):
        b = ModelBuilder()
        a, out = b.activation((1, 4, 4, 2), 0.1, 0), b.activation((1, 4, 4, 4), 0.1, 0)
        w = b.tensor((1, 2, 2, 4), [0.1], [0], weights)
        b.tensors[w].isVariable = variable
        options = fill(
            schema.DepthwiseConv2DOptionsT(),
            padding=0, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1, depthMultiplier=multiplier,
        )  # fmt: skip
        b.op("DEPTHWISE_CONV_2D", [a, w], [out], options)
        refused(b.pack(a, out), words)
