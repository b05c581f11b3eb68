"""LSTMs: the generated C against the tflite_micro runtime, the integer functions, and the distance to float."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_export.lowered import Lstm
from myo_export.pack_dsp import PackedLstm, pack_layer
from myo_export.quantized_lstm import curves_source
from myo_export.tflite_reader import read_graph
from myo_pipeline.errors import ExportError

sys.path.insert(0, str(Path(__file__).parent))
from nn_lstm_models import CELL_INPUT, HIDDEN_INPUT, LstmCase, lstm_model
from nn_models import ModelBuilder
from nn_run import (
    EMULATED_DSP,
    NN_DIR,
    SANITIZERS,
    HostKernels,
    build_kernels,
    compare,
    host_compiler,
    run_c,
    run_tflm,
    varied_inputs,
)
from test_nn_stream import check as check_stream

pytestmark = pytest.mark.skipif(
    host_compiler() is None, reason="needs a host C compiler (apt-get install gcc)"
)


@pytest.fixture(scope="module", params=["plain", "dsp-speed", "dsp-size"])
def kernels(request, tmp_path_factory):
    flags = [] if request.param == "plain" else EMULATED_DSP
    return build_kernels(
        tmp_path_factory.mktemp("kernels"), flags, "size" if request.param == "dsp-size" else "speed"
    )


def check(model: bytes, seed: int, kernels: HostKernels, folder: Path) -> list[object]:
    """Nine sequences, each continuing the one before; gives the layers' packed forms."""
    text = render_network(model, "test", "both", kernels.optimize)
    graph = text.network.graph
    source = graph.tensors[graph.input]
    inputs = varied_inputs(source.size, source.quantization.zero_point, seed)
    expected = run_tflm(model, inputs)
    assert (
        len(np.unique([layers[-1] for layers in expected])) > 3
    )  # an LSTM that gives one word shows nothing
    compare(expected, run_c(text, inputs, kernels, folder), [op.name for op in graph.ops])
    return list(text.packed)


# Around whole tiles and pairs, odd and even numbers of steps; cells' scales on both sides of 2^-12; gates that hardly
# move, and gates whose sums saturate for long; cells that are clipped.
CASES = [
    LstmCase(1, 1, 1, -12),
    LstmCase(2, 4, 4, -11, 3.0),
    LstmCase(7, 3, 9, -8, 30.0),
    LstmCase(6, 17, 5, -15, 4.0, 0.25),
    LstmCase(60, 8, 16, -10, 8.0, 6.0),
    LstmCase(9, 5, 6, -13, 2.0),
    LstmCase(8, 2, 3, -17, 0.5),
    LstmCase(5, 6, 7, -11, 2.0, 2.5, n_layers=2),
    LstmCase(4, 3, 5, -14, time_major=True),
    LstmCase(11, 4, 6, 0, 60.0, 9.0),
]


@pytest.mark.parametrize("seed", range(len(CASES)))
def test_random_lstms(seed, kernels, tmp_path):
    packed = check(lstm_model(seed, CASES[seed]), seed, kernels, tmp_path)
    assert all(isinstance(form, PackedLstm) or form == "one form for all cores" for form in packed)


@pytest.mark.parametrize("hop", [1, 5])
def test_a_stream_recomputes_an_lstm(hop, kernels, tmp_path):
    """Every push equals a run that begins anew, whatever was run before."""
    model = lstm_model(3, LstmCase(n_steps=7))
    stream = render_network(model, "test", hop=hop).stream
    assert stream is not None
    assert [o.reason[:12] for o in stream.obstacles] == ["begins anew "]
    check_stream(model, hop, 3, kernels, tmp_path)


def loud(case: LstmCase, scale: float):
    """Spoil the first gate's recurrent weights or the first cell's limits."""

    def spoil(b, inputs, options):
        b.tensors[inputs[5]].quantization.scale = [scale]

    return lstm_model(1, case, spoil)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (loud(LstmCase(), 60.0), "weights that leave 16 bits with their scale"),
        (loud(LstmCase(), 1e6), "sums that may leave 32 bits"),
        (lstm_model(1, LstmCase(cell_clip=1e-5)), "cells that are clipped to 0"),
    ],
)
def test_what_is_not_proved_runs_plain(model, reason, kernels, tmp_path):
    text = render_network(model, "test", "both", "speed")
    assert text.packed == (reason,)
    graph = text.network.graph
    inputs = varied_inputs(graph.tensors[graph.input].size, 0, 1, 2)
    if "32 bits" not in reason:  # there the runtime's sums wrap in ways of their own
        compare(run_tflm(model, inputs), run_c(text, inputs, kernels, tmp_path), ["LSTM"])


