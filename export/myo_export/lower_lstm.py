"""Lower UNIDIRECTIONAL_SEQUENCE_LSTM: int8 words, int8 weights, cells of 16 bits."""

import math
from typing import Final

import numpy as np

from myo_export.graph import LstmOptions, Tensor
from myo_export.lowered import Lstm, LstmGate, Step
from myo_export.op_view import OpView
from myo_export.quantized_math import quantize_factor

_N_INPUTS: Final = 24
# Places of the file's inputs. Gates stand in the order input, forget, candidate, output.
_INPUT_WEIGHTS, _RECURRENT_WEIGHTS, _BIASES = 1, 5, 12
_PEEPHOLES: Final = (9, 10, 11)
_PROJECTION: Final = (16, 17)
_HIDDEN, _CELLS = 18, 19
_NORMS: Final = (20, 21, 22, 23)
_GATE_NAMES: Final = ("input", "forget", "cell", "output")
_ARGUMENT_SCALE: Final = 2.0**-12  # of a gate's sum before its function
_GATE_SCALE: Final = 2.0**-15  # of logistic and tanh
_CELL_POWERS: Final = range(-24, 1)
_MAX_SIZE: Final = 65535


def lower_lstm(view: OpView) -> Step:
    """Lower an LSTM without peepholes, projection, layer norm or coupled gates."""
    view.expect_arity((_N_INPUTS, _N_INPUTS))
    options = view.options(LstmOptions)
    _refuse_variants(view, options)
    source, target = view.activation(0, any_batch=True), view.output(any_batch=True)
    _expect_sequence(view, source, "input", options.time_major)
    _expect_sequence(view, target, "output", options.time_major)
    n_steps, n_inputs = source.size // source.shape[2], source.shape[2]
    n_cells = target.shape[2]
    view.expect_shape(target.shape[:2], source.shape[:2], "output before its last axis")
    if max(n_steps, n_inputs, n_cells) > _MAX_SIZE:
        view.fail(f"has {n_steps} steps, {n_inputs} inputs and {n_cells} cells", "each must be 1 to 65535")
    hidden, cells = _state(view, _HIDDEN, "int8", n_cells), _state(view, _CELLS, "int16", n_cells)
    view.expect_same_quantization(hidden.quantization, target.quantization)
    power = _power_of_two(view, cells)
    input_offset, hidden_offset = -source.quantization.zero_point, -hidden.quantization.zero_point
    gates = tuple(_gate(view, g, source, hidden, (n_inputs, n_cells)) for g in range(4))
    for gate in gates:
        view.expect_sums_fit(gate.bias, gate.input_weights, input_offset)
        view.expect_sums_fit(np.zeros(n_cells, np.int32), gate.recurrent_weights, hidden_offset)
    shift = 12 + power  # of a cell to Q3.12
    limit = _cell_limit(options.cell_clip, cells.quantization.scale)
    layer = Lstm(
        n_steps,
        input_offset,
        hidden_offset,
        gates,
        quantize_factor(_GATE_SCALE),
        quantize_factor(_GATE_SCALE * _GATE_SCALE / cells.quantization.scale),
        view.expect_factor(quantize_factor(_GATE_SCALE * _GATE_SCALE / hidden.quantization.scale)),
        3 << max(shift, 0),
        max(-shift, 0),
        *limit,
    )
    macs = n_steps * 4 * n_cells * (n_inputs + n_cells)
    return Step(view.op, layer, (source.index,), target.index, macs)


def _refuse_variants(view: OpView, options: LstmOptions) -> None:
    inputs = view.op.inputs
    remedy = "use a plain LSTM layer with its default activations"
    for what, places in (("peepholes", _PEEPHOLES), ("a projection", _PROJECTION), ("layer norm", _NORMS)):
        if any(inputs[place] >= 0 for place in places):
            view.fail(f"has {what}", remedy)
    if inputs[_INPUT_WEIGHTS] < 0 or inputs[_RECURRENT_WEIGHTS] < 0:
        view.fail("couples its input and forget gates", remedy)
    if options.diagonal:
        view.fail("has diagonal recurrent weights", remedy)
    if options.activation != "TANH":
        view.fail(f"has the activation {options.activation}, expected TANH", remedy)
    if not (math.isfinite(options.cell_clip) and options.cell_clip >= 0):
        view.fail(f"clips its cells at {options.cell_clip:g}", "clip at a positive number, or not at all")


