"""The typer application and what its commands share: progress on a terminal and off it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import typer

app = typer.Typer(
    name="myopatch",
    help="Turn EMG recordings into firmware for a wearable patch, and prove that it computes what was trained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 fine; 1 validation failed, or doctor misses something; 2 the command could not run, one line on "
    "stderr says why; 130 interrupted. Each command has its own --help.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_QUIET_STEP_S = 5.0  # off a terminal, a line at most this often


@contextmanager
def show_progress(title: str) -> Iterator[Callable[[str, float], None]]:
    """Yield ``progress(what, share)``: a bar on a terminal, an occasional line elsewhere."""
    # A copy of the descriptor: training sends descriptor 2 elsewhere while TensorFlow talks.
    with os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as stderr:
        began = time.monotonic()
        with (_show_bar if stderr.isatty() else _show_lines)(title, stderr) as progress:
            yield progress
        stderr.write(f"{title}: done in {time.monotonic() - began:.0f} s\n")


@contextmanager
def _show_bar(title: str, stderr: TextIO) -> Iterator[Callable[[str, float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<60.60}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    console = Console(file=stderr)
    try:
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(title, total=1.0)
            yield lambda what, share: bar.update(task, description=f"{title}: {what}", completed=share)
    finally:  # whoever presses Ctrl-C while the bar begins or ends is not left without a cursor
        console.show_cursor()


@contextmanager
def _show_lines(title: str, stderr: TextIO) -> Iterator[Callable[[str, float], None]]:
    last = time.monotonic()  # what is done or fails at once shows no progress

    def line(what: str, share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET_STEP_S:
            last = time.monotonic()
            stderr.write(f"{title}: {share:4.0%} {what}\n")

    yield line