def test_reports_state_and_steps():
    text = render_network(lstm_model(1, LstmCase(5, 6, 7)), "test")
    assert "#define NET_STATE_SIZE 32 " in text.header
    assert "5 steps, 6 inputs, 7 cells" in text.source


def refuse(case: LstmCase = LstmCase(), **changes):  # noqa: B008
    """Refusal of a model of which some things were changed: inputs by place, options and scales by name."""

    def spoil(b, inputs, options):
        for place, tensor in changes.get("inputs", {}).items():
            inputs[place] = tensor if tensor < 0 else inputs[tensor]
        for place, scales in changes.get("scales", {}).items():
            quantization = b.tensors[inputs[place]].quantization
            quantization.scale, quantization.zeroPoint = scales, [0] * len(scales)
        for place, dtype in changes.get("dtypes", {}).items():
            b.tensors[inputs[place]].type = dtype
        for name, value in changes.get("options", {}).items():
            setattr(options, name, value)

    with pytest.raises(ExportError) as caught:
        render_network(lstm_model(2, case, spoil), "test")
    message = str(caught.value)
    assert "\n" not in message
    assert "operator 0 (UNIDIRECTIONAL_SEQUENCE_LSTM" in message
    return message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": {9: 12}}, "peepholes"),
        ({"inputs": {16: 5}}, "projection"),
        ({"inputs": {20: 12}}, "layer norm"),
        ({"inputs": {1: -1, 5: -1}}, "couples its input and forget gates"),
        ({"inputs": {6: -1}}, "no constant recurrent weights of its forget gate"),
        ({"inputs": {6: 2}}, "recurrent weights of its forget gate"),
        ({"inputs": {13: -1}}, "no constant biases of its forget gate"),
        ({"inputs": {HIDDEN_INPUT: -1}}, "no variable for its hidden state"),
        ({"inputs": {HIDDEN_INPUT: CELL_INPUT}}, "int16"),
        ({"scales": {CELL_INPUT: [0.0003]}}, "power of 2"),
        ({"scales": {CELL_INPUT: [2.0]}}, "power of 2"),
        ({"scales": {HIDDEN_INPUT: [0.5]}}, "changes scale or zero point"),
        ({"scales": {2: [0.1] * 7}}, "7 scales"),
        (
            {"dtypes": {CELL_INPUT: schema.TensorType.INT8}},
            "int8 with 1 scales as cell state, expected int16",
        ),
        ({"dtypes": {3: schema.TensorType.INT4}}, "input weights of its cell gate"),
        ({"options": {"fusedActivationFunction": 1}}, "activation RELU, expected TANH"),
        ({"options": {"cellClip": -1.0}}, "clips its cells"),
        ({"options": {"cellClip": float("nan")}}, "clips its cells"),
        ({"options": {"timeMajor": True}}, "expected [time, 1, words]"),
        ({"options": {"diagonalRecurrentTensors": True}}, "diagonal"),
    ],
)
def test_refused_in_one_line(changes, words):
    assert words in refuse(**changes)


def run_whole(name: str) -> np.ndarray:
    """The runtime's function of 16 bits, from Q3.12 to Q15, for every word."""
    b = ModelBuilder()
    source, target = (b.tensor((1, 65536), [scale], [0], dtype="int16") for scale in (2.0**-12, 2.0**-15))
    b.op(name, [source], [target])
    interpreter = runtime.Interpreter.from_bytes(b.pack(source, target), arena_size=1 << 20)
    interpreter.set_input(np.arange(-32768, 32768).astype(np.int16).reshape(1, -1), 0)
    interpreter.invoke()
    return np.array(interpreter.get_output(0)).reshape(-1)


