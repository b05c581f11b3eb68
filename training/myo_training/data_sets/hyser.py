"""``hyser_pr`` (34 gestures), ``hyser_1dof``, ``hyser_ndof``, ``hyser_random`` (finger forces): 256 electrodes on the forearm.

Layout, as PhysioNet has it: ``<part>_dataset/subject<II>_session<J>/`` with WFDB records, of which the raw ones are read (the
``preprocess`` ones are the authors' filtered copies). Gestures: ``dynamic_raw_sample<K>`` and ``maintenance_raw_sample<K>``,
their gestures 1 .. 34 in ``label_dynamic.txt`` and ``label_maintenance.txt``, the K-th number of which is sample K's. Forces:
``1dof_raw_finger<F>_sample<K>`` beside ``1dof_force_finger<F>_sample<K>``, ``ndof_raw_combination<C>_sample<K>``,
``random_raw_sample<K>``; five fingers at 100 Hz, here interpolated to the EMG's samples.

The headers say volts. Taken at their word a quiet forearm would show 0.4 V from peak to peak, a thousand times what a skin
electrode gives: where a header says volts, millivolts are read.

References
----------
Jiang et al. (2021), IEEE Trans Neural Syst Rehabil Eng 29:1035, doi:10.1109/TNSRE.2021.3082551; PhysioNet, hd-semg 2.0.0,
doi:10.13026/hxan-pe94 (files, folders, rates).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from myo_pipeline.errors import DataError
from myo_training.data_sets.entry import CLASSES, VALUES, CatalogueEntry
from myo_training.data_sets.file_set import AGAIN, FileSet, Piece, Source, to_counts
from myo_training.recordings import DataSet, DataSetInfo

URL = "https://physionet.org/content/hd-semg/2.0.0/"
RATE_HZ, LSB_UV, N_CHANNELS, N_GESTURES = 2048.0, 0.1, 256, 34
FINGERS = ("thumb", "index", "middle", "ring", "little")
_SESSION = re.compile(r"subject(\d+)_session(\d+)")
_PARTS = {
    "pr": (re.compile(r"(dynamic|maintenance)_raw_sample(\d+)\.hea"), "20 persons, 2 days, 34 gestures"),
    "1dof": (re.compile(r"1dof_raw_(finger\d+)_sample(\d+)\.hea"), "20 persons, 2 days, force of one finger"),
    "ndof": (re.compile(r"ndof_raw_(combination\d+)_sample(\d+)\.hea"), "20 persons, 2 days, forces of several fingers"),
    "random": (re.compile(r"random_(raw)_sample(\d+)\.hea"), "20 persons, 2 days, forces of any fingers"),
}  # fmt: skip


def _describe(part: str) -> str:
    return f"{_PARTS[part][1]}, 256 channels, 2048 Hz"


def _open(part: str, folder: Path, _kind: str) -> DataSet:
    sources = []
    for path in folder.rglob("*_raw_*.hea"):
        match, home = _PARTS[part][0].fullmatch(path.name), _SESSION.fullmatch(path.parent.name)
        if match and home:
            what, number = match[1], int(match[2])
            beside = f"label_{what}.txt" if part == "pr" else path.name.replace("_raw_", "_force_")
            trial = f"{what}-{number:03d}"
            person = f"S{int(home[1]):02d}"
            sources.append(Source(person, (home[2],), trial, path, (path.with_name(beside),)))
    gestures = part == "pr"
    info = DataSetInfo(
        name=f"hyser_{part}",
        description=_describe(part),
        rate_hz=RATE_HZ,
        lsb_uv=LSB_UV,
        n_channels=N_CHANNELS,
        kind=CLASSES if gestures else VALUES,
        outputs=(
            tuple(f"G{k:02d}" for k in range(1, N_GESTURES + 1))
            if gestures
            else tuple(f"force_{finger}" for finger in FINGERS)
        ),
        licence="ODC-BY 1.0",
        citation="Jiang et al. 2021, IEEE Trans Neural Syst Rehabil Eng 29:1035; PhysioNet hd-semg",
        source="recorded from persons, public layout",
        faults=(
            "the headers say volts, the numbers are millivolts, and so they are read",
            "each channel of each record has its own gain: counts here are rounded to 0.1 uV",
            *(() if gestures else ("forces are in the files' own unit, 100 Hz, interpolated to the EMG's samples",)),
            *(("two persons lack gestures",) if gestures else ()),
        ),
    )  # fmt: skip
    return FileSet(info, folder, sources, partial(_read, part), "subject<II>_session<J>/<...>_raw_<...>.hea")


def _read(part: str, source: Source) -> Iterator[Piece]:
    from myo_pipeline.recording.wfdb_file import read_physical, read_wfdb

    recording = read_wfdb(source.path)
    volts = re.search(r"/V\b", source.path.read_text(encoding="latin-1")) is not None
    where = str(source.path)
    if recording.rate_hz != RATE_HZ:
        raise DataError(f"{where}: {recording.rate_hz:g} Hz, expected {RATE_HZ:g}; {AGAIN}")
    counts = to_counts(recording.microvolts(), 1e-3 if volts else 1.0, LSB_UV, where)
    if part == "pr":
        labels = np.full(len(counts), _find_gesture(source) - 1, np.int64)
        yield Piece(source.sessions[0], source.trial, counts, labels)
        return
    rate_hz, force = read_physical(source.beside[0])
    if force.shape[1] != len(FINGERS):
        raise DataError(f"{source.beside[0]}: {force.shape[1]} forces, expected {len(FINGERS)}; {AGAIN}")
    at, known = np.arange(len(counts)) / RATE_HZ, np.arange(len(force)) / rate_hz
    values = np.stack([np.interp(at, known, force[:, k]) for k in range(len(FINGERS))], axis=1)
    yield Piece(source.sessions[0], source.trial, counts, values)


def _find_gesture(source: Source) -> int:
    path, number = source.beside[0], int(source.trial.rpartition("-")[2])
    try:
        gestures = [
            int(float(cell))
            for cell in path.read_text(encoding="ascii").replace("\n", ",").split(",")
            if cell.strip()
        ]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as gesture numbers ({error}); {AGAIN}") from None
    if not 1 <= number <= len(gestures) or not 1 <= gestures[number - 1] <= N_GESTURES:
        raise DataError(f"{path}: no gesture of 1 .. {N_GESTURES} for sample {number}; {AGAIN}")
    return gestures[number - 1]


ENTRIES = tuple(
    CatalogueEntry(
        f"hyser_{part}", _describe(part), "ODC-BY 1.0", URL, partial(_open, part), (CLASSES if part == "pr" else VALUES,)
    )
    for part in _PARTS
)  # fmt: skip
