"""Recordings as text: a header line of channel names, a line a sample.

What a table has no place for stands before the header, in one line: ``# myopatch {"rate_hz": 200.0, ...}``.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from myo_pipeline.errors import DataError
from myo_pipeline.recording.recording import Annotation, Recording

_MARK = "# myopatch "


def pack_facts(recording: Recording) -> dict[str, Any]:
    """Return everything but the signal, as plain values."""
    return {
        "rate_hz": recording.rate_hz,
        "unit": "counts" if recording.is_counts else "uv",
        "lsb_uv": [None if np.isnan(v) else float(v) for v in recording.lsb_uv],
        "zero_counts": recording.zero_counts.tolist(),
        "annotations": [list(note) for note in recording.annotations],
        "meta": recording.meta,
    }


def unpack_facts(facts: dict[str, Any], n_channels: int) -> dict[str, Any]:
    """Return the arguments of ``Recording.from_array`` that :func:`pack_facts` holds.

    Raises
    ------
    ValueError, TypeError
        If the facts do not belong to so many channels.
    """
    out: dict[str, Any] = {}
    if "unit" in facts:
        out["is_counts"] = facts["unit"] == "counts"
    for key in ("lsb_uv", "zero_counts"):
        if key in facts:
            out[key] = np.array([np.nan if v is None else float(v) for v in facts[key]])
            if len(out[key]) != n_channels:
                raise ValueError(f"{key} of {len(out[key])} channels, the table has {n_channels}")
    out["annotations"] = tuple(
        Annotation(float(a), None if b is None else float(b), str(c))
        for a, b, c in facts.get("annotations", [])
    )
    out["meta"] = dict(facts.get("meta", {}))
    return out


def read_csv(path: Path, wanted: list[str] | None, rate_hz: float | None, unit: str | None) -> Recording:
    """Read a table; columns that are not numbers may stand beside those that are wanted.

    Raises
    ------
    DataError
        Naming the first line that is not a row of numbers.
    """
    facts: dict[str, Any] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
            if line.startswith(_MARK):
                facts = json.loads(line.removeprefix(_MARK))
                line = file.readline()
            header = [cell.strip() for cell in next(csv.reader([line]), [])]
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
            ends_whole = _ends_whole(path)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not readable as CSV ({error}); save it as UTF-8 text with commas") from None
    if not header or all(_is_number(cell) for cell in header):
        raise DataError(f"{path}: line 1 has no column names; put a header line first")
    if not rows:
        raise DataError(f"{path}: a header and no samples; record it again")
    first = 3 if facts else 2
    for number, row in enumerate(rows, first):
        if len(row) != len(header) or (number == first + len(rows) - 1 and facts and not ends_whole):
            raise DataError(
                f"{path}: line {number} has {len(row)} cells, expected {len(header)} and a line's end; cut off? remove the line"
            )
    names = [
        header[int(w)] if w not in header and w.isdecimal() and int(w) < len(header) else w
        for w in wanted or header
    ]
    if missing := [name for name in names if name not in header]:
        raise DataError(f"{path}: no column {missing[0]!r}; it has {', '.join(header)[:200]}")
    places = [header.index(name) for name in names]
    try:
        samples = np.array([[float(row[k]) for k in places] for row in rows])
    except ValueError:
        number, name, cell = next(
            (number, header[k], row[k]) for number, row in enumerate(rows, first) for k in places if not _is_number(row[k])
        )  # fmt: skip
        raise DataError(
            f"{path}: line {number}, column {name!r} is {cell[:40]!r}, expected a number; correct it, or choose columns "
            "with --channels"
        ) from None
    rate = facts.get("rate_hz", rate_hz)
    if rate is None:
        raise DataError(f"{path}: does not say its sample rate; give --rate-hz")
    try:
        values = unpack_facts(facts, len(header)) if facts else {}
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: line 1: {error}; correct it") from None
    for key in ("lsb_uv", "zero_counts"):
        if key in values:
            values[key] = values[key][places]
    values.setdefault("is_counts", unit == "counts" if unit else bool((samples == np.rint(samples)).all()))
    return Recording.from_array(str(path), samples, float(rate), channels=tuple(names), **values)


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read() == b"\n"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def write_csv(path: Path, recording: Recording) -> list[str]:
    """Write a table; microvolts in the shortest form that reads back as the same number."""
    with path.open("x", encoding="utf-8", newline="") as file:
        file.write(f"{_MARK}{json.dumps(pack_facts(recording))}\n")
        out = csv.writer(file, lineterminator="\n")
        out.writerow(recording.channels)
        for start in range(0, recording.n_samples, 1 << 16):
            out.writerows(recording.read(start, start + (1 << 16)).tolist())
    return []
