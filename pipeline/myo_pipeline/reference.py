"""The float reference of the front end and of the decision: what the patch should compute, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from myo_pipeline.chain import design_chain, run_step
from myo_pipeline.errors import DataError
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
        Filtered counts, shape (n_samples // spec.decimation, spec.front_end_channels); squared counts behind a ``tkeo``.

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
        return np.zeros((0, spec.front_end_channels))
    for step in steps:
        x = run_step(step, x)
    return x


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
    decided, votes = np.full(len(ballots), -1), np.zeros(len(ballots), dtype=np.int64)
    for k in range(len(ballots)):
        recent = [int(b) for b in ballots[max(0, k - vote + 1) : k + 1] if b >= 0]
        if recent:
            most = max(recent.count(b) for b in recent)
            decided[k] = next(b for b in reversed(recent) if recent.count(b) == most)
            votes[k] = most
    return decided, votes


def mean_values(
    values: NDArray[np.floating], vote: int, gated: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the mean of the last ``vote`` outputs (fewer at the start), shape (n_windows, n_outputs).

    Windows that are ``gated``, (n_windows,), do not count; where none counts, the mean is NaN.
    """
    counts = np.ones(len(values)) if gated is None else 1.0 - gated
    weighted = np.concatenate([np.zeros((1, values.shape[1] + 1)), np.c_[values * counts[:, None], counts]])
    sums = np.cumsum(weighted, axis=0)
    k = np.arange(1, len(values) + 1)
    recent = sums[k] - sums[np.maximum(0, k - vote)]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float64] = np.where(recent[:, -1:] > 0, recent[:, :-1] / recent[:, -1:], np.nan)
    return mean
