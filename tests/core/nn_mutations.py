"""Damage to `.tflite` files: at the level of bytes, as a bad copy does, and of fields, as malice does."""

from __future__ import annotations

import flatbuffers
import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

_WORDS = (
    0,
    1,
    2,
    -1,
    -2,
    3,
    4,
    7,
    127,
    128,
    255,
    256,
    32767,
    65535,
    65536,
    1 << 24,
    (1 << 31) - 1,
    -(1 << 31),
)
_REALS = (0.0, -1.0, 1e-45, 1e-30, 1e-3, 0.5, 1.0, 3.0, 1e9, 1e38, float("inf"), float("nan"))


def _flip(model: bytearray, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 4))):
        model[int(rng.integers(8, len(model)))] = int(rng.integers(256))


def _overwrite(model: bytearray, rng: np.random.Generator) -> None:
    """One aligned word becomes one of those that offsets, counts and sizes go wrong with."""
    at = 4 * int(rng.integers(2, len(model) // 4))
    model[at : at + 4] = (int(rng.choice(_WORDS)) & 0xFFFFFFFF).to_bytes(4, "little")


def _erase(model: bytearray, rng: np.random.Generator) -> None:
    at, n = int(rng.integers(8, len(model))), int(rng.integers(1, 65))
    model[at : at + n] = bytes([int(rng.choice([0, 255]))]) * len(model[at : at + n])


def _copy(model: bytearray, rng: np.random.Generator) -> None:
    n = int(rng.integers(4, 65))
    source, target = (int(v) for v in rng.integers(8, max(9, len(model) - n), 2))
    model[target : target + n] = model[source : source + n]


def _truncate(model: bytearray, rng: np.random.Generator) -> None:
    del model[int(rng.integers(0, len(model))) :]


_OF_BYTES = {
    "flipped": _flip,
    "overwritten": _overwrite,
    "erased": _erase,
    "copied": _copy,
    "truncated": _truncate,
}


def _put(values: object, rng: np.random.Generator, choices: tuple[float, ...]) -> list[float]:
    """Change, add or drop one element of a list field."""
    found = [] if values is None else list(values)  # type: ignore[call-overload]
    draw = rng.random()
    if not found or draw < 0.15:
        found.append(rng.choice(choices).item())
    elif draw < 0.25:
        found.pop(int(rng.integers(len(found))))
    elif draw < 0.6:
        found[int(rng.integers(len(found)))] = rng.choice(choices).item()
    else:  # near by: what is wrong by one passes the most checks
        at = int(rng.integers(len(found)))
        found[at] = found[at] + int(rng.choice([-1, 1])) if isinstance(choices[0], int) else found[at] * 2
    return found


def _mutate_tensor(graph: schema.SubGraphT, rng: np.random.Generator) -> str:
    tensor = graph.tensors[int(rng.integers(len(graph.tensors)))]
    quantization = tensor.quantization
    field = str(rng.choice(["shape", "shape", "type", "buffer", "scale", "zero point", "axis", "variable"]))
    if field == "shape":
        tensor.shape = [int(n) for n in _put(tensor.shape, rng, _WORDS)]
    elif field == "type":
        tensor.type = int(rng.integers(0, 20))
    elif field == "buffer":
        tensor.buffer = int(rng.integers(0, 12))
    elif field == "variable":
        tensor.isVariable = not tensor.isVariable
    elif quantization is not None:
        if field == "scale":
            quantization.scale = [float(np.float32(v)) for v in _put(quantization.scale, rng, _REALS)]
        elif field == "zero point":
            quantization.zeroPoint = [int(n) for n in _put(quantization.zeroPoint, rng, _WORDS)]
        else:
            quantization.quantizedDimension = int(rng.choice(_WORDS))
    return f"tensor {field}"


def _mutate_operator(graph: schema.SubGraphT, rng: np.random.Generator) -> str:
    operator = graph.operators[int(rng.integers(len(graph.operators)))]
    field = str(rng.choice(["inputs", "outputs", "code", "options", "options", "options", "order"]))
    indices = (-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1 << 20)
    if field == "inputs":
        operator.inputs = [int(n) for n in _put(operator.inputs, rng, indices)]
    elif field == "outputs":
        operator.outputs = [int(n) for n in _put(operator.outputs, rng, indices)]
    elif field == "code":
        operator.opcodeIndex = int(rng.integers(0, 6))
    elif field == "order":
        rng.shuffle(graph.operators)  # type: ignore[arg-type]
    elif operator.builtinOptions is not None:
        names = sorted(vars(operator.builtinOptions))
        name = str(rng.choice(names)) if names else ""
        value = getattr(operator.builtinOptions, name, None)
        if isinstance(value, bool):
            setattr(operator.builtinOptions, name, not value)
        elif isinstance(value, float):
            setattr(operator.builtinOptions, name, float(np.float32(rng.choice(_REALS))))
        elif isinstance(value, int):  # enumerations are bytes in the file
            choices = (-1, 0, 1, 2, 3, 4, 5, 100)
            setattr(operator.builtinOptions, name, int(rng.choice(choices)))
    return f"operator {field}"


def _mutate_data(model: schema.ModelT, rng: np.random.Generator) -> str:
    filled = [buffer for buffer in model.buffers if buffer.data is not None and len(buffer.data)]
    if filled:
        buffer = filled[int(rng.integers(len(filled)))]
        data = np.array(buffer.data, np.uint8)
        if rng.random() < 0.3:
            data = data[: int(rng.integers(0, data.size))]
        elif data.size % 4 == 0 and rng.random() < 0.6:  # sizes, axes and begins are int32 constants
            words = data.view(np.int32).copy()
            words[int(rng.integers(words.size))] = int(rng.choice(_WORDS))
            data = words.view(np.uint8)
        else:
            data[int(rng.integers(data.size))] = int(rng.integers(256))
        buffer.data = data
    return "constant"


def mutate(model: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Damage a file once; give the file and the kind of damage."""
    if rng.random() < 0.4:
        kind = str(rng.choice(list(_OF_BYTES)))
        damaged = bytearray(model)
        _OF_BYTES[kind](damaged, rng)
        return bytes(damaged), kind
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    kind = "field"
    for _ in range(int(rng.integers(1, 3))):
        draw = rng.random()
        if draw < 0.4:
            kind = _mutate_tensor(tree.subgraphs[0], rng)
        elif draw < 0.8:
            kind = _mutate_operator(tree.subgraphs[0], rng)
        else:
            kind = _mutate_data(tree, rng)
    builder = flatbuffers.Builder(4096)
    try:
        builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    except (TypeError, ValueError, OverflowError, AttributeError):
        return mutate(model, rng)  # a value that the format itself has no place for
    return bytes(builder.Output()), kind
