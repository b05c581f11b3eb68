"""From a learned float model to int8: after training, or by learning further with the rounding in the way.

References
----------
Jacob et al. 2018, doi:10.1109/CVPR.2018.00286, section 3 (quantization-aware training).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.network_models import NEVER_ROUNDED
from myo_pipeline.spec import PatchSpec
from myo_training.convert import convert_model, convert_ranged
from myo_training.fit import Augment, Examples, History, Progress, fit_model
from myo_training.networks.builder import (
    DIFFERENCE,
    FIXED_RANGES,
    SUM,
    Form,
    copy_weights,
    fold_weights,
)
from myo_training.networks.shapes import build_network
from myo_training.quiet import import_tensorflow, quiet_stderr

# Of the learning rate's peak: the weights are near their end, and the rounding's gradient is an approximation.
AWARE_RATE = 0.1
CHUNK_WINDOWS = 512
# Of a score's two outputs before their softmax: anomalies lie beyond the windows that ranges are measured on. At the ends
# the softmax is within a step of 0 and 1, and a step is a 64th of the way from the median score to the threshold.
LOGIT_RANGE = (-4.0, 4.0 - 1 / 32)

MeasuredRanges = dict[str, tuple[float, float]]


class Restore(Protocol):
    """Folds the units of the outputs back into a model's output layer."""

    def restore(self, model: Any) -> None: ...  # noqa: ANN401, D102


@dataclass(frozen=True)
class Quantized:
    """A model in the forms that a bundle and the reports on it take.

    Attributes
    ----------
    model
        The float Keras model, outputs in real units.
    int8
        Its full int8 flatbuffer.
    rounded
        Its rounded form (:class:`~myo_training.networks.builder.Form`), all switches off; None where a kind has none.
    layers
        Layers of ``rounded`` whose words int8 has a range for.
    learned, post
        Of aware training: the float model that it began with, and what quantization after training makes of that.
    history
        Of aware training.
    """

    model: Any
    int8: bytes
    rounded: Any | None
    layers: tuple[str, ...]
    learned: Any | None = None
    post: bytes | None = None
    history: History | None = None


def quantize_post(
    model: Any, spec: PatchSpec, representative: NDArray[np.float32], targets: Restore  # noqa: ANN401
) -> Quantized:  # fmt: skip
    """Quantize a learned model as it is; ranges are those of the words on ``representative`` windows."""
    targets.restore(model)
    if spec.model.kind in NEVER_ROUNDED:
        return Quantized(model, convert_model(model, representative), None, ())
    with quiet_stderr():
        rounded, layers = build_network(spec, Form.ROUNDED)
        fold_weights(model, rounded)
        ranges = measure_ranges(rounded, layers, representative)
        if spec.output.kind == "score":
            ranges["output"] = LOGIT_RANGE
            learned, (model, _) = model, build_network(spec, Form.FOLDED)  # what draws codes is gone
            fold_weights(learned, model)
        write_ranges(rounded, ranges)
        if any(name.startswith((SUM, DIFFERENCE)) for name in layers):
            # TensorFlow Lite adds in place, and its calibration then takes a sum's words for those of its operand.
            ranged, _ = build_network(spec, Form.RANGED, ranges)
            copy_weights(rounded, ranged)
            int8 = convert_ranged(ranged)
        else:
            int8 = convert_model(model, representative)
    return Quantized(model, int8, rounded, tuple(layers))


def quantize_aware(
    model: Any, spec: PatchSpec, representative: NDArray[np.float32], targets: Restore,  # noqa: ANN401
    train: Examples, validation: Examples | None, augment: Augment, progress: Progress,
) -> Quantized:  # fmt: skip
    """Learn a model further with weights and words rounded as int8, normalisation folded, ranges learned along.

    Parameters
    ----------
    model
        The learned model, its outputs as learned; left in real units.
    spec
        The patch: ``training.aware_epochs`` passes at :data:`AWARE_RATE` of its learning rate.
    representative
        Windows that the ranges begin with.
    targets
        Of the outputs.
    train, validation, augment, progress
        As :func:`~myo_training.fit.fit_model`.
    """
    with quiet_stderr():
        rounded, layers = build_network(spec, Form.ROUNDED)
        fold_weights(model, rounded)
        write_ranges(rounded, measure_ranges(rounded, layers, representative))
        for name in FIXED_RANGES.keys() & set(layers):
            rounded.get_layer(f"words_{name}").trainable = False
    switch(rounded, layers, layers)
    settings = spec.training.model_copy(
        update={
            "epochs": spec.training.aware_epochs,
            "learning_rate": AWARE_RATE * spec.training.learning_rate,
        }
    )
    history = fit_model(rounded, train, validation, settings, spec.decides_classes, progress, augment)
    switch(rounded, layers, ())
    with quiet_stderr():
        targets.restore(rounded)
        ranges = read_ranges(rounded, layers)
        if not spec.decides_classes:  # the units of the output have changed
            ranges["output"] = measure_ranges(rounded, ["output"], representative)["output"]
            write_ranges(rounded, ranges)
        folded, _ = build_network(spec, Form.FOLDED)
        copy_weights(rounded, folded)
        ranged, _ = build_network(spec, Form.RANGED, ranges)
        copy_weights(rounded, ranged)
    post = quantize_post(model, spec, representative, targets).int8
    return Quantized(folded, convert_ranged(ranged), rounded, tuple(layers), model, post, history)


def measure_ranges(rounded: Any, layers: Sequence[str], x: NDArray[np.float32]) -> MeasuredRanges:  # noqa: ANN401
    """Return the smallest and largest word behind each layer on windows, 0 among them; switches have to be off."""
    keras = import_tensorflow().keras
    taps = keras.Model(rounded.input, [rounded.get_layer(f"words_{name}").output for name in layers])
    low, high = np.zeros(len(layers)), np.zeros(len(layers))
    for start in range(0, len(x), CHUNK_WINDOWS):
        found = taps.predict_on_batch(x[start : start + CHUNK_WINDOWS])
        found = found if isinstance(found, list) else [found]
        low = np.minimum(low, [float(np.min(words)) for words in found])
        high = np.maximum(high, [float(np.max(words)) for words in found])
    ranges = {name: (float(a), float(b)) for name, a, b in zip(layers, low, high, strict=True)}
    return ranges | {name: ends for name, ends in FIXED_RANGES.items() if name in ranges}


def read_ranges(rounded: Any, layers: Sequence[str]) -> MeasuredRanges:  # noqa: ANN401
    """Return the ranges that a rounded form has."""
    words = {name: rounded.get_layer(f"words_{name}") for name in layers}
    return {name: (float(layer.low.numpy()), float(layer.high.numpy())) for name, layer in words.items()}


def write_ranges(rounded: Any, ranges: MeasuredRanges) -> None:  # noqa: ANN401
    """Give a rounded form its ranges."""
    for name, (low, high) in ranges.items():
        layer = rounded.get_layer(f"words_{name}")
        layer.low.assign(low)
        layer.high.assign(high)


def switch(rounded: Any, layers: Sequence[str], on: Sequence[str]) -> None:  # noqa: ANN401
    """Round the words and the weights of the layers ``on``, and of no other of ``layers``."""
    weighed = {layer.name: layer for layer in rounded.layers if hasattr(layer, "share")}
    for name in layers:
        for layer in (weighed[f"words_{name}"], weighed.get(name)):
            if layer is not None:
                layer.share.assign(float(name in on))
