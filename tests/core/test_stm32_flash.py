"""The STM32F405's store on a model of its flash controller: every rule of the manual, power cuts, and what a pause loses."""

from __future__ import annotations

import ctypes
import itertools
import re
from array import array
from collections.abc import Callable
from functools import cache

import pytest

from stm32_case import ROOT, SCANS_A_SECOND, Chip, Load, make_loader
from stm32_flash_model import BASE, LOCK, SECTOR_BYTES, SECTORS, WORDS, FlashStm32
from stm32_model import MHZ, Qemu

Fill = Callable[[int], "array[int]"]

NONE = -1
WORDS_OF_SAVE = (56 + 2048) // 4  # as many zeros where an older record goes


class Store:
    """The store of a chip that was just switched on."""

    def __init__(self, load: Load, words: array[int] | None = None, **options: float | None) -> None:
        self.model = FlashStm32(words, **options)
        self.chip = Chip(load(), self.model)
        for name in ("save", "undo", "clear", "load"):
            setattr(self, name, getattr(self.chip.code, f"harness_store_{name}"))
        self.chip.code.harness_store_undo.restype = ctypes.c_bool
        self.chip.code.harness_store_clear.restype = ctypes.c_bool

    def check(self) -> None:
        assert self.model.broken == []
        assert self.model.registers["FLASH_CR"] == LOCK
        assert self.model.registers["FLASH_ACR"] == 0x705  # caches, prefetch and wait states as they were


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    return make_loader(tmp_path_factory.mktemp("stm32_flash"))


def test_records_outlive_power(load: Load) -> None:
    first = Store(load)
    assert first.chip.code.harness_store_is_flash()
    assert first.load() == NONE  # whatever a new part holds
    assert first.save(1) == 1
    assert first.save(2) == 2
    assert first.load() == 2
    first.check()
    second = Store(load, first.model.flash)
    assert second.load() == 2
    assert second.undo()
    assert second.load() == 1
    second.check()
    third = Store(load, second.model.flash)
    assert third.load() == 1
    assert third.clear()
    third.check()
    assert Store(load, third.model.flash).load() == NONE
    assert (first.model.erases, second.model.erases, third.model.erases) == ([11], [], [])


def test_a_core_that_does_not_stand_still_waits_for_the_end(load: Load) -> None:
    store = Store(load, erase_s=0.01, runs_from_ram=True)
    assert store.save(1) == 1
    assert store.undo()
    store.check()
    assert store.load() == NONE


def test_an_erase_comes_once_in_a_sector_of_records(load: Load) -> None:
    store = Store(load)
    places = (SECTOR_BYTES - 8) // (2048 + 56)
    assert places == 62
    for k in range(1, 2 * places + 3):  # the last one into what the cache would have as it was
        assert store.save(k) == k
    assert store.model.erases == [11, 10, 11]
    assert store.load() == 2 * places + 2
    store.check()


