"""A folder of CSV files: a user's own recordings.

Each file is one recording with a header line: EMG columns, and one ``label`` column (class numbers or names)
or value columns. A small ``dataset.toml`` beside them says what a file cannot::

    rate_hz = 1000.0
    lsb_uv = 0.5                      # microvolts a count; 1.0 where unknown
    channels = ["ch1", "ch2"]         # EMG columns, in electrode order
    labels = ["rest", "fist"]         # classes, in label order; or: values = ["force"], value columns
    unit = "counts"                   # or "uv": the columns hold microvolts, and become counts by lsb_uv
    licence = "CC BY 4.0"             # optional, as are name and citation

Auxiliary streams, such as an accelerometer, have a file of their own beside each recording, ``NAME.wrist.csv`` beside
``NAME.csv``, of whole counts; a column ``frame`` in it says how many EMG frames came before each sample, and without it the
stream is taken to have kept its rate from the EMG's first frame on::

    [[aux]]
    name = "wrist"
    kind = "accelerometer"
    rate_hz = 100.0
    lsb = 0.000061                    # g a count; deg/s of a gyroscope
    channels = ["x", "y", "z"]

Person, session and trial come from the file name, ``person_session_trial.csv``, or from the TOML::

    [files."monday.csv"]
    person = "anna"
    session = "1"
    trial = "1"
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import DataError
from myo_pipeline.recording.aux_file import name_aux_file, read_aux
from myo_training.recordings import AuxInfo, DataSet, DataSetInfo, Recording

DESCRIPTION = "dataset.toml"
LABEL = "label"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    person: str
    session: str = "1"
    trial: str = "1"


class _Aux(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(pattern="^[a-z][a-z0-9]{0,15}$")
    kind: str
    rate_hz: float = Field(gt=0)
    lsb: float = Field(gt=0)
    channels: list[str] = Field(min_length=1)


class Description(BaseModel):
    """What ``dataset.toml`` says of the files beside it."""

    model_config = ConfigDict(extra="forbid")
    rate_hz: float = Field(gt=0)
    lsb_uv: float = Field(gt=0)
    channels: list[str] = Field(min_length=1)
    labels: list[str] = []
    values: list[str] = []
    unit: str = Field(default="counts", pattern="^(counts|uv)$")
    name: str = ""
    licence: str = "not stated"
    citation: str = "not stated"
    files: dict[str, _File] = {}
    aux: list[_Aux] = []


def read_description(folder: Path) -> Description:
    """Read a folder's ``dataset.toml``.

    Raises
    ------
    DataError
        If it is missing or wrong.
    """
    path = folder / DESCRIPTION
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        description = Description.model_validate(table)
    except FileNotFoundError:
        raise DataError(
            f"{path}: missing; write it with rate_hz, lsb_uv, channels and labels (or values), see "
            "docs/data.md"
        ) from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise DataError(f"{path}: {key}: {fault['msg'][0].lower() + fault['msg'][1:]}; correct it") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as TOML ({error}); correct it") from None
    if bool(description.labels) == bool(description.values):
        raise DataError(f"{path}: give labels (classes) or values (continuous outputs), and not both")
    return description


def identify(description: Description, path: Path) -> tuple[str, str, str]:
    """Return a file's person, session and trial, as its name or the description tells.

    Raises
    ------
    DataError
        If neither does.
    """
    named = description.files.get(path.name)
    if named is not None:
        return (named.person, named.session, named.trial)
    parts = path.stem.split("_")
    if len(parts) != 3 or not all(parts):
        raise DataError(
            f"{path}: name is not person_session_trial{path.suffix}; rename it, or describe it in "
            f'{DESCRIPTION} under [files."{path.name}"]'
        )
    return (parts[0], parts[1], parts[2])


def describe_aux(description: Description) -> tuple[AuxInfo, ...]:
    """Return the streams beside each recording."""
    return tuple(AuxInfo(s.name, s.kind, len(s.channels), s.rate_hz, s.lsb) for s in description.aux)


def read_streams(description: Description, path: Path) -> dict[str, AuxSamples]:
    """Read the streams beside a recording's file.

    Raises
    ------
    DataError
        As :func:`~myo_pipeline.recording.aux_file.read_aux`.
    """
    return {
        s.name: read_aux(name_aux_file(path, s.name), s.channels, s.rate_hz, description.rate_hz)
        for s in description.aux
    }


class CsvFolder(DataSet):
    """Recordings in a folder of CSV files, described by ``dataset.toml``."""

    def __init__(self, folder: Path) -> None:
        self._description = description = read_description(folder)
        self._paths: dict[tuple[str, str, str], Path] = {}
        endings = tuple(f".{stream.name}.csv" for stream in description.aux)
        for path in sorted(folder.glob("*.csv")):
            if path.name.endswith(endings):
                continue
            key = identify(description, path)
            if key in self._paths:
                raise DataError(
                    f"{path}: same person, session and trial as {self._paths[key].name}; rename one"
                )
            self._paths[key] = path
        if not self._paths:
            raise DataError(f"{folder}: no .csv file beside {DESCRIPTION}; put one in for each recording")
        self.info = DataSetInfo(
            name=description.name or folder.resolve().name,
            description=f"{len(self._paths)} CSV files",
            rate_hz=description.rate_hz,
            lsb_uv=description.lsb_uv,
            n_channels=len(description.channels),
            kind="classes" if description.labels else "values",
            outputs=tuple(description.labels or description.values),
            licence=description.licence,
            citation=description.citation,
            source="recorded, CSV files",
            aux=describe_aux(description),
        )

    def sessions(self) -> list[tuple[str, str]]:
        """Return every (person, session), sorted."""
        return sorted({(person, session) for person, session, _ in self._paths})

    def files(self) -> list[Path]:
        """Return the CSV files and their description."""
        paths = [
            path
            for _, recording in sorted(self._paths.items())
            for path in (recording, *(name_aux_file(recording, s.name) for s in self._description.aux))
        ]
        return [*paths, paths[0].parent / DESCRIPTION]

    def recordings(self, persons: Collection[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings of the persons given (of all without)."""
        for key, path in sorted(self._paths.items()):
            if persons is None or key[0] in persons:
                yield self._read(path, key)

    def _read(self, path: Path, key: tuple[str, str, str]) -> Recording:
        description = self._description
        wanted = [*description.channels, *(description.values or [LABEL])]
        columns = _read_columns(path, wanted)
        n_channels = len(description.channels)
        emg = _read_numbers(path, columns[:n_channels], wanted[:n_channels])
        if description.unit == "uv":
            emg = np.rint(emg / description.lsb_uv)
        elif (fraction := emg != np.rint(emg)).any():
            row, column = np.argwhere(fraction)[0]
            raise DataError(
                f"{path}: line {row + 2}, column {wanted[column]!r} is {emg[row, column]:g}, expected whole "
                "counts; "
                f'if the columns are microvolts, say unit = "uv" in {DESCRIPTION}'
            )
        if np.abs(emg).max() > 2**23:
            raise DataError(f"{path}: counts above 24 bits; correct lsb_uv or unit in {DESCRIPTION}")
        labels = (
            _read_numbers(path, columns[n_channels:], wanted[n_channels:])
            if description.values
            else _read_labels(path, columns[n_channels], description.labels)
        )
        return Recording(
            emg.astype(np.int32), labels, description.rate_hz, description.lsb_uv, *key, str(path),
            read_streams(description, path),
        )  # fmt: skip


