"""Builds a bundle's firmware with PlatformIO, offline, measures the image, and uploads it.

``platformio.ini`` and ``firmware/platform`` say how; this module lays out what PlatformIO would otherwise
download, runs it, and reads flash, RAM and stack out of the ELF. ``python -m myo_export.firmware_build`` does
the first alone, after which ``pio run -e virtual_m4`` works by hand.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from myo_export import cmsis_dsp
from myo_export.budget import find_excess
from myo_export.uploaders import Uploader, choose_uploader
from myo_pipeline.bundle import write_text
from myo_pipeline.errors import BuildError, MyoError
from myo_pipeline.spec import Budget

PROJECT = Path(__file__).resolve().parents[2]
CORE_DIR = PROJECT / ".pio" / "core"  # as platformio.ini says
STOP_TIMEOUT_S = 3.0  # between asking a build to end and killing it
_FAILURE = re.compile(r"error|fail|cannot|can't|couldn't|unable|not found|^dfu-util: no ", re.IGNORECASE)


@dataclass(frozen=True)
class _Board:
    compiler: str
    packages: str  # what apt calls the compiler and its C library
    image: str  # as the builder names it
    environment: str = ""  # in platformio.ini, where it is not the board's name


_ARM_GCC = ("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi", "firmware.elf")
_CORTEX_M = _Board(*_ARM_GCC)
BOARDS: Mapping[str, _Board] = {
    **{f"virtual_{core}": _CORTEX_M for core in ("m0", "m3", "m4", "m7", "m33", "m55")},
    # One environment, so that what QEMU runs is, bit for bit, what is flashed.
    **dict.fromkeys(("virtual_stm32f405", "stm32f405"), _Board(*_ARM_GCC, environment="stm32f405")),
    "native": _Board("gcc", "gcc libc6-dev", "program"),
}


@dataclass(frozen=True)
class BuiltFirmware:
    """A firmware image and what it needs of a board.

    Parameters
    ----------
    elf
        The image in the bundle.
    flash_bytes
        Code, constants and the start values of data.
    ram_bytes
        Static RAM: data, zero-initialised data and the stack.
    stack_bytes
        The stack's size; 0 where the board does not fix it.
    symbol_bytes
        Size of every function and object by name, for budgets.
    """

    elf: Path
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    symbol_bytes: Mapping[str, int] = field(repr=False)


def prepare_platformio() -> None:
    """Give PlatformIO its build tool, SCons from PyPI, and settings that keep it off the network.

    Raises
    ------
    BuildError
        If PlatformIO or SCons is not installed beside this package.
    """
    try:
        scons, platformio = metadata.version("scons"), metadata.version("platformio")
    except metadata.PackageNotFoundError as error:
        raise BuildError(
            f"{error.name} is not installed; run: python -m pip install scons platformio"
        ) from error
    tool = CORE_DIR / "packages" / "tool-scons"
    # PlatformIO's version of SCons a.b.c is 4.abbcc.0: 4.11.1 is 4.41101.0.
    major, minor, patch = (int(part) for part in scons.split("."))
    version = f"4.{major}{minor:02d}{patch:02d}.0"
    description = {
        "name": "tool-scons",
        "version": version,
        "description": "SCons software construction tool",
    }
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
    write_text(tool / "package.json", json.dumps(description))
    write_text(
        tool / ".piopm", json.dumps({"type": "tool", "name": "tool-scons", "version": version, "spec": spec})
    )
    write_text(tool / "scons.py", "from SCons.Script import main\n\nmain()\n")
    state = CORE_DIR / "appstate.json"
    if not state.is_file():
        # last_version keeps the welcome away; the interval, a century in days, keeps update checks away.
        settings = {
            "enable_telemetry": False,
            "check_platformio_interval": 36500,
            "check_prune_system_threshold": 0,
        }
        write_text(state, json.dumps({"last_version": platformio, "settings": settings}))


def firmware_path(bundle_dir: Path, board: str, app: str = "app") -> Path:
    """Return where a bundle keeps a board's image of an application."""
    return bundle_dir / "firmware" / f"{board}{'' if app == 'app' else f'-{app}'}.elf"


