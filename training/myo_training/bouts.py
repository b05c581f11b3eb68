"""When a muscle works and when it rests, from the signal alone: no label, no cue.

A guided recording alternates rest and movement. The cue and the movement are apart by a lag that differs by person, and which a
figure of merit should not hold against a classifier; labels that come with the test must not be what tells the lag either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 8  # the two levels settle in three or four


def find_bouts(activity: NDArray[np.floating], shortest: int, longest: int) -> NDArray[np.bool_]:
    """Divide a recording into rest and movement.

    Parameters
    ----------
    activity
        Size of the signal in each window, such as the mean logarithm over the channels, (n_windows,).
    shortest, longest
        Windows of a stay in either state; the first and the last stay may be cut short by the recording.

    Returns
    -------
    NDArray[np.bool_]
        Whether the muscle works, (n_windows,): the alternation of stays and the two levels that leave the least square.

    Notes
    -----
    For given levels the best alternation is found exactly, by dynamic programming over the ends of stays (a hidden semi-Markov
    model with uniform durations: Yu 2010, Artif. Intell. 174(2), doi:10.1016/j.artint.2009.11.011); levels and alternation
    are improved in turn.
    """
    low, high = (float(q) for q in np.percentile(activity, [20, 80]))
    works = np.zeros(len(activity), dtype=bool)
    for _ in range(_ROUNDS):
        works = _divide(activity, (low, high), shortest, longest)
        if works.all() or not works.any():
            break
        before = (low, high)
        low, high = float(activity[~works].mean()), float(activity[works].mean())
        if high <= low or abs(low - before[0]) + abs(high - before[1]) < 1e-3:
            break
    return works


def _divide(
    activity: NDArray[np.floating], levels: tuple[float, float], shortest: int, longest: int
) -> NDArray[np.bool_]:
    n = len(activity)
    cost = np.zeros((2, n + 1))
    for state, level in enumerate(levels):
        cost[state, 1:] = np.cumsum((activity - level) ** 2)
    best = np.full((2, n + 1), np.inf)
    best[:, 0] = 0.0
    begin = np.zeros((2, n + 1), dtype=np.int64)
    for end in range(1, n + 1):
        first = max(0, end - longest)
        starts = np.arange(first, end if end == n else max(first, end - shortest + 1))
        if first == 0 and (not len(starts) or starts[0] != 0):
            starts = np.concatenate([[0], starts])
        if not len(starts):
            continue
        for state in (0, 1):
            total = best[1 - state][starts] + cost[state][end] - cost[state][starts]
            k = int(np.argmin(total))
            best[state, end], begin[state, end] = total[k], starts[k]
    works = np.zeros(n, dtype=bool)
    state, end = int(best[1, n] < best[0, n]), n
    while end > 0:
        start = int(begin[state, end])
        works[start:end] = bool(state)
        state, end = 1 - state, start
    return works


def is_steady(works: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    """Return which windows are at least ``margin`` windows from every change, (n_windows,)."""
    steady = np.ones(len(works), dtype=bool)
    for change in np.flatnonzero(np.diff(works.astype(np.int8))) + 1:
        steady[max(0, change - margin) : change + margin] = False
    return steady


def measure_lag(works: NDArray[np.bool_], cued: NDArray[np.bool_], furthest: int) -> int:
    """Return by how many windows movements follow their cues: where the two agree most often, the shortest of equals."""
    lags = sorted(range(-furthest, furthest + 1), key=abs)
    agree = [
        np.mean(works[max(0, k) : len(works) + min(0, k)] == cued[max(0, -k) : len(cued) - max(0, k)])
        for k in lags
    ]
    return lags[int(np.argmax(agree))]
