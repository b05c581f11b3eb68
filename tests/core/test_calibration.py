"""Calibration's C under sanitizers: the head word for word as its twin, and a store that no power cut mixes up."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Harness
from myo_pipeline.calibration_head import (
    MAX_WINDOWS,
    HeadConfig,
    Tally,
    fit_head,
    quantize_head,
    score,
    to_softmax,
)

RECORD_BYTES = 24


@pytest.fixture(scope="module")
def calibration(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    harness = Harness(core_program("calibration_harness"))
    yield harness
    harness.close()


def pack_head(config: HeadConfig, tally: Tally, embeddings: np.ndarray) -> bytes:
    head = struct.pack(
        "<7i", config.n_classes, config.n_words, config.zero_point, config.precision_shift, config.prior_windows,
        config.memory_windows, len(embeddings),
    )  # fmt: skip
    tables = config.prior.astype("<i2").tobytes() + config.precision.astype("<i4").tobytes()
    known = tally.counts.astype("<u2").tobytes() + tally.sums.astype("<i4").tobytes()
    return head + tables + known + embeddings.astype("i1").tobytes()


@settings(max_examples=80)
@given(st.data())
def test_head_is_its_twin(calibration: Harness, data: st.DataObject) -> None:
    """Random heads, with tables and tallies up to the ends of their ranges: every word is the twin's."""
    draw = data.draw
    n_classes, n_words = draw(st.integers(2, 9)), draw(st.sampled_from([1, 2, 7, 32, 128]))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    # The largest that the format takes: 2^19 over words and steps; the peak then decides the shift.
    largest = draw(st.sampled_from([1e-6, 1e-3, 1.0, 0.999 * 2**19 / 256 / n_words]))
    matrix = rng.choice([rng.uniform(-1, 1, (n_words, n_words)), np.ones((n_words, n_words))]) * largest
    zero_point = draw(st.sampled_from([-128, -3, 127]))
    corner = draw(st.booleans())
    prior = rng.choice([-128 - zero_point, 127 - zero_point], (n_classes, n_words)).astype(float)
    config = quantize_head(
        layer=0, zero_point=zero_point, prior=prior if corner else prior * rng.uniform(0, 1, prior.shape),
        precision=matrix, prior_windows=draw(st.sampled_from([0, 1, 16, 10_000])),
        memory_windows=draw(st.sampled_from([0, 1, 60, MAX_WINDOWS])), min_windows=1,
    )  # fmt: skip
    counts = rng.choice([0, 1, 61, MAX_WINDOWS - 1, MAX_WINDOWS], n_classes)
    sums = counts[:, None] * rng.integers(-128 - zero_point, 128 - zero_point, (n_classes, n_words))
    embeddings = rng.choice([-128, 127, 5, -60], (12, n_words)).astype(np.int8)
    tally = Tally(counts, sums)
    answer = calibration.ask("H", pack_head(config, tally, embeddings))

    for number, embedding in enumerate(embeddings):
        tally = tally.add(config, number % n_classes, embedding)
    head = fit_head(config, tally)
    faded = tally.fade(config)
    at_zero = head.weights.sum(axis=1) * zero_point  # the device folds the zero point into the bias
    expected = (
        struct.pack("<2I", 0, head.exponent)
        + head.weights.astype("<i2").tobytes()
        + (head.bias - at_zero).astype("<i4").tobytes()
        + to_softmax(config, head, score(config, head, embeddings)).tobytes()
        + faded.counts.astype("<u2").tobytes()
        + faded.sums.astype("<i4").tobytes()
    )
    assert answer == expected


class Start:
    """What a new start finds in a store after operations, the last of which lost power after so many steps."""

    def __init__(
        self, harness: Harness, operations: bytes, left: int = 1 << 30, identity: int = 7, places: int = 1, noise: int = 1,
    ) -> None:  # fmt: skip
        answer = harness.ask("T", struct.pack("<I3B", left, identity, places, noise) + operations)
        self.steps, self.erases, self.sequence, self.foreign = struct.unpack("<4I", answer[:16])
        record = answer[16 : 16 + RECORD_BYTES]
        self.record = record[0] if self.sequence else None
        self.is_whole = len(set(record)) == 1
        self.goes_on, self.forgets = struct.unpack("<2I", answer[16 + RECORD_BYTES :])


