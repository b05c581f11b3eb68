"""EDF+ and BDF+: a writer whose file is whole at every moment, and a reader that maps the file.

``edfio`` writes and reads the headers. The data records are written here because a recorder must append: the libraries
that write EDF (edfio, pyEDFlib) hold the signal, or the count of records, until the file is closed, and a file cut off
before that does not open. Here a record goes to the disk first, and only then the header's count of records says so; a
cut between the two leaves a tail that no reader looks at.

References
----------
Kemp, Olivan (2003), European data format 'plus', doi:10.1016/S1388-2457(03)00123-8.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import os
import re
import warnings
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_pipeline.recording.recording import Annotation, Recording

RECORD_S = 0.5  # a record's length, so that a cut costs less than a second with what is still on the line
ANNOTATION_BYTES = 2046  # of a record, a multiple of 2 and 3; what does not fit waits for the next record
LONGEST_ANNOTATION = 1900  # bytes; the rest of the room is for the record's own time and the onset
UNKNOWN_DATE = dt.datetime(1985, 1, 1)  # the first that the format can tell
RECORD_COUNT_AT = 236  # where the header tells how many records there are
MARK = "myopatch "  # before `key=value` in an annotation that holds what the format has no field for
_TAL = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14([^\x00]*)\x14\x00")
_SCALE = re.compile(r"lsb_uv=(\S+) zero=(\S+)")
_UV = {"uv": 1.0, "µv": 1.0, "mv": 1e3, "v": 1e6, "nv": 1e-3}


def plan_record(rate_hz: float) -> tuple[int, str]:
    """Return samples of a record and its duration as the header tells it, exact where 8 characters allow it."""
    rate = Fraction(rate_hz).limit_denominator(1000)
    about = max(1, round(rate * Fraction(RECORD_S)))
    for n in sorted(range(max(1, about // 2), about + 1), reverse=True):
        duration = n / rate
        text = np.format_float_positional(float(duration), trim="-")
        if len(text) <= 8 and Fraction(text) == duration:
            return n, text
    return about, f"{about / rate_hz:.6f}"


def _fit(value: float) -> float:
    """Return the number that is nearest to a value and has 8 characters."""
    for digits in range(7, -1, -1):
        text = np.format_float_positional(round(value, digits), trim="-")
        if len(text) <= 8:
            return float(text)
    raise DataError(f"full scale {value:g} uV does not fit the 8 characters of an EDF header; correct lsb_uv")


class EdfWriter:
    """Appends counts and annotations to an EDF+ (16 bit) or BDF+ (24 bit) file that is whole after each record."""

    def __init__(
        self, path: Path, channels: tuple[str, ...], rate_hz: float, lsb_uv: NDArray[np.float64],
        *, zero_counts: NDArray[np.float64] | None = None, full_scale_counts: int | None = None,
        start: dt.datetime = UNKNOWN_DATE, meta: dict[str, Any] | None = None, durable: bool = True,
    ) -> None:  # fmt: skip
        """Create the file.

        Parameters
        ----------
        path
            A name that ends in ``.edf`` or ``.bdf``; it must not exist.
        channels, rate_hz
            Names of the channels; samples a second.
        lsb_uv, zero_counts
            Of each channel; NaN where a count's worth is unknown. Counts at 0 uV, 0 if not given.
        full_scale_counts
            Half of the converter's range, or None for all that the format holds.
        start
            When the first sample was taken.
        meta
            What else the file shall say; each value as JSON.
        durable
            Force each record to the disk before the next.

        Raises
        ------
        DataError
            If the format cannot hold this.
        FileExistsError
            If there is such a file.
        """
        self._bytes = 3 if path.suffix.lower() == ".bdf" else 2
        top = 1 << (8 * self._bytes - 1)
        full = min(full_scale_counts or top, top)
        self.path, self._low, self._high = path, -top, top - 1
        self.n_channels, self.rate_hz, self._durable = len(channels), rate_hz, durable
        self._n, self._duration = plan_record(rate_hz)
        self._pending = np.zeros((0, len(channels)), np.int32)
        self._tals: list[bytes] = []
        self.n_samples = self.n_records = 0
        zero = np.zeros(len(channels)) if zero_counts is None else zero_counts
        header = self._header(channels, lsb_uv, zero, full, start)
        self._file = path.open("xb", buffering=0)
        self._file.write(header)
        self.note({"rate_hz": rate_hz, "channels": list(channels)} | (meta or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _header(
        self, channels: tuple[str, ...], lsb_uv: NDArray[np.float64], zero: NDArray[np.float64],
        full: int, start: dt.datetime,
    ) -> bytes:  # fmt: skip
        import edfio

        kind: Any = edfio.BdfSignal if self._bytes == 3 else edfio.EdfSignal
        digital = np.zeros(self._n, np.int32 if self._bytes == 3 else np.int16)
        duration = float(self._duration)
        signals = []
        for name, lsb, at in zip(channels, lsb_uv, zero, strict=True):
            known = not math.isnan(lsb)
            worth = float(lsb) if known else 1.0
            signals.append(
                kind.from_digital(
                    digital, self._n / duration, label=name.encode("ascii", "replace").decode()[:16],
                    physical_dimension="uV" if known else "counts", digital_range=(-full, full - 1),
                    physical_range=(_fit((-full - at) * worth), _fit((full - 1 - at) * worth)),
                    transducer_type=f"lsb_uv={float(lsb)!r} zero={float(at)!r}"[:80],
                )
            )  # fmt: skip
        filler = edfio.EdfAnnotation(0, None, "x" * (ANNOTATION_BYTES - 10))
        whole = (edfio.Bdf if self._bytes == 3 else edfio.Edf)(
            signals, recording=edfio.Recording(startdate=start.date(), equipment_code="MyoPatch"),
            starttime=start.time().replace(microsecond=0), data_record_duration=duration, annotations=[filler],
        )  # fmt: skip
        header = bytearray(whole.to_bytes()[: whole.bytes_in_header_record])
        header[RECORD_COUNT_AT : RECORD_COUNT_AT + 8] = b"0".ljust(8)
        return bytes(header)

    def append(self, counts: NDArray[np.integer]) -> None:
        """Append frames of counts, (n, n_channels).

        Raises
        ------
        DataError
            If a count does not fit the format.
        """
        if len(counts) and (counts.min() < self._low or counts.max() > self._high):
            raise DataError(
                f"{self.path}: counts of {int(counts.min())} .. {int(counts.max())}, a {8 * self._bytes}-bit file "
                f"holds {self._low} .. {self._high}; write .bdf, .csv or .mat instead"
            )
        self._pending = np.concatenate([self._pending, counts.astype(np.int32)])
        self.n_samples += len(counts)
        whole = len(self._pending) // self._n * self._n
        for at in range(0, whole, self._n):
            self._write(self._pending[at : at + self._n])
        self._pending = self._pending[whole:]

    def annotate(self, onset_s: float, text: str, duration_s: float | None = None) -> None:
        """Add an annotation; it goes out with the next records.

        Raises
        ------
        DataError
            If it is longer than a record has room for.
        """
        text = re.sub(r"[\x00-\x1f]", " ", text)
        if len(text.encode()) > LONGEST_ANNOTATION:
            raise DataError(
                f"{self.path}: annotation {text[:40]!r} has {len(text.encode())} bytes, expected at most "
                f"{LONGEST_ANNOTATION}; shorten it, or write .csv or .mat"
            )
        onset = np.format_float_positional(onset_s, unique=True, trim="-", sign=True)
        lasting = (
            ""
            if duration_s is None
            else f"\x15{np.format_float_positional(duration_s, unique=True, trim='-')}"
        )
        tal = f"{onset}{lasting}\x14".encode() + text.encode() + b"\x14\x00"
        self._tals.append(tal)

    def note(self, values: dict[str, Any]) -> None:
        """Put key and value pairs into the file."""
        for key, value in values.items():
            self.annotate(0.0, f"{MARK}{key}={json.dumps(value)}")

    def _write(self, frames: NDArray[np.int32]) -> None:
        onset = np.format_float_positional(
            self.n_records * float(self._duration), unique=False, precision=6, trim="-"
        )
        room = bytearray(f"+{onset}\x14\x14\x00".encode())
        while self._tals and len(room) + len(self._tals[0]) <= ANNOTATION_BYTES:
            room += self._tals.pop(0)
        words = np.ascontiguousarray(frames.T, "<i4").view(np.uint8).reshape(-1, 4)[:, : self._bytes]
        self._file.write(words.tobytes() + bytes(room).ljust(ANNOTATION_BYTES, b"\x00"))
        self._sync()
        self.n_records += 1
        at = self._file.tell()
        self._file.seek(RECORD_COUNT_AT)
        self._file.write(str(self.n_records).encode().ljust(8))
        self._file.seek(at)
        self._sync()

    def _sync(self) -> None:
        if self._durable:
            os.fsync(self._file.fileno())

    def close(self, meta: dict[str, Any] | None = None) -> None:
        """Write what is left, padded to a whole record; the number of samples says where the padding begins."""
        if self._file.closed:
            return
        try:
            self.note({"n_samples": self.n_samples} | (meta or {}))
            left, self._pending = self._pending, self._pending[:0]
            while len(left) or self._tals:
                self._write(
                    np.concatenate([left, np.zeros((self._n - len(left), self.n_channels), np.int32)])
                )
                left = left[:0]
        finally:
            self._file.close()


def read_edf(path: Path, channels: list[str] | None = None) -> Recording:
    """Open an EDF, EDF+C, BDF or BDF+C file; the signal is read when asked for.

    Raises
    ------
    DataError
        If it is not such a file, is damaged, or its channels have several rates and none are chosen.
    """
    import edfio

    data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    try:
        if len(data) < 256:
            raise ValueError("the header is cut off")
        n_header = int(bytes(data[184:192]))
        is_bdf = bytes(data[:8]) == b"\xffBIOSEMI"
        if len(data) < n_header or n_header < 256:
            raise ValueError("the header is cut off")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file without records, which only the header here is
            opened: Any = (edfio.read_bdf if is_bdf else edfio.read_edf)(
                io.BytesIO(bytes(data[:n_header])), header_encoding="latin-1"
            )
        stated = int(bytes(data[RECORD_COUNT_AT : RECORD_COUNT_AT + 8]))
        all_signals = opened._signals
        lengths = [signal.samples_per_data_record for signal in all_signals]
        duration = float(opened._data_record_duration.decode("ascii"))
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"{path}: not readable as EDF or BDF ({error}); give another file") from None
    if opened.reserved[:5] in ("EDF+D", "BDF+D"):
        raise DataError(f"{path}: has gaps ({opened.reserved[:5]}); cut it into uninterrupted files")
    width = 3 if is_bdf else 2
    record_bytes = width * sum(lengths)
    found = (len(data) - n_header) // record_bytes if record_bytes else 0
    notes = (f"cut off, {found} of {stated} records are there; these are read",) if stated > found else ()
    n_records = found if stated < 0 else min(stated, found)
    records = data[n_header : n_header + n_records * record_bytes].reshape(n_records, record_bytes)
    starts = np.concatenate([[0], np.cumsum(lengths)]) * width
    plain = [k for k, signal in enumerate(all_signals) if not signal.label.endswith("Annotations")]
    annotations, meta = _read_annotations(records, [
        slice(starts[k], starts[k + 1]) for k in range(len(lengths)) if k not in plain
    ])  # fmt: skip
    names = [all_signals[k].label for k in plain]
    if isinstance(given := meta.pop("channels", None), list) and len(given) == len(names):
        names = given
    chosen = list(range(len(plain)))
    if len({lengths[plain[k]] for k in chosen}) > 1 and channels:
        chosen = [k for k in chosen if names[k] in channels or str(k) in channels]
    rates = sorted({lengths[plain[k]] for k in chosen})
    if len(rates) > 1:
        listed = ", ".join(f"{names[k]} {lengths[plain[k]] / duration:g} Hz" for k in chosen)
        raise DataError(f"{path}: its channels have several rates ({listed[:200]}); choose with --channels")
    if not rates or not duration:
        raise DataError(f"{path}: no signal in it; give a file that holds one")
    scales = [_scale(all_signals[plain[k]], path) for k in chosen]
    per_record = rates[0]
    n_samples = min(int(meta.pop("n_samples", n_records * per_record)), n_records * per_record)
    begins = [int(starts[plain[k]]) for k in chosen]

    def load(start: int, stop: int) -> NDArray[np.int32]:
        first, last = start // per_record, -(-stop // per_record)
        columns = []
        for at in begins:
            raw = np.asarray(records[first:last, at : at + per_record * width]).reshape(-1, width)
            wide = np.zeros((len(raw), 4), np.uint8)
            wide[:, 4 - width :] = raw  # then the shift below brings the sign along
            columns.append(wide.view("<i4")[:, 0] >> (8 * (4 - width)))
        return np.stack(columns, axis=1)[start - first * per_record : stop - first * per_record]

    return Recording(
        source=str(path), rate_hz=float(meta.pop("rate_hz", per_record / duration)),
        channels=tuple(names[k] for k in chosen), n_samples=n_samples, lsb_uv=np.array([s[0] for s in scales]),
        zero_counts=np.array([s[1] for s in scales]), load=load, annotations=annotations, meta=meta, notes=notes,
    )  # fmt: skip


def _scale(signal: Any, path: Path) -> tuple[float, float]:  # noqa: ANN401
    """Return microvolts a count and the count at 0 uV: exact where this writer wrote them."""
    if exact := _SCALE.fullmatch(signal.transducer_type):
        return float(exact[1]), float(exact[2])
    worth = _UV.get(signal.physical_dimension.strip().lower().replace("μ", "µ"), math.nan)
    try:
        span = signal.digital_max - signal.digital_min
        gain = (signal.physical_max - signal.physical_min) / span
        return gain * worth, signal.digital_min - signal.physical_min / gain
    except (ValueError, ZeroDivisionError):
        raise DataError(f"{path}: channel {signal.label!r} has no usable scale; correct its header") from None


def _read_annotations(
    records: NDArray[np.uint8], places: list[slice]
) -> tuple[tuple[Annotation, ...], dict[str, Any]]:
    found: list[Annotation] = []
    meta: dict[str, Any] = {}
    begin: float | None = None
    for number in range(len(records)):
        for which, place in enumerate(places):
            for index, (onset, lasting, texts) in enumerate(_TAL.findall(records[number, place].tobytes())):
                if begin is None:
                    begin = float(onset)  # the first record may start within a second
                for text in texts.decode("utf-8", "replace").split("\x14")[which == index == 0 :]:
                    key, _, value = text.removeprefix(MARK).partition("=")
                    if text.startswith(MARK) and value:
                        try:
                            meta[key] = json.loads(value)
                        except ValueError:
                            found.append(Annotation(float(onset) - begin, None, text))
                    elif text:
                        found.append(
                            Annotation(float(onset) - begin, float(lasting) if lasting else None, text)
                        )
    return tuple(sorted(found, key=lambda a: (a.onset_s, a.text))), meta
