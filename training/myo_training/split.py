"""Who trains and who tests: splits by whole persons and whole sessions, never inside a recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from myo_pipeline.errors import DataError

Session = tuple[str, str]  # person, session

TRAIN, VALIDATION, ACROSS_SESSIONS, ACROSS_PERSONS = (
    "train",
    "validation",
    "across_sessions",
    "across_persons",
)


@dataclass(frozen=True)
class Split:
    """Disjoint sets of sessions; a recording lies where its session lies.

    Attributes
    ----------
    train
        Sessions that weights are learned from.
    validation
        Sessions of persons outside of training that choose the epoch; may be empty.
    across_sessions
        Last sessions of some training persons: known persons, electrodes donned again.
    across_persons
        Sessions of persons that neither training nor the choice of the epoch saw.
    """

    train: tuple[Session, ...]
    validation: tuple[Session, ...]
    across_sessions: tuple[Session, ...]
    across_persons: tuple[Session, ...]

    def roles(self) -> dict[str, tuple[Session, ...]]:
        """Return the sets by name."""
        return {
            TRAIN: self.train,
            VALIDATION: self.validation,
            ACROSS_SESSIONS: self.across_sessions,
            ACROSS_PERSONS: self.across_persons,
        }

    @property
    def tested(self) -> str:
        """Name of the set that the bundle's main figures are computed on."""
        return ACROSS_PERSONS if self.across_persons else ACROSS_SESSIONS


def split_sessions(
    sessions: Iterable[Session], held_out: int | list[str], validation: int | list[str], seed: int
) -> Split:
    """Split a set's sessions by person, and set some sessions of known persons apart.

    Persons given as a number are drawn by the seed from the sorted persons. Of as many training persons as
    there are validation persons (at least one), those with two sessions or more give their last session to
    ``across_sessions``. With ``held_out`` 0 every training person gives its last session: the way for
    recordings of one person.

    Parameters
    ----------
    sessions
        All (person, session) pairs of the set.
    held_out, validation
        Persons that only the test sees, and that choose the epoch: how many, or which.
    seed
        Seed of the draw.

    Returns
    -------
    Split
        Disjoint sets that together hold every session.

    Raises
    ------
    DataError
        If a person named is not in the set, stands in both lists, or nobody is left to train or test on.
    """
    by_person: dict[str, list[str]] = {}
    for person, session in sorted(set(sessions)):
        by_person.setdefault(person, []).append(session)
    persons = sorted(by_person)
    drawn = [persons[i] for i in np.random.default_rng(seed).permutation(len(persons))]
    test = _choose(held_out, "held_out_persons", drawn, [])
    # A person named for validation must not be drawn for the test.
    if isinstance(held_out, int) and isinstance(validation, list):
        test = _choose(held_out, "held_out_persons", [p for p in drawn if p not in validation], [])
    chosen = _choose(validation, "validation_persons", drawn, test)
    training = [p for p in drawn if p not in test and p not in chosen]
    if not training:
        raise DataError(
            f"{len(persons)} persons, of which {len(test)} are held out and {len(chosen)} validate: nobody "
            "is left to "
            "train on; lower training.held_out_persons or validation_persons"
        )
    donors = training if not test else training[: max(1, len(chosen))]
    later = [(p, by_person[p][-1]) for p in donors if len(by_person[p]) > 1]
    if not test and not later:
        raise DataError(
            "held_out_persons is 0 and nobody has two sessions: nothing is left to test on; "
            "record another session or hold persons out"
        )
    train = [(p, s) for p in training for s in by_person[p] if (p, s) not in later]
    return Split(
        train=tuple(sorted(train)),
        validation=tuple((p, s) for p in sorted(chosen) for s in by_person[p]),
        across_sessions=tuple(sorted(later)),
        across_persons=tuple((p, s) for p in sorted(test) for s in by_person[p]),
    )


def _choose(wanted: int | list[str], key: str, drawn: list[str], taken: list[str]) -> list[str]:
    free = [person for person in drawn if person not in taken]
    if isinstance(wanted, int):
        if not 0 <= wanted <= len(free):
            raise DataError(
                f"training.{key} is {wanted}, and {len(free)} persons are there to choose from; lower it"
            )
        return free[:wanted]
    unknown = [person for person in wanted if person not in drawn]
    if unknown:
        raise DataError(
            f"training.{key} names {unknown[0]!r}, who is not in the data set "
            f"({', '.join(sorted(drawn))[:120]}); correct it"
        )
    double = [person for person in wanted if person in taken]
    if double:
        raise DataError(f"training.{key} names {double[0]!r}, who is held out as well; choose one of the two")
    return sorted(set(wanted))
