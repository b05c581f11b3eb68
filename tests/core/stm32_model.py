"""The parts of an STM32F405 that its port drives, after RM0090: what registers do, and which orders it forbids.

It is no measurement of silicon. It says whether the port obeys the manual: a rule that is broken is written down in
:attr:`Stm32.broken`. Time is in ticks of the timers' clock.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

HEADER = Path(__file__).resolve().parents[2] / "firmware/ports/stm32f405/registers.h"
# Addresses by name; bits are written out below, so that a wrong bit in the header is not repeated here.
ADDRESSES = {
    name: int(value, 16) for name, value in re.findall(r"#define (\w+) 0x([0-9A-F]{8})u", HEADER.read_text())
}
NAMES = {address: name for name, address in ADDRESSES.items()}
# Peripheral: its enable register and bit (RM0090 7.3.10 to 7.3.14); the names before the underscore.
CLOCKS = {
    "GPIOA": ("RCC_AHB1ENR", 0), "GPIOB": ("RCC_AHB1ENR", 1), "DMA2": ("RCC_AHB1ENR", 22), "TIM2": ("RCC_APB1ENR", 0),
    "TIM5": ("RCC_APB1ENR", 3), "PWR": ("RCC_APB1ENR", 28), "USART1": ("RCC_APB2ENR", 4), "ADC1": ("RCC_APB2ENR", 8),
    "ADC": ("RCC_APB2ENR", 8),
}  # fmt: skip
MHZ = 1_000_000
HSI_HZ = 16 * MHZ
SAMPLING_CYCLES = (3, 15, 28, 56, 84, 112, 144, 480)


class Stm32:
    """One microcontroller.

    Attributes
    ----------
    registers
        By name, as they were last written or as hardware changed them.
    broken
        Rules of the manual that were broken.
    sent
        Bytes that left the transmitter.
    n_scans
        Scans that TIM2 has triggered; word c of scan k is ``(16 * k + c) % 4096``.
    n_accesses
        Reads and writes.
    """

    def __init__(self, hse_hz: int = 8 * MHZ, crystal: bool = True, locks: bool = True) -> None:
        self.registers = dict.fromkeys(ADDRESSES, 0)
        # Reset values that are not 0.
        self.registers |= {
            "RCC_CR": 0x83,
            "RCC_PLLCFGR": 0x24003010,
            "RCC_APB1ENR": 0,
            "USART1_SR": 0xC0,
            "PWR_CR": 0,
        }
        self.registers |= {"TIM2_ARR": 0xFFFFFFFF, "TIM5_ARR": 0xFFFFFFFF, "GPIOA_MODER": 0xA8000000}
        self.registers |= {"GPIOB_MODER": 0x00000280, "GPIOB_PUPDR": 0x00000100}
        self.hse_hz, self.crystal, self.locks = hse_hz, crystal, locks
        self.broken: list[str] = []
        self.sent = bytearray()
        self.now = 0
        self.n_scans = self.n_accesses = 0
        self.words: ctypes.Array[ctypes.c_uint16] | None = None  # what the DMA controller reaches
        self.tim2_handler: Callable[[], None] = lambda: None
        self.interrupts_masked = False
        self._tim2_begin = 0
        self._pending_words: list[tuple[int, int]] = []  # time, word
        self._prescaler5 = 0
        self._ndtr_reload = 0

    # The bus

    def read(self, address: int) -> int:
        self.n_accesses += 1
        name = self._name(address)
        if name == "TIM5_CNT":
            return self.now // (self._prescaler5 + 1) & 0xFFFFFFFF
        value = self.registers[name]
        if name == "USART1_DR":
            self.registers["USART1_SR"] &= ~(1 << 5 | 1 << 3)
        return value

    def write(self, address: int, value: int) -> None:
        self.n_accesses += 1
        name = self._name(address)
        before = self.registers[name]
        handler = getattr(self, f"_write_{name.lower()}", None)
        self.registers[name] = value
        if handler is not None:
            handler(value, before)

    def _name(self, address: int) -> str:
        name = NAMES[address]
        peripheral = name.split("_")[0]
        if peripheral in CLOCKS:
            register, bit = CLOCKS[peripheral]
            self._demand(bool(self.registers[register] >> bit & 1), f"{name} without its clock")
        return name

    def _demand(self, fine: bool, rule: str) -> None:
        if not fine:
            self.broken.append(rule)

    # Clocks: 7.2, 3.5.1, and the limits of the data sheet

    @property
    def core_hz(self) -> int:
        return {0: HSI_HZ, 4: self.hse_hz, 8: self.pll_hz}[self.registers["RCC_CFGR"] & 0xC]

    @property
    def pll_hz(self) -> int:
        config = self.registers["RCC_PLLCFGR"]
        source = self.hse_hz if config >> 22 & 1 else HSI_HZ
        divider = 2 * ((config >> 16 & 3) + 1)
        return source * (config >> 6 & 0x1FF) // (config & 0x3F) // divider

    def apb_hz(self, number: int) -> int:
        field = self.registers["RCC_CFGR"] >> {1: 10, 2: 13}[number] & 7
        return self.core_hz >> (field - 3 if field >= 4 else 0)

    @property
    def timer_hz(self) -> int:
        """TIM2's and TIM5's: twice APB1's where that is divided."""
        return self.apb_hz(1) * (2 if self.registers["RCC_CFGR"] >> 10 & 4 else 1)

    def _write_rcc_cr(self, value: int, before: int) -> None:
        used = self.registers["RCC_CFGR"] >> 2 & 3
        self._demand(bool(value & 1) or used != 0, "HSI off while the core runs from it")
        self._demand(bool(value >> 24 & 1) or used != 2, "PLL off while the core runs from it")
        pll_on_hse = value >> 24 & 1 and self.registers["RCC_PLLCFGR"] >> 22 & 1
        if value >> 24 & 1 and not before >> 24 & 1:
            config = self.registers["RCC_PLLCFGR"]
            source = self.hse_hz if pll_on_hse else HSI_HZ
            at_input = source / (config & 0x3F)
            self._demand(not pll_on_hse or bool(before >> 17 & 1), "PLL on before its source is ready")
            self._demand(MHZ <= at_input <= 2 * MHZ, f"PLL input of {at_input / MHZ:g} MHz")
            vco = at_input * (config >> 6 & 0x1FF)
            self._demand(100 * MHZ <= vco <= 432 * MHZ, f"VCO of {vco / MHZ:g} MHz")
            self._demand(vco / (config >> 24 & 15) <= 48 * MHZ, "USB and RNG beyond 48 MHz")
        ready = {1: value & 1, 17: value >> 16 & 1 & self.crystal, 25: value >> 24 & 1 & self.locks}
        self._demand(not value >> 19 & 1 or bool(ready[17]), "clock guard without a crystal")
        for bit, on in ready.items():
            value = value & ~(1 << bit) | int(on) << bit
        self.registers["RCC_CR"] = value

    def _write_rcc_pllcfgr(self, value: int, before: int) -> None:
        self._demand(not self.registers["RCC_CR"] >> 24 & 1, "PLL set up while it is on")

    def _write_rcc_cfgr(self, value: int, before: int) -> None:
        wanted = value & 3
        ready = self.registers["RCC_CR"] >> {0: 1, 1: 17, 2: 25}[wanted] & 1
        self._demand(bool(ready), "core switched to a clock that is not ready")
        self.registers["RCC_CFGR"] = value & ~0xC | (wanted << 2 if ready else before & 0xC)
        self._demand(self.core_hz <= 168 * MHZ, f"core at {self.core_hz / MHZ:g} MHz")
        self._demand(
            self.core_hz <= 144 * MHZ or bool(self.registers["PWR_CR"] >> 14 & 1),
            "regulator's scale 2 at speed",
        )
        self._demand(self.apb_hz(1) <= 42 * MHZ, f"APB1 at {self.apb_hz(1) / MHZ:g} MHz")
        self._demand(self.apb_hz(2) <= 84 * MHZ, f"APB2 at {self.apb_hz(2) / MHZ:g} MHz")
        self._check_flash()

    def _write_flash_acr(self, value: int, before: int) -> None:
        self._check_flash()

    def _check_flash(self) -> None:
        reach = ((self.registers["FLASH_ACR"] & 7) + 1) * 30 * MHZ
        self._demand(
            self.core_hz <= reach, f"flash read at {self.core_hz / MHZ:g} MHz, {reach / MHZ:g} at most"
        )

    # USART1: 30.6

    @property
    def baud(self) -> float:
        return self.apb_hz(2) / self.registers["USART1_BRR"]

    def receive(self, byte: int) -> None:
        """Let a byte arrive: it is lost where the one before it was not taken."""
        if self.registers["USART1_SR"] >> 5 & 1:
            self.registers["USART1_SR"] |= 1 << 3
        else:
            self.registers["USART1_DR"] = byte
            self.registers["USART1_SR"] |= 1 << 5

    def _write_usart1_dr(self, value: int, before: int) -> None:
        self._demand(bool(self.registers["USART1_SR"] >> 7 & 1), "byte written over another")
        self._demand(self.registers["USART1_CR1"] & 0x2008 == 0x2008, "byte into a transmitter that is off")
        self.registers["USART1_SR"] &= ~(1 << 7)
        self.sent.append(value)

    def finish_byte(self) -> bool:
        """Let the byte in the data register leave; return whether that interrupts."""
        self.registers["USART1_SR"] |= 1 << 7
        return bool(self.registers["USART1_CR1"] >> 7 & 1)

    # Timers: 18.4

    def _write_tim5_egr(self, value: int, before: int) -> None:
        self._prescaler5 = self.registers["TIM5_PSC"]

    def _write_tim2_egr(self, value: int, before: int) -> None:
        self._tim2_begin = self.now
        self._update()

    def _write_tim2_cr1(self, value: int, before: int) -> None:
        if value & 1 and not before & 1:
            self._tim2_begin = self.now

    def _write_tim2_sr(self, value: int, before: int) -> None:
        self.registers["TIM2_SR"] = before & value  # written 0: cleared; written 1: as it was

    def _update(self) -> None:
        if self.registers["TIM2_CR2"] >> 4 & 7 == 2:
            self._trigger()

    def advance(self, ticks: int) -> None:
        """Let time pass."""
        end = self.now + ticks
        while (event := self._next_event()) is not None and event[0] <= end:
            self.now, what = event
            what()
            if not self.interrupts_masked and self._interrupts():
                self.tim2_handler()
                self._demand(not self._interrupts(), "the interrupt's flag is left set")
        self.now = end

    def unmask(self) -> None:
        """Let interrupts through again, first the one that waits."""
        self.interrupts_masked = False
        if self._interrupts():
            self.tim2_handler()

    def _interrupts(self) -> bool:
        return bool(self.registers["TIM2_DIER"] & self.registers["TIM2_SR"] & 2)

    def _next_event(self) -> tuple[int, Callable[[], None]] | None:
        events: list[tuple[int, Callable[[], None]]] = []
        if self._pending_words:
            events.append((self._pending_words[0][0], self._finish_word))
        if self.registers["TIM2_CR1"] & 1:
            period = self.registers["TIM2_ARR"] + 1
            phase = (self.now - self._tim2_begin) % period
            start = self.now - phase
            compare = start + self.registers["TIM2_CCR1"]
            events.append((start + period, self._update))
            events.append((compare if compare > self.now else compare + period, self._compare))
        return min(events, key=lambda event: event[0]) if events else None

    def _compare(self) -> None:
        self.registers["TIM2_SR"] |= 2

    # ADC1: 13.13, with DMA2's stream 0: 10.5

    def _write_rcc_apb2rstr(self, value: int, before: int) -> None:
        if value >> 8 & 1:
            for name in ADDRESSES:
                if name.startswith("ADC") and name != "ADC_CCR":
                    self.registers[name] = 0
            self._pending_words.clear()

    def _trigger(self) -> None:
        cr1, cr2 = self.registers["ADC1_CR1"], self.registers["ADC1_CR2"]
        if not cr2 & 1 or cr2 >> 28 & 3 != 1 or cr2 >> 24 & 15 != 6:
            return
        if self._pending_words:
            self._demand(False, "a scan triggered while one runs")
            return
        length = (self.registers["ADC1_SQR1"] >> 20 & 15) + 1
        self._demand(length == 1 or bool(cr1 >> 8 & 1), "several channels and no scan")
        self._demand(cr1 >> 24 & 3 == 0, "not 12 bits")
        divider = 2 * ((self.registers["ADC_CCR"] >> 16 & 3) + 1)
        self._demand(self.apb_hz(2) / divider <= 36 * MHZ, "ADC beyond 36 MHz")
        scale = divider * self.timer_hz // self.apb_hz(2)
        time = self.now
        for place in range(length):
            register, shift = ("ADC1_SQR3", 5 * place) if place < 6 else ("ADC1_SQR2", 5 * (place - 6))
            channel = self.registers[register] >> shift & 31
            self._demand(self.registers["GPIOA_MODER"] >> 2 * channel & 3 == 3, f"PA{channel} is not analog")
            cycles = SAMPLING_CYCLES[self.registers["ADC1_SMPR2"] >> 3 * channel & 7] + 12
            time += cycles * scale
            self._pending_words.append((time, (16 * self.n_scans + channel) % 4096))
        self.n_scans += 1

    def _finish_word(self) -> None:
        _, word = self._pending_words.pop(0)
        cr, cr2 = self.registers["DMA2_S0CR"], self.registers["ADC1_CR2"]
        if self.registers["ADC1_SR"] >> 5 & 1:
            return  # after an overrun nothing more is asked of the DMA controller (13.8.1)
        if not cr & 1 or cr2 & 0x300 != 0x300:
            self.registers["ADC1_SR"] |= 1 << 5
            return
        self._demand(cr >> 25 == 0 and cr >> 6 & 3 == 0, "the stream is not ADC1's")
        self._demand(cr >> 11 & 3 == cr >> 13 & 3 == 1, "words are not of 16 bits")
        self._demand(bool(cr >> 10 & 1) and not cr >> 9 & 1, "the stream does not walk through memory")
        self._demand(bool(cr >> 8 & 1), "the stream ends")
        self._demand(self.registers["DMA2_S0PAR"] == 0x4001204C, "the stream does not read ADC1")
        if self.words is None:
            raise AssertionError("no memory for the DMA controller")
        self.words[self._ndtr_reload - self.registers["DMA2_S0NDTR"]] = word
        self.registers["DMA2_S0NDTR"] -= 1
        if self.registers["DMA2_S0NDTR"] == 0:
            self.registers["DMA2_S0NDTR"] = self._ndtr_reload

    def _write_dma2_s0ndtr(self, value: int, before: int) -> None:
        self._demand(not self.registers["DMA2_S0CR"] & 1, "a running stream is set up")
        self._ndtr_reload = value

    def lose_a_word(self) -> None:
        """Let the DMA controller come too late for the word that is next."""
        self.registers["ADC1_SR"] |= 1 << 5


class Qemu(Stm32):
    """What QEMU's netduinoplus2 has of it: no clocks, pins or DMA; timers at 1 GHz."""

    ABSENT = ("RCC", "FLASH", "PWR", "GPIOA", "GPIOB", "DMA2")

    def read(self, address: int) -> int:
        return 0 if NAMES[address].split("_")[0] in self.ABSENT else super().read(address)

    def write(self, address: int, value: int) -> None:
        if NAMES[address].split("_")[0] not in self.ABSENT:
            super().write(address, value)

    def _name(self, address: int) -> str:
        return NAMES[address]
