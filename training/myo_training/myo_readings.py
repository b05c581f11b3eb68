"""The ``myo_readings`` set: eight wrist gestures of 29 persons, in its public text form or packed.

Public form: ``_readings_right_hand/<id>-<session>/<gesture>.txt`` and ``_readings_left_hand/...``, one
sample a line, eight signed counts and the label, separated by commas. Packed form: ``<hand><id>.npz`` with
``s<session>_g<gesture>_emg`` and ``..._lab``, both int8. Both give the same recordings.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_training.recordings import DataSet, DataSetInfo, Recording

NAME = "myo_readings"
URL = "https://github.com/aljazfrancic/myo-readings-dataset/archive/HEAD.zip"
RATE_HZ = 200.0
N_CHANNELS = 8
LABELS = ("rest", "flexion", "extension", "radial", "ulnar", "pronation", "supination", "fist")
HANDS = {"_readings_right_hand": "R", "_readings_left_hand": "L"}

_FOLDER = re.compile(r"([RL]?\d+)-(\d+)")
_FILE = re.compile(r"([0-7])\.txt")  # some folders hold an 8.txt outside of the protocol
_PACKED = re.compile(r"s(\d+)_g([0-7])_emg")

_AGAIN = f"get the set again with `myopatch data get {NAME}`"

_FAULTS = (
    "the labels are cues: movements follow them by a lag that differs by person (median 180 ms, -500 to "
    "+1600 ms)",
    "R69069 session 1 trial 3 (radial deviation) carries label 2, and is left as it is",
    "R64917, R45678 and R78454 have sessions that look donned otherwise than the protocol says",
    "L55555 and R69069 repeat about every fifth sample and hold 20 % more of them: their stated 200 Hz is "
    "not exact",
)


def _info(source: str) -> DataSetInfo:
    return DataSetInfo(
        name=NAME,
        description="29 persons, 3 sessions, 8 wrist gestures, 8-channel Myo armband at about 200 Hz",
        rate_hz=RATE_HZ,
        lsb_uv=1.0,
        n_channels=N_CHANNELS,
        kind="classes",
        outputs=LABELS,
        licence="MIT",
        citation="aljazfrancic/myo-readings-dataset (public repository), copyright 2021",
        source=source,
        faults=_FAULTS,
    )


def parse_text(text: str, where: str) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Parse one gesture file of the public form.

    Parameters
    ----------
    text
        Lines of eight counts and a label, separated by commas.
    where
        Name of the file, for messages.

    Returns
    -------
    tuple of NDArray
        Counts (n_samples, 8) and labels (n_samples,).

    Raises
    ------
    DataError
        Naming the first line that is not nine whole numbers in range.
    """
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise DataError(f"{where}: empty file; download the set again with `myopatch data get {NAME}`")
    try:
        table = np.array(",".join(lines).split(","), dtype=np.int32)
    except (ValueError, OverflowError):
        table = np.empty(0, dtype=np.int32)
    columns = N_CHANNELS + 1
    if table.size != len(lines) * columns or any(line.count(",") != N_CHANNELS for line in lines):
        for number, line in enumerate(lines, 1):
            if not re.fullmatch(rf"\s*-?\d+\s*(,\s*-?\d+\s*){{{N_CHANNELS}}}", line):
                raise DataError(
                    f"{where}: line {number} is {line[:60]!r}, expected eight counts and a label separated "
                    "by commas; "
                    "correct or remove the line"
                )
        raise DataError(f"{where}: a number is too large for a count; correct the file")
    table = table.reshape(-1, columns)
    emg, labels = table[:, :N_CHANNELS], table[:, N_CHANNELS]
    wrong = (emg < -128).any(1) | (emg > 127).any(1) | (labels < 0) | (labels >= len(LABELS))
    if wrong.any():
        number = int(np.argmax(wrong)) + 1
        raise DataError(
            f"{where}: line {number} is {lines[number - 1][:60]!r}, expected counts of -128 .. 127 and a "
            "label of 0 .. 7; "
            "correct or remove the line"
        )
    return np.ascontiguousarray(emg), labels.astype(np.int64)


