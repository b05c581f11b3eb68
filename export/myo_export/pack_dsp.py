"""Pack layers with weights for the DSP extension's kernels (``firmware/core/nn/myo_nn_dsp.h``), or say why not.

Two things make their inner loops short, and both are proved here for the layer at hand. The input's zero point
goes into the biases: sum((x - z) * w) + b = sum(x * w) + (b - z * sum(w)). And sums are doubled, where weights are
held wide by doubling weights and biases: with ``d`` the doubled sum, the first rounding of the scaling,
(d / 2 * m + 2**30) >> 31, is then (d * m + 2**31) >> 32, which is one instruction. The second rounding, by ``n``
bits with halves away from zero, is (q + 2**(n - 1) - (q < 0)) >> n. The sign may be taken from ``d``: it differs
from the sign of ``q`` only where d < 0 and q = 0, and then both give 0, as n >= 1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from myo_export.lowered import Conv, DepthwiseConv, FullyConnected, Layer, Lstm, Requantize
from myo_export.quantized_math import INT32_MAX, Factor

TILE = 4  # output channels
_POINTER_BYTES = 8  # of the host's, where the tests run; a Cortex-M has 4
_DEPTHWISE_ORDER = (0, 2, 1, 3)  # of a tile's channels: SXTB16 widens even ones, then odd ones
# Beyond, a sum of the scaled product, the zero point and half a step might leave int32.
_MAX_SHIFT = 22
_INT16_MAX = 32767
_MAX_SUM = (1 << 30) - 1  # doubled, it has to fit int32


# Wide weights (int16, doubled), or packed ones (int8) that take half the flash and more instructions.
Optimize = Literal["speed", "size"]


@dataclass(frozen=True)
class Scale:
    """From a doubled sum to an output word; see ``myo_nn_scale_t``."""

    multiplier: int
    add: int
    shift: int


@dataclass(frozen=True)
class Tile:
    """Biases and scales of four output channels."""

    bias: tuple[int, ...]
    scales: tuple[Scale, ...]


@dataclass(frozen=True, eq=False)
class Packed:
    """A layer's numbers as the DSP kernels read them.

    Attributes
    ----------
    weights : numpy.ndarray
        int16, doubled, or int8; the axes are those that the kernel's configuration names.
    tiles : tuple of Tile
        Four output channels each.
    scratch_bytes : int
        Working memory while the layer runs.
    """

    weights: np.ndarray
    tiles: tuple[Tile, ...]
    scratch_bytes: int


@dataclass(frozen=True)
class GateTile:
    """Biases of four cells of a gate, and its scale; see ``myo_nn_gate_tile_t``."""

    bias: tuple[int, ...]
    multiplier: int
    add: int
    shift: int
    left: int


@dataclass(frozen=True, eq=False)
class PackedLstm(Packed):
    """An LSTM's numbers as its DSP kernel reads them.

    Attributes
    ----------
    input_weights, recurrent_weights : numpy.ndarray
        Tiles of all gates, one gate after the other; ``weights`` are the former.
    input_tiles, recurrent_tiles : tuple of GateTile
        Four cells of a gate each.
    hidden : Scale
        From the product of output gate and tanh, doubled, to the hidden state.
    update_shift : int
        Bits from the product of input gate and candidate to the cells.
    """

    input_weights: np.ndarray
    recurrent_weights: np.ndarray
    input_tiles: tuple[GateTile, ...]
    recurrent_tiles: tuple[GateTile, ...]
    hidden: Scale
    update_shift: int


def pack_layer(layer: Layer, optimize: Optimize = "speed") -> Packed | str:
    """Pack a layer for the DSP kernels.

    Parameters
    ----------
    layer : Layer
        Any layer.
    optimize : str
        ``speed`` or ``size``. Depthwise weights are few and always wide.

    Returns
    -------
    Packed or str
        The packed layer; else why the plain kernel runs.
    """
    if isinstance(layer, Lstm):
        return _pack_lstm(layer, optimize)
    if not isinstance(layer, Conv | DepthwiseConv | FullyConnected):
        return "one form for all cores"
    if isinstance(layer, DepthwiseConv) and layer.depth_multiplier != 1:
        return f"depth multiplier {layer.depth_multiplier}"
    rows = layer.weights.astype(np.int64)
    is_depthwise = isinstance(layer, DepthwiseConv)
    rows = rows.reshape(-1, rows.shape[-1]).T if is_depthwise else rows.reshape(len(rows), -1)
    scales = _scales(layer.requantize)
    if scales is None:
        return "a scale of 1/2 or more, or of under 2^-22"
    largest_input = max(abs(-128 + layer.input_offset), abs(127 + layer.input_offset))
    bias = layer.bias.astype(np.int64)
    if int((np.abs(rows).sum(axis=1) * largest_input + np.abs(bias)).max()) > _MAX_SUM:
        return "sums that may reach 2^30"
    is_wide = is_depthwise or optimize == "speed"
    folded = bias + layer.input_offset * rows.sum(axis=1)
    tile_bias = [int(b) for b in (2 * folded if is_wide else folded)]
    n_groups = layer.input_shape[2] // layer.weights.shape[3] if isinstance(layer, Conv) else 1
    per_group = len(rows) // n_groups
    tiles: list[Tile] = []
    for first in range(0, len(rows), per_group):
        last = first + per_group
        tiles += _tiles(tile_bias[first:last], scales[first:last])
    n_words = rows.shape[1]
    if is_depthwise:
        scratch = _POINTER_BYTES * n_words + len(rows)
        return Packed(_pack_channels(rows), tuple(tiles), scratch)
    pack = _widen_rows if is_wide else _pack_rows
    groups = [pack(part) for part in np.split(rows, n_groups)]
    padded = -(-n_words // 4) * 4
    scratch = (5 if isinstance(layer, Conv) else 4) * padded
    return Packed(np.stack(groups), tuple(tiles), scratch)


def _scales(requantize: Requantize) -> list[Scale] | None:
    found = []
    for factor in requantize.factors:
        f = Factor(0, -1) if factor.multiplier == 0 else factor
        if not 1 <= -f.shift <= _MAX_SHIFT:
            return None
        add = (requantize.zero_point << -f.shift) + (1 << (-f.shift - 1))
        found.append(Scale(f.multiplier, add, -f.shift))
    return found


def _tiles(bias: list[int], scales: list[Scale]) -> list[Tile]:
    """Group channels by four; absent ones give 0."""
    rest = -len(bias) % TILE
    padded_bias, padded_scales = bias + [0] * rest, scales + [Scale(0, 0, 1)] * rest
    return [
        Tile(tuple(padded_bias[i : i + TILE]), tuple(padded_scales[i : i + TILE]))
        for i in range(0, len(padded_bias), TILE)
    ]


def _whole_tiles(rows: np.ndarray) -> np.ndarray:
    """Add outputs and words of 0 up to multiples of 4; (tile, output of the tile, words / 4, 4)."""
    n_outputs, n_words = rows.shape
    padded = np.pad(rows, ((0, -n_outputs % TILE), (0, -n_words % 4)))
    return padded.reshape(len(padded) // TILE, TILE, -1, 4)


def _widen_rows(rows: np.ndarray) -> np.ndarray:
    """Bring (output, word) to (tile, words / 4, 2, output of the tile, 2): pairs (0, 2), then (1, 3)."""
    tiles = _whole_tiles(2 * rows)
    pairs = tiles.reshape(*tiles.shape[:3], 2, 2)  # ..., which of the pair, which pair
    return pairs.transpose(0, 2, 4, 1, 3).astype(np.int16)


def _pack_rows(rows: np.ndarray) -> np.ndarray:
    """Bring (output, word) to (tile, words / 4, output of the tile, 4)."""
    return _whole_tiles(rows).transpose(0, 2, 1, 3).astype(np.int8)


def _pack_channels(rows: np.ndarray) -> np.ndarray:
    """Pack (channel, element of the window) as (tile, element, channel of the tile)."""
    padded = np.pad(2 * rows, ((0, -len(rows) % TILE), (0, 0)))
    split = padded.reshape(len(padded) // TILE, TILE, -1)
    return split[:, _DEPTHWISE_ORDER, :].transpose(0, 2, 1).astype(np.int16)


def _pack_lstm(layer: Lstm, optimize: Optimize) -> PackedLstm | str:
    is_wide = optimize == "speed"
    factor = layer.hidden
    hidden = Scale(
        factor.multiplier,
        -(layer.hidden_offset << -factor.shift) + (1 << (-factor.shift - 1)),
        -factor.shift,
    )
    # A product of two Q15 words, doubled and scaled, is at most half of the multiplier.
    if factor.shift > -1 or abs(hidden.add) + factor.multiplier // 2 + 2 > INT32_MAX:
        return "a hidden state of an uncommon scale"
    if layer.cell_high == 0:
        return "cells that are clipped to 0"
    parts: list[tuple[np.ndarray, tuple[GateTile, ...]]] = []
    for what in ("input", "recurrent"):
        groups, tiles = [], []
        for gate in layer.gates:
            weights, offset, bias, gate_factor = (
                (gate.input_weights, layer.input_offset, gate.bias, gate.input_factor)
                if what == "input"
                else (
                    gate.recurrent_weights,
                    layer.hidden_offset,
                    np.zeros_like(gate.bias),
                    gate.recurrent_factor,
                )
            )
            rows = weights.astype(np.int64)
            # Doubled sums make the first rounding one instruction; a factor of 1 and more takes its power of 2 here.
            left = 1 + max(gate_factor.shift, 0)
            largest_input = max(abs(-128 + offset), abs(127 + offset))
            largest = np.abs(rows).sum(axis=1) * largest_input + np.abs(bias.astype(np.int64))
            if int(largest.max()) << left > INT32_MAX:
                return "sums that may leave 32 bits"
            if is_wide and int(np.abs(rows).max()) << left > _INT16_MAX:
                return "weights that leave 16 bits with their scale"
            folded = bias + offset * rows.sum(axis=1)
            if what == "recurrent":
                rows = _in_pairs(rows)
            if is_wide:
                groups.append(_widen_rows(rows << (left - 1)))
                tiles += _gate_tiles(folded << left, gate_factor, 0)
            else:
                groups.append(_pack_rows(rows))
                tiles += _gate_tiles(folded, gate_factor, left)
        parts.append((np.stack(groups), tuple(tiles)))
    (input_weights, input_tiles), (recurrent_weights, recurrent_tiles) = parts
    n_cells, n_inputs = (-(-n // TILE) * TILE for n in (layer.n_cells, layer.n_inputs))
    # Arguments of four gates for two steps, cells, hidden state twice, and two steps of the input; 16 bits each.
    scratch = 2 * (2 * 4 * n_cells + n_cells + 2 * n_cells + 2 * n_inputs)
    return PackedLstm(
        input_weights,
        (),
        scratch,
        input_weights,
        recurrent_weights,
        input_tiles,
        recurrent_tiles,
        hidden,
        1 - layer.update.shift,
    )


def _in_pairs(rows: np.ndarray) -> np.ndarray:
    """Order the columns of (output, word) so that the pairs of four words become (0, 1) and (2, 3)."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    return padded.reshape(len(rows), -1, 4)[:, :, (0, 2, 1, 3)].reshape(len(rows), -1)


def _gate_tiles(bias: np.ndarray, factor: Factor, left: int) -> list[GateTile]:
    shift = max(-factor.shift, 0)
    add = (1 << shift) >> 1
    padded = np.pad(bias, (0, -len(bias) % TILE)).reshape(-1, TILE)
    return [GateTile(tuple(int(b) for b in row), factor.multiplier, add, shift, left) for row in padded]
