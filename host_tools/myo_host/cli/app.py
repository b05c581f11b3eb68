"""The typer application and what its commands share: progress on a terminal and off it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

app = typer.Typer(
    name="myopatch",
    help="Turn EMG recordings into firmware for a wearable patch, and prove that it computes what was trained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_QUIET_STEP_S = 5.0  # off a terminal, a line at most this often unless a new kind of work begins


@contextmanager
def show_progress(title: str) -> Iterator[Callable[[str, float], None]]:
    """Yield ``progress(what, share)``: a bar on a terminal, an occasional line elsewhere."""
    began = time.monotonic()
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description:<44.44}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=1.0)
            yield lambda what, share: bar.update(task, description=f"{title}: {what}", completed=share)
    else:
        last = [-_QUIET_STEP_S]

        def line(what: str, share: float) -> None:
            now = time.monotonic() - began
            if now - last[0] >= _QUIET_STEP_S:
                last[0] = now
                sys.stderr.write(f"{title}: {share:4.0%} {what}\n")
                sys.stderr.flush()

        yield line
    sys.stderr.write(f"{title}: done in {time.monotonic() - began:.0f} s\n")
