"""C text of one step of a network, for the plain kernels, those of the DSP extension, Helium's, or all of them."""

from dataclasses import dataclass
from typing import Literal

from myo_export.emit_lstm import lstm_dsp_text, lstm_text
from myo_export.emit_net_dsp import dsp_layer_text
from myo_export.emit_net_layers import LayerText, layer_text
from myo_export.emit_net_mve import either_bias, mve_layer_text
from myo_export.fold_mve import Folded, Form, fold_layer
from myo_export.lowered import Layer, Lstm
from myo_export.pack_dsp import Packed, PackedLstm

# Which kernels the C is for: the plain ones, those of the DSP extension, Helium's, or, as `both` says for the two ways of
# holding weights, all of them, chosen when it is compiled.
Kernels = Literal["plain", "dsp", "mve", "both"]


@dataclass(frozen=True)
class StepText:
    """What a step adds to the source.

    Attributes
    ----------
    text : LayerText
        Of the kernel that may run; of the DSP extension's where several may.
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


def _either(others: str, dsp: str, also_mve: bool) -> str:
    """Text that the compiler chooses from: Helium's kernels, where there are any, share the plain ones' constants."""
    condition = "!MYO_NN_DSP || MYO_NN_MVE" if also_mve else "!MYO_NN_DSP"
    return f"#if {condition}\n{others}#else\n{dsp}#endif\n"


def step_text(
    index: int,
    layer: Layer,
    form: Form,
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
    form : Packed, Folded or str
        From `pack_layer`, or from `fold_layer` if it is for Helium alone.
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
    if kernels == "both":
        return _all_forms(index, layer, form, plain, sources, target, scratch, suffix)
    match form:
        case Folded():
            text = mve_layer_text(index, layer, form, sources[0], target, scratch, suffix)
        case Packed():
            text = _dsp_text(index, layer, form, sources[0], target, scratch, suffix)
        case _:
            text = plain
    return StepText(text, text.constants, text.config, _statements(text))


def _dsp_text(
    index: int, layer: Layer, form: Packed, source: str, target: str, scratch: str, suffix: str
) -> LayerText:
    if isinstance(layer, Lstm) and isinstance(form, PackedLstm):
        return lstm_dsp_text(index, layer, form, source, target, scratch, suffix)
    return dsp_layer_text(index, layer, form, source, target, scratch, suffix)


def _all_forms(
    index: int,
    layer: Layer,
    form: Form,
    plain: LayerText,
    sources: list[str],
    target: str,
    scratch: str,
    suffix: str,
) -> StepText:
    """Write a step for every core."""
    folded = fold_layer(layer)
    constants, mve = plain.constants, ""
    if isinstance(folded, Folded):
        text = mve_layer_text(index, layer, folded, sources[0], target, scratch, suffix)
        constants = either_bias(index, plain, layer, folded) + plain.config
        mve = f"#if MYO_NN_MVE\n{_statements(text)}"
    if not isinstance(form, Packed):
        calls = f"{mve}#else\n{_statements(plain)}#endif\n" if mve else _statements(plain)
        return StepText(plain, constants, plain.config, calls)
    dsp = _dsp_text(index, layer, form, sources[0], target, scratch, suffix)
    calls = f"{mve}#elif" if mve else "#if"
    return StepText(
        dsp,
        _either(constants, dsp.constants, bool(mve)),
        _either(plain.config, dsp.config, bool(mve)),
        f"{calls} MYO_NN_DSP\n{_statements(dsp)}#else\n{_statements(plain)}#endif\n",
    )
