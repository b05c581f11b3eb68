"""The flash of an STM32F405 after RM0090 3.6 and 3.9: sectors 10 and 11, the controller, and the data cache in front of them."""

from __future__ import annotations

import random
from array import array

from stm32_model import MHZ, Stm32

BASE, SECTOR_BYTES = 0x080C0000, 0x20000
SECTORS = (10, 11)
WORDS = len(SECTORS) * SECTOR_BYTES // 4
KEYS = [0x45670123, 0xCDEF89AB]
LOCK, STRT, PG, SER, MER = 1 << 31, 1 << 16, 1 << 0, 1 << 1, 1 << 2
BSY, WRPERR, PGSERR, ERRORS = 1 << 16, 1 << 4, 1 << 7, 0xF2
ICEN, DCEN, ICRST, DCRST = 1 << 9, 1 << 10, 1 << 11, 1 << 12


class FlashStm32(Stm32):
    """A microcontroller whose last two sectors can be erased and programmed, and whose power can be cut.

    Attributes
    ----------
    flash
        Words that the sectors hold.
    erases
        Sectors that were erased, in order.
    steps
        Words that were programmed, and erases.
    cut_at
        Step in the middle of which the power goes; from there on nothing changes.
    protected
        Sectors that refuse.
    is_stuck
        Whether what is begun never ends.
    busy_until
        Time at which what was begun ends.
    """

    def __init__(
        self, words: array[int] | None = None, cut_at: int | None = None, seed: int = 0, erase_s: float = 1.0,
        runs_from_ram: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.random = random.Random(seed)
        self.flash = array("I", words) if words is not None else array("I", self.random.randbytes(4 * WORDS))
        self.erases: list[int] = []
        self.steps, self.cut_at = 0, cut_at
        self.protected: set[int] = set()
        self.is_stuck = False
        self._erase_ticks = round(erase_s * 84 * MHZ)
        self._runs_from_ram = runs_from_ram  # then the core goes on, and sees BSY
        self.busy_until = 0
        self._cache: dict[int, int] = {}  # of data; larger than the real one, which forgives nothing
        self._keys: list[int] = []
        self.registers["FLASH_CR"] = LOCK

    @property
    def is_off(self) -> bool:
        return self.cut_at is not None and self.steps >= self.cut_at

    # The bus

    def read(self, address: int) -> int:
        place = (address - BASE) // 4
        if 0 <= place < WORDS:
            self._demand(not self._is_busy(), "the memory is read while it is busy")
            if not self.registers["FLASH_ACR"] & DCEN:
                return self.flash[place]
            return self._cache.setdefault(place, self.flash[place])
        if self._runs_from_ram and self._is_busy():
            self.now += 1000
        value = super().read(address)
        return value | BSY * self._is_busy() if self._name(address) == "FLASH_SR" else value

    def write(self, address: int, value: int) -> None:
        place = (address - BASE) // 4
        if 0 <= place < WORDS:
            self._program(place, value)
        else:
            super().write(address, value)

    def _is_busy(self) -> bool:
        return not self.is_off and ((self.is_stuck and self.busy_until > 0) or self.now < self.busy_until)

    # The controller

    def _write_flash_keyr(self, value: int, before: int) -> None:
        self._demand(bool(self.registers["FLASH_CR"] & LOCK), "a key where nothing is locked")
        self._keys.append(value)
        if self._keys == KEYS:
            self.registers["FLASH_CR"] &= ~LOCK
            self._keys = []
        else:
            self._demand(self._keys == KEYS[:1], "a wrong key: locked until a reset")

    def _write_flash_sr(self, value: int, before: int) -> None:
        self.registers["FLASH_SR"] = before & ~value

    def _write_flash_cr(self, value: int, before: int) -> None:
        if before & LOCK:
            self._demand(value == LOCK, "FLASH_CR written while it is locked")
            self.registers["FLASH_CR"] = before
            return
        self._demand(self.is_stuck or not self._is_busy(), "FLASH_CR written while it is busy")
        if value & STRT:
            self.registers["FLASH_CR"] = value & ~STRT
            self._demand(value & (SER | MER | PG) == SER and before & SER, "STRT of something else than SER")
            self._demand(value >> 8 & 3 == 2, "an erase that is not of 32 bits at a time")
            self._demand(not self.registers["FLASH_SR"] & ERRORS, "begun with errors of something else")
            self._erase(value >> 3 & 15)

    def _write_flash_acr(self, value: int, before: int) -> None:
        super()._write_flash_acr(value, before)
        for reset, enable, name in ((ICRST, ICEN, "instruction"), (DCRST, DCEN, "data")):
            self._demand(not value & reset or not value & enable, f"{name} cache reset while it is on")
        if value & DCRST:
            self._cache.clear()

    def _erase(self, sector: int) -> None:
        self._demand(sector in SECTORS, f"erase of sector {sector}, which is the program's")
        if sector not in SECTORS or self.is_off:
            return
        if sector in self.protected:
            self.registers["FLASH_SR"] |= WRPERR
            return
        self.steps += 1
        self.erases.append(sector)
        first = SECTORS.index(sector) * SECTOR_BYTES // 4
        for place in range(first, first + SECTOR_BYTES // 4):
            self.flash[place] = self.flash[place] | self.random.getrandbits(32) if self.is_off else 0xFFFFFFFF
        self._wait(self._erase_ticks)

    def _program(self, place: int, value: int) -> None:
        control = self.registers["FLASH_CR"]
        fine = (
            not control & (LOCK | SER | MER)
            and control & PG
            and control >> 8 & 3 == 2
            and not self._is_busy()
        )
        self._demand(bool(fine), "a word programmed where the controller is not set to it")
        if SECTORS[place // (SECTOR_BYTES // 4)] in self.protected:
            self.registers["FLASH_SR"] |= WRPERR
        elif not fine:
            self.registers["FLASH_SR"] |= PGSERR
        elif not self.is_off:
            self.steps += 1
            self.flash[place] &= value | self.random.getrandbits(32) if self.is_off else value
            if place in self._cache:
                self._cache[place] = self.flash[place]
            self._wait(round(16e-6 * 84 * MHZ))

    def _wait(self, ticks: int) -> None:
        """Let an operation take its time: the core, and what interrupts it, cannot read the flash that they run from."""
        if self._runs_from_ram or self.is_stuck:
            self.busy_until = self.now + ticks
            return
        masked, self.interrupts_masked = self.interrupts_masked, True
        self.advance(ticks)
        if not masked:
            self.unmask()