def build_firmware(
    bundle_dir: Path, board: str, progress: Callable[[str], None] | None = None, app: str = "app"
) -> BuiltFirmware:
    """Build the firmware of a bundle for a board and put it into the bundle, at :func:`firmware_path`.

    Parameters
    ----------
    bundle_dir
        The bundle, with its generated C in ``c/``.
    board
        One of :data:`BOARDS`.
    progress
        Called with each line that PlatformIO says.
    app
        Folder of ``firmware/`` that holds the application: ``app``, the patch, or ``mlperf``.

    Raises
    ------
    BuildError
        If the board is unknown, a tool is missing or the build fails.
    """
    bundle = _check(bundle_dir, board)
    elf = firmware_path(bundle, board, app)
    with _alone():
        _run_platformio(bundle, board, app, elf.with_suffix(".log"), progress)
        _copy(_built_image(board), elf)
    return measure_image(elf)


def upload_firmware(
    bundle_dir: Path, board: str, protocol: str, progress: Callable[[str], None] | None = None
) -> None:
    """Build the firmware of a bundle, where it is not built yet, and upload it to the board that is plugged in.

    Parameters
    ----------
    bundle_dir
        The bundle, with its generated C in ``c/``.
    board
        One of :data:`BOARDS` that is a microcontroller.
    protocol
        One of :data:`myo_export.uploaders.PROTOCOLS`.
    progress
        Called with each line that PlatformIO and the uploader say.

    Raises
    ------
    BuildError
        If a tool is missing, or the build or the upload fails.
    """
    uploader = choose_uploader(protocol)
    bundle = _check(bundle_dir, board)
    log = firmware_path(bundle, board).with_suffix(".log")
    with _alone():
        _run_platformio(bundle, board, "app", log, progress, uploader)
        if _built_image(board).read_bytes() != firmware_path(bundle, board).read_bytes():
            raise BuildError(f"{bundle_dir}: changed while it was flashed; run the command again")


def _check(bundle_dir: Path, board: str) -> Path:
    """Return the bundle's folder, after a look at what a build needs; make what may be made."""
    if board not in BOARDS:
        raise BuildError(f"no board {board}, expected one of {', '.join(BOARDS)}")
    tools = BOARDS[board]
    if shutil.which(tools.compiler) is None:
        raise BuildError(
            f"{tools.compiler} is not on this machine, and {board} needs it; "
            f"run: sudo apt-get install {tools.packages}"
        )
    bundle = bundle_dir.resolve()
    if not (bundle / "c" / "patch_config.c").is_file():
        raise BuildError(f"{bundle_dir} has no c/patch_config.c; export the bundle first (myopatch export)")
    prepare_platformio()
    cmsis_dsp.locate()  # here rather than inside the build, so that its error is one line
    return bundle


def _environment(board: str) -> str:
    return BOARDS[board].environment or board


def _built_image(board: str) -> Path:
    return PROJECT / ".pio" / "build" / _environment(board) / BOARDS[board].image


def measure_image(elf: Path) -> BuiltFirmware:
    """Read an image's sizes from its ELF.

    Raises
    ------
    BuildError
        If the file is not an ELF image.
    """
    flash = ram = 0
    try:
        with elf.open("rb") as file:
            image = ELFFile(file)
            for section in image.iter_sections():
                if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
                    continue
                stored = section["sh_type"] != "SHT_NOBITS"
                flash += section["sh_size"] if stored else 0
                ram += section["sh_size"] if section["sh_flags"] & SH_FLAGS.SHF_WRITE or not stored else 0
            table = image.get_section_by_name(".symtab")
            symbols = list(table.iter_symbols()) if table is not None else []
    except (OSError, ELFError) as error:
        raise BuildError(f"{elf} is not an ELF image: {error}") from error
    address = {symbol.name: symbol["st_value"] for symbol in symbols}
    stack = address.get("myo_stack_top", 0) - address.get("myo_stack_bottom", 0)
    sized = {s.name: s["st_size"] for s in symbols if s["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT")}
    return BuiltFirmware(elf, flash, ram, stack, sized)


