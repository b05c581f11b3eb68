"""What a layer's kernel does, counted from its loops: how often each piece of code runs.

A piece is a stretch of a kernel whose instructions do not depend on the layer: a group of the inner loop, the frame
around a tile, the look-up of a position. `cost_model` knows what each costs. The loops are those of
``firmware/core/nn``; a piece carries the name of the kernel that it is in.
"""

from collections import Counter
from typing import Literal, get_args

from myo_export.cost_copies import Events, copy_events, fill_events, rearrange_events
from myo_export.cost_lstm import lstm_dsp_events, lstm_plain_events
from myo_export.cost_plain import (
    batch_matmul_events,
    conv_events,
    dense_events,
    depthwise_events,
    transpose_conv_events,
    window_axes,
)
from myo_export.cost_push import ColumnSums, MeanOfSums, PushStep, column_sums_events
from myo_export.fold_mve import Folded
from myo_export.lowered import (
    Add,
    Alias,
    BatchMatmul,
    Conv,
    Copy,
    DepthwiseConv,
    Extremum,
    FullyConnected,
    Layer,
    Lstm,
    Mean,
    Mul,
    Pad,
    Part,
    Pool,
    Prelu,
    Reduce,
    Requantize,
    Softmax,
    SquaredDifference,
    Table,
    TransposeConv,
)
from myo_export.pack_dsp import TILE, Packed

# How a layer runs on a core with the DSP extension: its kernel with weights of 16 or of 8 bits, or the plain kernel.
Form = Literal["wide", "packed", "plain"]

_WORDS_AT_ONCE = 4  # of a sum or product, see elementwise.c
_MOST_ROWS = 255  # of a mean that adds in 16 bits, see mean.c


def form_of(packed: Packed | Folded | str) -> Form:
    """Name what `pack_layer` gave; depthwise weights are always wide. Helium's kernels have no model."""
    if not isinstance(packed, Packed):
        return "plain"
    return "wide" if packed.weights.itemsize == 2 else "packed"


def count_events(layer: Layer | PushStep, form: Form, moves: bool = True) -> Events | None:
    """Count the pieces of code that a layer runs.

    Parameters
    ----------
    layer : Layer or PushStep
        The layer; of its weights only the shape counts. Of a copy every part counts: leave out those that are in place.
    form : str
        How it runs.
    moves : bool
        Of an alias or a part: whether its words have to be copied, as from the network's input to its output.

    Returns
    -------
    collections.Counter or None
        Pieces by name; None where the layer's kind has no formula.
    """
    match layer:
        case Conv():
            return conv_events(layer) if form == "plain" else _conv_dsp(layer, form)
        case DepthwiseConv():
            return depthwise_events(layer) if form == "plain" else _depthwise_dsp(layer)
        case FullyConnected():
            return dense_events(layer) if form == "plain" else _dense_dsp(layer, form)
        case Pool():
            return _pool(layer)
        case Mean():
            return _mean(layer)
        case Reduce():
            return _reduce(layer)
        case Add() | Mul():
            return _meet_at_once(layer)
        case SquaredDifference():
            return _meet("squared_difference", layer.broadcast.size)
        case Prelu():
            return _meet("prelu", layer.broadcast.size)
        case Extremum():
            return _meet("extremum", layer.broadcast.size)
        case Pad():
            return _pad(layer)
        case Softmax():
            return Counter(
                {
                    "softmax.call": 1,
                    "softmax.row": layer.n_rows,
                    "softmax.word": layer.n_rows * layer.row_size,
                }
            )
        case Table():
            return Counter({"table.call": 1, "table.word": layer.size})
        case Alias():
            return copy_events(layer.size, 1) if moves else Counter()
        case Part():
            return copy_events(layer.size, 1, source_start=layer.begin) if moves else Counter()
        case Copy():
            return rearrange_events(layer)
        case TransposeConv():
            return transpose_conv_events(layer)
        case BatchMatmul():
            return batch_matmul_events(layer)
        case Lstm():
            return lstm_plain_events(layer) if form == "plain" else lstm_dsp_events(layer, form)
        case ColumnSums():
            return column_sums_events(layer)
        case MeanOfSums():
            return Counter({"mean_of_sums.call": 1, "mean_of_sums.word": layer.n_channels})
    return None


