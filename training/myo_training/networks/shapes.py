"""Each kind of model of a spec, layer by layer.

Convolutions over time are written as two-dimensional ones with a kernel of height 1 on an input of shape
(1, window_samples, n_channels), both behind the front end: the converter then keeps one op a layer. Features are
(windows, n_components, n_channels), the oldest window first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from myo_pipeline.classical_models import LinearModel
from myo_pipeline.feature_stage import compile_spec_features
from myo_pipeline.network_models import (
    AttentionModel,
    AutoencoderModel,
    LstmModel,
    SpectrogramModel,
    TcnModel,
)
from myo_pipeline.spec import CnnModel, MlpModel, PatchSpec
from myo_pipeline.stft import StftFeature
from myo_training.networks.builder import Form, NetworkBuilder, Ranges
from myo_training.quiet import import_tensorflow


def build_network(spec: PatchSpec, form: Form, ranges: Ranges | None = None) -> tuple[Any, list[str]]:
    """Build the Keras model of a spec.

    Parameters
    ----------
    spec
        The patch.
    form
        What it is laid for; weights of the learned form are drawn from Keras' global seed.
    ranges
        For ``Form.RANGED``: of the words of each layer.

    Returns
    -------
    tuple
        The model, and its layers whose words int8 has a range for.
    """
    builder = NetworkBuilder(form, ranges)
    shape = spec.model
    n_time = count_components(spec) if spec.features else spec.window_samples
    sizes = (spec.context_windows, n_time, spec.front_end_channels)
    source, x = builder.input(sizes, "features" if spec.features else "emg")
    if isinstance(shape, SpectrogramModel):
        (feature,) = (f for f in spec.features if isinstance(f, StftFeature))
        x = _lay_spectrogram(builder, x, shape, len(feature.bands_hz))
    else:
        x = _LAY[shape.kind](builder, x, shape)
    x = builder.decide(x, len(spec.output_names), spec.decides_classes)
    return import_tensorflow().keras.Model(source, x), builder.rounded


def count_components(spec: PatchSpec) -> int:
    """Return the words of a channel's features."""
    return compile_spec_features(spec, 16 - spec.sensor.adc_bits).n_components


def _lay_cnn(b: NetworkBuilder, x: Any, shape: CnnModel) -> Any:  # noqa: ANN401
    for index, (filters, stride) in enumerate(zip(shape.filters, shape.strides, strict=True)):
        x = b.convolve(x, f"{index}", filters, (1, shape.kernel), stride=(1, stride))
    x = b.average(x)
    if shape.dense:
        x = b.drop(x, shape.dropout, "drop0")
        x = b.connect(x, "dense", shape.dense)
    return b.drop(x, shape.dropout, "drop1")


def _lay_mlp(b: NetworkBuilder, x: Any, shape: MlpModel) -> Any:  # noqa: ANN401
    n_shared = min(shape.shared, len(shape.hidden)) if shape.windows > 1 else 0
    if (
        n_shared
    ):  # dense layers that each window passes by itself are convolutions over windows with a kernel of 1
        x = b.reshape(x, (1, shape.windows, x.shape[2] * x.shape[3]), "windows")
    for index, units in enumerate(shape.hidden[:n_shared]):
        x = b.convolve(x, f"{index}", units, (1, 1))
        x = b.drop(x, shape.dropout, f"drop{index}")
    x = import_tensorflow().keras.layers.Flatten(name="flat")(x)
    for index, units in enumerate(shape.hidden[n_shared:], n_shared):
        x = b.connect(x, f"dense{index}", units)
        x = b.drop(x, shape.dropout, f"drop{index}")
    return x


def _lay_linear(b: NetworkBuilder, x: Any, shape: LinearModel) -> Any:  # noqa: ANN401
    return import_tensorflow().keras.layers.Flatten(name="flat")(x)


def _lay_tcn(b: NetworkBuilder, x: Any, shape: TcnModel) -> Any:  # noqa: ANN401
    x = b.convolve(x, "0", shape.filters, (1, 1), stride=(1, shape.stride))
    for index, dilation in enumerate(shape.dilations, 1):
        y, key = x, f"{index}"
        if shape.padding == "causal":
            y = b.look_back(y, key, (shape.kernel - 1) * dilation)
        if shape.separable:
            y = b.convolve_channels(y, key, shape.kernel, dilation)
            y = b.convolve(y, key, shape.filters, (1, 1), relu=not shape.residual)
        else:
            kernel = (1, shape.kernel)
            y = b.convolve(
                y, key, shape.filters, kernel, dilation=dilation, padding="valid", relu=not shape.residual
            )
        x = b.add(x, y, key, relu=True) if shape.residual else y
    x = b.average(x) if shape.readout == "mean" else b.take_last(x)
    return b.drop(x, shape.dropout, "drop")


def _lay_lstm(b: NetworkBuilder, x: Any, shape: LstmModel) -> Any:  # noqa: ANN401
    x = b.reshape(x, tuple(x.shape[2:]), "steps")
    return b.drop(b.remember(x, shape.units), shape.dropout, "drop")


def _lay_spectrogram(b: NetworkBuilder, x: Any, shape: SpectrogramModel, n_bands: int) -> Any:  # noqa: ANN401
    n_segments = x.shape[2] // n_bands  # words lie segment by segment
    x = b.reshape(x, (n_segments, n_bands, x.shape[3]), "image")
    for index, filters in enumerate(shape.filters):
        x = b.convolve(x, f"{index}", filters, (min(shape.kernel, n_segments), min(shape.kernel, n_bands)))
    return b.drop(b.average(x), shape.dropout, "drop")


def _lay_attention(b: NetworkBuilder, x: Any, shape: AttentionModel) -> Any:  # noqa: ANN401
    x = b.convolve(x, "0", shape.filters, (1, shape.kernel), stride=(1, shape.stride))
    n_steps = x.shape[2]

    def project(key: str, length: int, gain: float = 1.0) -> Any:  # noqa: ANN401
        y = b.convolve(x, key, length, (1, 1), relu=False, gain=gain)
        return b.reshape(y, (n_steps, length), f"steps_{key}")

    queries = project("_queries", shape.keys, shape.keys**-0.5)  # so that scores begin with a variance of one
    mixed = b.attend(queries, project("_keys", shape.keys), project("_values", shape.filters))
    mixed = b.reshape(mixed, (1, n_steps, shape.filters), "steps")
    return b.drop(b.average(b.add(x, mixed, "0", relu=True)), shape.dropout, "drop")


def _lay_autoencoder(b: NetworkBuilder, x: Any, shape: AutoencoderModel) -> Any:  # noqa: ANN401
    given = x = import_tensorflow().keras.layers.Flatten(name="flat")(x)
    for index, units in enumerate(shape.hidden):
        x = b.connect(x, f"encoder{index}", units)
    x = b.code(x, shape.code, shape.divergence if shape.variational else None)
    for index, units in enumerate(reversed(shape.hidden)):
        x = b.connect(x, f"decoder{index}", units)
    return b.compare(x, given)


_LAY: dict[str, Callable[[NetworkBuilder, Any, Any], Any]] = {
    "cnn": _lay_cnn,
    "mlp": _lay_mlp,
    "lda": _lay_linear,
    "svm": _lay_linear,
    "tcn": _lay_tcn,
    "lstm": _lay_lstm,
    "attention": _lay_attention,
    "autoencoder": _lay_autoencoder,
}