class PackedMyoReadings(DataSet):
    """The packed form: one ``.npz`` a person."""

    def __init__(self, folder: Path) -> None:
        self._paths = {path.stem: path for path in sorted(folder.glob("[RL][0-9]*.npz"))}
        if not self._paths:
            raise DataError(f"{folder}: no <hand><id>.npz; get the set with `myopatch data get {NAME}`")
        self.info = _info("recorded from persons, packed form")

    def sessions(self) -> list[tuple[str, str]]:
        """Return every (person, session), sorted."""
        return sorted({(person, session) for person in self._paths for session, _ in self._list_keys(person)})

    def files(self) -> list[Path]:
        """Return the packed files."""
        return [path for _, path in sorted(self._paths.items())]

    def recordings(self, persons: Collection[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings of the persons given (of all without)."""
        for person in sorted(self._paths):
            if persons is None or person in persons:
                yield from self._read(person)

    def _list_keys(self, person: str) -> list[tuple[str, str]]:
        """Return a person's (session, gesture) pairs, from the archive's directory."""
        path = self._paths[person]
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name.removesuffix(".npy") for name in archive.namelist()]
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: not a whole packed recording ({error}); {_AGAIN}") from None
        keys = sorted((m.group(1), m.group(2)) for name in names if (m := _PACKED.fullmatch(name)))
        if not keys:
            raise DataError(f"{path}: no s<session>_g<gesture>_emg inside; {_AGAIN}")
        return keys

    def _read(self, person: str) -> Iterator[Recording]:
        path = self._paths[person]
        keys = self._list_keys(person)
        try:
            with np.load(path) as file:
                for session, gesture in keys:
                    stem = f"s{session}_g{gesture}"
                    emg, labels = file[f"{stem}_emg"], file[f"{stem}_lab"]
                    if emg.ndim != 2 or emg.shape[1] != N_CHANNELS or emg.dtype != np.int8:
                        raise DataError(
                            f"{path}: {stem}_emg is {emg.dtype} {emg.shape}, expected int8 (n, 8); {_AGAIN}"
                        )
                    yield Recording(
                        emg.astype(np.int32), labels.astype(np.int64), RATE_HZ, self.info.lsb_uv,
                        person, session, gesture, f"{path}:{stem}",
                    )  # fmt: skip
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: not a whole packed recording ({error}); {_AGAIN}") from None


class TextMyoReadings(DataSet):
    """The public form: folders of text files, below one folder a hand, or directly."""

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, dict[tuple[str, str], Path]] = {}
        for parent, hand in [(folder / name, hand) for name, hand in HANDS.items()] + [(folder, "")]:
            if not parent.is_dir():
                continue
            for session in sorted(parent.iterdir()):
                match = _FOLDER.fullmatch(session.name)
                if match and session.is_dir():
                    files = {(match.group(2), m.group(1)): path for path in sorted(session.iterdir())
                             if (m := _FILE.fullmatch(path.name))}  # fmt: skip
                    self._paths.setdefault(hand + match.group(1), {}).update(files)
        self._paths = {person: files for person, files in self._paths.items() if files}
        if not self._paths:
            raise DataError(
                f"{folder}: no <id>-<session>/<gesture>.txt; get the set with `myopatch data get {NAME}`"
            )
        self.info = _info("recorded from persons, public text form")

    def sessions(self) -> list[tuple[str, str]]:
        """Return every (person, session), sorted."""
        return sorted({(person, session) for person, files in self._paths.items() for session, _ in files})

    def files(self) -> list[Path]:
        """Return the text files."""
        return [path for person in sorted(self._paths) for _, path in sorted(self._paths[person].items())]

    def recordings(self, persons: Collection[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings of the persons given (of all without)."""
        for person in sorted(self._paths):
            if persons is not None and person not in persons:
                continue
            for (session, gesture), path in sorted(self._paths[person].items()):
                try:
                    text = path.read_text(encoding="ascii")
                except (OSError, UnicodeDecodeError) as error:
                    raise DataError(f"{path}: not readable as text ({error}); download it again") from None
                emg, labels = parse_text(text, str(path))
                yield Recording(emg, labels, RATE_HZ, self.info.lsb_uv, person, session, gesture, str(path))


def open_myo_readings(folder: Path) -> DataSet:
    """Open a folder of either form.

    Raises
    ------
    DataError
        If it holds neither.
    """
    if any(folder.glob("[RL][0-9]*.npz")):
        return PackedMyoReadings(folder)
    return TextMyoReadings(folder)


def pack_person(recordings: list[Recording], path: Path) -> None:
    """Write one person's recordings in the packed form."""
    arrays: dict[str, NDArray[np.int8]] = {}
    for recording in recordings:
        stem = f"s{recording.session}_g{recording.trial}"
        arrays[f"{stem}_emg"] = recording.emg.astype(np.int8)
        arrays[f"{stem}_lab"] = recording.labels.astype(np.int8)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_pins() -> dict[str, str]:
    """Return the pinned content digest of each person, the digest listing of its recordings.

    They were computed from the packed form. That the public text gives the same was checked on four of its
    files: the packed counts, written as text, have the length, the first and the last lines of the public
    files.
    """
    text = resources.files("myo_training").joinpath("myo_readings.sha256").read_text(encoding="ascii")
    return {person: digest for digest, person in (line.split() for line in text.splitlines())}