def kinds_without_formula() -> tuple[str, ...]:
    """Return the layer kinds that `count_events` does not know, by name."""
    known = {
        Conv, DepthwiseConv, FullyConnected, Pool, Mean, Reduce, Add, Mul, SquaredDifference, Prelu, Extremum, Pad,
        Softmax, Table, Alias, Part, Copy, TransposeConv, BatchMatmul, Lstm,
    }  # fmt: skip
    return tuple(kind.__name__ for kind in get_args(Layer) if kind not in known)


def _clamp(requantize: Requantize, n_words: int) -> Events:
    is_whole = requantize.low <= -128 and requantize.high >= 127  # the kernels saturate already
    return Counter({"clamp.call": 1} if is_whole else {"clamp.call": 1, "clamp.word": n_words})


def _tiles(form: str, at_once: str, n_calls: int, n_tiles: int, n_groups: int) -> Events:
    """`tiles_of_two` or `tiles_of_one`: the loop turns over four groups or two, and those too many come first."""
    n = n_calls * n_tiles
    name = f"tiles.{form}.{at_once}"
    in_turn = 4 if at_once == "two" else 2
    turns = -(-n_groups // in_turn)
    found: Events = Counter(
        {f"{name}.call": n_calls, f"{name}.tile": n, f"{name}.group": n * n_groups, f"{name}.turn": n * turns}
    )
    if n_groups % in_turn:
        found[f"{name}.first_{n_groups % in_turn}"] = n
    return found


def _run_tiles(form: str, at_once: str, n_times: int, n_outputs: int, n_groups: int) -> Events:
    """`myo_nn_run_two` and `myo_nn_run_one`: whole tiles, then a part of one through a buffer."""
    if not n_times:
        return Counter()
    whole, left = divmod(n_outputs, TILE)
    found: Events = Counter({f"run_{at_once}.call": n_times})
    if whole:
        found += _tiles(form, at_once, n_times, whole, n_groups)
        found[f"run_{at_once}.whole"] = n_times
    if left:
        found += _tiles(form, at_once, n_times, 1, n_groups)
        found[f"run_{at_once}.part"] = n_times
        found[f"run_{at_once}.part_word"] = n_times * left
    return found


def _widen(n_words: int, times: int, name: str = "widen") -> Events:
    found: Events = Counter({f"{name}.call": times, f"{name}.4_words": n_words // 4 * times})
    if n_words % 4:
        found[f"{name}.rest"] = times
    return found


def _gather(layer: Conv, row_size: int, rows: list[int], columns: list[int], is_grouped: bool) -> Events:
    """Windows of output positions, those of the columns that are given, looked up and widened."""
    window, channels = layer.window, layer.weights.shape[3]
    height, width = layer.output_shape[0], len(columns)
    is_dense = not is_grouped and (window.dilation_width == 1 or window.width == 1)
    is_whole = row_size % 4 == 0
    n_positions = height * width
    direct = sum(n == window.width for n in columns) if is_dense and is_whole else 0
    n_direct = sum(rows) * direct
    n_copied = sum(rows) * (width - direct)
    n_absent = (height * window.height - sum(rows)) * width
    inside = [n for n in columns if not (direct and n == window.width)]
    n_columns = sum(rows) * sum(inside)
    n_padding = sum(rows) * sum(window.width - n for n in inside)
    found: Events = Counter(
        {
            "gather.position": n_positions,
            "gather.row": n_positions * window.height,
            "gather.copied_row": n_copied + n_absent,
            "gather.copied_column": n_columns + n_padding,
        }
    )
    found += copy_events(channels, n_columns, layer.input_shape[2] * window.dilation_width, channels)
    found += fill_events(channels, n_padding, channels) + fill_events(row_size, n_absent, row_size)
    if is_whole:
        return found + _widen(row_size, n_direct + n_copied + n_absent)
    return found + _widen(row_size * window.height, n_positions)


def _find_run(layer: Conv, row_size: int, n_groups: int) -> tuple[int, int]:
    """As find_run in conv_dsp.c: from where to where windows are contiguous in the input and inside of it."""
    window, (height, width, _) = layer.window, layer.output_shape
    is_dense = n_groups == 1 and (window.dilation_width == 1 or window.width == 1)
    if window.height != 1 or not is_dense or row_size % 4:
        return 0, 0
    if (window.width, window.stride_height, window.stride_width) == (1, 1, 1) and (
        layer.input_shape[:2] == layer.output_shape[:2]
    ):
        return 0, height * width
    room = layer.input_shape[1] + window.pad_left - window.width
    if height != 1 or layer.input_shape[0] != 1 or room < 0:
        return 0, 0
    return -(-window.pad_left // window.stride_width), min(room // window.stride_width + 1, width)


def _conv_dsp(layer: Conv, form: str) -> Events:
    window = layer.window
    height, width, _ = layer.output_shape
    n_inputs = layer.input_shape[2]
    weight_channels = layer.weights.shape[3]
    n_groups = n_inputs // weight_channels
    row_size = window.width * weight_channels
    n_positions = height * width
    rows, columns = window_axes(window, layer.input_shape, layer.output_shape)
    n_pairs, n_single = divmod(n_positions, 2)
    begin, end = _find_run(layer, row_size, n_groups)
    stepped = [p for p in range(0, 2 * n_pairs, 2) if begin <= p and p + 2 <= end]
    each: Events = Counter({"conv.group": 1, "conv.pair": n_pairs, "conv.single": n_single})
    each += Counter({"widen_two.call": len(stepped), "widen_two.4_words": len(stepped) * row_size // 4})
    if not stepped or height == 1:
        known = {q for p in stepped for q in (p, p + 1)}
        each += _gather(
            layer, row_size, rows, [n for q, n in enumerate(columns) if q not in known], n_groups > 1
        )
        each["conv.gathered_pair"] += n_pairs - len(stepped)
    elif n_single:  # of a pointwise convolution
        each += Counter({"gather.position": 1, "gather.row": 1}) + _widen(row_size, 1)
    words = -(-row_size * window.height // 4)
    per_group = layer.output_shape[2] // n_groups
    each += _run_tiles(form, "two", n_pairs, per_group, words)
    each += _run_tiles(form, "one", n_single, per_group, words)
    found: Events = Counter({"conv.call": 1})
    for name, n in each.items():
        found[name] += n * n_groups
    return found + _clamp(layer.requantize, n_positions * layer.output_shape[2])


def _dense_dsp(layer: FullyConnected, form: str) -> Events:
    n_outputs, n_inputs = layer.weights.shape
    n_pairs, n_single = divmod(layer.n_rows, 2)
    found: Events = Counter({"dense.call": 1, "dense.pair": n_pairs, "dense.single": n_single})
    found += _widen(n_inputs, n_pairs, "widen_apart") + _widen(n_inputs, n_pairs, "widen_apart")
    found += _widen(n_inputs, n_single)
    found += _run_tiles(form, "two", n_pairs, n_outputs, -(-n_inputs // 4))
    found += _run_tiles(form, "one", n_single, n_outputs, -(-n_inputs // 4))
    return found + _clamp(layer.requantize, layer.n_rows * n_outputs)


def _depthwise_dsp(layer: DepthwiseConv) -> Events:
    height, width, channels = layer.output_shape
    window = layer.window
    n_elements = window.height * window.width
    n_positions = height * width
    rows, columns = window_axes(window, layer.input_shape, layer.output_shape)
    n_found = sum(rows) * sum(columns)
    whole, left = divmod(channels, TILE)
    found: Events = Counter(
        {
            "depthwise.call": 1,
            "depthwise.row": height,
            "depthwise.position": n_positions,
            "point.row": sum(rows) * width,
            "point.absent_row": (height * window.height - sum(rows)) * width,
            "point.element": n_found,
            "point.padding": n_positions * n_elements - n_found,
        }
    )
    found += fill_events(channels, 1)
    if whole:
        n = n_positions * whole
        found += Counter(
            {
                "tiles.depthwise.call": n_positions,
                "tiles.depthwise.tile": n,
                "tiles.depthwise.turn": n * (n_elements // 2),
                "tiles.depthwise.odd": n * (n_elements % 2),
            }
        )
        found["depthwise.whole"] = n_positions
    if left:
        found += Counter(
            {
                "depthwise.part": n_positions,
                "depthwise.part_channel": n_positions * left,
                "depthwise.part_mac": n_positions * left * n_elements,
            }
        )
    return found + _clamp(layer.requantize, n_positions * channels)


def _pool(layer: Pool) -> Events:
    rows, columns = window_axes(layer.window, layer.input_shape, layer.output_shape)
    height, width, channels = layer.output_shape
    name = f"{layer.kind}_pool"
    return Counter(
        {
            f"{name}.call": 1,
            f"{name}.line": height,
            f"{name}.position": height * width,
            f"{name}.output": height * width * channels,
            f"{name}.row": sum(rows) * width * channels,
            f"{name}.element": sum(rows) * sum(columns) * channels,
        }
    )


def _mean(layer: Mean) -> Events:
    is_fast = layer.reduced_1 == 1 and layer.reduced_0 <= _MOST_ROWS
    n_tiles = layer.kept_1 // 4 if is_fast else 0
    n_slow = layer.kept_0 * (layer.kept_1 - 4 * n_tiles)
    return Counter(
        {
            "mean.call": 1,
            "mean.outer": layer.kept_0,
            "mean.tile": layer.kept_0 * n_tiles,
            "mean.tile_row": layer.kept_0 * n_tiles * layer.reduced_0,
            "mean.output": n_slow,
            "mean.row": n_slow * layer.reduced_0,
            "mean.element": n_slow * layer.reduced_0 * layer.reduced_1,
        }
    )


def _reduce(layer: Reduce) -> Events:
    n_outputs = layer.kept_0 * layer.kept_1
    return Counter(
        {
            "reduce.call": 1,
            "reduce.outer": layer.kept_0,
            "reduce.output": n_outputs,
            "reduce.row": n_outputs * layer.reduced_0,
            "reduce.element": n_outputs * layer.reduced_0 * layer.reduced_1,
        }
    )


def _meet_at_once(layer: Add | Mul) -> Events:
    """Count four words at once where neither operand of a sum or product is repeated from word to word."""
    name, meet = type(layer).__name__.lower(), layer.broadcast
    size, n_rows = meet.size, meet.size[0] * meet.size[1] * meet.size[2]
    is_contiguous = (meet.stride_a[3], meet.stride_b[3]) == (1, 1)
    n_fours = size[3] // _WORDS_AT_ONCE if is_contiguous else 0
    n_single = size[3] - n_fours * _WORDS_AT_ONCE
    found: Events = Counter(
        {
            f"{name}.call": 1,
            f"{name}.plane": size[0] * size[1],
            f"{name}.row": n_rows,
            f"{name}.4_words": n_rows * n_fours,
            f"{name}.word": n_rows * n_single,
        }
    )
    if layer.low > -128 or layer.high < 127:
        found[f"{name}.4_limits"] = n_rows * n_fours
        found[f"{name}.limits"] = n_rows * n_single
    return found


def _meet(name: str, size: tuple[int, int, int, int]) -> Events:
    n_rows = size[0] * size[1] * size[2]
    n_words = n_rows * size[3]
    return Counter(
        {
            f"{name}.call": 1,
            f"{name}.plane": size[0] * size[1],
            f"{name}.row": n_rows,
            f"{name}.word": n_words,
        }
    )


def _pad(layer: Pad) -> Events:
    height, width, channels = layer.input_shape
    column = layer.before[2] + channels + layer.after[2]
    row = (layer.before[1] + width + layer.after[1]) * column
    start = layer.before[0] * row + layer.before[1] * column + layer.before[2]
    found: Events = Counter({"pad.call": 1, "pad.row": height, "pad.column": height * width})
    found += fill_events(layer.before[0] * row, 1) + fill_events(layer.after[0] * row, 1)
    for n in (layer.before[1] * column, layer.after[1] * column):
        found += fill_events(n, height, row)
    for n in (layer.before[2], layer.after[2]):
        found += fill_events(n, height * width, column)
    return found + copy_events(channels, height * width, channels, column, start)