# The kernels' own functions: every word of Q3.12, then products of gates and words with two shifts each.
CURVES = r"""
#include <stdio.h>
#include KERNEL
static void put(int32_t word) {
    const int16_t low = (int16_t)word;
    fwrite(&low, sizeof low, 1, stdout);
}
int main(void) {
#if MYO_NN_DSP
    const myo_nn_segment_t *const segments = myo_nn_logistic_segments + MYO_NN_N_KNOTS;
#endif
    for (int32_t x = INT16_MIN; x <= INT16_MAX; x++) {
#if MYO_NN_DSP
        const uint32_t low = (uint32_t)x & 0xffffu, high = (uint32_t)x << 16;
        const int32_t words[] = {logistic_low(segments, low), logistic_high(segments, high), tanh_low(segments, low),
                                 tanh_high(segments, high), tanh_of_steps(segments, 3 * x)};
#else
        const int32_t words[] = {logistic(x), logistic(x), tanh_of(3 * x), tanh_of(3 * x), tanh_of(3 * x)};
#endif
        for (int i = 0; i < 5; i++) {
            put(words[i]);
        }
    }
    int32_t gate, word, shift;
    while (scanf("%d %d %d", &gate, &word, &shift) == 3) {
#if MYO_NN_DSP
        put(scale_by_gate(gate + (2 << 16), word, shift));
#else
        put(scale(gate * word, (myo_nn_factor_t){1 << 30, (int8_t)(1 - shift)}));
#endif
    }
    return 0;
}
"""


