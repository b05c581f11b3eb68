"""What this machine lacks, and the command that mends it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass

from myo_host.boards import BOARDS
from myo_host.ports import list_ports

APT_PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "cc": "build-essential",
}
_NEEDED_FOR = {
    "arm-none-eabi-gcc": "building firmware for Cortex-M",
    "qemu-system-arm": "running and profiling virtual boards",
    "cc": "the native board, `myopatch profile`, and the tests of the firmware's C",
}
_MODULES = {
    "cmsisdsp": "the twin's filters", "tflite_micro": "the twin's network", "tensorflow": "training",
    "platformio": "building firmware", "serial": "the serial line", "SCons": "PlatformIO without its registry",
    "capstone": "`myopatch profile`",
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for."""

    what: str
    ok: bool
    found: str
    needed_for: str
    remedy: str
    optional: bool = False


def examine() -> list[Finding]:
    """Look for everything that MyoPatch uses on this machine."""
    found = platform.python_version()
    findings = [
        Finding(
            "python",
            sys.version_info >= (3, 11),
            found,
            "everything (3.11 or later)",
            "apt-get install python3.11",
        )
    ]
    for tool, packages in APT_PACKAGES.items():
        path = shutil.which(tool)
        findings.append(
            Finding(
                tool, path is not None, _version(path) if path else "", _NEEDED_FOR[tool],
                f"sudo apt-get install -y {packages}",
            )
        )  # fmt: skip
    if emulator := shutil.which("qemu-system-arm"):
        runnable, lacking = _virtual_boards(emulator)
        findings.append(
            Finding(
                "virtual boards", not lacking, ", ".join(runnable), f"boards of {', '.join(lacking) or 'every core'}",
                "sudo apt-get install -y qemu-system-arm, version 6.0 or later",
            )
        )  # fmt: skip
    for module, purpose in _MODULES.items():
        present = importlib.util.find_spec(module) is not None
        findings.append(Finding(module, present, "installed" if present else "", purpose, "make setup"))
    sources = _find_cmsis_dsp()
    findings.append(
        Finding(
            "CMSIS-DSP sources",
            bool(sources),
            sources,
            "building firmware (fetched at the first build)",
            "make setup",
        )
    )
    findings += _find_uploaders()
    usb = [port for port in list_ports() if port.usb_id]
    shut = [port.device for port in usb if not port.permitted]
    findings.append(
        Finding(
            "serial ports", not shut, ", ".join(port.device for port in usb) or "no board plugged in",
            f"opening {', '.join(shut)}", "sudo usermod -aG dialout $USER, then log in again",
        )
    )  # fmt: skip
    where = ", ".join(_found_datasets())
    findings.append(
        Finding(
            "data sets", bool(where), where, "training on recordings (without any, the demo simulates)",
            "myopatch data get myo_readings, or set $MYOPATCH_DATA", optional=True,
        )
    )  # fmt: skip
    return findings


def _find_uploaders() -> list[Finding]:
    """Look for a program of each protocol that flashes a board on the desk; a virtual board needs none."""
    from myo_export.uploaders import PROTOCOLS, UPLOADERS

    findings = []
    for protocol in PROTOCOLS:
        able = [uploader for uploader in UPLOADERS if uploader.protocol == protocol]
        found = next((path for uploader in able if (path := shutil.which(uploader.tool))), "")
        findings.append(
            Finding(
                f"flashing by {protocol}", bool(found), found, "`myopatch flash --board stm32f405`",
                f"sudo apt-get install -y {able[0].package}", optional=True,
            )
        )  # fmt: skip
    return findings


def _virtual_boards(emulator: str) -> tuple[list[str], list[str]]:
    """Return the boards whose machine this emulator has, and those whose machine it lacks."""
    said = subprocess.run([emulator, "-M", "help"], capture_output=True, text=True, check=False).stdout
    machines = {line.split(maxsplit=1)[0] for line in said.splitlines() if line.strip()}
    found: tuple[list[str], list[str]] = ([], [])
    for board in BOARDS.values():
        if board.machine:
            found[board.machine not in machines].append(board.name)
    return found


def _find_cmsis_dsp() -> str:
    """Return the folder of CMSIS-DSP's sources, empty where they were not fetched yet."""
    from myo_export.cmsis_dsp import find_cache

    folder = find_cache()
    return str(folder) if folder.is_dir() else ""


def _found_datasets() -> list[str]:
    """Return the data sets that are on this machine, with their folders."""
    from myo_training.datasets import CATALOGUE, find_dataset

    return [f"{name} ({folder})" for name in CATALOGUE if (folder := find_dataset(name)) is not None]


def _version(path: str) -> str:
    lines = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return lines[0] if lines else path
