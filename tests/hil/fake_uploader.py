"""A stand-in for dfu-util: it boots the image that it is given in QEMU, as if that were the board on the desk.

FAKE_UPLOAD says what it does: ``boot``; ``fail``, as where no bootloader is on USB; ``pretend``, nothing. Under FAKE_FOLDER it
leaves its arguments, the image, QEMU's process number, and the port as a link.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

QEMU = [
    "qemu-system-arm", "-M", "netduinoplus2", "-display", "none", "-monitor", "none", "-serial", "pty", "-icount", "shift=6",
]  # fmt: skip


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def boot(folder: Path, image: Path) -> None:
    process = subprocess.Popen(
        [*QEMU, "-kernel", str(image)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    (folder / "pid").write_text(str(process.pid))
    said = process.stdout.readline() if process.stdout else ""
    (folder / "port").symlink_to(re.search(r"/dev/\S+", said)[0])


def main() -> int:
    folder, what = Path(os.environ["FAKE_FOLDER"]), os.environ["FAKE_UPLOAD"]
    (folder / "arguments").write_text("\n".join(sys.argv[1:]))
    say("dfu-util 0.11\n\n")
    if what == "fail":
        sys.stderr.write("dfu-util: No DFU capable USB device available\n")
        return 74
    image = folder / "uploaded.bin"
    shutil.copy(sys.argv[sys.argv.index("--download") + 1], image)
    for percent in range(0, 101, 20):  # one line that is written over, as the real one does
        say(f"\rDownload\t[{'=' * (percent // 4):25}] {percent:3}%")
        time.sleep(0.02)
    say("\nFile downloaded successfully\n")
    if what == "boot":
        boot(folder, image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
