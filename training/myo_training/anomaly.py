"""Autoencoders: learned from normal windows alone, then given a threshold on how far they miss.

The score of a window is the mean size of the differences between its words and what the autoencoder gives for them, in
units of the network's input. The last layer compares it with the threshold, so that the network's outputs are the shares of
``normal`` and ``anomaly``, and all that follows on the patch is what follows any network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from myo_pipeline.spec import PatchSpec, ScoreOutput
from myo_training.fit import Augment, Examples, History, Progress, fit_model
from myo_training.quiet import import_tensorflow
from myo_training.recordings import Recording, check_recording
from myo_training.windows import WindowSet

NORMAL = 0
SHARPNESS = 4.0  # the outputs' difference before the softmax, from the threshold to the median score
CHUNK_WINDOWS = 8192


@dataclass(frozen=True)
class Threshold:
    """Where a score becomes an anomaly, and where half of the normal windows are, in units of the network's input."""

    threshold: float
    median: float
    percentile: float

    @property
    def gain(self) -> float:
        """Half of what a unit of the score adds to the outputs' difference before the softmax."""
        return SHARPNESS / 2 / max(self.threshold - self.median, 1e-6)


def mark_anomalies(recording: Recording, output: ScoreOutput) -> Recording:
    """Return a recording whose labels say normal or anomaly."""
    numbers = [number for number, label in enumerate(output.labels) if label in output.anomalies]
    return replace(recording, labels=np.isin(recording.labels, numbers).astype(np.int64))


def mark_recording(recording: Recording, spec: PatchSpec) -> Recording:
    """Check a recording's classes and mark its anomalies where the spec's output is a score; else give it as it is."""
    if not isinstance(spec.output, ScoreOutput):
        return recording
    check_recording(recording, spec.as_recorded())
    return mark_anomalies(recording, spec.output)


def keep_normal(windows: WindowSet) -> WindowSet:
    """Return the windows without an anomaly, as one recording of nobody."""
    normal = windows.labels == NORMAL
    return WindowSet(windows.counts[normal], windows.labels[normal], (int(normal.sum()),), ("",))


def fit_autoencoder(
    model: Any, spec: PatchSpec, train: NDArray[np.float32], validation: NDArray[np.float32] | None,  # noqa: ANN401
    progress: Progress, augment: Augment,
) -> tuple[History, Threshold]:  # fmt: skip
    """Learn to give normal windows again, and set the threshold; in place.

    Parameters
    ----------
    model
        The learned form of an autoencoder.
    spec
        The patch.
    train, validation
        Network inputs of normal windows; of persons that choose the epoch, or None.
    progress, augment
        As :func:`~myo_training.fit.fit_model`.
    """
    keras = import_tensorflow().keras
    sizes = keras.Model(model.input, model.get_layer("output").input)

    def aim(x: NDArray[np.float32]) -> Examples:
        return Examples(x, np.zeros((len(x), sizes.output_shape[1]), np.float32), np.ones(len(x), np.float32))

    others = None if validation is None else aim(validation)
    history = fit_model(sizes, aim(train), others, spec.training, False, progress, augment)
    return history, set_threshold(model, sizes, train, spec)


def set_threshold(model: Any, sizes: Any, x: NDArray[np.float32], spec: PatchSpec) -> Threshold:  # noqa: ANN401
    """Give the output layer the threshold that the percentile of the spec's windows ``x`` asks for."""
    if not isinstance(spec.output, ScoreOutput):  # pragma: no cover - the spec's validator refuses it
        raise TypeError(spec.output.kind)
    found = find_threshold(score(sizes, x), spec.output.percentile)
    n_words = sizes.output_shape[1]
    output = model.get_layer("output")
    output.kernel.assign(np.tile([-found.gain / n_words, found.gain / n_words], (n_words, 1)))
    output.bias.assign([found.gain * found.threshold, -found.gain * found.threshold])
    return found


def find_threshold(scores: NDArray[np.float64], percentile: float) -> Threshold:
    """Return the threshold that the percentile of normal windows' scores asks for."""
    median, threshold = np.percentile(scores, [50, percentile])
    return Threshold(float(threshold), float(median), percentile)


def share_scores(scores: NDArray[np.float64], threshold: Threshold) -> NDArray[np.float64]:
    """Return the shares of normal and anomaly, (n_windows, 2), as the network's last layer and softmax give them."""
    beyond = threshold.gain * (scores - threshold.threshold)
    return np.stack([expit(-2 * beyond), expit(2 * beyond)], axis=1)


def order_shares(outputs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return shares of normal and anomaly as what orders them: a share near 1 says little of how near, the other one does."""
    logs = np.log(np.maximum(outputs.astype(np.float64), np.finfo(np.float32).tiny))
    lead = logs[:, 1] - logs[:, 0]
    return np.stack([-lead, lead], axis=1)


def score(sizes: Any, x: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: ANN401
    """Return the mean difference of each window."""
    parts = [
        np.asarray(sizes.predict_on_batch(x[i : i + CHUNK_WINDOWS]), np.float64).mean(axis=1)
        for i in range(0, len(x), CHUNK_WINDOWS)
    ]
    return np.concatenate(parts)
