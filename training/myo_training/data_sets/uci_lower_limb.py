"""``uci_lower_limb``: three activities of the leg with the angle of the knee, 21 persons, half of them with a knee complaint.

Layout: ``<n><N or A><activity>.npz`` with ``emg`` float32 millivolts (n_samples, 4) and ``angle`` float32 degrees
(n_samples,). The person is ``<n>N`` (healthy knee) or ``<n>A`` (abnormal knee). Labels as ``classes`` are the activity of the
whole recording; as ``values`` the knee's flexion.

The goniometer was worn the other way round in 20 of the 63 recordings: there the angle goes to -54 .. -129 degrees where a knee
stretches by a few at the most. Such a recording's angle is turned over, so that bending is positive in all.

References
----------
Sanchez et al. (2014), EMG Dataset in Lower Limb, UCI Machine Learning Repository.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_training.data_sets.array_file import read_npz
from myo_training.data_sets.entry import CLASSES, VALUES, CatalogueEntry
from myo_training.data_sets.file_set import FileSet, Piece, Source, to_counts
from myo_training.recordings import DataSet, DataSetInfo

NAME = "uci_lower_limb"
URL = "https://archive.ics.uci.edu/dataset/278/emg+dataset+in+lower+limb"
ACTIVITIES = ("gait", "sitting", "standing")
_FILE = re.compile(rf"(\d+[NA])({'|'.join(ACTIVITIES)})\.npz")

INFO = DataSetInfo(
    name=NAME,
    description="21 persons, gait, sitting and standing with knee angle, 4 thigh muscles, 1 kHz",
    rate_hz=1000.0,
    lsb_uv=0.1,  # the files tell millivolts with four decimals: every one is a whole count
    n_channels=4,
    kind=CLASSES,
    outputs=ACTIVITIES,
    licence="CC BY 4.0",
    citation="Sanchez et al., EMG Dataset in Lower Limb, UCI Machine Learning Repository",
    source="recorded from persons, packed by recording",
    faults=(
        "2N is not in it: its public files repeat 1N's",
        "an activity is the label of its whole recording, the pauses in it too",
        "recordings last 5 to 69 s",
        "the angle's sign is turned over in 20 recordings, in which bending was negative",
    ),
    channels=("rectus femoris", "biceps femoris", "vastus medialis", "semitendinosus"),
)


def open_folder(folder: Path, kind: str) -> DataSet:
    """Open the folder; its labels are the activities, or the angle."""
    sources = [
        Source(match[1], ("1",), match[2], path)
        for path in folder.glob("*.npz")
        if (match := _FILE.fullmatch(path.name))
    ]
    values = kind == VALUES
    info = dataclasses.replace(INFO, kind=VALUES, outputs=("knee_flexion_deg",)) if values else INFO

    def read(source: Source) -> Iterator[Piece]:
        names = ["emg", "angle"] if values else ["emg"]
        arrays = read_npz(source.path, names)
        counts = to_counts(arrays["emg"], 1e3, INFO.lsb_uv, str(source.path))
        labels = (
            _turn_to_flexion(arrays["angle"]).reshape(-1, 1)
            if values
            else np.full(len(counts), ACTIVITIES.index(source.trial))
        )
        yield Piece("1", source.trial, counts, labels)

    return FileSet(info, folder, sources, read, "<n><N or A><activity>.npz")


def _turn_to_flexion(angle: NDArray[Any]) -> NDArray[Any]:
    """Return an angle that grows with bending: that way a knee goes much further than the other."""
    lowest, highest = np.nanpercentile(angle, [1, 99]) if angle.size else (0.0, 0.0)
    return -angle if -lowest > highest else angle


ENTRY = CatalogueEntry(NAME, INFO.description, INFO.licence, URL, open_folder, (CLASSES, VALUES))
