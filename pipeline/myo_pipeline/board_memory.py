"""Memories and clocks of the real boards that a budget can name; ``firmware/ports/*/memory.ld`` says the same to the linker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class BoardMemory:
    """What a board's firmware can have.

    Attributes
    ----------
    flash_kb, ram_kb
        Units of 1024 bytes; of flash what the image may have, beside what heads are stored in; of RAM what lies side by side.
    clock_mhz
        Its core's.
    """

    flash_kb: int
    ram_kb: int
    clock_mhz: float


BOARD_MEMORIES: Final = {"stm32f405": BoardMemory(flash_kb=768, ram_kb=128, clock_mhz=168.0)}
