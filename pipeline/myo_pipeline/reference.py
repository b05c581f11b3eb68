"""The float reference of the front end and of the decision: what the patch should compute, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from myo_pipeline.aux_reference import AuxReference, time_aux
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.chain import design_chain, run_step
from myo_pipeline.errors import DataError
from myo_pipeline.motion_reference import Weights, mark_frames, remove_motion
from myo_pipeline.motion_spec import plan_motion
from myo_pipeline.spec import PatchSpec


def filter_counts(spec: PatchSpec, counts: ArrayLike) -> NDArray[np.float64]:
    """Filter one recording as the patch does after a start: causal, from zero state.

    Parameters
    ----------
    spec
        The patch.
    counts
        Converter counts, shape (n_samples, n_channels).

    Returns
    -------
    NDArray[np.float64]
        Filtered counts, shape (n_samples // spec.decimation, spec.emg_channels); squared counts behind a ``tkeo``.

    Raises
    ------
    SpecError
        If a decimation would fold too much into the band.
    DataError
        If the shape does not fit the sensor or a value is not finite.
    """
    x = np.asarray(counts, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != spec.sensor.channels:
        raise DataError(
            f"signal of shape {x.shape}, expected (n_samples, {spec.sensor.channels}): "
            "match sensor.channels to the recording"
        )
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise DataError(
            f"signal is not finite at sample {row}, channel {column}: remove or interpolate the gap"
        )
    steps = design_chain(spec)
    if not len(x):
        return np.zeros((0, spec.emg_channels))
    for step in steps:
        x = run_step(step, x)
    return x


def filter_streams(
    spec: PatchSpec,
    counts: ArrayLike,
    aux: Sequence[AuxSamples] = (),
    motion_weights: Weights | None = None,
) -> NDArray[np.float64]:
    """Filter one recording with its auxiliary streams, all on the window's frames.

    Parameters
    ----------
    spec
        The patch.
    counts
        EMG counts, (n_samples, n_channels).
    aux
        One a stream of the spec.
    motion_weights
        Of the motion's removal, in place of its own.

    Returns
    -------
    NDArray[np.float64]
        (n_frames, spec.front_end_channels): EMG as :func:`filter_counts` gives it, then each stream's channels in the EMG's
        counts, see :func:`myo_pipeline.aux_reference.choose_gain_bits`.

    Raises
    ------
    SpecError, DataError
        As :func:`filter_counts`, and if the streams are not the spec's.
    """
    filtered = filter_counts(spec, counts)
    if not spec.aux and not aux:
        return filtered
    joint = np.concatenate([filtered, AuxReference(spec).resample(aux, len(filtered))], axis=1)
    if spec.motion is None:
        return joint
    stream = plan_motion(spec, spec.motion).stream
    marks = mark_frames(time_aux(spec, spec.aux[stream]), aux[stream].stamps, len(joint))
    return remove_motion(spec, joint, marks, motion_weights)


def window_ends(n_samples: int, window_samples: int, hop_samples: int) -> NDArray[np.int64]:
    """Return the sample counts at which windows are complete: ``window + k * hop``, as the firmware counts them."""
    return np.arange(window_samples, n_samples + 1, hop_samples, dtype=np.int64)


def cut_windows(x: NDArray[np.generic], window_samples: int, hop_samples: int) -> NDArray[np.generic]:
    """Cut a signal into the windows that the patch sees.

    Parameters
    ----------
    x
        Signal, shape (n_samples, n_channels).
    window_samples, hop_samples
        Window length and distance, in samples.

    Returns
    -------
    NDArray
        Windows, oldest sample first, shape (n_windows, window_samples, n_channels); a read-only view.
    """
    if len(x) < window_samples:
        return np.empty((0, window_samples, x.shape[1]), dtype=x.dtype)
    view = np.lib.stride_tricks.sliding_window_view(x, window_samples, axis=0)[::hop_samples]
    return view.transpose(0, 2, 1)


def vote_classes(
    probabilities: NDArray[np.floating],
    vote: int,
    reject_below: float = 0.0,
    gated: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decide classes from the network's outputs, window by window.

    The winner of a window is its largest output (the lowest index on ties); a window whose winner is below
    ``reject_below`` casts no vote. The decision is the class with most votes among the last ``vote`` windows; of tied
    classes, the one voted for most recently; -1 where nobody voted.

    Parameters
    ----------
    probabilities
        Network outputs, shape (n_windows, n_classes), of one uninterrupted recording.
    vote
        Windows that vote.
    reject_below
        Smallest output that votes.
    gated
        Windows that the signal quality keeps from voting, (n_windows,); None: no window.

    Returns
    -------
    tuple of NDArray[np.int64]
        Decided class and votes for it, shape (n_windows,) each.
    """
    winners = probabilities.argmax(axis=1)
    ballots = np.where(probabilities.max(axis=1) < reject_below, -1, winners)
    if gated is not None:
        ballots = np.where(gated, -1, ballots)
    n, n_classes = probabilities.shape
    cast = ballots[:, None] == np.arange(n_classes)
    counts = sum_last(cast.astype(np.int64), vote)
    age = np.arange(n)[:, None]
    latest = np.maximum.accumulate(np.where(cast, age, -1), axis=0)
    # By votes, and of equals by who voted last; a class without a vote loses to every class with one.
    winner = np.where(counts > 0, counts * (n + 1) + latest, -1).argmax(axis=1)
    votes = counts[np.arange(n), winner]
    return np.where(votes > 0, winner, -1), votes


def sum_last(x: NDArray[Any], n: int) -> NDArray[Any]:
    """Return sums over the last n rows (fewer at the start)."""
    sums = np.concatenate([np.zeros((1, x.shape[1]), x.dtype), np.cumsum(x, axis=0)])
    k = np.arange(1, len(x) + 1)
    return np.asarray(sums[k] - sums[np.maximum(0, k - n)])


def mean_values(
    values: NDArray[np.floating], vote: int, gated: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the mean of the last ``vote`` outputs (fewer at the start), shape (n_windows, n_outputs).

    Windows that are ``gated``, (n_windows,), do not count; where none counts, the mean is NaN.
    """
    counts = np.ones(len(values)) if gated is None else 1.0 - gated
    recent = sum_last(np.c_[values * counts[:, None], counts], vote)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float64] = np.where(recent[:, -1:] > 0, recent[:, :-1] / recent[:, -1:], np.nan)
    return mean
