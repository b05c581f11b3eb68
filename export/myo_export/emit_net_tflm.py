"""What a TensorFlow Lite for Microcontrollers project needs to run the same model."""

import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from myo_export.emit_net_layers import c_array
from myo_export.lowered import Conv, DepthwiseConv, Network
from myo_pipeline.errors import ExportError

# The resolver's method of every operator that the export supports.
_ADD_METHODS: Final = {
    "ABS": "AddAbs",
    "ADD": "AddAdd",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "DEQUANTIZE": "AddDequantize",
    "ELU": "AddElu",
    "EXP": "AddExp",
    "EXPAND_DIMS": "AddExpandDims",
    "FULLY_CONNECTED": "AddFullyConnected",
    "HARD_SWISH": "AddHardSwish",
    "LEAKY_RELU": "AddLeakyRelu",
    "LOGISTIC": "AddLogistic",
    "MAXIMUM": "AddMaximum",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MINIMUM": "AddMinimum",
    "MUL": "AddMul",
    "NEG": "AddNeg",
    "PACK": "AddPack",
    "PAD": "AddPad",
    "PADV2": "AddPadV2",
    "PRELU": "AddPrelu",
    "QUANTIZE": "AddQuantize",
    "REDUCE_MAX": "AddReduceMax",
    "REDUCE_MIN": "AddReduceMin",
    "RELU": "AddRelu",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
    "RSQRT": "AddRsqrt",
    "SLICE": "AddSlice",
    "SOFTMAX": "AddSoftmax",
    "SPLIT": "AddSplit",
    "SPLIT_V": "AddSplitV",
    "SQRT": "AddSqrt",
    "SQUARE": "AddSquare",
    "SQUARED_DIFFERENCE": "AddSquaredDifference",
    "SQUEEZE": "AddSqueeze",
    "STRIDED_SLICE": "AddStridedSlice",
    "SUB": "AddSub",
    "SUM": "AddSum",
    "TANH": "AddTanh",
    "TRANSPOSE": "AddTranspose",
    "TRANSPOSE_CONV": "AddTransposeConv",
    "UNPACK": "AddUnpack",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}

_MEASURE_TIMEOUT_S: Final = 60
# The runtime reports its arena on the error stream, and may end the process on a model that it does not like:
# it gets a process of its own. An arena of 16 times the model's size and 4 MB more is enough for any such
# model.
_MEASURE: Final = """
import sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime
model = sys.stdin.buffer.read()
interpreter = runtime.Interpreter.from_bytes(model, arena_size=(4 << 20) + 16 * len(model))
interpreter.set_input(np.zeros(interpreter.get_input_details(0)["shape"], np.int8), 0)
interpreter.invoke()
interpreter.print_allocations()
"""


@dataclass(frozen=True)
class TflmFiles:
    """Generated files by name, and the arena's size in bytes."""

    files: dict[str, str]
    arena_bytes: int


def measure_tflm_arena(model: bytes) -> int:
    """Let the tflite_micro runtime prepare and run a model, and read how much arena it took.

    Parameters
    ----------
    model : bytes
        Content of the ``.tflite`` file.

    Returns
    -------
    int
        Bytes, on a machine with 64-bit pointers: a 32-bit core needs less.

    Raises
    ------
    ExportError
        If the runtime does not run the model.
    """
    command = [sys.executable, "-c", _MEASURE]
    try:
        run = subprocess.run(
            command, input=model, capture_output=True, timeout=_MEASURE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(
            f"model: the tflite_micro runtime took over {_MEASURE_TIMEOUT_S} s; make the network smaller"
        ) from error
    total = re.search(r"Arena allocation total (\d+) bytes", run.stderr.decode("utf-8", "replace"))
    if run.returncode or total is None:
        lines = [line for line in run.stderr.decode("ascii", "replace").splitlines() if line.strip()]
        reason = lines[0][:160] if lines else f"exit code {run.returncode}"
        raise ExportError(
            f"model: the tflite_micro runtime refuses it ({reason}); export it again with a current converter"
        )
    return int(total.group(1))


def cmsis_nn_scratch_bytes(network: Network) -> int:
    """Largest working memory that CMSIS-NN's kernels ask of the arena, above the reference kernels.

    Its convolutions unfold two windows as int16, its depthwise ones one window.
    """
    largest = 0
    for step in network.steps:
        if isinstance(step.layer, Conv | DepthwiseConv):
            unfolded = step.layer.weights[0].size if isinstance(step.layer, Conv) else step.layer.weights.size
            largest = max(largest, 4 * (-(-unfolded // 4) * 4))
    return largest


def tflm_files(network: Network, model: bytes, provenance: str) -> TflmFiles:
    """Write the model array, the resolver's operators and the arena size.

    Parameters
    ----------
    network : Network
        Lowered network.
    model : bytes
        Content of the ``.tflite`` file.
    provenance : str
        Comment text that says where the files come from.

    Returns
    -------
    TflmFiles
        ``model_data.h``, ``model_data.cc`` and ``model_ops.h``.
    """
    measured = measure_tflm_arena(model)
    scratch = cmsis_nn_scratch_bytes(network)
    arena = -(-(measured + scratch) // 16) * 16
    header = f"""{provenance}#ifndef MODEL_DATA_H
#define MODEL_DATA_H

/* The .tflite file, aligned as its reader asks. */
extern const unsigned char g_model[];
extern const unsigned int g_model_size;

/* {measured} bytes that the tflite_micro runtime used on a machine with 64-bit pointers (a 32-bit core uses
   less), and {scratch} for the working memory of CMSIS-NN's kernels. */
constexpr int kModelArenaSize = {arena};

#endif
"""
    array = c_array("unsigned char", "g_model", model, f"[{len(model)}]").replace(
        "static const", "alignas(16) extern const", 1
    )
    source = f'{provenance}#include "model_data.h"\n\n{array}\n'
    source += f"extern const unsigned int g_model_size = {len(model)};\n"
    names = sorted({op.name for op in network.graph.ops})
    adds = "".join(
        f"    if (resolver.{_ADD_METHODS[n]}() != kTfLiteOk) return kTfLiteError;\n" for n in names
    )
    ops = f"""{provenance}#ifndef MODEL_OPS_H
#define MODEL_OPS_H

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

constexpr unsigned int kModelOpCount = {len(names)};

inline TfLiteStatus AddModelOps(tflite::MicroMutableOpResolver<kModelOpCount>& resolver) {{
{adds}    return kTfLiteOk;
}}

#endif
"""
    return TflmFiles({"model_data.h": header, "model_data.cc": source, "model_ops.h": ops}, arena)