def products_near_ties() -> np.ndarray:
    """Rows of gate, word, shift: products next to halves of either rounding, of both signs, and the extremes."""
    rng = np.random.default_rng(4)
    gates = rng.integers(1, 32768, 4000)
    shifts = rng.integers(15, 20, 4000)
    near = (rng.integers(-8, 8, 4000) << shifts) + (1 << (shifts - 1)) + rng.integers(-3, 4, 4000)
    odd = gates | 1  # has an inverse modulo 2^16, so that some word makes any product of 16 bits
    exact = [(int(n) * pow(int(g), -1, 1 << 16)) % (1 << 16) - 32768 for n, g in zip(near, odd, strict=True)]
    close = np.clip(near // gates, -32768, 32767)
    rows = [
        np.stack([g, w, shifts], 1) for g, w in ((odd, np.array(exact)), (gates, close), (gates, -close - 1))
    ]
    ends = [(g, w, s) for g in (0, 1, 32767) for w in (-32768, -1, 0, 1, 32767) for s in (15, 16, 19)]
    small = [(1, w, s) for s in (6, 7, 15) for w in range(-(1 << 13), 1 << 13, 3) if abs(w) >> s < 32767]
    return np.concatenate([*rows, np.array(ends), np.array(small)])


def test_functions_for_every_word(kernels, tmp_path):
    """Both curves give the runtime's words, all 65536 of them, and products the format's two roundings."""
    is_plain = not kernels.flags
    (tmp_path / "curves.c").write_text(CURVES)
    program = tmp_path / "curves"
    kernel = NN_DIR / ("lstm.c" if is_plain else "lstm_dsp.c")
    command = [host_compiler() or "cc", "-std=c11", *SANITIZERS, *kernels.flags, f"-I{NN_DIR}"]
    command += [
        "-include",
        str(NN_DIR / "myo_nn_dispatch.h"),
        f'-DKERNEL="{kernel}"',
        str(tmp_path / "curves.c"),
    ]
    subprocess.run([*command, str(kernels.library), "-o", str(program)], check=True)
    rows = products_near_ties()
    run = subprocess.run([str(program)], input="\n".join(" ".join(map(str, row)) for row in rows.tolist()).encode(),
                         capture_output=True, check=True)  # fmt: skip
    words = np.frombuffer(run.stdout, np.int16)
    curves, scaled = words[: 5 * 65536].reshape(65536, 5), words[5 * 65536 :]
    for i in range(5):
        assert np.array_equal(curves[:, i], run_whole("LOGISTIC" if i < 2 else "TANH"))
    gate, word, shift = rows.T
    first = (gate * word + 1) >> 1
    magnitude = (np.abs(first) + (1 << (shift - 2))) >> (shift - 1)
    assert np.array_equal(scaled, np.where(first < 0, -magnitude, magnitude).astype(np.int16))


def test_the_curves_in_c_are_the_derived_ones():
    assert (NN_DIR / "lstm_curves.c").read_text() == curves_source()


def dequantize(tensor, words: np.ndarray) -> np.ndarray:
    return (np.asarray(words, np.float64) - tensor.zero_points[0]) * tensor.scales[0]


# Law 2 for one time step from the words that it gets. Roundings: of a gate's two sums 3/4 step of 2^-12 each; of either
# curve half a step of 2^-15, its knots, half a step of 2^-16, and half of the error of a straight line between knots,
# h^2 / 8 * max |f''| with h = 1/24 and max |f''| = 0.0963, twice for tanh, which is 2 * logistic(2 * x) - 1. A gate's
# argument saturates at 8, where either curve is within 1 - logistic(8) of its end. Its two parts, of the input and of
# the hidden state, saturate at 8 by themselves: where one does, the format has no bound, and cells there are left out.
LINE = (1 / 24) ** 2 / 8 * 0.0963 / 2
LOGISTIC_ERROR = 1.5 * 2.0**-12 / 4 + 2.0**-16 + 2.0**-17 + LINE + 3.4e-4
TANH_CURVE = 2.0**-16 + 2 * (2.0**-17 + LINE)
TANH_ERROR = 1.5 * 2.0**-12 + TANH_CURVE
CELL_STEPS, HIDDEN_STEPS = 1.5, 0.75  # of the products


@pytest.mark.parametrize("seed", range(6))
def test_a_step_is_near_float(seed):
    model = lstm_model(seed, LstmCase(1, 5, 8, -12 + seed % 4, 0.5 + 0.25 * seed))
    graph = read_graph(model)
    (op,) = graph.ops
    source, hidden, cells = (graph.tensors[op.inputs[i]] for i in (0, HIDDEN_INPUT, CELL_INPUT))
    weights = [
        dequantize(graph.tensors[i], graph.tensors[i].data) for i in (*op.inputs[1:9], *op.inputs[12:16])
    ]
    interpreter = runtime.Interpreter.from_bytes(
        model, arena_size=1 << 20, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors
    )

    def words(tensor) -> np.ndarray:
        return np.array(interpreter.GetTensor(tensor.index, 0)["tensor_data"]).reshape(-1).astype(np.int64)

    h, c, n_checked = np.full(8, hidden.zero_points[0]), np.zeros(8), 0
    for x in np.random.default_rng(seed).integers(-128, 128, (40, 5)).astype(np.int8):
        interpreter.set_input(x.reshape(1, 1, 5), 0)
        interpreter.invoke()
        parts = [
            (weights[g] @ dequantize(source, x) + weights[8 + g], weights[4 + g] @ dequantize(hidden, h))
            for g in range(4)
        ]
        has_room = np.max(np.abs(parts), axis=(0, 1)) < 8 - 2.0**-11
        n_checked += np.count_nonzero(has_room)
        sums = [a + b for a, b in parts]
        i, f, o = (1 / (1 + np.exp(-sums[g])) for g in (0, 1, 3))
        before = dequantize(cells, c)
        exact = np.clip(f * before + i * np.tanh(sums[2]), -32768 * cells.scales[0], 32767 * cells.scales[0])
        h, c = words(hidden), words(cells)
        bound = (np.abs(before) + 1) * LOGISTIC_ERROR + TANH_ERROR + CELL_STEPS * cells.scales[0]
        assert np.all((np.abs(dequantize(cells, c) - exact) <= bound)[has_room])
        exact = np.clip(o * np.tanh(dequantize(cells, c)), *dequantize(hidden, np.array([-128, 127])))
        # The argument of tanh is rounded to steps of 1/12288.
        bound = LOGISTIC_ERROR + TANH_CURVE + 1 / 24576 + HIDDEN_STEPS * hidden.scales[0]
        assert np.all((np.abs(dequantize(hidden, h) - exact) <= bound)[has_room])
    assert n_checked > 100


def test_forms_hold_the_sums_that_they_prove():
    """The largest sum that the weights allow, scaled as the kernel holds it, fits 32 bits to the last."""
    step = render_network(lstm_model(5, LstmCase(gain=100.0)), "test").network.steps[0]
    assert isinstance(step.layer, Lstm)
    packed = pack_layer(step.layer, "size")
    assert isinstance(packed, PackedLstm)
    gate = step.layer.gates[0]
    largest = int(np.abs(gate.input_weights.astype(int)).sum(axis=1).max()) * max(
        abs(-128 + step.layer.input_offset), abs(127 + step.layer.input_offset)
    )
    room = (2**31 - 1 >> packed.input_tiles[0].left) - largest
    for bias, fits in ((room, True), (room + 1, False)):
        changed = replace(gate, bias=np.full(len(gate.bias), bias, np.int64))
        layer = replace(step.layer, gates=(changed, *step.layer.gates[1:]))
        assert isinstance(pack_layer(layer, "size"), PackedLstm) == fits
