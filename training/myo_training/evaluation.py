"""What a trained model is worth: float on every split, int8 on the windows that the patch would decide."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_reference import time_aux
from myo_pipeline.decision_rule import decide_recordings
from myo_pipeline.reference import mean_values, window_ends
from myo_pipeline.spec import Decision, PatchSpec
from myo_training.anomaly import order_shares
from myo_training.class_metrics import find_rest
from myo_training.convert import read_quantization
from myo_training.metrics import detail_classes, summarize_classes, summarize_detection, summarize_values
from myo_training.model import InputScale, scale_input
from myo_training.recordings import Recording
from myo_training.runtime import quantize_input, run_model
from myo_training.windows import WindowSet

Predict = Callable[[NDArray[np.float32]], NDArray[np.float64]]
CHUNK_WINDOWS = 8192


def predict_float(model: Any) -> Predict:  # noqa: ANN401
    """Return a function from network inputs to the Keras model's outputs, in float64."""

    def predict(x: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(model.predict_on_batch(x), dtype=np.float64)

    return predict


def predict_int8(flatbuffer: bytes) -> Predict:
    """Return a function from network inputs to the int8 outputs in real units, through ``tflite_micro``."""
    (in_scale, in_zero), (out_scale, out_zero) = (
        read_quantization(flatbuffer, t) for t in ("input", "output")
    )

    def predict(x: NDArray[np.float32]) -> NDArray[np.float64]:
        y = run_model(flatbuffer, quantize_input(x, in_scale, in_zero))
        return (y.astype(np.float64) - out_zero) * out_scale

    return predict


def predict_windows(windows: WindowSet, predict: Predict, input_scale: InputScale) -> NDArray[np.float64]:
    """Return a predictor's outputs of windows, (n_windows, n_outputs)."""
    return np.concatenate(
        [
            predict(scale_input(windows.counts[start : start + CHUNK_WINDOWS], input_scale))
            for start in range(0, len(windows.counts), CHUNK_WINDOWS)
        ]
    )


@dataclass(frozen=True)
class Judged:
    """Outputs of windows that follow each other at the spec's hop, and what they should have been.

    Attributes
    ----------
    outputs
        Of the network, float (n_windows, n_outputs).
    labels
        As of :class:`~myo_training.windows.WindowSet`.
    lengths, persons
        Windows and person of each recording.
    """

    outputs: NDArray[np.floating]
    labels: NDArray[Any]
    lengths: tuple[int, ...]
    persons: tuple[str, ...]

    def parts(self) -> list[slice]:
        """Return the place of each recording's windows."""
        edges = np.concatenate([[0], np.cumsum(self.lengths)]).astype(int).tolist()
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    @property
    def owners(self) -> NDArray[np.str_]:
        """The person of each window."""
        return np.repeat(np.array(self.persons), self.lengths)

    @property
    def starts(self) -> NDArray[np.bool_]:
        """Where a recording begins."""
        starts = np.zeros(len(self.outputs), bool)
        starts[[part.start for part in self.parts() if part.start < len(starts)]] = True
        return starts

    def decide(self, decision: Decision) -> NDArray[np.int64]:
        """Decide classes; every recording starts anew."""
        return np.concatenate(decide_recordings([self.outputs[part] for part in self.parts()], decision))


def judge_windows(windows: WindowSet, outputs: NDArray[np.floating]) -> Judged:
    """Put outputs beside the labels of their windows."""
    return Judged(outputs, windows.labels, windows.lengths, windows.persons)


def evaluate(
    windows: WindowSet, predict: Predict, input_scale: InputScale, spec: PatchSpec
) -> dict[str, Any]:
    """Return the figures of a predictor on windows that follow each other at the spec's hop.

    Returns
    -------
    dict
        ``window`` (every window by itself) and ``voted`` (the spec's decision, started anew in each
        recording), each as :func:`summarize_outputs` gives.
    """
    return summarize_outputs(judge_windows(windows, predict_windows(windows, predict, input_scale)), spec)


def summarize_outputs(judged: Judged, spec: PatchSpec) -> dict[str, Any]:
    """Return the figures of outputs: ``window``, every window by itself, and ``voted``, the spec's decision.

    Each as :func:`~myo_training.metrics.summarize_classes` and ``detail_classes``, or ``summarize_values`` give; of a score also
    ``summarize_detection``.
    """
    truth, outputs, persons = judged.labels, judged.outputs, judged.owners
    if spec.decides_classes:
        n_classes, rest = len(spec.output_names), find_rest(spec.output_names)
        is_score = spec.output.kind == "score"
        scores = order_shares(outputs) if is_score else outputs
        numbers = truth.astype(np.int64)
        decided = {"window": outputs.argmax(axis=1), "voted": judged.decide(spec.decision)}
        return {
            name: summarize_classes(numbers, d, persons, n_classes)
            | detail_classes(
                numbers, d, persons, n_classes, judged.starts, rest, scores if name == "window" else None
            )
            | (summarize_detection(numbers, d, persons) if is_score else {})
            for name, d in decided.items()
        }
    values = truth.astype(np.float64)
    means = np.concatenate([mean_values(outputs[part], spec.decision.vote) for part in judged.parts()])
    return {
        "window": summarize_values(values, outputs.astype(np.float64), persons),
        "voted": summarize_values(values, means, persons),
    }


@dataclass(frozen=True)
class Segment:
    """A contiguous stretch of a held-out recording, to be replayed through a patch."""

    recording: Recording
    start: int
    stop: int


MIN_SEGMENT_WINDOWS, MAX_SEGMENT_WINDOWS = 12, 60
TARGET_WINDOWS = 2400


def choose_segments(
    recordings: list[Recording], spec: PatchSpec, target_windows: int = TARGET_WINDOWS
) -> list[Segment]:
    """Choose what to replay: for each person and trial one segment around the first change of label.

    A person's trials are taken from their sessions in turn, so that every session and every trial name is
    covered without replaying all. Segments are of equal length, about ``target_windows`` windows in all.

    Parameters
    ----------
    recordings
        Held-out recordings.
    spec
        The patch.
    target_windows
        Windows wanted in sum.

    Returns
    -------
    list of Segment
        In the order of person and trial; nothing about them is random.
    """
    sessions: dict[str, list[str]] = {}
    trials: dict[tuple[str, str], dict[str, Recording]] = {}
    for recording in sorted(recordings, key=lambda r: r.key):
        if recording.session not in sessions.setdefault(recording.person, []):
            sessions[recording.person].append(recording.session)
        trials.setdefault((recording.person, recording.trial), {})[recording.session] = recording
    chosen: list[Recording] = []
    turn: dict[str, int] = {}
    for (person, _), choices in sorted(trials.items()):
        wanted = sessions[person][turn.get(person, 0) % len(sessions[person])]
        turn[person] = turn.get(person, 0) + 1
        chosen.append(choices.get(wanted, next(iter(choices.values()))))
    each = int(np.clip(target_windows // max(1, len(chosen)), MIN_SEGMENT_WINDOWS, MAX_SEGMENT_WINDOWS))
    n_samples = (spec.span_samples + (each - 1) * spec.hop_samples) * spec.decimation
    common = math.lcm(*(time_aux(spec, stream).unit for stream in spec.aux))
    segments = []
    for recording in chosen:
        changes = (
            np.flatnonzero(np.diff(recording.labels)) + 1 if recording.labels.ndim == 1 else np.empty(0, int)
        )
        middle = int(changes[0]) if len(changes) else len(recording.emg) // 2
        start = max(0, min(middle - n_samples // 2, len(recording.emg) - n_samples))
        start -= start % common  # a sample of every auxiliary stream belongs to the first frame
        stop = min(len(recording.emg), start + n_samples)
        if stop - start >= spec.span_samples * spec.decimation:
            segments.append(Segment(recording, start, stop))
    return segments


def count_windows(segments: list[Segment], spec: PatchSpec) -> int:
    """Return the number of windows in segments, each replayed from a start."""
    frames = [(s.stop - s.start) // spec.decimation for s in segments]
    return sum(len(window_ends(n, spec.span_samples, spec.hop_samples)) for n in frames)


def pack_segments(segments: list[Segment], spec: PatchSpec) -> dict[str, NDArray[Any]]:
    """Return the arrays of ``evaluation.npz``.

    ``n_segments``; for each segment ``seg<i>_emg`` (int16 or int32, (n_samples, n_channels)),
    ``seg<i>_labels``, and of auxiliary stream k ``seg<i>_aux<k>`` (int32, (n_samples, n_channels)) and
    ``seg<i>_aux<k>_stamps`` (int64, frames from the segment's first on); and
    ``segments``, a JSON list of person, session, trial and start.
    """
    dtype = np.int16 if spec.sensor.sample_bytes == 2 else np.int32
    out: dict[str, NDArray[Any]] = {"n_segments": np.array(len(segments), dtype=np.int64)}
    listing = []
    for index, segment in enumerate(segments):
        recording, part = segment.recording, slice(segment.start, segment.stop)
        out[f"seg{index}_emg"] = recording.emg[part].astype(dtype)
        out[f"seg{index}_labels"] = recording.labels[part]
        for k, stream in enumerate(spec.aux):
            samples = recording.aux[stream.name]
            inside = (samples.stamps >= segment.start) & (samples.stamps < segment.stop)
            out[f"seg{index}_aux{k}"] = samples.counts[inside]
            out[f"seg{index}_aux{k}_stamps"] = samples.stamps[inside] - segment.start
        listing.append(
            {
                "person": recording.person,
                "session": recording.session,
                "trial": recording.trial,
                "start": segment.start,
            }
        )
    out["segments"] = np.array(json.dumps(listing))
    return out
