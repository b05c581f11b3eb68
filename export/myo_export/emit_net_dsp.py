"""C text of one layer for the DSP extension's kernels."""

from myo_export.emit_net_layers import LayerText, c_array, c_config, c_shape, c_window
from myo_export.lowered import Conv, DepthwiseConv, FullyConnected, Layer
from myo_export.pack_dsp import Packed, Tile

_TILE_BYTES = 64


def _tile(tile: Tile) -> str:
    bias = ", ".join(str(b) for b in tile.bias)
    scales = ", ".join(f"{{{s.multiplier}, {s.add}, {s.shift}}}" for s in tile.scales)
    return f"    {{.bias = {{{bias}}},\n     .scale = {{{scales}}}}},\n"


def _constants(name: str, packed: Packed) -> str:
    shape = " x ".join(str(n) for n in packed.weights.shape)
    is_wide = packed.weights.itemsize == 2
    weights = c_array(
        "int16_t" if is_wide else "int8_t", f"{name}_weights", packed.weights.flat, f"[{packed.weights.size}]"
    )
    tiles = "".join(_tile(tile) for tile in packed.tiles)
    return (
        f"/* {shape}{', doubled' if is_wide else ''} */\n_Alignas(4) {weights}"
        f"static const myo_nn_tile_t {name}_tiles[{len(packed.tiles)}] = {{\n{tiles}}};\n"
    )


def dsp_layer_text(
    index: int, layer: Layer, packed: Packed, source: str, target: str, scratch: str, suffix: str = ""
) -> LayerText:
    """Write one packed layer.

    Parameters
    ----------
    index : int
        The layer's index; its constants are named ``layer_<index>...``.
    layer : Layer
        What to write: a layer with weights.
    packed : Packed
        The same layer from `pack_layer`.
    source, target, scratch : str
        C expressions of the activations and of the working memory.
    suffix : str
        See `layer_text`.

    Returns
    -------
    LayerText
        Constants and call.

    Raises
    ------
    TypeError
        If the layer has no weights.
    """
    name = f"layer_{index}"
    fields: dict[str, object]
    match layer:
        case Conv() | DepthwiseConv():
            kind = "conv" if isinstance(layer, Conv) else "depthwise_conv"
            fields = {
                "input": c_shape(layer.input_shape),
                "output": c_shape(layer.output_shape),
                "window": c_window(layer.window),
            }
            if isinstance(layer, Conv):
                fields["weight_channels"] = layer.weights.shape[3]
            fields["zero_point"] = -layer.input_offset
        case FullyConnected():
            kind = "fully_connected"
            fields = {
                "n_rows": layer.n_rows,
                "n_inputs": layer.weights.shape[1],
                "n_outputs": layer.weights.shape[0],
            }
        case _:
            raise TypeError(f"{type(layer).__name__} has no packed form")
    if not isinstance(layer, DepthwiseConv):
        is_wide = packed.weights.itemsize == 2
        fields["kernel"] = "&myo_nn_wide_weights" if is_wide else "&myo_nn_packed_weights"
    fields |= {
        "low": layer.requantize.low,
        "high": layer.requantize.high,
        "weights": f"{name}_weights",
        "tiles": f"{name}_tiles",
    }
    return LayerText(
        _constants(name, packed),
        c_config(f"myo_{kind}_dsp_config_t", name + suffix, fields),
        (f"myo_{kind}_dsp_run(&{name}{suffix}, {source}, {target}, {scratch});",),
        packed.weights.nbytes,
        len(packed.tiles) * _TILE_BYTES,
    )
