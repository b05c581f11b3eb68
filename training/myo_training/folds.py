"""Cross-validation by whole persons, or by whole sessions of known persons: every recording is tested once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from myo_pipeline.errors import DataError
from myo_pipeline.spec import Training
from myo_training.split import Session

Across = Literal["persons", "sessions"]


@dataclass(frozen=True)
class Fold:
    """Disjoint sets of sessions.

    Attributes
    ----------
    name
        What is tested, in a word that can name a file.
    train, validation, test
        Sessions to learn from, to choose the epoch by, and to test on.
    """

    name: str
    train: tuple[Session, ...]
    validation: tuple[Session, ...]
    test: tuple[Session, ...]

    @property
    def persons(self) -> list[str]:
        """Persons that are tested."""
        return sorted({person for person, _ in self.test})


def make_folds(
    sessions: Iterable[Session], across: Across, settings: Training, n_folds: int | None = None
) -> list[Fold]:
    """Divide a set's sessions into folds.

    Across persons, each fold tests one person, or with ``n_folds`` a share of them, drawn by the seed; persons that choose the
    epoch are drawn anew among the others (those that the spec names, where it names them). Across sessions, fold k tests the
    k-th session of everybody who has two or more, and learns from all others; nobody chooses the epoch, the last is kept.
    ``held_out_persons`` plays no part: everybody is tested.

    Parameters
    ----------
    sessions
        All (person, session) pairs.
    across
        What a model has not seen of those whom it is tested on.
    settings
        The spec's ``[training]``.
    n_folds
        How many; None: a fold each person, or session.

    Raises
    ------
    DataError
        If there are too few persons or sessions for so many folds.
    """
    pairs = sorted(set(sessions))
    return (_across_persons if across == "persons" else _across_sessions)(pairs, settings, n_folds)


def _across_persons(pairs: list[Session], settings: Training, n_folds: int | None) -> list[Fold]:
    persons = sorted({person for person, _ in pairs})
    n = len(persons) if n_folds is None else n_folds
    if not 2 <= n <= len(persons):
        raise DataError(
            f"{n} folds of {len(persons)} persons, expected 2 to {len(persons)}: record more persons, or change --k"
        )
    drawn = [persons[i] for i in np.random.default_rng((settings.seed, 17)).permutation(len(persons))]
    groups = [[person] for person in persons] if n_folds is None else [drawn[k::n] for k in range(n)]
    folds = []
    for number, group in enumerate(groups):
        others = [person for person in persons if person not in group]
        chosen = _choose_judges(others, settings, number)
        train = tuple(pair for pair in pairs if pair[0] not in {*group, *chosen})
        if not train:
            raise DataError(
                f"{len(persons)} persons, of whom {len(group)} are tested and {len(chosen)} choose the epoch: nobody is left "
                "to learn from; lower training.validation_persons or raise --k"
            )
        validation = tuple(pair for pair in pairs if pair[0] in chosen)
        test = tuple(pair for pair in pairs if pair[0] in group)
        folds.append(Fold(group[0] if n_folds is None else f"fold{number}", train, validation, test))
    return folds


def _choose_judges(others: list[str], settings: Training, number: int) -> set[str]:
    wanted = settings.validation_persons
    if isinstance(wanted, list):
        return {person for person in others if person in wanted}
    order = np.random.default_rng((settings.seed, 19, number)).permutation(len(others))
    return {others[i] for i in order[:wanted]}


def _across_sessions(pairs: list[Session], _settings: Training, n_folds: int | None) -> list[Fold]:
    own: dict[str, list[str]] = {}
    for person, session in pairs:
        own.setdefault(person, []).append(session)
    counts = [len(found) for found in own.values() if len(found) > 1]
    if not counts:
        raise DataError("nobody has two sessions: record another session, or use --folds persons")
    # Where a few have more sessions than most, these share the folds of the others.
    n = int(np.median(counts)) if n_folds is None else n_folds
    if not 2 <= n <= max(counts):
        raise DataError(f"{n} folds of sessions, expected 2 to {max(counts)}: change --k")
    folds = []
    for number in range(n):
        test = tuple(
            (person, session)
            for person, found in own.items()
            if len(found) > 1
            for place, session in enumerate(found)
            if place % n == number
        )
        train = tuple(pair for pair in pairs if pair not in test)
        folds.append(Fold(f"session{number + 1}", train, (), test))
    return folds
