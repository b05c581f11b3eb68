"""A folder in the Brain Imaging Data Structure with electromyography (BIDS-EMG).

Layout: ``sub-<person>[/ses-<session>]/emg/<entities>_emg.edf`` (or ``.bdf``), beside each ``<entities>_channels.tsv`` (``name``,
``type``: those of type EMG are read; all channels where the file is missing) and ``<entities>_events.tsv`` (``onset`` and
``duration`` in seconds, ``trial_type``). At the top ``dataset_description.json`` with ``Name``, ``License``, ``Authors`` or
``HowToAcknowledge``.

The classes are ``none``, where no event holds, and all ``trial_type`` of the set in alphabetical order. The trial is what else
the file's name says: task, acquisition, run. Rate, unit and channels are those of the first file; the others must have the same
channels and rate, and become counts of the same worth.

References
----------
Brain Imaging Data Structure, specification, "Electromyography" and "Task events".
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from myo_pipeline.errors import DataError
from myo_pipeline.recording import Annotation, read_recording
from myo_training.data_sets.entry import CLASSES
from myo_training.data_sets.file_set import FileSet, Piece, Source
from myo_training.data_sets.recorded_folder import count_signal, label_samples
from myo_training.recordings import RATE_TOLERANCE, DataSet, DataSetInfo

TOP = "dataset_description.json"
NONE = "none"
_NAME = re.compile(r"sub-([a-zA-Z0-9+]+)(?:_ses-([a-zA-Z0-9+]+))?(?:_(.+))?_emg\.(?:edf|bdf)")


def is_bids(folder: Path) -> bool:
    """Return whether a folder looks like one."""
    return (folder / TOP).is_file() and any(folder.glob("sub-*"))


def open_bids_folder(folder: Path) -> DataSet:
    """Open a BIDS folder.

    Raises
    ------
    DataError
        If it holds no EMG, no events, or its files do not agree.
    """
    sources = []
    for path in sorted(folder.glob("sub-*/**/emg/*_emg.*")):
        if match := _NAME.fullmatch(path.name):
            events, channels = _beside(path, "events"), _beside(path, "channels")
            beside = tuple(file for file in (events, channels) if file.is_file())
            sources.append(Source(match[1], (match[2] or "1",), match[3] or "1", path, beside))
    if not sources:
        raise DataError(f"{folder}: no sub-*/emg/*_emg.edf or .bdf; give a BIDS folder that holds EMG")
    told = _read_json(folder / TOP)
    names = {row["trial_type"] for source in sources for row in _read_events(source.path)}
    if not names:
        raise DataError(f"{folder}: no *_events.tsv names a trial_type; without one there are no labels")
    labels = (NONE, *sorted(names - {NONE}))
    first = sources[0].path
    wanted = _choose_channels(first)
    opened = read_recording(first, channels=wanted)
    lsb_uv = float(opened.lsb_uv.min())
    info = DataSetInfo(
        name=str(told.get("Name", folder.resolve().name)),
        description=f"BIDS, {len(sources)} recordings",
        rate_hz=opened.rate_hz,
        lsb_uv=1.0 if math.isnan(lsb_uv) else lsb_uv,
        n_channels=len(opened.channels),
        kind=CLASSES,
        outputs=labels,
        licence=str(told.get("License", "not stated")),
        citation=str(told.get("HowToAcknowledge") or ", ".join(told.get("Authors", [])) or "not stated"),
        source="recorded from persons, BIDS",
        channels=opened.channels,
    )
    return FileSet(info, folder, sources, partial(_read, info), "*_emg.edf")


def _read(info: DataSetInfo, source: Source) -> Iterator[Piece]:
    path = source.path
    recording = read_recording(path, channels=_choose_channels(path))
    if recording.channels != info.channels:
        raise DataError(
            f"{path}: channels {', '.join(recording.channels)[:120]}, expected {', '.join(info.channels)[:120]} as in "
            "the first file; mark the others in channels.tsv"
        )
    if abs(recording.rate_hz / info.rate_hz - 1) > RATE_TOLERANCE:
        raise DataError(
            f"{path}: {recording.rate_hz:g} Hz, expected {info.rate_hz:g} as in the first file; resample it"
        )
    counts = count_signal(recording, info.lsb_uv)
    events = [
        Annotation(_number(path, row["onset"]), _number(path, row.get("duration") or "0"), row["trial_type"])
        for row in _read_events(path)
    ]
    labels = label_samples(events, info.outputs, len(counts), recording.rate_hz, str(_beside(path, "events")))
    yield Piece(source.sessions[0], source.trial, counts, labels)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.stem.removesuffix('_emg')}_{what}.tsv")


def _choose_channels(path: Path) -> list[str] | None:
    """Return the names of the channels of type EMG, None for all where no table says."""
    table = _beside(path, "channels")
    if not table.is_file():
        return None
    names = [row["name"] for row in _read_table(table, ("name", "type")) if row["type"].strip() == "EMG"]
    if not names:
        raise DataError(f"{table}: no channel of type EMG; correct the table")
    return names


def _read_events(path: Path) -> list[dict[str, str]]:
    table = _beside(path, "events")
    if not table.is_file():
        raise DataError(f"{table}: missing; without events a recording has no labels")
    rows = _read_table(table, ("onset", "trial_type"))
    return [row for row in rows if row["trial_type"].strip() not in ("", "n/a")]


def _read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable as a table ({error}); save it as UTF-8 with tabs") from None
    for number, row in enumerate(rows, 2):
        if missing := [name for name in columns if row.get(name) is None]:
            raise DataError(f"{path}: line {number} has no {missing[0]!r}; correct the table")
    return rows


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); correct it") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds no table; correct it")
    return content


def _number(path: Path, text: str) -> float:
    if text.strip() == "n/a":
        return 0.0
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{_beside(path, 'events')}: {text[:40]!r} is no time in seconds; correct the table")
    return number
