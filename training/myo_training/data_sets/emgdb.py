"""``emgdb``: needle EMG of tibialis anterior, one healthy person, one with a myopathy, one with a neuropathy.

Layout: WFDB records ``emg_healthy``, ``emg_myopathy``, ``emg_neuropathy`` (``.hea`` and ``.dat``), 10000 counts a millivolt.
The person and the label are the name's ending. One person a class: a classifier of it knows persons, not diseases.

References
----------
PhysioNet, Examples of Electromyograms 1.0.0, doi:10.13026/C24S3D; Goldberger et al. (2000), Circulation 101:e215.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from myo_training.data_sets.entry import CatalogueEntry
from myo_training.data_sets.file_set import FileSet, Piece, Source, to_counts
from myo_training.recordings import DataSet, DataSetInfo

NAME = "emgdb"
URL = "https://physionet.org/files/emgdb/1.0.0/"
PERSONS = ("healthy", "myopathy", "neuropathy")

INFO = DataSetInfo(
    name=NAME,
    description="3 persons, needle EMG: healthy, myopathy, neuropathy, 1 channel, 4 kHz",
    rate_hz=4000.0,
    lsb_uv=0.1,
    n_channels=1,
    kind="classes",
    outputs=PERSONS,
    licence="ODC-BY 1.0",
    citation="PhysioNet, Examples of Electromyograms 1.0.0, doi:10.13026/C24S3D",
    source="recorded from persons, public layout",
    faults=("one person a class: good for signal processing, never for a claim of accuracy",),
    channels=("tibialis anterior, needle",),
)


def open_folder(folder: Path, _kind: str) -> DataSet:
    """Open the folder of WFDB records."""
    paths = {person: folder / f"emg_{person}.hea" for person in PERSONS}
    sources = [Source(person, ("1",), "1", path) for person, path in paths.items() if path.is_file()]
    return FileSet(INFO, folder, sources, _read, "emg_<person>.hea")


def _read(source: Source) -> Iterator[Piece]:
    from myo_pipeline.recording.wfdb_file import read_wfdb

    recording = read_wfdb(source.path)
    counts = to_counts(recording.microvolts(), 1.0, INFO.lsb_uv, str(source.path))
    yield Piece("1", "1", counts, np.full(len(counts), PERSONS.index(source.person)))


# As PhysioNet publishes them in SHA256SUMS.txt of version 1.0.0.
PINS = {
    "emg_healthy.hea": "61221ce33e167d246ec2ea8984ce2f25882b32b4d90bd7ef785c7b56ef95bac5",
    "emg_healthy.dat": "4990f34f0ffb314f6ce70c1d2089b7ce41fa96d19fcd9fb334815ca5033966fd",
    "emg_myopathy.hea": "752093a1e3af87cd87e39f553b8725133f57a75413661208e5d93c8d2c60e73b",
    "emg_myopathy.dat": "2c310a0f61843a5a5e906d413b6ff7f51370a91e516344af511c7fe6da9eaf7f",
    "emg_neuropathy.hea": "a424c80b6a5cc5733456f0848c2650321cac3658d9b02b845e08b619b2807ce0",
    "emg_neuropathy.dat": "108c6c71d3792f3dba645539bd9241119fb4c6a3a0f3e515399694b072375dd5",
}

ENTRY = CatalogueEntry(NAME, INFO.description, INFO.licence, URL, open_folder, can_fetch=True, pins=PINS)
