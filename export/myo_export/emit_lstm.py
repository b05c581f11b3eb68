"""C text of an LSTM, and of the state of a network that has some."""

from myo_export.emit_net_layers import LayerText, c_array, c_config
from myo_export.lowered import Lstm, LstmGate, Network
from myo_export.memory_plan import ALIGNMENT
from myo_export.pack_dsp import PackedLstm
from myo_export.quantized_math import Factor

_GATE_NAMES = ("input", "forget", "candidate", "output")
_TILE_BYTES = 32


def state_name(index: int) -> str:
    """C name of the pointer to the state of layer ``index``."""
    return f"state_{index}"


def _factor(factor: Factor) -> str:
    return f"{{{factor.multiplier}, {factor.shift}}}"


def _gate(name: str, gate: LstmGate) -> tuple[str, str]:
    """Arrays of a gate, and the initializer that names them."""
    arrays = ""
    for what, values in (("input", gate.input_weights), ("recurrent", gate.recurrent_weights)):
        arrays += f"/* {values.shape[0]} x {values.shape[1]} */\n"
        arrays += c_array("int8_t", f"{name}_{what}_weights", values.flat, f"[{values.size}]")
    arrays += c_array("int32_t", f"{name}_bias", gate.bias.flat, f"[{gate.bias.size}]")
    fields = (
        f"{{{name}_input_weights, {name}_recurrent_weights, {name}_bias,\n"
        f"               {_factor(gate.input_factor)}, {_factor(gate.recurrent_factor)}}}"
    )
    return arrays, fields


def lstm_text(index: int, layer: Lstm, source: str, target: str, suffix: str = "") -> LayerText:
    """Write an LSTM for the plain kernel; see `layer_text`."""
    name = f"layer_{index}"
    gates = [_gate(f"{name}_{gate}", values) for gate, values in zip(_GATE_NAMES, layer.gates, strict=True)]
    config = c_config(
        "myo_lstm_config_t",
        name + suffix,
        _sizes(layer)
        | {
            "input_offset": layer.input_offset,
            "hidden_offset": layer.hidden_offset,
            "gates": "{" + ",\n              ".join(fields for _, fields in gates) + "}",
            "forget": _factor(layer.forget),
            "update": _factor(layer.update),
            "hidden": _factor(layer.hidden),
        }
        | _cells(layer),
    )
    return LayerText(
        "".join(arrays for arrays, _ in gates),
        config,
        (f"myo_lstm_run(&{name}{suffix}, {source}, {state_name(index)}, {target});",),
        sum(g.input_weights.size + g.recurrent_weights.size + 4 * g.bias.size for g in layer.gates),
    )


def _sizes(layer: Lstm) -> dict[str, object]:
    return {"n_steps": layer.n_steps, "n_inputs": layer.n_inputs, "n_cells": layer.n_cells}


def _cells(layer: Lstm) -> dict[str, object]:
    return {
        "tanh_multiplier": layer.tanh_multiplier,
        "tanh_shift": layer.tanh_shift,
        "cell_low": layer.cell_low,
        "cell_high": layer.cell_high,
    }


def lstm_dsp_text(
    index: int, layer: Lstm, packed: PackedLstm, source: str, target: str, scratch: str, suffix: str = ""
) -> LayerText:
    """Write a packed LSTM; see `dsp_layer_text`."""
    name = f"layer_{index}"
    is_wide = packed.weights.itemsize == 2
    ctype = "int16_t" if is_wide else "int8_t"
    arrays = ""
    for what, values in (("input", packed.input_weights), ("recurrent", packed.recurrent_weights)):
        shape = " x ".join(str(n) for n in values.shape)
        arrays += f"/* {shape}{', scaled by powers of 2' if is_wide else ''} */\n_Alignas(4) "
        arrays += c_array(ctype, f"{name}_{what}_weights", values.flat, f"[{values.size}]")
    for what, tiles in (("input", packed.input_tiles), ("recurrent", packed.recurrent_tiles)):
        rows = "".join(
            f"    {{.bias = {{{', '.join(str(b) for b in tile.bias)}}}, .multiplier = {tile.multiplier},"
            f" .add = {tile.add}, .shift = {tile.shift}, .left = {tile.left}}},\n"
            for tile in tiles
        )
        arrays += f"static const myo_nn_gate_tile_t {name}_{what}_tiles[{len(tiles)}] = {{\n{rows}}};\n"
    hidden = packed.hidden
    config = c_config(
        "myo_lstm_dsp_config_t",
        name + suffix,
        _sizes(layer)
        | {
            "kernel": "&myo_nn_wide_gates" if is_wide else "&myo_nn_packed_gates",
            "input_weights": f"{name}_input_weights",
            "recurrent_weights": f"{name}_recurrent_weights",
            "input_tiles": f"{name}_input_tiles",
            "recurrent_tiles": f"{name}_recurrent_tiles",
            "hidden": f"{{{hidden.multiplier}, {hidden.add}, {hidden.shift}}}",
            "update_shift": packed.update_shift,
        }
        | _cells(layer),
    )
    return LayerText(
        arrays,
        config,
        (f"myo_lstm_dsp_run(&{name}{suffix}, {source}, {state_name(index)}, {target}, {scratch});",),
        packed.input_weights.nbytes + packed.recurrent_weights.nbytes,
        _TILE_BYTES * (len(packed.input_tiles) + len(packed.recurrent_tiles)),
    )


class NetworkState:
    """What of a network lives from run to run: the first bytes of its arena.

    Parameters
    ----------
    network : Network
        Lowered network.

    Attributes
    ----------
    n_bytes : int
        A multiple of the arena's alignment; 0 where nothing lives on.
    """

    def __init__(self, network: Network) -> None:
        self._layers: list[tuple[int, Lstm, int]] = []
        self.n_bytes = 0
        for step in network.steps:
            if isinstance(step.layer, Lstm):
                self._layers.append((step.index, step.layer, self.n_bytes))
                self.n_bytes += -(-step.layer.state_bytes // ALIGNMENT) * ALIGNMENT

    def pointers(self) -> str:
        """Definitions of what the calls name."""
        return "".join(
            f"    void *const {state_name(index)} = (int8_t *)arena + {offset}; /* {layer.state_bytes} bytes,"
            " from run to run */\n"
            for index, layer, offset in self._layers
        )

    def init_function(self) -> str:
        """Definition of ``net_init``."""
        body = "".join(
            f"    memset((int8_t *)arena + {offset}, 0, {2 * layer.n_cells});\n"
            f"    memset((int8_t *)arena + {offset + 2 * layer.n_cells}, {-layer.hidden_offset},"
            f" {layer.n_cells});\n"
            for _, layer, offset in self._layers
        )
        body = body or "    (void)arena; /* nothing lives from run to run */\n"
        return f"void net_init(void *arena) {{\n{body}}}\n"

    def define(self) -> str:
        """Line of the header on the state's size."""
        if not self._layers:
            return ""
        return f"#define NET_STATE_SIZE {self.n_bytes} /* the arena's first bytes, which live from run to run */\n"

    def about_init(self) -> str:
        """Comment on ``net_init`` in the header."""
        if not self._layers:
            return "Call once before the first run."
        return (
            "Begins a sequence: call before the first run. The network has an LSTM, whose state lives from run to run: a\n"
            "   run continues the sequence of the run before it, as in the tflite_micro runtime. Where every window stands\n"
            "   for itself, as in training, call net_init before each run."
        )
