"""The formats by their endings, and what each can hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from myo_pipeline.errors import DataError
from myo_pipeline.recording.recording import Recording, spread

FORMATS = {
    ".bdf": "BDF+, 24-bit counts",
    ".edf": "EDF+, 16-bit counts",
    ".hea": "WFDB, counts of up to 32 bits; give the .hea file",
    ".csv": "text, counts or microvolts",
    ".mat": "MATLAB, counts or microvolts",
    ".h5": "HDF5, counts or microvolts",
    ".hdf5": "HDF5, counts or microvolts",
}


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(f"{path}: its ending is not one of {', '.join(FORMATS)}; rename or convert the file")
    return suffix


def read_recording(
    path: Path, *, channels: list[str] | None = None, rate_hz: float | None = None, lsb_uv: float | None = None,
    unit: str | None = None,
) -> Recording:  # fmt: skip
    """Open a recording of any of the formats.

    Parameters
    ----------
    path
        A file whose ending is one of ``FORMATS``.
    channels
        Names, or numbers from 0, of the channels wanted, in this order; all without.
    rate_hz, lsb_uv
        Sample rate and microvolts a count where the file does not say; where it does, they must agree.
    unit
        ``counts`` or ``uv``, for text, MATLAB and HDF5 files that do not say; whole numbers are counts without.

    Raises
    ------
    DataError
        If the file is missing, damaged, or does not say what is needed.
    """
    suffix = _suffix(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name")
    try:
        if suffix in (".edf", ".bdf"):
            from myo_pipeline.recording.edf import read_edf

            found = read_edf(path, channels)
        elif suffix == ".hea":
            from myo_pipeline.recording.wfdb_file import read_wfdb

            found = read_wfdb(path)
        elif suffix == ".csv":
            from myo_pipeline.recording.csv_file import read_csv

            found = read_csv(path, channels, rate_hz, unit)
        elif suffix in (".h5", ".hdf5"):
            from myo_pipeline.recording.hdf5_file import read_hdf5

            found = read_hdf5(path, rate_hz, unit)
        else:
            from myo_pipeline.recording.mat_file import read_mat

            found = read_mat(path, rate_hz, unit)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check the file") from None
    if rate_hz is not None and abs(found.rate_hz / rate_hz - 1) > 1e-9:
        raise DataError(f"{path}: says {found.rate_hz:g} Hz, --rate-hz {rate_hz:g}; leave the option out")
    if lsb_uv is not None:
        known = found.lsb_uv[~np.isnan(found.lsb_uv)]
        if len(known) and np.abs(known / lsb_uv - 1).max() > 1e-6:
            raise DataError(
                f"{path}: says {known[0]:g} uV a count, --lsb-uv {lsb_uv:g}; leave the option out"
            )
        found = dataclasses.replace(found, lsb_uv=spread(lsb_uv, len(found.channels)))
    return found.select(channels) if channels else found


def write_recording(path: Path, recording: Recording) -> list[str]:
    """Write a recording into a new file; its counts come back bit for bit.

    Parameters
    ----------
    path
        A file that does not exist, whose ending is one of ``FORMATS``.
    recording
        What to write.

    Returns
    -------
    list of str
        What the format could not hold of annotations, in words; of the signal nothing is ever lost.

    Raises
    ------
    DataError
        If the file exists, or the format cannot hold the signal as it is.
    """
    suffix = _suffix(path)
    taken = [path, *([path.with_suffix(".dat"), path.with_suffix(".atr")] if suffix == ".hea" else [])]
    if existing := [p for p in taken if p.exists()]:
        raise DataError(f"{existing[0]}: exists already; remove it or give another name")
    if not path.parent.is_dir():
        raise DataError(f"{path.parent}: no such folder; make it first")
    if not recording.is_counts and suffix in (".edf", ".bdf", ".hea"):
        raise DataError(
            f"{recording.source}: holds microvolts, {path.name} would hold counts: not without rounding; "
            "write .csv, .mat or .h5, or say with --quantize-uv what a count shall be worth"
        )
    write: Callable[[Path, Recording], list[str]]
    if suffix in (".edf", ".bdf"):
        write = _write_edf
    elif suffix == ".hea":
        from myo_pipeline.recording.wfdb_file import write_wfdb as write
    elif suffix == ".csv":
        from myo_pipeline.recording.csv_file import write_csv as write
    elif suffix in (".h5", ".hdf5"):
        from myo_pipeline.recording.hdf5_file import write_hdf5 as write
    else:
        from myo_pipeline.recording.mat_file import write_mat as write
    try:
        return write(path, recording)
    except BaseException:
        for part in taken:
            part.unlink(missing_ok=True)
        raise


def _write_edf(path: Path, recording: Recording) -> list[str]:
    from myo_pipeline.recording.edf import EdfWriter

    step = 1 << 16
    largest = 1
    for start in range(0, recording.n_samples, step):
        counts = recording.read(start, start + step)
        largest = max(largest, int(counts.max()), -1 - int(counts.min()))
    writer = EdfWriter(  # the least power of two that holds the signal: its physical limits fit their 8 characters best
        path, recording.channels, recording.rate_hz, recording.lsb_uv, zero_counts=recording.zero_counts,
        full_scale_counts=1 << largest.bit_length(), meta=recording.meta, durable=False,
    )  # fmt: skip
    with writer:
        for note in recording.annotations:
            writer.annotate(note.onset_s, note.text, note.duration_s)
        for start in range(0, recording.n_samples, step):
            writer.append(recording.read(start, start + step))
    return []


def quantize(recording: Recording, lsb_uv: float) -> Recording:
    """Return a recording in counts that are worth ``lsb_uv``, rounded to nearest: the explicit way that is not lossless."""

    def load(start: int, stop: int) -> Any:  # noqa: ANN401
        counts = np.rint(recording.microvolts(start, stop) / lsb_uv)
        if counts.size and np.abs(counts).max() >= 2**31:
            raise DataError(f"{recording.source}: counts above 32 bits at {lsb_uv:g} uV; give a larger one")
        return counts.astype(np.int32)

    n = len(recording.channels)
    return dataclasses.replace(
        recording, is_counts=True, load=load, lsb_uv=spread(lsb_uv, n), zero_counts=np.zeros(n)
    )
