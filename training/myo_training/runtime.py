"""Run ``.tflite`` models through ``tflite_micro``: for int8, the bits that the patch must give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
