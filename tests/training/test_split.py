"""No window that trains is seen by a test: whole persons and sessions lie on one side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myo_pipeline.errors import DataError
from myo_training.split import split_sessions


@st.composite
def sets(draw: st.DrawFn) -> tuple[list[tuple[str, str]], int, int, int]:
    n_persons = draw(st.integers(2, 12))
    counts = draw(st.lists(st.integers(1, 4), min_size=n_persons, max_size=n_persons))
    sessions = [(f"p{i}", f"s{k}") for i, n in enumerate(counts) for k in range(n)]
    held_out = draw(st.integers(1, n_persons - 1))
    validation = draw(st.integers(0, n_persons - held_out - 1))
    return sessions, held_out, validation, draw(st.integers(0, 100))


@given(sets())
def test_every_session_lies_in_one_part_and_persons_never_mix(
    case: tuple[list[tuple[str, str]], int, int, int],
) -> None:
    sessions, held_out, validation, seed = case
    split = split_sessions(sessions, held_out, validation, seed)
    parts = split.roles()
    assert sorted(s for part in parts.values() for s in part) == sorted(sessions)
    persons = {role: {p for p, _ in part} for role, part in parts.items()}
    assert len(persons["across_persons"]) == held_out
    assert len(persons["validation"]) == validation
    assert not persons["across_persons"] & (
        persons["train"] | persons["validation"] | persons["across_sessions"]
    )
    assert not persons["validation"] & (persons["train"] | persons["across_sessions"])
    assert persons["across_sessions"] <= persons["train"]
    assert split == split_sessions(reversed(sessions), held_out, validation, seed)


def test_persons_by_name() -> None:
    sessions = [(p, "1") for p in "abcdef"]
    split = split_sessions(sessions, 2, ["a", "b"], 0)
    assert {p for p, _ in split.validation} == {"a", "b"}
    assert not {p for p, _ in split.across_persons} & {"a", "b"}


def test_one_person_is_tested_on_the_last_session() -> None:
    split = split_sessions([("a", "1"), ("a", "2"), ("a", "3")], 0, 0, 0)
    assert split.tested == "across_sessions"
    assert split.across_sessions == (("a", "3"),)
    assert split.train == (("a", "1"), ("a", "2"))


@pytest.mark.parametrize(
    ("held_out", "validation", "message"),
    [
        (["zoe"], 0, "names 'zoe'"),
        (["a"], ["a"], "held out as well"),
        (9, 0, "3 persons are there"),
        (2, 1, "nobody is left"),
        (0, 0, "two sessions"),
    ],
)
def test_impossible_splits_say_why(
    held_out: int | list[str], validation: int | list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        split_sessions([("a", "1"), ("b", "1"), ("c", "1")], held_out, validation, 0)
    assert "\n" not in str(caught.value)
