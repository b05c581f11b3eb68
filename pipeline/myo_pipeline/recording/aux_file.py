"""Auxiliary streams in CSV files: one column a channel, and, where the recorder knew it, the EMG frames before each sample.

The file of the stream ``wrist`` beside ``monday.bdf`` is ``monday.wrist.csv``. Its first line names the columns. A column
``frame`` holds the frames of the EMG recording that came before the sample; without it the stream is taken to have kept its
rate from the EMG's first frame on. A recorder writes it as the last one: a line that a power cut has torn then shows it.
"""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_sensor import stamp_samples
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import DataError

FRAME = "frame"
WRITE_EVERY_S = 0.5  # as a BDF+ file's records


def name_aux_file(path: Path, name: str) -> Path:
    """Return the file of a stream beside a recording's."""
    return path.with_name(f"{path.stem}.{name}.csv")


class AuxWriter:
    """A stream's file that grows with the recording; what a kill or a power cut leaves of it can be read.

    Parameters
    ----------
    path
        A new file.
    n_channels
        Columns ``ch1`` and on, before ``frame``.
    durable
        Whether what is written goes to the disk at once, each half second.

    Raises
    ------
    OSError
        If the file exists or cannot be made.
    """

    def __init__(self, path: Path, n_channels: int, durable: bool = True) -> None:
        self.path, self.n_channels, self.n_samples = path, n_channels, 0
        self._durable = durable
        self._file = path.open("xb", buffering=0)
        self._pending = (",".join([*(f"ch{k + 1}" for k in range(n_channels)), FRAME]) + "\n").encode()
        self._write()

    def append(self, counts: NDArray[np.integer], stamps: NDArray[np.integer]) -> None:
        """Append samples (n, n_channels) and the frames of the EMG recording that came before each, never falling."""
        rows = np.concatenate([counts, stamps[:, None]], axis=1).tolist()
        self._pending += "".join(",".join(map(str, row)) + "\n" for row in rows).encode()
        self.n_samples += len(rows)
        if time.monotonic() - self._written >= WRITE_EVERY_S:
            self._write()

    def close(self) -> None:
        """Write what is left."""
        if not self._file.closed:
            try:
                self._write()
            finally:
                self._file.close()

    def _write(self) -> None:
        data, self._pending = self._pending, b""
        while data:
            data = data[self._file.write(data) :]
        if self._durable:
            os.fsync(self._file.fileno())
        self._written = time.monotonic()


def read_aux(path: Path, channels: list[str] | int, rate_hz: float, emg_rate_hz: float) -> AuxSamples:
    """Read a stream.

    Parameters
    ----------
    path
        CSV file with a header line.
    channels
        Columns, in order; or how many there are, all but ``frame``.
    rate_hz, emg_rate_hz
        Samples a second of the stream, and frames of the EMG beside it.

    Raises
    ------
    DataError
        If the file cannot be read, a column or cell is missing or no whole number, or frames fall; but a last line without
        an end that is so was torn by what ended the recorder, and is left out.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = [row for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: auxiliary stream not readable as CSV ({error}); record it beside the EMG, or take its [[aux]] out"
        ) from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    names = channels if isinstance(channels, list) else [name for name in header if name != FRAME]
    missing = [name for name in names if name not in header]
    if missing or (isinstance(channels, int) and len(names) != channels):
        wanted = repr(missing[0]) if missing else f"{channels} channels"
        raise DataError(
            f"{path}: line 1 is {', '.join(header)[:120]!r}, expected {wanted}; correct the header"
        )
    places = [header.index(name) for name in names]
    if FRAME in header and len(rows) > 1 and not text.endswith(("\n", "\r")) and _is_torn(rows, header):
        rows.pop()
    table = np.empty((len(rows) - 1, len(places) + (FRAME in header)), np.int64)
    if FRAME in header:
        places.append(header.index(FRAME))
    for number, row in enumerate(rows[1:]):
        try:
            cells = [float(row[place]) for place in places]
            table[number] = [int(cell) for cell in cells]
        except (IndexError, ValueError, OverflowError):
            cells = [0.5]
        if any(cell != int(cell) for cell in cells):
            raise DataError(
                f"{path}: line {number + 2} is {','.join(row)[:60]!r}, expected whole numbers in {', '.join(header)[:80]}; "
                "correct the line"
            )
    counts = table[:, : len(names)]
    if np.abs(counts).max(initial=0) > 2**23:
        raise DataError(f"{path}: counts above 24 bits, expected the converter's; correct the file")
    stamps = table[:, -1] if FRAME in header else stamp_samples(len(table), rate_hz, emg_rate_hz)
    if (falls := np.diff(stamps, prepend=0) < 0).any():
        line = int(np.argmax(falls)) + 2
        raise DataError(f"{path}: line {line}, frame {stamps[line - 2]} is lower than before; sort the lines")
    return AuxSamples(counts.astype(np.int32), stamps)


def _is_torn(rows: list[list[str]], header: list[str]) -> bool:
    """Return whether the last row is the beginning of one: a number that lacks digits is lower than it was."""
    place = header.index(FRAME)
    if len(rows[-1]) < len(header) or not rows[-1][place].strip().isdecimal():
        return True
    before = rows[-2][place] if len(rows) > 2 and len(rows[-2]) > place else "0"
    return before.strip().isdecimal() and int(rows[-1][place]) < int(before)
