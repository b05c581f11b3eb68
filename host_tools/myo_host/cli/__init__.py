"""The command line ``myopatch``. It stands above all packages and imports each only when its command runs.

This module itself imports next to nothing: Ctrl-C is caught from the first import of substance on.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from types import FrameType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from typer.exceptions import TyperException

# 1, which a command returns itself: validation found a difference, or doctor misses something.
EXIT_ERROR = 2  # the command could not run
EXIT_INTERRUPTED = 130
TRACEBACK_VARIABLE = "MYOPATCH_TRACEBACK"

_OS_REMEDIES = {
    errno.EACCES: "change its permissions, or choose another place",
    errno.EPERM: "change its permissions, or choose another place",
    errno.EROFS: "choose a place that can be written",
    errno.ENOSPC: "free space on that disk, then run the command again",
    errno.EDQUOT: "free space on that disk, then run the command again",
    errno.EFBIG: "raise the limit on the size of a file, then run the command again",
}


def main() -> None:
    """Run the command line; whatever goes wrong is one line on stderr and an exit code."""
    _open_standard_descriptors()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not where `nohup` ignores it
            signal.signal(number, _end)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no error
    try:
        from myo_host.cli import (  # noqa: F401 - they register themselves
            calibrate_command,
            commands,
            compile_command,
            data_info_command,
            evaluate_command,
            flash_command,
            front_end_command,
            monitor_command,
            profile_command,
            recording_commands,
            select_command,
            soak_command,
            tune_command,
        )
        from myo_host.cli.app import app

        code = app(prog_name="myopatch", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except SystemExit as leaving:
        # rich and typer leave with 1 where the reader of stdout has gone (`| head -1`); 1 means something else here.
        sys.exit(EXIT_ERROR if leaving.code == 1 else leaving.code)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        _fail_of(error)
    sys.exit(code if isinstance(code, int) else 0)


def _fail_of(error: Exception) -> NoReturn:
    """Say in one line what went wrong."""
    from typer.exceptions import TyperException

    from myo_pipeline.errors import MyoError

    if isinstance(error, MyoError):
        _fail(str(error))
    if isinstance(error, TyperException):
        _fail_usage(error)
    if isinstance(error, BrokenPipeError):
        # The same as above, found by the flush; Python must not fail once more where it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(EXIT_ERROR)
    if isinstance(error, OSError):
        _fail(_explain_os_error(error))
    if os.environ.get(TRACEBACK_VARIABLE):
        raise error
    _fail(_explain_bug(error))


def _open_standard_descriptors() -> None:
    """Put the null device where a standard stream is closed, so that no file or port gets its descriptor."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave through every ``finally``, so that no virtual board, compiler or temporary file stays behind."""
    sys.exit(128 + number)


def _fail(message: str) -> NoReturn:
    if sys.stderr is not None:
        sys.stderr.write(f"myopatch: {' '.join(message.splitlines())}\n")
    sys.exit(EXIT_ERROR)


def _fail_usage(error: TyperException) -> NoReturn:
    """Say in one line what is wrong with the arguments; where there are none, show the help."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is not None and message == context.get_help():
        if sys.stderr is not None:
            sys.stderr.write(f"{message}\n")
        sys.exit(EXIT_ERROR)
    command = context.command_path if context is not None else "myopatch"
    _fail(f"{message[:1].lower()}{message[1:].rstrip('.')}; see `{command} --help`")


def _explain_os_error(error: OSError) -> str:
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
    reason = (error.strerror or type(error).__name__).lower()
    remedy = _OS_REMEDIES.get(error.errno or 0, "check the path and run the command again")
    return f"{where}{reason}; {remedy}"


def _explain_bug(error: Exception) -> str:
    import traceback
    from pathlib import Path

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return (
        f"{type(error).__name__}{place}: {str(error)[:200]}; this is a bug of MyoPatch: set {TRACEBACK_VARIABLE}=1, run the "
        "command again, and report what it prints"
    )
