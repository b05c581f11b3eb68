"""``emg_epn612``: five hand gestures of 612 persons under an 8-channel armband.

Layout: ``trainingJSON/user<N>/user<N>.json`` and ``testingJSON/user<N>/user<N>.json``; the same number in both is two persons. A
file has ``trainingSamples`` and ``testingSamples`` of ``idx_<k>``, each with ``emg`` (``ch1`` .. ``ch8``, whole counts at 200
Hz), ``gestureName``, and where a gesture was made ``groundTruth``, 1 at each sample of it. Samples without a name (those that the
authors keep for their own test) or without the ground truth of their gesture have no known label and are not read.

References
----------
Benalcazar, Barona, Valdivieso, Aguas, Zea (2020), EMG-EPN-612 dataset, doi:10.5281/zenodo.4421500.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from myo_pipeline.errors import DataError
from myo_training.data_sets.entry import CatalogueEntry
from myo_training.data_sets.file_set import AGAIN, FileSet, Piece, Source
from myo_training.recordings import DataSet, DataSetInfo

NAME = "emg_epn612"
URL = "https://doi.org/10.5281/zenodo.4421500"
GESTURES = ("noGesture", "fist", "waveIn", "waveOut", "open", "pinch")
PARTS = ("training", "testing")
_FILE = re.compile(r"user(\d+)\.json")
_SAMPLE = re.compile(r"idx_(\d+)")

INFO = DataSetInfo(
    name=NAME,
    description="612 persons, 5 gestures and none, 5 s each, 8-channel armband, 200 Hz",
    rate_hz=200.0,
    lsb_uv=1.0,
    n_channels=8,
    kind="classes",
    outputs=GESTURES,
    licence="see its page on Zenodo",
    citation="Benalcazar et al. 2020, EMG-EPN-612, doi:10.5281/zenodo.4421500",
    source="recorded from persons, public layout",
    faults=(
        "whole counts of the armband; microvolts are not known",
        "the authors' test samples carry no label and are not read",
    ),
)


def open_folder(folder: Path, _kind: str) -> DataSet:
    """Open the folder that holds ``trainingJSON`` and ``testingJSON``."""
    sources = [
        Source(f"{part}-{int(match[1]):03d}", ("1",), "", path)
        for part in PARTS
        for path in folder.glob(f"**/{part}JSON/user*/user*.json")
        if (match := _FILE.fullmatch(path.name))
    ]
    return FileSet(INFO, folder, sources, _read, "trainingJSON/user<N>/user<N>.json")


def _read(source: Source) -> Iterator[Piece]:
    path = source.path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); {AGAIN}") from None
    for part in PARTS:
        samples = content.get(f"{part}Samples") if isinstance(content, dict) else None
        for name, sample in (samples or {}).items():
            match = _SAMPLE.fullmatch(name)
            if match and isinstance(sample, dict):
                yield from _read_sample(sample, f"{part}-{int(match[1]):03d}", f"{path}:{part}Samples/{name}")


def _read_sample(sample: dict[str, Any], trial: str, where: str) -> Iterator[Piece]:
    gesture, truth = sample.get("gestureName"), sample.get("groundTruth")
    if gesture is None or (gesture != GESTURES[0] and truth is None):
        return
    if gesture not in GESTURES:
        raise DataError(
            f"{where}: gesture {str(gesture)[:40]!r}, expected one of {', '.join(GESTURES)}; {AGAIN}"
        )
    try:
        emg = np.array([sample["emg"][f"ch{k}"] for k in range(1, INFO.n_channels + 1)], np.float64).T
        moving = np.zeros(len(emg)) if truth is None else np.array(truth, np.float64).reshape(-1)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: no eight channels of one length ({error}); {AGAIN}") from None
    if not (np.isfinite(emg).all() and (np.abs(emg) <= 128).all()):
        raise DataError(f"{where}: counts beyond the armband's 8 bits; {AGAIN}")
    n = min(len(emg), len(moving))
    labels = np.where(moving[:n] != 0, GESTURES.index(gesture), 0)
    yield Piece("1", trial, np.rint(emg[:n]).astype(np.int32), labels)


ENTRY = CatalogueEntry(NAME, INFO.description, INFO.licence, URL, open_folder)