def _read_columns(path: Path, wanted: list[str]) -> list[list[str]]:
    """Return the cells of the wanted columns, as text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = [cell.strip() for cell in next(rows, [])]
            body = list(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable as CSV ({error}); save it as UTF-8 text with commas") from None
    if not header:
        raise DataError(f"{path}: empty file; remove it or record it again")
    missing = [name for name in wanted if name not in header]
    if missing:
        raise DataError(
            f"{path}: line 1 has no column {missing[0]!r} (found {', '.join(header)[:120]}); "
            f"correct the header or {DESCRIPTION}"
        )
    while body and not any(cell.strip() for cell in body[-1]):
        body.pop()
    if not body:
        raise DataError(f"{path}: a header and no samples; remove it or record it again")
    for number, row in enumerate(body, 2):
        if len(row) != len(header):
            raise DataError(
                f"{path}: line {number} has {len(row)} cells, expected {len(header)} as in the header; "
                "correct the line"
            )
    places = [header.index(name) for name in wanted]
    return [[row[place] for row in body] for place in places]


def _read_numbers(path: Path, columns: list[list[str]], names: list[str]) -> NDArray[np.float64]:
    out = np.empty((len(columns[0]), len(columns)))
    for index, (cells, name) in enumerate(zip(columns, names, strict=True)):
        try:
            out[:, index] = np.array(cells, dtype=np.float64)
        except ValueError:
            number = next(n for n, cell in enumerate(cells, 2) if not _is_number(cell))
            raise DataError(
                f"{path}: line {number}, column {name!r} is {cells[number - 2][:40]!r}, expected a number; "
                "correct the cell or cut the recording there"
            ) from None
        if not np.isfinite(out[:, index]).all():
            row = int(np.argmin(np.isfinite(out[:, index])))
            raise DataError(
                f"{path}: line {row + 2}, column {name!r} is {cells[row]!r}, expected a finite number; "
                "interpolate the gap or cut the recording there"
            )
    return out


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_labels(path: Path, cells: list[str], labels: list[str]) -> NDArray[np.int64]:
    """Return class numbers from cells that hold numbers or names."""
    numbers: dict[str, int] = {str(index): index for index in range(len(labels))}
    numbers.update({label: index for index, label in enumerate(labels)})
    known: dict[Any, int] = {cell: numbers.get(cell.strip(), -1) for cell in set(cells)}
    out = np.array([known[cell] for cell in cells], dtype=np.int64)
    if (out < 0).any():
        row = int(np.argmax(out < 0))
        raise DataError(
            f"{path}: line {row + 2}, column {LABEL!r} is {cells[row][:40]!r}, expected one of "
            f"{', '.join(labels)[:120]} "
            f"or 0 .. {len(labels) - 1}; correct the cell or labels in {DESCRIPTION}"
        )
    return out
