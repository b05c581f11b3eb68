"""The network: convolutions over time, mean over time, one dense layer, output; or dense layers over features.

Convolutions over time are written as two-dimensional ones with a kernel of height 1 on an input of shape
(1, window_samples, n_channels), both behind the front end: the converter then keeps one op a layer.
Normalisation and ReLU fold into them.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.classical_models import LinearModel
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_stage import FeatureScale, compile_spec_features
from myo_pipeline.spec import CnnModel, MlpModel, PatchSpec
from myo_training.quiet import import_tensorflow, quiet_stderr

# Filtered counts of training persons are divided by this percentile of their magnitude. EMG is heavy-tailed:
# the largest count would leave three of eight bits to weak contractions; at 99.9 one sample in a thousand
# saturates.
INPUT_PERCENTILE = 99.9
INPUT_MAX = 127 / 128  # the largest int8 value at a scale of 1/128

# Counts that become 1.0, for all channels or for each; or means and deviations of features.
InputScale = float | NDArray[np.float64] | FeatureScale


def measure_input_scale(counts: NDArray[np.floating]) -> float:
    """Return the counts that become 1.0 at the network's input.

    Parameters
    ----------
    counts
        Filtered counts of the training persons, any shape.

    Returns
    -------
    float
        :data:`INPUT_PERCENTILE` of the magnitude over all channels; one scale for all, since electrodes turn
        around the arm. Rounded to six digits, and 1.0 where the signal is silent.
    """
    scale = float(f"{np.percentile(np.abs(counts), INPUT_PERCENTILE):.6g}")
    return scale if scale > 0 else 1.0


def measure_channel_scales(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return :func:`measure_input_scale` of each channel, (n_channels,), for counts (..., n_channels)."""
    return np.array([measure_input_scale(counts[..., channel]) for channel in range(counts.shape[-1])])


def scale_input(counts: NDArray[np.floating], input_scale: InputScale) -> NDArray[np.float32]:
    """Return the network's input, (n_windows, 1, window_samples, n_channels), clipped to what int8 holds.

    Of features (n_windows, n_components, n_channels), their z-scores in the same way.
    """
    if isinstance(input_scale, FeatureScale):
        return input_scale.apply(counts)[:, None].astype(np.float32)
    scaled = np.asarray(counts, dtype=np.float32) / np.asarray(input_scale, np.float32)
    x: NDArray[np.float32] = np.clip(scaled, -1.0, INPUT_MAX)[:, None].astype(np.float32)
    return x


def build_model(spec: PatchSpec) -> Any:  # noqa: ANN401 - Keras has no types
    """Build the Keras model of a spec, weights drawn from Keras' global seed."""
    layers = import_tensorflow().keras.layers
    keras = import_tensorflow().keras
    shape = spec.model
    if isinstance(shape, MlpModel):
        return _build_mlp(spec, shape.hidden, shape.dropout)
    if isinstance(shape, LinearModel):
        return _build_mlp(spec, [], 0.0)
    if not isinstance(shape, CnnModel):
        raise SpecError(f"model.kind: {shape.kind!r} is no network; report this with the spec")
    x = inputs = keras.Input((1, spec.window_samples, spec.front_end_channels), name="emg")
    for index, (filters, stride) in enumerate(zip(shape.filters, shape.strides, strict=True)):
        x = layers.Conv2D(
            filters,
            (1, shape.kernel),
            strides=(1, stride),
            padding="same",
            use_bias=False,
            name=f"conv{index}",
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    if shape.dense:
        x = layers.Dropout(shape.dropout, name="drop0")(x)
        x = layers.Dense(shape.dense, activation="relu", name="dense")(x)
    x = layers.Dropout(shape.dropout, name="drop1")(x)
    activation = "softmax" if spec.output.kind == "classes" else "linear"
    return keras.Model(inputs, layers.Dense(len(spec.output_names), activation=activation, name="output")(x))


def _build_mlp(spec: PatchSpec, hidden: Sequence[int], dropout: float) -> Any:  # noqa: ANN401
    keras = import_tensorflow().keras
    layers = keras.layers
    inputs = keras.Input((1, count_components(spec), spec.front_end_channels), name="features")
    x = layers.Flatten(name="flat")(inputs)
    for index, units in enumerate(hidden):
        x = layers.Dense(units, activation="relu", name=f"dense{index}")(x)
        x = layers.Dropout(dropout, name=f"drop{index}")(x)
    activation = "softmax" if spec.output.kind == "classes" else "linear"
    return keras.Model(inputs, layers.Dense(len(spec.output_names), activation=activation, name="output")(x))


def count_components(spec: PatchSpec) -> int:
    """Return the words of a channel's features."""
    return compile_spec_features(spec, 16 - spec.sensor.adc_bits).n_components


def save_model(model: Any, path: Path) -> None:  # noqa: ANN401
    """Save a Keras model so that the same model gives the same file.

    Keras writes the time into its archive, and addresses as identity of shared objects: the first is left
    out, the second are numbered in the order in which they appear.
    """
    with quiet_stderr():
        model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in sorted(archive.namelist())}
    about = json.loads(members["metadata.json"])
    about.pop("date_saved", None)
    members["metadata.json"] = json.dumps(about).encode()
    numbers: dict[bytes, int] = {}
    members["config.json"] = re.sub(
        rb'("shared_object_id": )(\d+)',
        lambda m: m[1] + str(numbers.setdefault(m[2], len(numbers))).encode(),
        members["config.json"],
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)


@dataclass(frozen=True)
class ModelCost:
    """Parameters after folding, and multiply-accumulates of one window."""

    n_parameters: int
    n_macs: int


def count_cost(spec: PatchSpec) -> ModelCost:
    """Count what one window costs, by arithmetic on the spec."""
    steps, channels, parameters, macs = spec.window_samples, spec.front_end_channels, 0, 0
    if isinstance(spec.model, MlpModel | LinearModel):
        channels = channels * count_components(spec)
        dense = list(spec.model.hidden) if isinstance(spec.model, MlpModel) else []
    elif isinstance(spec.model, CnnModel):
        dense = [spec.model.dense] if spec.model.dense else []
        for filters, stride in zip(spec.model.filters, spec.model.strides, strict=True):
            steps = -(-steps // stride)
            weights = spec.model.kernel * channels * filters
            parameters += weights + filters
            macs += weights * steps
            channels = filters
    else:
        raise SpecError(f"model.kind: {spec.model.kind!r} is no network; report this with the spec")
    for units in [*dense, len(spec.output_names)]:
        parameters += channels * units + units
        macs += channels * units
        channels = units
    return ModelCost(parameters, macs)
