"""The STM32F405's port against a model of what RM0090 says; the image itself runs in tests/hil, on silicon it never did."""

from __future__ import annotations

import itertools

import pytest

from stm32_case import SCANS_A_SECOND, Chip, Load, make_loader
from stm32_model import MHZ, Qemu, Stm32


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    return make_loader(tmp_path_factory.mktemp("stm32"))


@pytest.fixture
def chip(load: Load) -> Chip:
    return Chip(load(), Stm32())


# Clocks and start


@pytest.mark.parametrize("hse_mhz", [4, 8, 12, 25, 26])
def test_any_crystal_gives_168_mhz_by_the_manual(load: Load, hse_mhz: int) -> None:
    chip = Chip(load(hse_mhz * MHZ), Stm32(hse_mhz * MHZ))
    model = chip.model
    assert model.broken == []
    assert (model.core_hz, model.apb_hz(1), model.apb_hz(2)) == (168 * MHZ, 42 * MHZ, 84 * MHZ)
    assert chip.code.myo_port_tick_hz() == model.timer_hz == 84 * MHZ
    assert model.baud == MHZ
    assert model.registers["RCC_CR"] >> 19 & 1  # the guard
    assert model.registers["SCB_VTOR"] == 0x08000000


@pytest.mark.parametrize("fault", ["crystal", "locks"])
def test_without_crystal_or_pll_it_runs_from_its_own_oscillator(load: Load, fault: str) -> None:
    chip = Chip(load(), Stm32(**{fault: False}))
    model = chip.model
    assert model.broken == []
    assert model.core_hz == 16 * MHZ
    assert chip.code.myo_port_tick_hz() == model.timer_hz == 16 * MHZ
    assert model.baud == MHZ
    assert not model.registers["RCC_CR"] & (1 << 16 | 1 << 24)  # nothing half started
    assert model.n_accesses < 500  # of which 50 are the patience that a test has
    assert chip.sample()
    model.advance(model.timer_hz // SCANS_A_SECOND * 10)
    assert len(chip.take_frames()) == 9


def test_it_starts_from_what_a_bootloader_leaves(load: Load) -> None:
    model = Stm32()
    model.registers |= {
        "RCC_CR": 0x03030083,
        "RCC_PLLCFGR": 0x24403C08,
        "RCC_CFGR": 0xA,
        "FLASH_ACR": 3,
        "SCB_VTOR": 0x1FFF0000,
    }
    assert model.core_hz == 120 * MHZ // 2 * 2  # 8 MHz / 8 * 240 / 2
    chip = Chip(load(), model)
    assert model.broken == []
    assert chip.code.myo_port_tick_hz() == 84 * MHZ
    assert model.core_hz == 168 * MHZ


def test_qemu_is_known_by_its_lack_of_clocks(load: Load) -> None:
    chip = Chip(load(), Qemu())
    assert chip.code.myo_port_tick_hz() == 15_625_000
    assert chip.model.registers["TIM5_PSC"] == 63
    assert not chip.sample()
    assert chip.model.n_accesses < 100


def test_pins_and_interrupts(chip: Chip) -> None:
    registers = chip.model.registers
    assert (
        registers["GPIOB_MODER"] == 0x0000A280
    )  # PB6, PB7 alternate; PB3, PB4 of the debug port as they were
    assert registers["GPIOB_AFRL"] == 0x77000000
    assert registers["GPIOB_PUPDR"] == 0x00004100
    assert all(chip.code.harness_is_enabled(number) for number in (28, 37))
    assert chip.sample(n_channels=5)
    assert registers["GPIOA_MODER"] == 0xA80003FF  # PA0 to PA4 analog


# The serial line


def test_bytes_come_in_and_a_lost_one_is_counted(chip: Chip) -> None:
    for byte in b"abc":
        chip.model.receive(byte)
        chip.code.usart1_handler()
    assert chip.take_bytes() == b"abc"
    for byte in b"de":  # nobody took d
        chip.model.receive(byte)
    chip.code.usart1_handler()
    chip.model.receive(ord("f"))
    chip.code.usart1_handler()
    assert chip.take_bytes() == b"df"
    assert chip.code.harness_bytes_lost() == 1
    assert chip.model.broken == []


def test_bytes_go_out_one_by_one_and_the_interrupt_ends_with_them(chip: Chip) -> None:
    assert chip.code.harness_send(b"hello", 5)
    assert chip.code.harness_pended() == 1
    chip.code.usart1_handler()
    for _ in range(10):
        if chip.model.finish_byte():
            chip.code.usart1_handler()
    assert bytes(chip.model.sent) == b"hello"
    assert chip.model.broken == []
    assert not chip.model.registers["USART1_CR1"] >> 7 & 1


# The converter


def expected(first: int, n_frames: int, n_channels: int) -> list[list[int]]:
    return [[(16 * k + c) % 4096 - 2048 for c in range(n_channels)] for k in range(first, first + n_frames)]


@pytest.mark.parametrize("n_channels", [1, 5, 8])
def test_every_scan_is_a_frame(chip: Chip, n_channels: int) -> None:
    model = chip.model
    assert chip.sample(n_channels)
    period = 84 * MHZ // SCANS_A_SECOND
    frames = []
    for _ in range(10):
        model.advance(5 * period)
        frames += chip.take_frames(n_channels)
    assert [counts for _, counts in frames] == expected(
        0, 49, n_channels
    )  # the first scan ends the first period
    ticks = [tick for tick, _ in frames]
    assert {b - a for a, b in itertools.pairwise(ticks)} == {period}
    assert ticks[0] - period == n_channels * 384 + 64  # from the trigger to the frame
    assert chip.code.harness_frames_lost() == 0
    assert model.broken == []


@pytest.mark.parametrize("masked", [0.4, 1, 3.9, 15])
def test_a_late_interrupt_loses_nothing(chip: Chip, masked: float) -> None:
    model, period = chip.model, 84 * MHZ // SCANS_A_SECOND
    assert chip.sample()
    model.advance(10 * period)
    model.interrupts_masked = True
    model.advance(round(masked * period))
    model.unmask()
    model.advance(10 * period + period // 2)  # no scan is under way
    frames = [counts for _, counts in chip.take_frames()]
    assert frames == expected(0, len(frames), 8)
    assert len(frames) == model.n_scans
    assert chip.code.harness_frames_lost() == 0
    assert model.broken == []


@pytest.mark.parametrize("masked", [15.9, 16.3, 17, 40, 100.8])
def test_frames_that_were_written_over_are_counted(chip: Chip, masked: float) -> None:
    model, period = chip.model, 84 * MHZ // SCANS_A_SECOND
    assert chip.sample()
    model.advance(10 * period)
    before = model.now
    model.interrupts_masked = True
    model.advance(round(masked * period))
    model.unmask()
    model.advance(10 * period + period // 2)  # no scan is under way
    frames = chip.take_frames()
    ticks = [tick for tick, _ in frames]
    assert model.broken == []
    at = next(k for k, tick in enumerate(ticks) if tick > before)
    # A gap in time of whole periods, to the nearest, is the number of frames that were lost.
    assert chip.code.harness_frames_lost() == round((ticks[at] - ticks[at - 1]) / period) - 1
    behind = [counts for _, counts in frames[at:]]
    assert behind == expected(model.n_scans - len(behind), len(behind), 8)


@pytest.mark.parametrize("phase", [0.001, 0.02, 0.5])
def test_a_word_that_the_dma_controller_missed_costs_its_frame(chip: Chip, phase: float) -> None:
    model, period = chip.model, 84 * MHZ // SCANS_A_SECOND
    assert chip.sample()
    model.advance(10 * period + round(phase * period))
    model.lose_a_word()
    model.advance(10 * period)
    frames = chip.take_frames()
    ticks = [tick for tick, _ in frames]
    gaps = [round((b - a) / period) - 1 for a, b in itertools.pairwise(ticks)]
    assert sum(gaps) == chip.code.harness_frames_lost() == 1
    at = gaps.index(1) + 1
    assert [counts for _, counts in frames[:at]] == expected(0, at, 8)
    behind = [counts for _, counts in frames[at:]]
    assert behind == expected(model.n_scans - len(behind), len(behind), 8)
    assert model.broken == []


def test_a_late_interrupt_does_not_hide_the_frame_that_is_lost_after_it(chip: Chip) -> None:
    model, period = chip.model, 84 * MHZ // SCANS_A_SECOND
    assert chip.sample()
    model.advance(10 * period)
    model.interrupts_masked = True
    model.advance(round(0.95 * period))
    model.unmask()
    model.advance(round(0.06 * period))
    model.lose_a_word()  # of the scan that has just begun
    model.advance(5 * period)
    assert chip.code.harness_frames_lost() == 1


def test_an_interrupt_without_its_event_does_nothing(chip: Chip) -> None:
    model, period = chip.model, 4200  # of which a scan takes most
    assert chip.sample(rate_hz=84 * MHZ / period)
    chip.code.tim2_handler()  # pended before the timer began anew
    model.advance(5 * period)
    assert [counts for _, counts in chip.take_frames()] == expected(0, 4, 8)
    assert chip.code.harness_frames_lost() == 0


def test_stop_and_start_again(chip: Chip) -> None:
    model, period = chip.model, 84 * MHZ // SCANS_A_SECOND
    assert chip.sample()
    model.advance(5 * period + 100)
    chip.code.stm32_scan_stop()
    n_scans = model.n_scans
    model.advance(5 * period)
    chip.code.tim2_handler()  # one that was pending
    assert model.n_scans == n_scans
    assert chip.sample(3)
    model.advance(5 * period)
    assert [counts for _, counts in chip.take_frames(3)] == expected(n_scans, 4, 3)
    assert model.broken == []


def test_what_the_converter_cannot_do_is_refused(chip: Chip) -> None:
    assert not chip.sample(n_channels=9)
    assert not chip.sample(bits=8)
    assert not chip.sample(bits=16)
    assert not chip.sample(rate_hz=84 * MHZ / (8 * 384 + 64))
    assert chip.sample(rate_hz=84 * MHZ / (8 * 384 + 65))
    assert not chip.sample(rate_hz=0.5)
