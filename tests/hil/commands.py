"""The command line as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MYOPATCH = Path(sys.executable).with_name("myopatch")


def myopatch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    command = [str(MYOPATCH), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def must(*arguments: object) -> str:
    done = myopatch(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
