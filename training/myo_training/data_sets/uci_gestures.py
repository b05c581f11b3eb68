"""``uci_gestures``: six or seven hand gestures of 36 persons under an 8-channel armband.

Layout: ``<person>/<series>_raw_data_<...>.txt``, a header and ten columns: ``time`` in ms, ``channel1`` .. ``channel8``,
``class``. A channel's numbers are whole counts of the armband times 1e-5. Class 0 is unmarked, whatever the hand does there.

References
----------
Lobov et al. (2018), Sensors 18:1122, doi:10.3390/s18041122; EMG data for gestures, UCI Machine Learning Repository, set 481
(readme: columns and classes).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from myo_pipeline.errors import DataError
from myo_training.data_sets.entry import CatalogueEntry
from myo_training.data_sets.file_set import AGAIN, FileSet, Piece, Source, to_counts
from myo_training.recordings import DataSet, DataSetInfo

NAME = "uci_gestures"
URL = "https://archive.ics.uci.edu/dataset/481/emg+data+for+gestures"
COLUMNS = 10
_FILE = re.compile(r"(\d+)_raw_data.*\.txt")

INFO = DataSetInfo(
    name=NAME,
    description="36 persons, 2 series, 6 or 7 gestures, 8-channel armband, rows at 1 kHz",
    rate_hz=1000.0,
    lsb_uv=1.0,
    n_channels=8,
    kind="classes",
    outputs=("unmarked", "rest", "fist", "flexion", "extension", "radial", "ulnar", "palm"),
    licence="CC BY 4.0",
    citation="Lobov et al. 2018, Sensors 18:1122, doi:10.3390/s18041122",
    source="recorded from persons, public layout",
    faults=(
        "class 0 is unmarked and no rest: leave it out of what a patch learns",
        "the rows come about each millisecond, the armband samples at 200 Hz: nothing above 100 Hz is signal",
        "extended palm was not made by every person",
        "whole counts of the armband; microvolts are not known",
    ),
)


def open_folder(folder: Path, _kind: str) -> DataSet:
    """Open the folder that holds the persons' folders ``01`` .. ``36``, at any depth."""
    sources = [
        Source(path.parent.name, ("1",), match[1], path)
        for path in folder.rglob("*_raw_data*.txt")
        if (match := _FILE.fullmatch(path.name)) and path.parent.name.isdecimal()
    ]
    return FileSet(INFO, folder, sources, _read, "<person>/<series>_raw_data_<...>.txt")


def _read(source: Source) -> Iterator[Piece]:
    path = source.path
    try:
        lines = path.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as text ({error}); {AGAIN}") from None
    while lines and len(lines[-1].split()) < COLUMNS:
        lines.pop()  # a file of the public set ends inside of a line
    if not lines:
        raise DataError(f"{path}: no samples; {AGAIN}")
    try:
        table = np.loadtxt(io.StringIO("\n".join(lines)), ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: not ten numbers a line ({str(error).splitlines()[0]}); {AGAIN}") from None
    if table.shape[1] != COLUMNS or not np.isfinite(table).all():
        raise DataError(f"{path}: {table.shape[1]} columns, expected ten of finite numbers; {AGAIN}")
    step_ms = float(np.median(np.diff(table[:, 0]))) if len(table) > 1 else 1.0
    if step_ms != 1.0:
        raise DataError(f"{path}: a row each {step_ms:g} ms, expected each millisecond; {AGAIN}")
    counts = to_counts(table[:, 1:-1], 1e5, INFO.lsb_uv, str(path))
    yield Piece("1", source.trial, counts, table[:, -1].astype(np.int64))


ENTRY = CatalogueEntry(NAME, INFO.description, INFO.licence, URL, open_folder)
