"""Run ``.tflite`` models through ``tflite_micro``: for int8, the bits that the patch must give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# The runtime's own estimate is too small where every tensor is preserved, and it then ends the process.
_ARENA_BYTES = 16 << 20


def quantize_input(x: NDArray[np.floating], scale: float, zero_point: int) -> NDArray[np.int8]:
    """Return network inputs in int8: rounded to nearest, saturated."""
    y: NDArray[np.int8] = np.clip(np.rint(x / scale) + zero_point, -128, 127).astype(np.int8)
    return y


def run_model(flatbuffer: bytes, x: NDArray[np.generic]) -> NDArray[np.generic]:
    """Run a model on windows, one at a time.

    Parameters
    ----------
    flatbuffer
        A ``.tflite`` for one window.
    x
        Inputs in the model's type, shape (n_windows, 1, n_samples, n_channels).

    Returns
    -------
    NDArray
        Outputs in the model's type, shape (n_windows, n_outputs).
    """
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(flatbuffer)
    out = []
    for window in x:
        interpreter.reset()  # an LSTM's state would live on from window to window
        interpreter.set_input(window[None], 0)
        interpreter.invoke()
        out.append(interpreter.get_output(0)[0])
    return np.array(out)


def read_tensors(flatbuffer: bytes, x: NDArray[np.int8], tensors: Sequence[int]) -> list[NDArray[np.int8]]:
    """Run an int8 model on windows, one at a time, and return what some of its tensors hold, each (n_windows, n_words)."""
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(
        flatbuffer, arena_size=_ARENA_BYTES, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors
    )
    out: list[list[NDArray[np.int8]]] = [[] for _ in tensors]
    for window in x:
        interpreter.reset()
        interpreter.set_input(window[None], 0)
        interpreter.invoke()
        for rows, tensor in zip(out, tensors, strict=True):
            rows.append(np.array(interpreter.GetTensor(tensor, 0)["tensor_data"], np.int8).ravel())
    return [np.array(rows) for rows in out]