def check_budget(budget: Budget, built: BuiltFirmware) -> None:
    """Check an image's flash and RAM against a spec's budget.

    Raises
    ------
    BuildError
        If a limit is exceeded: which, and by how much.
    """
    fault = find_excess(budget, built.flash_bytes, built.ram_bytes, None)
    if fault:
        raise BuildError(
            f"{built.elf}: over the budget: {fault}; raise the limit in patch.toml and export again, or train a smaller network"
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the project's build folder: all bundles are built in the same place, one after the other."""
    with (PROJECT / ".pio" / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_platformio(
    bundle: Path,
    board: str,
    app: str,
    log: Path,
    progress: Callable[[str], None] | None,
    uploader: Uploader | None = None,
) -> None:
    environment = os.environ | {
        "MYOPATCH_APP": app,
        "MYOPATCH_BUNDLE": str(bundle),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        **({"MYOPATCH_UPLOAD": uploader.protocol} if uploader else {}),
    }
    command = [
        sys.executable,
        "-m",
        "platformio",
        "run",
        "--environment",
        _environment(board),
        "--project-dir",
        str(PROJECT),
        *(("--target", "upload") if uploader else ()),
    ]
    lines: list[str] = []
    # A session of its own: where this process is told to stop, it can stop the compilers as well.
    with subprocess.Popen(
        command,
        env=environment,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                if progress is not None:
                    progress(line.rstrip())
        except BaseException:
            _stop_group(process)
            raise
    write_text(log, "".join(lines))
    if process.returncode != 0:
        if (excess := re.search(r"region `(\w+)' overflowed by (\d+) bytes", "".join(lines))) is not None:
            budget = "ram_kb" if excess[1] == "RAM" else "flash_kb"
            raise BuildError(
                f"the patch does not fit {board}: {excess[2]} bytes too many for its {excess[1]}; set [budget] {budget} to what "
                "the board has and export again, take fewer channels, fewer or narrower layers, or a board with more; "
                f"the whole log is {log}"
            )
        if uploader is not None and any("[upload]" in line for line in lines):
            raise BuildError(
                f"{uploader.tool} could not flash {board}: {_last_words(lines)}; {uploader.hint}; the whole log is {log}"
            )
        raise BuildError(
            f"the firmware for {board} does not build: {_first_error(lines)}; the whole log is {log}"
        )


def _stop_group(process: subprocess.Popen[str]) -> None:
    """End PlatformIO and the compilers that it started, which take their temporary files with them."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        os.killpg(process.pid, signal.SIGKILL)  # whatever of the group is left


def _first_error(lines: list[str]) -> str:
    marks = ("undefined reference", ": fatal error:", ": error:", "Error: ")
    for mark in marks:
        for line in lines:
            if mark in line:
                return line.strip()
    return lines[-1].strip() if lines else "PlatformIO said nothing"


def _last_words(lines: list[str]) -> str:
    """Return the last line of an uploader that tells of a failure, else its last one."""
    end = next(k for k, line in enumerate(lines) if "[upload]" in line)
    said = [line.strip() for line in lines[:end] if line.strip()]
    telling = [line for line in said if _FAILURE.search(line)] or said
    return telling[-1][:200] if telling else "it said nothing"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        shutil.copy2(source, scratch)  # keeps the mode: the native image is a program
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def main() -> None:
    """Prepare PlatformIO and CMSIS-DSP, so that ``pio run`` works by hand."""
    try:
        prepare_platformio()
        cmsis_dsp.locate()
    except MyoError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
