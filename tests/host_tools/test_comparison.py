"""The comparison itself: it must count, name and measure rightly, or it proves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myo_host.comparison import StageResult


def where(index: tuple[int, ...]) -> str:
    return f"row {index[0]} column {index[1]}"


@given(st.integers(1, 30), st.integers(1, 5), st.data())
def test_every_changed_word_is_counted_and_the_first_is_named(
    rows: int, columns: int, data: st.DataObject
) -> None:
    twin = np.zeros((rows, columns), np.int32)
    device = twin.copy()
    changed = data.draw(st.sets(st.integers(0, twin.size - 1), max_size=10))
    device.ravel()[list(changed)] = -7
    result = StageResult("stage")
    result.compare(device, twin, where)
    assert (result.words, result.differing) == (twin.size, len(changed))
    if changed:
        first = min(changed)
        assert (
            result.first_difference == f"row {first // columns} column {first % columns}: device -7, twin 0"
        )
    else:
        assert result.first_difference == ""


def test_missing_words_count_as_different() -> None:
    result = StageResult("stage")
    result.compare(np.zeros((2, 3), np.int8), np.zeros((4, 3), np.int8), where)
    assert result.differing == result.words == 12
    assert "shape (2, 3), twin has (4, 3)" in result.first_difference


def test_the_first_difference_of_all_segments_is_kept() -> None:
    result = StageResult("stage")
    for value in (0, 1, 2):
        result.compare(np.full((1, 1), value), np.zeros((1, 1), np.int64), where)
    assert result.differing == 2
    assert "device 1" in result.first_difference


def test_snr_error_and_cosine_are_their_definitions_over_all_segments() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=400)
    twin = reference + 0.01 * rng.normal(size=400)
    result = StageResult("stage")
    for part in np.split(np.arange(400), 4):
        result.measure(twin[part], reference[part], "units")
    noise = twin - reference
    assert result.snr_db == pytest.approx(10 * np.log10((reference**2).sum() / (noise**2).sum()), rel=1e-12)
    assert result.max_error == pytest.approx(np.abs(noise).max(), rel=1e-12)
    cosine = twin @ reference / (np.linalg.norm(twin) * np.linalg.norm(reference))
    assert result.cosine == pytest.approx(cosine, rel=1e-12)


def test_equal_signals_are_exact() -> None:
    result = StageResult("stage")
    result.measure(np.ones(3), np.ones(3), "units")
    assert result.snr_db == np.inf
    assert result.max_error == 0
