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

from myo_export.lowered import Conv, DepthwiseConv, FullyConnected, Layer, Requantize
from myo_export.quantized_math import Factor

TILE = 4  # output channels
_POINTER_BYTES = 8  # of the host's, where the tests run; a Cortex-M has 4
_DEPTHWISE_ORDER = (0, 2, 1, 3)  # of a tile's channels: SXTB16 widens even ones, then odd ones
# Beyond, a sum of the scaled product, the zero point and half a step might leave int32.
_MAX_SHIFT = 22
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
