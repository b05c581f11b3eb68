"""C text of one step of a network, for the plain kernels, those of the DSP extension, or both."""

from dataclasses import dataclass
from typing import Literal

from myo_export.emit_lstm import lstm_dsp_text, lstm_text
from myo_export.emit_net_dsp import dsp_layer_text
from myo_export.emit_net_layers import LayerText, layer_text
from myo_export.lowered import Layer, Lstm
from myo_export.pack_dsp import Packed, PackedLstm

# Which kernels the C is for: the plain ones, those of the DSP extension, or both, chosen when it is compiled.
Kernels = Literal["plain", "dsp", "both"]


@dataclass(frozen=True)
class StepText:
    """What a step adds to the source.

    Attributes
    ----------
    text : LayerText
        Of the kernel that may run; of the DSP extension's where both may.
    constants, config : str
        All that stands at file scope, and its configuration alone.
    calls : str
        Statements, indented.
    """

    text: LayerText
    constants: str
    config: str
    calls: str


def _statements(text: LayerText) -> str:
    return "".join(f"    {call}\n" for call in text.calls)


def _either(plain: str, dsp: str) -> str:
    """Text that the compiler chooses from."""
    return f"#if !MYO_NN_DSP\n{plain}#else\n{dsp}#endif\n"


def step_text(
    index: int,
    layer: Layer,
    form: Packed | str,
    kernels: Kernels,
    sources: list[str],
    target: str,
    scratch: str,
    suffix: str = "",
) -> StepText:
    """Write one step.

    Parameters
    ----------
    index : int
        The layer's index; its constants are named ``layer_<index>...``.
    layer : Layer
        What to write.
    form : Packed or str
        From `pack_layer`.
    kernels : str
        For which kernels.
    sources : list of str
        C expressions of the activations that it reads.
    target, scratch : str
        C expressions of the activation that it writes and of its working memory.
    suffix : str
        See `layer_text`.

    Returns
    -------
    StepText
        Constants and statements.
    """
    if isinstance(layer, Lstm):
        plain = lstm_text(index, layer, sources[0], target, suffix)
    else:
        plain = layer_text(index, layer, sources, target, suffix)
    if isinstance(form, str):
        return StepText(plain, plain.constants, plain.config, _statements(plain))
    if isinstance(layer, Lstm) and isinstance(form, PackedLstm):
        dsp = lstm_dsp_text(index, layer, form, sources[0], target, scratch, suffix)
    else:
        dsp = dsp_layer_text(index, layer, form, sources[0], target, scratch, suffix)
    if kernels != "both":
        return StepText(dsp, dsp.constants, dsp.config, _statements(dsp))
    return StepText(
        dsp,
        _either(plain.constants, dsp.constants),
        _either(plain.config, dsp.config),
        _either(_statements(plain), _statements(dsp)),
    )
