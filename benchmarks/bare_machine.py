"""QEMU's Cortex-M machines for images that need no peripherals: net_bench's start-up, semihosting, nothing else."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from myo_export.cores import CPU_FLAGS

EMULATOR = "qemu-system-arm"
BOARD_DIR = Path(__file__).resolve().parent / "net_bench"
MIB = 1 << 20
NS_PER_INSTRUCTION = 64  # under -icount shift=6, and nothing else moves QEMU's clock


@dataclass(frozen=True)
class Machine:
    """A machine and where its memories are, from QEMU's hw/arm; secure addresses where it knows security.

    Attributes
    ----------
    clock_hz
        Of the core, and so of its ticks.
    cpu
        What the image is compiled for.
    flash, flash_bytes
        Memory that the core starts from.
    ram, ram_bytes
        Memory for data and stack.
    """

    clock_hz: float
    cpu: tuple[str, ...]
    flash: int
    flash_bytes: int
    ram: int
    ram_bytes: int

    def instructions(self, ticks: float) -> float:
        """Instructions in so many ticks of a counted run."""
        return ticks * 1e9 / self.clock_hz / NS_PER_INSTRUCTION

    def link_flags(self) -> list[str]:
        """Say to the linker where everything goes."""
        places = {
            "FLASH_AT": self.flash,
            "FLASH_BYTES": self.flash_bytes,
            "RAM_AT": self.ram,
            "RAM_BYTES": self.ram_bytes,
        }
        symbols = ",".join(f"--defsym,{name}={value:#x}" for name, value in places.items())
        return ["-nostartfiles", "--specs=nano.specs", f"-Wl,{symbols}", f"-T{BOARD_DIR / 'board.ld'}"]


MACHINES = {
    "microbit": Machine(64e6, CPU_FLAGS["m0"], 0x00000000, 256 << 10, 0x20000000, 16 << 10),
    "mps2-an385": Machine(25e6, CPU_FLAGS["m3"], 0x00000000, 4 * MIB, 0x20000000, 4 * MIB),
    "mps2-an386": Machine(25e6, CPU_FLAGS["m4"], 0x00000000, 4 * MIB, 0x20000000, 4 * MIB),
    "mps2-an500": Machine(25e6, CPU_FLAGS["m7"], 0x00000000, 4 * MIB, 0x20000000, 4 * MIB),
    "mps2-an505": Machine(20e6, CPU_FLAGS["m33"], 0x10000000, 4 * MIB, 0x38000000, 2 * MIB),
    "mps3-an547": Machine(32e6, CPU_FLAGS["m55"], 0x10000000, MIB // 2, 0x30000000, MIB // 2),
}


def run_image(machine: str, image: Path, timeout_s: float, is_counted: bool = False) -> str:
    """Run an image until it ends itself; give what it printed. Counted, ticks are instructions in another unit.

    Raises
    ------
    subprocess.TimeoutExpired
        If it does not end in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said.txt"
        command = [EMULATOR, "-M", machine, "-kernel", str(image), "-display", "none", "-monitor", "none"]
        command += ["-icount", "shift=6"] * is_counted
        command += ["-serial", "none", "-chardev", f"file,id=said,path={said}"]
        command += ["-semihosting-config", "enable=on,target=native,chardev=said"]
        subprocess.run(command, timeout=timeout_s, stdin=subprocess.DEVNULL, check=False)
        return said.read_text(errors="replace")
