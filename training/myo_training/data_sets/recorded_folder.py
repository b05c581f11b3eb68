"""A folder of a user's own recordings in EDF, BDF, WFDB, MATLAB or HDF5 files, described by ``dataset.toml``.

The description and the files' names are as of CSV files (:mod:`~myo_training.csv_folder`): ``PERSON_SESSION_TRIAL.edf``, or an
entry under ``[files]``. ``channels`` are the EMG channels' names in the file, or their numbers from 0. What a file says of its
rate and of a count's worth must agree with the description, or is converted to it.

Classes are the annotations whose text is one of ``labels``: each lasts as long as it says, or else until the next; where none
holds, the class is the first of ``labels``. MATLAB and HDF5 files may have a variable ``label`` (class numbers, one a sample)
instead; ``values`` are variables of theirs with these names. Auxiliary streams have a CSV file of their own beside each
recording, as beside a CSV file: `myopatch record` writes them so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_pipeline.recording import FORMATS, read_recording
from myo_pipeline.recording.aux_file import name_aux_file
from myo_pipeline.recording.recording import Annotation
from myo_pipeline.recording.recording import Recording as FileRecording
from myo_training.csv_folder import (
    DESCRIPTION,
    LABEL,
    Description,
    describe_aux,
    identify,
    read_description,
    read_streams,
)
from myo_training.data_sets.array_file import read_mat
from myo_training.data_sets.entry import CLASSES, VALUES
from myo_training.data_sets.file_set import FileSet, Piece, Source, to_counts
from myo_training.recordings import RATE_TOLERANCE, DataSet, DataSetInfo

SUFFIXES = tuple(suffix for suffix in FORMATS if suffix != ".csv")
_ARRAYS = (".mat", ".h5", ".hdf5")


def open_recorded_folder(folder: Path) -> DataSet:
    """Open a folder of recordings that ``dataset.toml`` describes.

    Raises
    ------
    DataError
        If the description is wrong, or there are no recordings.
    """
    description = read_description(folder)
    sources = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            person, session, trial = identify(description, path)
            beside = tuple(name_aux_file(path, stream.name) for stream in description.aux)
            sources.append(Source(person, (session,), trial, path, beside))
    info = DataSetInfo(
        name=description.name or folder.resolve().name,
        description=f"{len(sources)} recordings",
        rate_hz=description.rate_hz,
        lsb_uv=description.lsb_uv,
        n_channels=len(description.channels),
        kind=CLASSES if description.labels else VALUES,
        outputs=tuple(description.labels or description.values),
        licence=description.licence,
        citation=description.citation,
        source="recorded, files of " + ", ".join(sorted({source.path.suffix for source in sources})),
        channels=tuple(description.channels),
        aux=describe_aux(description),
    )

    def read(source: Source) -> Iterator[Piece]:
        yield _read(description, source)

    return FileSet(info, folder, sources, read, f"recording ({', '.join(SUFFIXES)}) beside {DESCRIPTION}")


def _read(description: Description, source: Source) -> Piece:
    path = source.path
    is_array = path.suffix.lower() in _ARRAYS
    unit = {"uv": "uv", "counts": None}[description.unit]
    recording = read_recording(
        path, channels=description.channels, rate_hz=description.rate_hz if is_array else None,
        unit=unit if is_array else None,
    )  # fmt: skip
    if abs(recording.rate_hz / description.rate_hz - 1) > RATE_TOLERANCE:
        raise DataError(
            f"{path}: recorded at {recording.rate_hz:g} Hz, {DESCRIPTION} says rate_hz = {description.rate_hz:g}; "
            "correct one, or resample the file"
        )
    counts = count_signal(recording, description.lsb_uv)
    labels: NDArray[Any]
    if description.values:
        if not is_array:
            raise DataError(
                f"{path}: holds no values; save the recording as .mat, .h5 or .csv with {description.values[0]}"
            )
        labels = np.stack([_read_variable(path, name, len(counts)) for name in description.values], axis=1)
    elif is_array and not recording.annotations:
        labels = _read_variable(path, LABEL, len(counts)).astype(np.int64)
    else:
        labels = label_samples(
            recording.annotations, description.labels, len(counts), recording.rate_hz, str(path)
        )
    return Piece(source.sessions[0], source.trial, counts, labels, read_streams(description, path))


def count_signal(recording: FileRecording, lsb_uv: float) -> NDArray[np.int32]:
    """Return a recording's counts, each worth ``lsb_uv``: its own where they are that, else rounded to nearest.

    A file that does not say what a count is worth is taken at its counts.

    Raises
    ------
    DataError
        If the signal does not fit.
    """
    samples = recording.read()
    if recording.is_counts:
        unknown = np.isnan(recording.lsb_uv).all()
        if unknown or (np.allclose(recording.lsb_uv, lsb_uv, rtol=1e-6) and not recording.zero_counts.any()):
            return np.asarray(samples, np.int32)
    return to_counts(recording.microvolts(), 1.0, lsb_uv, recording.source)


def label_samples(
    annotations: Iterable[Annotation], labels: Sequence[str], n_samples: int, rate_hz: float, where: str
) -> NDArray[np.int64]:
    """Return the class of each sample by what was annotated; class 0 where nothing was.

    Parameters
    ----------
    annotations
        Texts that are no class are passed over.
    labels
        Class names, in label order.
    n_samples, rate_hz
        Of the recording.
    where
        For messages.

    Raises
    ------
    DataError
        If no annotation names a class.
    """
    events = sorted((a for a in annotations if a.text.strip() in labels), key=lambda a: a.onset_s)
    if not events:
        raise DataError(
            f"{where}: no annotation is one of {', '.join(labels)[:120]}; annotate it, or correct labels"
        )
    out = np.zeros(n_samples, np.int64)
    ends = [*(event.onset_s for event in events[1:]), n_samples / rate_hz]
    for event, following in zip(events, ends, strict=True):
        end = following if event.duration_s is None else event.onset_s + event.duration_s
        start, stop = (min(n_samples, max(0, round(second * rate_hz))) for second in (event.onset_s, end))
        out[start:stop] = list(labels).index(event.text.strip())
    return out


def _read_variable(path: Path, name: str, n_samples: int) -> NDArray[np.float64]:
    """Return a vector of one number a sample out of a MATLAB or HDF5 file."""
    if path.suffix.lower() == ".mat":
        array = read_mat(path, [name])[name]
    else:
        import h5py

        try:
            with h5py.File(path, "r") as file:
                array = np.asarray(file[name])
        except (OSError, RuntimeError, KeyError) as error:
            raise DataError(f"{path}: no variable {name!r} in it ({error}); save it again") from None
    if array.size != n_samples or array.dtype.kind not in "iufb":
        raise DataError(f"{path}: {name} has {array.size} numbers for {n_samples} samples; give one a sample")
    return np.asarray(array, np.float64).reshape(-1)