def _expect_sequence(view: OpView, tensor: Tensor, what: str, time_major: bool) -> None:
    """Check for [1, time, words], or [time, 1, words] where time comes first."""
    if len(tensor.shape) != 3 or tensor.shape[1 if time_major else 0] != 1:
        expected = "[time, 1, words]" if time_major else "[1, time, words]"
        view.fail(f"has shape {list(tensor.shape)} as {what}, expected {expected}", "export with batch 1")


def _state(view: OpView, position: int, dtype: str, n_cells: int) -> Tensor:
    index = view.op.inputs[position]
    tensor = view.graph.tensors[index] if index >= 0 else None
    what = "hidden state" if position == _HIDDEN else "cell state"
    if tensor is None or not tensor.is_variable or tensor.data is not None:
        view.fail(f"has no variable for its {what}", "the file is damaged, export again")
    if tensor.dtype != dtype or len(tensor.scales) != 1:
        view.fail(
            f"has {tensor.dtype} with {len(tensor.scales)} scales as {what}, expected {dtype} with 1",
            "quantize the whole model to int8 with inputs and outputs of int8",
        )
    view.expect_shape(tensor.shape, (1, n_cells), what)
    if sum(op.inputs.count(index) for op in view.graph.ops) != 1:
        view.fail(f"shares its {what}", "give every LSTM a state of its own")
    return tensor


def _power_of_two(view: OpView, cells: Tensor) -> int:
    """Logarithm of the cells' scale."""
    scale, zero_point = cells.scales[0], cells.zero_points[0]
    fraction, exponent = math.frexp(scale)
    if fraction != 0.5 or exponent - 1 not in _CELL_POWERS or zero_point != 0:
        view.fail(
            f"has cells of scale {scale:g} and zero point {zero_point}, expected a power of 2 from 2^-24 to 1"
            " and zero point 0",
            "quantize the model again with representative data",
        )
    return exponent - 1


def _cell_limit(clip: float, scale: float) -> tuple[int, int]:
    """Range that clipping leaves to the cells; it is cut, not rounded, to a whole step."""
    if clip == 0.0:
        return -32768, 32767
    limit = int(min(clip / scale, 32767.0))
    return -limit, limit


def _gate(view: OpView, g: int, source: Tensor, hidden: Tensor, sizes: tuple[int, int]) -> LstmGate:
    n_inputs, n_cells = sizes
    name = _GATE_NAMES[g]
    weights = _weights(view, _INPUT_WEIGHTS + g, (n_cells, n_inputs), f"input weights of its {name} gate")
    recurrent = _weights(
        view, _RECURRENT_WEIGHTS + g, (n_cells, n_cells), f"recurrent weights of its {name} gate"
    )
    bias = view.constant(_BIASES + g, "int32", f"biases of its {name} gate")
    if bias.data is None or bias.size != n_cells:
        view.fail(f"has {bias.size} biases for {n_cells} cells", "the file is damaged, export again")
    factors = (
        quantize_factor(scale * tensor.scales[0] / _ARGUMENT_SCALE)
        for scale, tensor in ((source.quantization.scale, weights), (hidden.quantization.scale, recurrent))
    )
    return LstmGate(
        _values(weights),
        _values(recurrent),
        bias.data.reshape(-1).astype(np.int32),
        *(view.expect_factor(f) for f in factors),
    )


def _weights(view: OpView, position: int, shape: tuple[int, int], what: str) -> Tensor:
    weights = view.constant(position, "int8", what)
    view.expect_shape(weights.shape, shape, what)
    if len(weights.scales) != 1 or any(weights.zero_points):
        view.fail(
            f"has {len(weights.scales)} scales and zero points {list(weights.zero_points[:4])} for {what},"
            " expected 1 scale and zero point 0",
            "quantize the weights per tensor and symmetrically",
        )
    return weights


def _values(weights: Tensor) -> np.ndarray:
    return np.zeros(weights.shape, np.int8) if weights.data is None else weights.data
