"""Random UNIDIRECTIONAL_SEQUENCE_LSTM networks as `.tflite` files: sizes, scales and weights are the test's choice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from nn_models import F32, ModelBuilder, fill

HIDDEN_INPUT, CELL_INPUT = 18, 19
N_INPUTS = 24


@dataclass(frozen=True)
class LstmCase:
    """What a model is drawn from.

    Attributes
    ----------
    n_steps, n_inputs, n_cells : int
        Sizes.
    cell_power : int
        The cell state's scale is ``2 ** cell_power``.
    gain : float
        Typical size of a gate's sum before its function; from about 8 on, sums saturate.
    cell_clip : float
        0: none.
    """

    n_steps: int = 5
    n_inputs: int = 6
    n_cells: int = 7
    cell_power: int = -11
    gain: float = 2.0
    cell_clip: float = 0.0
    time_major: bool = False
    activation: int = 4
    n_layers: int = 1


def _reshape(b: ModelBuilder, source: int, shape, scale: float, zero_point: int) -> int:
    at = b.tensor((len(shape),), data=np.array(shape, np.int32))
    target = b.activation(shape, scale, zero_point)
    b.op("RESHAPE", [source, at], [target], schema.ReshapeOptionsT())
    return target


def lstm_model(seed: int, case: LstmCase, spoil=None) -> bytes:
    """A chain of LSTM layers.

    ``spoil(builder, inputs, options)`` may change the first layer's tensors before the file is packed.
    """
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    scale, zero_point = float(F32(0.04 * 2.0 ** rng.uniform(-2, 2))), int(rng.integers(-128, 128))
    shape = (case.n_steps, 1) if case.time_major else (1, case.n_steps)
    first = at = b.activation((1, case.n_steps, case.n_inputs), scale, zero_point)
    if case.time_major:
        at = _reshape(b, at, (*shape, case.n_inputs), scale, zero_point)
    n_inputs = case.n_inputs
    for layer in range(case.n_layers):
        hidden_scale = float(F32(2.0 ** rng.uniform(-8.5, -6.5)))
        hidden_zero_point = int(rng.choice([0, -1, int(rng.integers(-100, 101))]))
        inputs = [-1] * N_INPUTS
        inputs[0] = at
        for gate in range(4):
            w_scale = float(
                F32(case.gain / (60 * scale * 70 * np.sqrt(n_inputs)) * 2.0 ** rng.uniform(-1, 1))
            )
            r_scale = float(
                F32(case.gain / (60 * hidden_scale * 70 * np.sqrt(case.n_cells)) * 2.0 ** rng.uniform(-1, 1))
            )
            w = rng.integers(-127, 128, (case.n_cells, n_inputs)).astype(np.int8)
            r = rng.integers(-127, 128, (case.n_cells, case.n_cells)).astype(np.int8)
            bias_limit = int(case.gain / (scale * w_scale)) + 1
            bias = rng.integers(-bias_limit, bias_limit, case.n_cells).astype(np.int32)
            inputs[1 + gate] = b.tensor(w.shape, [w_scale], [0], w)
            inputs[5 + gate] = b.tensor(r.shape, [r_scale], [0], r)
            inputs[12 + gate] = b.tensor(bias.shape, [scale * w_scale], [0], bias)
        inputs[HIDDEN_INPUT] = b.variable((1, case.n_cells), hidden_scale, hidden_zero_point, "int8")
        inputs[CELL_INPUT] = b.variable((1, case.n_cells), 2.0**case.cell_power, 0, "int16")
        out = b.activation((*shape, case.n_cells), hidden_scale, hidden_zero_point)
        options = fill(
            schema.UnidirectionalSequenceLSTMOptionsT(),
            fusedActivationFunction=case.activation,
            cellClip=case.cell_clip,
            projClip=0.0,
            timeMajor=case.time_major,
        )
        if spoil is not None and layer == 0:
            spoil(b, inputs, options)
        b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [out], options)
        # The runtime takes five intermediate tensors and reads none of them in an int8 network.
        b.operators[-1].intermediates = [
            *(b.tensor((0,), dtype="float32") for _ in range(4)),
            b.tensor((0,), [hidden_scale], [hidden_zero_point], dtype="int8"),
        ]
        at, n_inputs, scale, zero_point = out, case.n_cells, hidden_scale, hidden_zero_point
    if case.time_major:
        at = _reshape(b, at, (1, case.n_steps, n_inputs), scale, zero_point)
    return b.pack(first, at)
