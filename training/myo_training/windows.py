"""Labelled windows of recordings, as the patch will see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_pipeline.feature_set import FeatureSet
from myo_pipeline.feature_stage import choose_word_shift, compile_spec_features
from myo_pipeline.feature_windows import compute_set
from myo_pipeline.reference import cut_windows, filter_streams, window_ends
from myo_pipeline.spec import PatchSpec
from myo_training.recordings import Recording, check_recording

CHUNK_WINDOWS = 2048


@dataclass(frozen=True)
class WindowSet:
    """Windows of several recordings, one recording after the other.

    Attributes
    ----------
    counts
        Filtered counts, float32 (n_windows, window_samples, n_channels), auxiliary channels last; of a spec
        with features, those instead, (n_windows, n_components, n_channels); where the model takes several windows at
        once, with those of the windows before, oldest first, (n_windows, windows, n_components, n_channels).
    labels
        Class numbers int64 (n_windows,), or values float64 (n_windows, n_outputs): the label of a window is
        the one at its last sample.
    lengths
        Windows of each recording; sums to n_windows.
    persons
        Person of each recording.
    """

    counts: NDArray[np.float32]
    labels: NDArray[np.int64] | NDArray[np.float64]
    lengths: tuple[int, ...]
    persons: tuple[str, ...]

    def parts(self) -> list[tuple[str, slice]]:
        """Return the person and the place of each recording's windows."""
        starts = np.concatenate([[0], np.cumsum(self.lengths)]).astype(int)
        return [
            (p, slice(int(a), int(b))) for p, a, b in zip(self.persons, starts[:-1], starts[1:], strict=True)
        ]


def cut_recordings(recordings: Iterable[Recording], spec: PatchSpec, hop_samples: int) -> WindowSet:
    """Filter recordings and cut them into labelled windows; a window never spans two recordings.

    Parameters
    ----------
    recordings
        Recordings that fit the spec; each is filtered from zero state, as the patch is after a start.
    spec
        The patch.
    hop_samples
        Distance of two windows, in frames behind the front end.

    Returns
    -------
    WindowSet
        Windows in the order of the recordings.

    Raises
    ------
    DataError
        If a recording does not fit the spec, or none is as long as a window.
    """
    counts: list[NDArray[np.float32]] = []
    labels, lengths, persons = [], [], []
    features = compile_spec_features(spec, choose_word_shift(spec)) if spec.features else None
    for recording in recordings:
        check_recording(recording, spec)
        filtered = filter_streams(spec, recording.emg, [recording.aux[stream.name] for stream in spec.aux])
        ends = window_ends(len(filtered), spec.span_samples, hop_samples)
        if features is None:
            windows = cut_windows(filtered.astype(np.float32), spec.window_samples, hop_samples)
        else:
            windows = _cut_features(features, filtered, ends, spec.context_windows)
        counts.append(np.asarray(windows, np.float32))
        labels.append(recording.labels[ends * spec.decimation - 1])
        lengths.append(len(ends))
        persons.append(recording.person)
    if not sum(lengths):
        raise DataError(
            f"{len(lengths)} recordings, none as long as {_describe_span(spec)}; shorten window.window_ms or record longer"
        )
    joined: NDArray[Any] = np.concatenate(labels)
    return WindowSet(np.concatenate(counts), joined, tuple(lengths), tuple(persons))


def _describe_span(spec: PatchSpec) -> str:
    n = spec.context_windows
    return f"a window of {spec.window.window_ms:g} ms" + f" and the {n - 1} before it" * (n > 1)


def _cut_features(
    config: FeatureSet, filtered: NDArray[np.float64], ends: NDArray[np.int64], n_windows: int
) -> NDArray[np.float64]:
    """Features of the windows that end so, each with those of the windows before it, a hop of the patch apart."""
    of_each = ends[:, None] - config.hop * np.arange(n_windows)[::-1]
    own_ends, places = np.unique(of_each, return_inverse=True)  # windows share most of those before them
    features = _compute_features(config, cut_windows(filtered, config.window, 1), own_ends - config.window)
    return features if n_windows == 1 else features[places.reshape(of_each.shape)]


def _compute_features(
    config: FeatureSet, windows: NDArray[Any], chosen: NDArray[np.integer] | None = None
) -> NDArray[np.float64]:
    """Features of windows (or of the chosen), in chunks: what they are computed by is many times as large as a window."""
    chosen = np.arange(len(windows)) if chosen is None else chosen
    chunks = (
        windows[chosen[start : start + CHUNK_WINDOWS]] for start in range(0, len(chosen), CHUNK_WINDOWS)
    )
    none = np.zeros((0, config.n_components, config.n_channels))
    return np.concatenate([none, *(compute_set(config, np.asarray(x, np.float64)) for x in chunks)])


def choose_balanced(
    labels: NDArray[np.int64], n_classes: int, rng: np.random.Generator, excess: float
) -> NDArray[np.int64]:
    """Choose windows so that no class has more than ``excess`` times the mean of the other classes.

    Rest fills more than half of most recordings; what is left of the imbalance is for :func:`weigh_classes`.

    Returns
    -------
    NDArray[np.int64]
        Indices, ascending.
    """
    counts = np.bincount(labels, minlength=n_classes)
    keep = np.ones(len(labels), dtype=bool)
    for label in range(n_classes):
        others = np.delete(counts, label)
        limit = int(excess * others[others > 0].mean()) if (others > 0).any() else len(labels)
        members = np.flatnonzero(labels == label)
        if len(members) > limit:
            keep[rng.permutation(members)[limit:]] = False
    return np.flatnonzero(keep)


def weigh_classes(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Return a weight a window, inversely as the square root of its class's share; the mean weight is 1.

    Full inverse weights gain a fraction of a point of macro accuracy on ``myo_readings`` and lose seven
    points of plain accuracy: a patch that seldom rests.
    """
    counts = np.bincount(labels, minlength=n_classes).astype(np.float64)
    weights = np.divide(1.0, np.sqrt(counts), out=np.zeros_like(counts), where=counts > 0)[labels]
    normalized: NDArray[np.float32] = (weights / weights.mean()).astype(np.float32)
    return normalized
