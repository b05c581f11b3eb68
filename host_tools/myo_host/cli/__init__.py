"""The command line ``myopatch``. It stands above all packages and imports each only when its command runs."""

from __future__ import annotations

import sys

from myo_host.cli.app import app
from myo_pipeline.errors import MismatchError, MyoError

EXIT_MISMATCH = 1  # the command ran, and device, twin or float are apart
EXIT_ERROR = 2  # the command could not run
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line; an error is one line on stderr and exit code 2."""
    from myo_host.cli import commands, compile_command  # noqa: F401 - registers the commands

    try:
        app(standalone_mode=True)
    except MismatchError as error:
        sys.stderr.write(f"myopatch: {error}\n")
        sys.exit(EXIT_ERROR)
    except MyoError as error:
        sys.stderr.write(f"myopatch: {error}\n")
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        sys.stderr.write("myopatch: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_ERROR)