def cuts(load: Load, words: array[int], what: str) -> list[int]:
    """Return the steps of an operation that are worth a cut: its begin and end, every place where it goes on, some between."""
    whole = Store(load, words)
    getattr(whole, what[:5].strip())(*([9] if what.startswith("save") else []))
    n = whole.model.steps
    edges = {1, 2, 3, 4, 5, 14, 15, 16, 17, 18, WORDS_OF_SAVE - 2, WORDS_OF_SAVE - 1, WORDS_OF_SAVE, n - 1, n}
    edges |= {WORDS_OF_SAVE + k for k in range(-1, 8)} | set(range(7, n, n // 9 + 1))
    return sorted(k for k in edges if 1 <= k <= n)


@pytest.fixture(scope="module")
def fill(load: Load) -> Fill:
    """Give a function that returns the sectors after so many records."""

    @cache
    def save(n: int) -> array[int]:
        store = Store(load)
        for k in range(1, n + 1):
            store.save(k)
        return store.model.flash

    return save


@pytest.mark.parametrize("what", ["save", "undo", "clear"])
@pytest.mark.parametrize("saves", [0, 1, 2, 62])
def test_power_cut_at_any_step_leaves_the_record_or_the_one_before(
    load: Load, fill: Fill, saves: int, what: str
) -> None:
    """Also in the middle of the erase that the 63rd record takes, and in the word that is being programmed."""
    words = fill(saves)
    before = saves if saves else NONE
    after = {"save": 9, "undo": saves - 1 if saves > 1 else NONE, "clear": NONE}[what]
    steps = cuts(load, words, what)
    assert bool(steps) == bool(saves or what == "save")
    for step, seed in itertools.product(steps, range(2)):
        cut = Store(load, words, cut_at=step, seed=seed)
        getattr(cut, what)(*([9] if what == "save" else []))
        assert cut.model.is_off
        found = Store(load, cut.model.flash)
        assert found.load() in (before, after), step
        assert found.save(77) > 0
        found.check()
        assert Store(load, found.model.flash).load() == 77


# What the controller says no to


def test_flags_that_another_left_are_not_this_operations(load: Load) -> None:
    store = Store(load)
    store.model.registers["FLASH_SR"] = 0xF3  # a debugger's
    assert store.save(1) == 1
    store.check()


def test_a_controller_that_another_left_open_is_used_and_locked(load: Load) -> None:
    store = Store(load)
    store.model.registers["FLASH_CR"] &= ~LOCK
    assert store.save(1) == 1
    assert store.model.registers["FLASH_CR"] & LOCK
    store.check()


def test_a_sector_that_refuses_leaves_the_newest_record(load: Load, fill: Fill) -> None:
    words = fill(62)
    store = Store(load, words)
    store.model.protected = {10}
    assert store.save(9) == 0
    assert store.load() == 62
    store.check()
    store.model.protected = set(SECTORS)
    assert not store.undo()
    assert not store.clear()
    assert store.load() == 62
    assert store.model.flash == words
    store.check()


def test_a_controller_that_never_ends_is_given_up(load: Load) -> None:
    store = Store(load)
    store.model.is_stuck = True
    store.model.busy_until = 1
    ticking = store.model.read

    def read(address: int) -> int:
        store.model.now += MHZ // 4
        return ticking(address)

    chip = store.chip
    store.model.read = read  # type: ignore[method-assign]
    Chip(chip.code, store.model)
    began = store.model.now
    assert chip.code.harness_store_save(1) == 0
    assert 4.0 <= (store.model.now - began) / 84e6 < 5.0  # unlocking waits once; nothing is begun then


def test_a_controller_that_a_wrong_key_has_locked_refuses(load: Load) -> None:
    store = Store(load)
    store.model.write(0x40023C04, 1)
    assert store.model.broken
    assert store.save(1) == 0
    assert store.model.erases == []


def test_nothing_beyond_the_sectors_is_written(load: Load) -> None:
    store = Store(load)
    words = (ctypes.c_uint32 * 4)()
    write = store.chip.code.harness_store_write
    write.restype = ctypes.c_bool
    before = array("I", store.model.flash)
    assert not write(2, 0, words, 16)
    assert not write(1, SECTOR_BYTES - 8, words, 16)
    assert not write(0, 0xFFFFFFF8, words, 16)
    assert not write(0, 2, words, 16)
    assert store.model.flash == before
    store.check()


# What stands around it


def test_frames_of_a_pause_are_counted_and_no_others(load: Load) -> None:
    """An erase in the middle of sampling: the core stands still for a second, then the counters know what is missing."""
    store = Store(load)
    model, period = store.model, 84 * MHZ // SCANS_A_SECOND
    assert store.chip.sample()
    model.advance(10 * period)
    assert store.save(1) == 1
    assert model.erases
    model.advance(10 * period + period // 2)
    ticks = [tick for tick, _ in store.chip.take_frames()]
    gaps = [round((b - a) / period) - 1 for a, b in itertools.pairwise(ticks)]
    lost = store.chip.code.harness_frames_lost()
    assert sum(gap for gap in gaps if gap > 0) == lost  # frames of one late interrupt bear one tick
    assert lost == pytest.approx(SCANS_A_SECOND, abs=2)
    store.check()


def test_programming_words_delays_frames_and_loses_none(load: Load, fill: Fill) -> None:
    store = Store(load, fill(1))
    model, period = store.model, 84 * MHZ // SCANS_A_SECOND
    assert store.chip.sample()
    model.advance(2 * period)
    assert store.save(2) == 2
    assert model.erases == []
    model.advance(2 * period + period // 2)
    assert len(store.chip.take_frames()) == model.n_scans
    assert store.chip.code.harness_frames_lost() == 0
    store.check()


def test_qemu_keeps_records_in_ram(load: Load) -> None:
    chip = Chip(load(), Qemu())
    assert not chip.code.harness_store_is_flash()


def test_the_linker_leaves_the_sectors_alone() -> None:
    text = (ROOT / "firmware/ports/stm32f405/memory.ld").read_text()
    found = re.search(r"FLASH \(rx\) : ORIGIN = (0x\w+), LENGTH = (\d+)K", text)
    assert found
    assert int(found[1], 16) + int(found[2]) * 1024 == BASE
    assert BASE + 4 * WORDS == 0x08100000