def model(operations: bytes) -> list[int | None]:
    """Return what the store holds after each operation, by the contract."""
    held: list[int] = []
    states: list[int | None] = [None]
    place = 0
    while place < len(operations):
        if operations[place : place + 1] == b"S":
            held = [*held, operations[place + 1]][-2:]
            place += 2
        else:
            held = held[:-1] if operations[place : place + 1] == b"U" else []
            place += 1
        states.append(held[-1] if held else None)
    return states


# Every operation on every state of the store: none, one and two records, after undos and clears.
SCRIPTS = (b"S\x01", b"S\x01S\x02", b"S\x01S\x02S\x03", b"S\x01S\x02U", b"S\x01S\x02US\x04", b"S\x01U", b"S\x01S\x02UU",
           b"S\x01S\x02C", b"S\x01S\x02S\x03C", b"S\x01S\x02CS\x05", b"S\x01C")  # fmt: skip


@pytest.mark.parametrize("places", [1, 2, 4])
@pytest.mark.parametrize(
    "script", SCRIPTS, ids=lambda s: s.decode("latin1").translate({k: str(k) for k in range(9)})
)
def test_power_cut_after_any_step_leaves_the_record_or_the_one_before(
    calibration: Harness, script: bytes, places: int
) -> None:
    states = model(script)
    whole = Start(calibration, script, places=places)
    assert whole.record == states[-1]
    n_last = 2 if script[-2:-1] == b"S" else 1
    before = Start(calibration, script[:-n_last], places=places)
    assert before.record == states[-2]
    assert whole.steps > before.steps
    for left in range(before.steps + 1, whole.steps + 1):
        for noise in range(3):  # nothing of the word yet, and two halves of it
            found = Start(calibration, script, left, places=places, noise=noise)
            assert found.record in (states[-2], states[-1]), left
            assert found.is_whole
            assert found.goes_on, left
            assert found.forgets, left


@pytest.mark.parametrize("places", [1, 2, 3, 4])
def test_a_long_life_with_power_cuts_never_loses_more_than_was_under_way(
    calibration: Harness, places: int
) -> None:
    """Thousands of operations, a third of them cut short: after each the record, and the one that undo finds, may be there."""
    n, erases = 3000, 0
    for seed in range(4):
        lived, erased = struct.unpack("<2I", calibration.ask("L", struct.pack("<BII", places, n, seed)))
        assert lived == n
        erases += erased
    # Some two thirds are saves; each takes a place, and a slot is erased when its places are used up.
    assert erases < 4 * n / places


def test_an_erase_is_rare_where_places_are_many(calibration: Harness) -> None:
    script = b"".join(bytes([ord("S"), k]) for k in range(1, 41))
    assert [Start(calibration, script, places=places).erases for places in (1, 2, 4)] == [40, 20, 10]
    # Undoing and forgetting erase nothing.
    assert Start(calibration, b"S\x01UC", places=4).erases == 1


def test_another_bundles_record_is_refused(calibration: Harness) -> None:
    found = Start(calibration, b"S\x01S\x02", identity=8)
    assert (found.sequence, found.foreign, found.record) == (0, 1, None)
    assert found.goes_on
    assert found.forgets
    assert not Start(calibration, b"S\x01S\x02").foreign


@pytest.mark.parametrize("places", [1, 2, 3])
def test_bundles_of_other_sizes_take_turns_in_one_memory(calibration: Harness, places: int) -> None:
    answer = calibration.ask("B", bytes([places]))
    assert answer == struct.pack("<I", 1) * (4 * 6 + 3)


def test_a_new_memory_holds_nothing(calibration: Harness) -> None:
    found = Start(calibration, b"")
    assert (found.sequence, found.foreign, found.goes_on, found.forgets) == (0, 0, True, True)
