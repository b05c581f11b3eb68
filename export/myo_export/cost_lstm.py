"""What an LSTM's kernels run, counted from their loops, for the cost model; see `cost_events`."""

from collections import Counter

from myo_export.cost_copies import Events, copy_events, fill_events
from myo_export.lowered import Lstm
from myo_export.pack_dsp import TILE


def lstm_plain_events(layer: Lstm) -> Events:
    """Count `myo_lstm_run`."""
    n = layer.n_steps * layer.n_cells
    found: Events = Counter(
        {
            "lstm_plain.call": 1,
            "lstm_plain.step": layer.n_steps,
            "lstm_plain.cell": n,
            "lstm_plain.mac": n * len(layer.gates) * (layer.n_inputs + layer.n_cells),
        }
    )
    return found + copy_events(layer.n_cells, 1)


def lstm_dsp_events(layer: Lstm, form: str) -> Events:
    """Count `myo_lstm_dsp_run`: arguments from two inputs at once, from the hidden state step by step."""
    n_cells, n_inputs = layer.n_cells, layer.n_inputs
    n_tiles = -(-n_cells // TILE)
    n_twos = -(-layer.n_steps // 2)
    n_pairs, n_odd = divmod(n_cells, 2)
    found: Events = Counter(
        {
            "lstm.call": 1,
            "lstm.cell": n_cells,
            "lstm.two": n_twos,
            "lstm.step": layer.n_steps,
            "lstm.pair": layer.n_steps * (n_pairs + n_odd),
            "widen_apart.call": 2 * n_twos,
            "widen_apart.4_words": 2 * n_twos * (n_inputs // 4),
            "widen_apart.rest": 2 * n_twos * (n_inputs % 4 > 0),
        }
    )
    found += fill_events(4 * n_tiles * TILE, 1) + copy_events(2 * n_cells, 2)
    n_scaled = sum(gate.input_factor.shift < 0 for gate in layer.gates)
    found += _gates(form, "two", n_twos, len(layer.gates) * n_tiles, n_scaled * n_tiles, -(-n_inputs // 4))
    n_scaled = sum(gate.recurrent_factor.shift < 0 for gate in layer.gates)
    return found + _gates(form, "one", layer.n_steps, len(layer.gates) * n_tiles, n_scaled * n_tiles, n_tiles)


def _gates(form: str, at_once: str, n_calls: int, n_tiles: int, n_scaled: int, n_groups: int) -> Events:
    """Count a call's tiles; groups and turns are the instructions of `myo_nn_run_two` and `myo_nn_run_one`."""
    name, loop = f"gates.{form}.{at_once}", f"tiles.{form}.{at_once}"
    n = n_calls * n_tiles
    return Counter(
        {
            f"{name}.call": n_calls,
            f"{name}.tile": n,
            f"{name}.scaled": n_calls * n_scaled,  # a scale without a shift has no second rounding
            f"{loop}.group": n * n_groups,
            f"{loop}.turn": n * -(-n_groups // 2),
            f"{loop}.odd": n * (n_groups % 2),
        }
    )
