"""Rows of the gesture study that say what its recordings allow: everything else of the same person is learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gesture_legs import find_pauses
from gesture_myo import GAP_S, GUIDED_S, N_CLASSES, NEXT_S, Myo
from gesture_scores import FLOOR_COMPONENTS, Figures, Lda
from gesture_sets import UCI, Table

#: On both sides of what is tested: no vote of it shares a sample with what is learned from.
VOTE_S: Final = 0.65


@dataclass(frozen=True)
class LimitSettings:
    """Of these rows; part of their key."""

    block_s: float = 10.0  # of a guided recording: a rest and the bout behind it
    n_blocks: int = 5  # of a recording of legs
    shrinkage: float = 0.1


def predict_blocks(
    table: Table,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    block: NDArray[np.int64],
    learned: NDArray[np.bool_],
    n_classes: int,
    shrinkage: float,
) -> NDArray[np.float64]:
    """Predict each block of recordings from all others of the same recordings, by an LDA on all features.

    Parameters
    ----------
    table
        The windows.
    rows
        Of one person, in the order of the table.
    labels, block, learned
        Of these rows: class, number of the block in its recording, and whether it may be learned from.
    n_classes, shrinkage
        Of the LDA.

    Returns
    -------
    NDArray[np.float64]
        Probabilities, (n_rows, n_classes).
    """
    x, trial, seconds = table.x[rows], table.trial[rows], table.seconds[rows]
    found = np.zeros((len(rows), n_classes))
    for number in np.unique(block):
        test = block == number
        train = learned & ~test
        for recording in np.unique(trial[test]):
            here = seconds[test & (trial == recording)]
            near = (seconds > here.min() - VOTE_S) & (seconds < here.max() + VOTE_S)
            train &= ~(near & (trial == recording))
        found[test] = Lda(x[train], labels[train], n_classes, shrinkage).predict(x[test])
    return found


def run_bouts(table: Table, settings: LimitSettings) -> dict[str, Any]:
    """Each bout of a person's first session from all other bouts of that session; and the floor of later bouts."""
    data, figures = Myo(table), Figures(N_CLASSES)
    for person in sorted(set(table.persons.tolist())):
        rows = data.rows[data.sessions_of(person)[0]]
        block = (table.seconds[rows] / settings.block_s - 1e-6).astype(np.int64)
        p = predict_blocks(
            table, rows, data.labels[rows], block, data.trimmed[rows], N_CLASSES, settings.shrinkage
        )
        figures.add(
            "every other bout of the session",
            person,
            p,
            data.labels[rows],
            table.trial[rows],
            data.counted[rows],
            data.trimmed[rows],
        )
        test = rows[table.seconds[rows] > NEXT_S + GAP_S]
        small = table.x[:, :FLOOR_COMPONENTS]
        for which, since_s in (("the second bouts", GUIDED_S), ("both", 0.0)):
            chosen, labels = data.calibration(rows, since_s, NEXT_S)
            p = Lda(small[chosen], labels, N_CLASSES, 0.3).predict(small[test])
            figures.add(
                f"behind the second bouts: floor of {which}",
                person,
                p,
                data.labels[test],
                table.trial[test],
                data.counted[test],
                data.trimmed[test],
            )
    return {"ways": figures.as_dict()}


def run_legs(table: Table, settings: LimitSettings) -> dict[str, Any]:
    """Each fifth of a person's gait, sitting and standing from the other four."""
    figures, labels = Figures(len(UCI)), table.labels.astype(np.int64)
    moves = ~find_pauses(table)
    for person in sorted(set(table.persons.tolist())):
        rows = table.rows_of(table.persons == person)
        lasts = {int(k): table.seconds[table.trial == k].max() for k in np.unique(table.trial[rows])}
        share = table.seconds[rows] / np.array([lasts[int(k)] for k in table.trial[rows]])
        block = np.minimum((share * settings.n_blocks).astype(np.int64), settings.n_blocks - 1)
        everything = np.ones(len(rows), bool)
        p = predict_blocks(table, rows, labels[rows], block, everything, len(UCI), settings.shrinkage)
        figures.add(
            "the rest of the person's own recordings",
            person,
            p,
            labels[rows],
            table.trial[rows],
            everything,
            moves[rows],
        )
    return {"ways": figures.as_dict()}
