"""What brings an image onto a microcontroller, by protocol; it imports little, as the firmware's build reads this."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from myo_pipeline.errors import BuildError

_FLASH: Final = "0x08000000"  # of an STM32


@dataclass(frozen=True)
class Uploader:
    """A program that writes an STM32F4's flash.

    Attributes
    ----------
    protocol
        How the board is reached, as ``upload_protocol`` of ``platformio.ini`` names it.
    tool, package
        The program, and what apt calls it.
    suffix
        Of the image that it takes: ``.elf``, or ``.bin``, the flash's bytes alone.
    arguments
        Its arguments, ``{image}`` standing for the image.
    hint
        What to look at where it fails.
    """

    protocol: str
    tool: str
    package: str
    suffix: str
    arguments: tuple[str, ...]
    hint: str

    def command(self, elf: Path) -> list[str]:
        """Return the command that writes an image; a ``.bin`` lies beside its ELF."""
        return [self.tool, *(a.replace("{image}", str(elf.with_suffix(self.suffix))) for a in self.arguments)]


_PROBE_HINT = "check that the ST-LINK is plugged in, wired (SWDIO, SWCLK, GND) and yours to open, and that the board has power"
UPLOADERS: Final = (
    Uploader(
        "stlink", "openocd", "openocd", ".elf",
        ("-f", "interface/stlink.cfg", "-f", "target/stm32f4x.cfg", "-c", "program {{image}} verify reset exit"),
        _PROBE_HINT,
    ),
    Uploader("stlink", "st-flash", "stlink-tools", ".bin", ("--reset", "write", "{image}", _FLASH), _PROBE_HINT),
    Uploader(
        "dfu", "dfu-util", "dfu-util", ".bin",
        ("--device", "0483:df11", "--alt", "0", "--dfuse-address", f"{_FLASH}:leave", "--download", "{image}"),
        "hold BOOT0 high, reset the board, check that it is on USB (`myopatch ports` lists its bootloader)",
    ),
)  # fmt: skip
PROTOCOLS: Final = tuple(dict.fromkeys(uploader.protocol for uploader in UPLOADERS))


def choose_uploader(protocol: str) -> Uploader:
    """Return the first installed program of a protocol.

    Raises
    ------
    BuildError
        If the protocol is unknown, or none of its programs is installed.
    """
    able = [uploader for uploader in UPLOADERS if uploader.protocol == protocol]
    if not able:
        raise BuildError(f"no upload protocol {protocol!r}, expected one of: {', '.join(PROTOCOLS)}")
    for uploader in able:
        if shutil.which(uploader.tool) is not None:
            return uploader
    others = [
        f"`{uploader.protocol}` with {uploader.tool}"
        for uploader in UPLOADERS
        if uploader.protocol != protocol and shutil.which(uploader.tool) is not None
    ]
    raise BuildError(
        f"{' or '.join(uploader.tool for uploader in able)} is not on this machine, and uploads by {protocol} need it; "
        f"run: sudo apt-get install {able[0].package}" + (f", or take {others[0]}" if others else "")
    )
