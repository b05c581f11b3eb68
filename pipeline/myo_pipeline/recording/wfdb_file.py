"""Recordings of PhysioNet's WFDB, through its own package: NAME.hea, NAME.dat and, for annotations, NAME.atr."""

from __future__ import annotations

import json
import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_pipeline.recording.recording import Annotation, Recording

_UV = {"uv": 1.0, "mv": 1e3, "v": 1e6, "nv": 1e-3}
_FACTS = "myopatch:"  # before each piece of the JSON in a header's comments
_COMMENT = 200  # characters of a piece: a header's line has at most 255


class _Quiet(warnings.catch_warnings):
    """Hides what the package's own dependencies deprecate; what fails still raises."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")


def _import_wfdb() -> Any:  # noqa: ANN401
    with _Quiet():
        import wfdb
    return wfdb


def read_wfdb(path: Path) -> Recording:
    """Open a record of one segment; the signal is read when asked for.

    Raises
    ------
    DataError
        If the header is damaged, or its signal file is missing or too short.
    """
    wfdb = _import_wfdb()

    name = str(path.with_suffix(""))
    try:
        with _Quiet():
            header: Any = wfdb.rdheader(name)
    except Exception as error:  # the package raises what its parser happens to meet
        raise DataError(f"{path}: not readable as a WFDB header ({error}); give another file") from None
    if not isinstance(header, wfdb.Record) or not header.n_sig:
        raise DataError(f"{path}: holds several segments or no signal; give the header of one segment")
    if any(n != 1 for n in header.samps_per_frame):
        raise DataError(f"{path}: its channels have several rates; convert it with WFDB's `xform` first")
    for file in sorted(set(header.file_name)):
        if not (path.parent / file).is_file():
            raise DataError(f"{path.parent / file}: missing beside {path.name}; put it there")

    def load(start: int, stop: int) -> NDArray[np.int32]:
        try:
            with _Quiet():
                record = wfdb.rdrecord(name, sampfrom=start, sampto=stop, physical=False, return_res=32)
            return np.asarray(record.d_signal, np.int32)
        except Exception as error:
            raise DataError(
                f"{path}: samples {start} .. {stop} cannot be read ({error}); the .dat file is cut off?"
            ) from None

    n_samples = int(header.sig_len or 0)
    if not n_samples:
        raise DataError(f"{path}: does not say how many samples there are; add the number to its first line")
    load(n_samples - 1, n_samples)
    facts: dict[str, Any] = {}
    told = "".join(c.removeprefix(_FACTS) for c in header.comments if c.startswith(_FACTS))
    try:
        facts = json.loads(told) if told else {}
    except ValueError:
        raise DataError(
            f"{path}: a comment that starts with {_FACTS!r} is damaged; remove these comments"
        ) from None
    worths = [_UV.get(re.sub("[µμ]", "u", unit or "").lower(), math.nan) for unit in header.units]
    lsb = [w / g if g else math.nan for w, g in zip(worths, header.adc_gain, strict=True)]
    if len(facts.get("lsb_uv", [])) == len(lsb):
        lsb = [math.nan if v is None else v for v in facts["lsb_uv"]]
    return Recording(
        source=str(path), rate_hz=float(facts.get("rate_hz", header.fs)),
        channels=tuple(str(n) if n else f"ch{k + 1}" for k, n in enumerate(header.sig_name)),
        n_samples=n_samples, lsb_uv=np.array(lsb, np.float64), zero_counts=np.array(header.baseline, np.float64),
        load=load, annotations=_read_annotations(path, header.fs), meta=facts.get("meta", {}),
    )  # fmt: skip


def read_physical(path: Path) -> tuple[float, NDArray[np.float64]]:
    """Return the sample rate and the signals (n_samples, n_signals) in the header's own units, whatever these are.

    Raises
    ------
    DataError
        If the record is damaged or incomplete.
    """
    wfdb = _import_wfdb()
    try:
        with _Quiet():
            record: Any = wfdb.rdrecord(str(path.with_suffix("")))
        return float(record.fs), np.asarray(record.p_signal, np.float64)
    except Exception as error:  # the package raises what its parser happens to meet
        raise DataError(f"{path}: not readable as a WFDB record ({error}); give another file") from None


def _read_annotations(path: Path, rate_hz: float) -> tuple[Annotation, ...]:
    wfdb = _import_wfdb()

    if not path.with_suffix(".atr").is_file():
        return ()
    try:
        with _Quiet():
            found: Any = wfdb.rdann(str(path.with_suffix("")), "atr")
    except Exception as error:
        raise DataError(f"{path.with_suffix('.atr')}: not readable ({error}); remove it") from None
    return tuple(
        Annotation(sample / rate_hz, None, (note.rstrip("\x00") or symbol))
        for sample, symbol, note in zip(found.sample, found.symbol, found.aux_note, strict=True)
    )


def write_wfdb(path: Path, recording: Recording) -> list[str]:
    """Write a record in the smallest of the formats 16, 24 and 32 that holds its counts.

    Raises
    ------
    DataError
        If a zero is not a whole count, or a name or count is one that WFDB cannot hold.
    """
    wfdb = _import_wfdb()

    if not re.fullmatch(r"[-\w]+", path.stem):
        raise DataError(f"{path}: a WFDB name has letters, digits, _ and - only; give another name")
    counts = recording.read()
    if (recording.zero_counts != np.rint(recording.zero_counts)).any():
        raise DataError(
            f"{recording.source}: 0 uV is not a whole count, which WFDB cannot say; write .csv or .mat"
        )
    largest = max(int(counts.max()), -int(counts.min()) - 1)
    bits = next(b for b in (16, 24, 32) if largest < 2 ** (b - 1))
    if counts.min() == -(2 ** (bits - 1)):
        bits += 8  # WFDB keeps the lowest number for samples that are missing
    if bits > 32:
        raise DataError(
            f"{recording.source}: a count is {counts.min()}, which means `missing` in WFDB; write .csv or .mat"
        )
    known = ~np.isnan(recording.lsb_uv)
    n = len(recording.channels)
    facts = {
        "rate_hz": recording.rate_hz,
        "lsb_uv": [float(v) if k else None for v, k in zip(recording.lsb_uv, known, strict=True)],
        "meta": recording.meta,
    }
    # Spaces occur inside strings only; at a line's end they would not come back.
    told = json.dumps(facts, separators=(",", ":")).replace(" ", "\\u0020").replace("#", "\\u0023")
    pieces = [_FACTS + told[at : at + _COMMENT] for at in range(0, len(told), _COMMENT)]
    gains = [1 / v if k else 1.0 for v, k in zip(recording.lsb_uv, known, strict=True)]
    name, folder = path.stem, str(path.parent)
    notes = sorted(recording.annotations, key=lambda a: a.onset_s)
    with _Quiet():
        wfdb.wrsamp(
            name, fs=recording.rate_hz, units=["uV" if k else "NU" for k in known],
            sig_name=[re.sub(r"\s+", "_", c) for c in recording.channels], d_signal=counts.astype(np.int64),
            fmt=[str(bits)] * n, adc_gain=gains,
            baseline=[int(z) for z in recording.zero_counts], comments=pieces, write_dir=folder,
        )  # fmt: skip
        if notes:
            samples = np.rint([max(0.0, a.onset_s) * recording.rate_hz for a in notes]).astype(np.int64)
            # The package takes a NOTE at sample 0 for a definition and drops it; a measurement stays.
            symbols = ["=" if at == 0 else '"' for at in samples]
            texts = [a.text.encode()[:250].decode("ascii", "replace") for a in notes]
            wfdb.wrann(name, "atr", samples, symbol=symbols, aux_note=texts, write_dir=folder)
    lost = []
    if any(a.duration_s for a in notes):
        lost.append("durations of annotations")
    onsets = np.array([a.onset_s for a in notes]) * recording.rate_hz
    if len(onsets) and np.abs(onsets - np.rint(onsets)).max() > 1e-6:
        lost.append("onsets of annotations between two samples")
    return lost
