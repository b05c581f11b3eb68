"""What calibration on the patch needs of training: mean embeddings of the classes, and how windows scatter around them.

A head on the patch has a person's own means. What it cannot learn from a minute is the covariance: that of windows of one
person, donning and class around their mean, which all persons share well enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.calibration import Calibration
from myo_pipeline.errors import DataError, ExportError
from myo_pipeline.reference import window_ends
from myo_pipeline.spec import PatchSpec
from myo_training.quiet import quiet_stderr
from myo_training.recordings import Recording
from myo_training.runtime import quantize_input, read_tensors

SETTLE_S = 1.0  # after a change of label: a movement follows its cue late
WINDOWS_EACH = (
    24  # of a person, donning and class: 12,000 windows for 20 persons, four seconds of tflite_micro
)
TEMPERATURES = np.geomspace(1, 64, 37)
ROUNDING_VARIANCE = 1 / 12  # of a word: no covariance is known better


@dataclass(frozen=True)
class WindowOrigins:
    """Where training windows come from.

    Attributes
    ----------
    groups
        Number of each window's person and donning, int64 (n_windows,).
    settled
        Whether its label had stood for :data:`SETTLE_S`, and for all that it sees, bool (n_windows,).
    """

    groups: NDArray[np.int64]
    settled: NDArray[np.bool_]


def trace_windows(recordings: Sequence[Recording], spec: PatchSpec, hop_samples: int) -> WindowOrigins:
    """Tell of each window that :func:`~myo_training.windows.cut_recordings` cuts where it comes from."""
    numbers = {key: n for n, key in enumerate(sorted({(r.person, r.session) for r in recordings}))}
    settle = max(round(SETTLE_S * spec.sensor.rate_hz), spec.span_samples * spec.decimation - 1)
    groups, settled = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for recording in recordings:
        n_frames = len(recording.emg) // spec.decimation
        ends = window_ends(n_frames, spec.span_samples, hop_samples) * spec.decimation
        changes = np.flatnonzero(np.diff(recording.labels) != 0) + 1
        last = np.concatenate([[0], changes])[np.searchsorted(changes, ends - 1, side="right")]
        groups.append(np.full(len(ends), numbers[recording.person, recording.session]))
        settled.append(ends - 1 - last >= settle)
    return WindowOrigins(np.concatenate(groups), np.concatenate(settled))


@dataclass(frozen=True)
class HeadStatistics:
    """What the export makes a head of, in steps of the embedding; ``calibration.npz``.

    Attributes
    ----------
    tensor
        The embedding's in ``model.tflite``.
    prior
        Mean of each class over persons and donnings, float64 (n_classes, n_words).
    precision
        Inverse of the shrunk covariance, over the temperature, float64 (n_words, n_words).
    temperature
        What makes the scores' softmax fit: windows follow each other and are less telling than so many independent ones.
    n_windows
        Windows that it was measured on.
    """

    tensor: int
    prior: NDArray[np.float64]
    precision: NDArray[np.float64]
    temperature: float
    n_windows: int


def find_embedding(flatbuffer: bytes, n_dense: int) -> tuple[int, int]:
    """Return the tensor that the last ``n_dense`` dense layers (or as many as there are in a row) take, and its zero point.

    Raises
    ------
    ExportError
        If the model does not end with a dense layer and a softmax.
    """
    with quiet_stderr():
        from tensorflow.lite.python import schema_py_generated as schema

    model = schema.Model.GetRootAs(flatbuffer, 0)
    graph, operators = model.Subgraphs(0), schema.BuiltinOperator
    ops = [graph.Operators(i) for i in range(graph.OperatorsLength())]
    codes = [
        max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        for code in (model.OperatorCodes(op.OpcodeIndex()) for op in ops)
    ]
    n = 0
    while n < min(n_dense, len(ops) - 1) and codes[-2 - n] == operators.FULLY_CONNECTED:
        n += 1
    if not n or codes[-1] != operators.SOFTMAX:
        raise ExportError(
            "calibration: the model does not end with a dense layer and a softmax: take [calibration] out of the spec, "
            "or use model.kind 'cnn' or 'mlp'"
        )
    tensor = int(ops[-1 - n].Inputs(0))
    return tensor, int(graph.Tensors(tensor).Quantization().ZeroPoint(0))


def choose_windows(labels: NDArray[np.int64], origins: WindowOrigins) -> NDArray[np.int64]:
    """Choose settled windows, as many of each person, donning and class, spread evenly; indices, ascending."""
    chosen = []
    for group in np.unique(origins.groups):
        for label in np.unique(labels):
            members = np.flatnonzero((origins.groups == group) & (labels == label) & origins.settled)
            n = min(len(members), WINDOWS_EACH)
            chosen.append(members[np.linspace(0, len(members) - 1, n).astype(int)] if n else members)
    return np.sort(np.concatenate(chosen))


def measure_head(
    table: Calibration, flatbuffer: bytes, x: NDArray[np.float32], labels: NDArray[np.int64],
    groups: NDArray[np.int64], quantization: tuple[float, int], n_classes: int,
) -> HeadStatistics:  # fmt: skip
    """Measure a model's embeddings.

    Parameters
    ----------
    table
        ``[calibration]``.
    flatbuffer
        The int8 model.
    x
        Network inputs of the chosen windows.
    labels, groups
        Class, and person and donning, of each.
    quantization
        Scale and zero point of the model's input.
    n_classes
        Of the model.

    Raises
    ------
    DataError
        If a class has no settled window.
    ExportError
        If the model has no embedding.
    """
    tensor, zero_point = find_embedding(flatbuffer, table.dense_layers)
    (words,) = read_tensors(flatbuffer, quantize_input(x, *quantization), [tensor])
    embeddings = words.astype(np.float64) - zero_point
    centred = np.zeros_like(embeddings)
    means: dict[int, list[NDArray[np.float64]]] = {label: [] for label in range(n_classes)}
    for group in np.unique(groups):
        for label in range(n_classes):
            members = (groups == group) & (labels == label)
            if members.any():
                means[label].append(embeddings[members].mean(axis=0))
                centred[members] = embeddings[members] - means[label][-1]
    missing = [label for label, found in means.items() if not found]
    if missing:
        raise DataError(
            f"calibration: class {missing[0]} has no window that stands {SETTLE_S:g} s after its label's change; "
            "record longer, or take [calibration] out of the spec"
        )
    n_words = embeddings.shape[1]
    covariance = centred.T @ centred / len(centred)
    ridge = max(table.shrinkage * float(np.trace(covariance)) / n_words, ROUNDING_VARIANCE)
    precision = np.linalg.inv(covariance + ridge * np.eye(n_words))
    temperature = _fit_temperature(precision, embeddings, labels, groups)
    prior = np.stack([np.mean(means[label], axis=0) for label in range(n_classes)])
    return HeadStatistics(tensor, prior, precision / temperature, temperature, len(embeddings))


def _fit_temperature(
    precision: NDArray[np.float64], embeddings: NDArray[np.float64], labels: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> float:  # fmt: skip
    """Return what to divide scores by so that the softmax tells a later half of the windows best from an earlier one's means."""
    losses = np.zeros(len(TEMPERATURES))
    for group in np.unique(groups):
        halves = [np.flatnonzero((groups == group) & (labels == label)) for label in np.unique(labels)]
        halves = [members for members in halves if len(members) > 1]
        if len(halves) < 2:
            continue
        means = np.stack([embeddings[members[: len(members) // 2]].mean(axis=0) for members in halves])
        weights = means @ precision
        for own, members in enumerate(halves):
            later = embeddings[members[len(members) // 2 :]]
            scores = later @ weights.T - (weights * means).sum(axis=1) / 2
            scaled = scores[None] / TEMPERATURES[:, None, None]
            scaled = scaled - scaled.max(axis=2, keepdims=True)
            losses += (np.log(np.exp(scaled).sum(axis=2)) - scaled[:, :, own]).mean(axis=1)
    return float(TEMPERATURES[losses.argmin()])
