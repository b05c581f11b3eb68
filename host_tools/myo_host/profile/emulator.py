"""The plugin, compiled on first use, and QEMU with the plugin in it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from myo_host.boards import STOP_TIMEOUT_S, Board
from myo_host.profile.calls import Trace, read_trace
from myo_host.profile.image import Image
from myo_pipeline.bundle import replace_file
from myo_pipeline.cache import find_user_cache
from myo_pipeline.errors import ProfileError

EMULATOR = "qemu-system-arm"
SOURCE = Path(__file__).with_name("plugin.c")
_CC_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC")
_DOCTOR = "`myopatch doctor` names the package to install"


def build_plugin() -> Path:
    """Return the compiled plugin, from the user's cache where this source was compiled before.

    Raises
    ------
    ProfileError
        If there is no C compiler, or it fails.
    """
    source = SOURCE.read_bytes()
    key = hashlib.sha256(source + " ".join(_CC_FLAGS).encode() + os.uname().machine.encode()).hexdigest()[:16]
    plugin = find_user_cache() / "profile" / f"plugin-{key}.so"
    if plugin.is_file():
        return plugin
    if shutil.which("cc") is None:
        raise ProfileError(f"cc: not installed, and the profiler's plugin for QEMU needs it; {_DOCTOR}")
    with replace_file(plugin) as temporary:
        run = subprocess.run(
            ["cc", *_CC_FLAGS, "-o", str(temporary), str(SOURCE)], capture_output=True, text=True, check=False
        )
        if run.returncode:
            said = run.stderr.strip().splitlines()
            raise ProfileError(
                f"the profiler's plugin does not compile: {said[0] if said else 'cc said nothing'}; {_DOCTOR}"
            )
    return plugin


@dataclass(frozen=True)
class Watch:
    """What the plugin is told about an image.

    Attributes
    ----------
    image
        The image.
    begin
        Function whose first call begins the counting; empty: from the start.
    timed
        Functions whose calls are counted one by one.
    """

    image: Image
    begin: str = ""
    timed: Sequence[str] = ()

    def render(self) -> str:
        """Return the text that the plugin reads."""
        image = self.image
        lines = [f"function {f.begin:x} {f.end:x}" for f in image.functions]
        lines += [f"handler {address:x}" for address in image.handlers]
        lines += [f"reset {image.reset:x}", f"stack {image.stack[0]:x} {image.stack[1]:x}"]
        lines += [f"begin {self._address(self.begin):x}"] if self.begin else []
        return "\n".join([*lines, *(f"time {self._address(name):x}" for name in self.timed)]) + "\n"

    def _address(self, name: str) -> int:
        found = self.image.find(name)
        if found is None:
            raise ProfileError(
                f"{self.image.path}: has no function {name}; see its symbols with arm-none-eabi-nm"
            )
        return found.begin


class Recording:
    """Where a run's counts will be."""

    def __init__(self, folder: Path, watch: Watch) -> None:
        self._counts = folder / "counts.txt"
        self._spec = folder / "spec.txt"
        self._spec.write_text(watch.render())

    def arguments(self) -> list[str]:
        """Return QEMU's arguments that load the plugin."""
        # QEMU takes a doubled comma for one that separates nothing.
        places = {"spec": self._spec, "out": self._counts}
        texts = [f"{key}={str(path).replace(',', ',,')}" for key, path in places.items()]
        return ["-plugin", ",".join([str(build_plugin()).replace(",", ",,"), *texts])]

    def is_written(self) -> bool:
        """Return whether there are counts."""
        return self._counts.is_file() and self._counts.stat().st_size > 0

    def read(self) -> Trace:
        """Return the counts, once QEMU has ended."""
        return read_trace(self._counts)


@contextmanager
def record(watch: Watch) -> Iterator[Recording]:
    """Yield a place for a run's counts; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="myopatch-profile-") as folder:
        yield Recording(Path(folder), watch)


def with_plugin(board: Board, recording: Recording) -> Board:
    """Return a board whose emulator counts.

    Without ``-icount``: QEMU would stop blocks in front of device accesses and run the rest of them again, and the plugin
    would see their beginnings twice.
    """
    command = list(board.command)
    if not command or command[0] != EMULATOR:
        raise ProfileError(
            f"board {board.name}: does not run under {EMULATOR}; profile a virtual one: virtual_m4"
        )
    if "-icount" in command:
        place = command.index("-icount")
        del command[place : place + 2]
    return dataclasses.replace(board, command=(*command, *recording.arguments()))


def run_image(image: Image, recording: Recording, seconds: float, arguments: Sequence[str]) -> bool:
    """Run an image until it ends by itself or its time is over; return whether it ended.

    Raises
    ------
    ProfileError
        If the emulator is missing or does not take the image.
    """
    if shutil.which(EMULATOR) is None:
        raise ProfileError(f"{EMULATOR}: not installed; {_DOCTOR}")
    command = [
        EMULATOR, *arguments, "-kernel", str(image.path.resolve()), "-display", "none", "-monitor", "none",
        "-serial", "null", "-semihosting-config", "enable=on,target=native", *recording.arguments(),
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        ended = True
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            ended = False
            process.terminate()  # the plugin writes its counts
            _, said = process.communicate(timeout=STOP_TIMEOUT_S)
        finally:
            process.kill()
            process.wait()  # where the user interrupts, Popen would not
    if not recording.is_written():
        words = said.strip().splitlines()
        raise ProfileError(
            f"{image.path}: {EMULATOR} stopped without counts"
            f"{', it said: ' + words[0][:200] if words else ''}; it must be an image for mps2-an386 (Cortex-M4)"
        )
    return ended
