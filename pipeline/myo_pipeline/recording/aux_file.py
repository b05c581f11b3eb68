"""Auxiliary streams in CSV files: one column a channel, and, where the recorder knew it, the EMG frames before each sample.

The first line names the columns. A column ``frame`` holds the frames of the EMG recording that came before the sample; without
it the stream is taken to have kept its rate from the EMG's first frame on.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from myo_pipeline.aux_sensor import stamp_samples
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import DataError

FRAME = "frame"


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
        If the file cannot be read, a column or cell is missing or no whole number, or frames fall.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
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
