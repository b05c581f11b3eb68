"""Recordings of EMG and the one interface through which every data set gives them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_sensor import AuxSensor
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec

RATE_TOLERANCE = 0.01  # armbands state "about 200 Hz"; more than 1 % off shifts the filters audibly


@dataclass(frozen=True)
class Recording:
    """One uninterrupted recording of one person.

    Attributes
    ----------
    emg
        Converter counts, int32 (n_samples, n_channels).
    labels
        Class numbers, int64 (n_samples,); or values, float64 (n_samples, n_outputs).
    rate_hz, lsb_uv
        Samples a second; microvolts a count.
    person, session, trial
        Who, which donning of the electrodes, and which recording of that session.
    source
        File or generator it came from, for messages.
    aux
        Auxiliary streams recorded beside the EMG, by name.
    """

    emg: NDArray[np.int32]
    labels: NDArray[np.int64] | NDArray[np.float64]
    rate_hz: float
    lsb_uv: float
    person: str
    session: str
    trial: str
    source: str
    aux: Mapping[str, AuxSamples] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.emg.ndim != 2 or not self.emg.shape[1]:
            raise DataError(
                f"{self.source}: signal of shape {self.emg.shape}, expected (n_samples, n_channels)"
            )
        if not len(self.emg):
            raise DataError(f"{self.source}: no samples; remove the file or record it again")
        if len(self.labels) != len(self.emg):
            raise DataError(
                f"{self.source}: {len(self.labels)} labels for {len(self.emg)} samples; give one label a "
                "sample"
            )

    @property
    def key(self) -> tuple[str, str, str]:
        """Person, session and trial."""
        return (self.person, self.session, self.trial)


@dataclass(frozen=True)
class AuxInfo:
    """What a data set holds of an auxiliary stream: its name, and as in ``[[aux]]`` of the spec the rest."""

    name: str
    kind: str
    channels: int
    rate_hz: float
    lsb: float


@dataclass(frozen=True)
class DataSetInfo:
    """What a data set holds, and whose it is.

    Attributes
    ----------
    name, description
        Its name on the command line, and one line about it.
    rate_hz, lsb_uv, n_channels
        Samples a second; microvolts a count (1.0: unknown, counts only); EMG channels.
    kind, outputs
        ``classes`` with the class names in label order, or ``values`` with the names of the values.
    licence, citation
        To be quoted wherever a figure computed on it is shown.
    source
        Where this copy came from, in words; carried into reports.
    simulated
        Whether no person was measured.
    faults
        Known faults of the data; the loader mends none, and says which it leaves out.
    aux
        Auxiliary streams beside the EMG.
    channels
        Names of the EMG channels, in their order; empty where the set gives none.
    """

    name: str
    description: str
    rate_hz: float
    lsb_uv: float
    n_channels: int
    kind: str
    outputs: tuple[str, ...]
    licence: str
    citation: str
    source: str
    simulated: bool = False
    faults: tuple[str, ...] = ()
    aux: tuple[AuxInfo, ...] = ()
    channels: tuple[str, ...] = ()


class DataSet(ABC):
    """A set of recordings, read lazily, in a fixed order."""

    info: DataSetInfo

    @abstractmethod
    def sessions(self) -> list[tuple[str, str]]:
        """Return every (person, session), sorted, without reading the recordings."""

    @abstractmethod
    def recordings(self, persons: Collection[str] | None = None) -> Iterator[Recording]:
        """Yield the recordings of the persons given (of all without), sorted by person, session and trial."""

    def persons(self) -> list[str]:
        """Return the persons, sorted."""
        return sorted({person for person, _ in self.sessions()})

    def files(self) -> list[Path]:
        """Return the files that are read, for the record of what was used; none where nothing is."""
        return []


def digest_recording(recording: Recording) -> str:
    """Return a SHA-256 of what a recording holds, whatever file it came from.

    It is taken over the line ``person/session/trial n_samples n_channels``, the counts as little-endian
    int32, and the labels as little-endian int64 or float64; then of each auxiliary stream, by name, the line
    ``name n_samples n_channels``, counts as little-endian int32 and stamps as int64.
    """
    n_samples, n_channels = recording.emg.shape
    digest = hashlib.sha256(f"{'/'.join(recording.key)} {n_samples} {n_channels}\n".encode())
    digest.update(np.ascontiguousarray(recording.emg, "<i4").tobytes())
    kind = "<f8" if np.issubdtype(recording.labels.dtype, np.floating) else "<i8"
    digest.update(np.ascontiguousarray(recording.labels, kind).tobytes())
    for name, samples in sorted(recording.aux.items()):
        digest.update(f"{name} {samples.counts.shape[0]} {samples.counts.shape[1]}\n".encode())
        digest.update(np.ascontiguousarray(samples.counts, "<i4").tobytes())
        digest.update(np.ascontiguousarray(samples.stamps, "<i8").tobytes())
    return digest.hexdigest()


def digest_listing(digests: Iterable[str]) -> str:
    """Return a SHA-256 of several recordings' digests, whatever their order."""
    return hashlib.sha256("".join(f"{digest}\n" for digest in sorted(digests)).encode()).hexdigest()


def check_fits(info: DataSetInfo, spec: PatchSpec) -> None:
    """Check that a data set can train the patch of a spec.

    Raises
    ------
    DataError
        Naming the first of rate, unit, channels and outputs that does not fit.
    """
    sensor = spec.sensor
    if abs(info.rate_hz / sensor.rate_hz - 1) > RATE_TOLERANCE:
        raise DataError(
            f"{info.name}: recorded at {info.rate_hz:g} Hz, the spec says sensor.rate_hz {sensor.rate_hz:g}; "
            "correct the spec, or resample the recordings"
        )
    if info.n_channels != sensor.channels:
        raise DataError(
            f"{info.name}: {info.n_channels} channels, the spec says sensor.channels {sensor.channels}; "
            "correct the spec"
        )
    if abs(info.lsb_uv / sensor.lsb_uv - 1) > 1e-3:
        raise DataError(
            f"{info.name}: {info.lsb_uv:g} microvolts a count, the spec says sensor.lsb_uv "
            f"{sensor.lsb_uv:g}; "
            "correct the one that is wrong"
        )
    for wanted in spec.aux:
        _check_aux(info, wanted)
    if info.kind != spec.output.kind:
        raise DataError(
            f"{info.name}: holds {info.kind}, the spec says output.kind {spec.output.kind!r}; correct it"
        )
    if sorted(info.outputs) == sorted(spec.output_names) and list(info.outputs) != spec.output_names:
        raise DataError(
            f"{info.name}: outputs are {', '.join(info.outputs)} in this order, the spec names "
            f"{', '.join(spec.output_names)}; list them in the data set's order"
        )
    if len(info.outputs) != len(spec.output_names):
        raise DataError(
            f"{info.name}: {len(info.outputs)} outputs ({', '.join(info.outputs)}), the spec names "
            f"{len(spec.output_names)}; list them in the data set's order"
        )


def _check_aux(info: DataSetInfo, wanted: AuxSensor) -> None:
    found = next((stream for stream in info.aux if stream.name == wanted.name), None)
    if found is None:
        known = ", ".join(stream.name for stream in info.aux) or "none"
        raise DataError(
            f"{info.name}: no auxiliary stream {wanted.name!r} (it has {known}); record it, or take [[aux]] out of the spec"
        )
    for key, tolerance in (("kind", 0.0), ("channels", 0.0), ("rate_hz", RATE_TOLERANCE), ("lsb", 1e-3)):
        has, wants = getattr(found, key), getattr(wanted, key)
        if has != wants and not (tolerance and abs(has / wants - 1) <= tolerance):
            raise DataError(
                f"{info.name}: aux {wanted.name} has {key} {has}, the spec says {wants}; correct the one that is wrong"
            )


def check_recording(recording: Recording, spec: PatchSpec) -> None:
    """Check one recording's channels, range and labels against a spec.

    Raises
    ------
    DataError
        Naming the recording and the first sample that does not fit.
    """
    where, sensor = recording.source, spec.sensor
    if recording.emg.shape[1] != sensor.channels:
        raise DataError(
            f"{where}: {recording.emg.shape[1]} channels, expected {sensor.channels}; correct "
            "sensor.channels or the file"
        )
    full = sensor.full_scale_counts
    outside = (recording.emg < -full) | (recording.emg >= full)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise DataError(
            f"{where}: sample {row}, channel {column} is {recording.emg[row, column]}, outside of {-full} .. "
            f"{full - 1}; "
            f"raise sensor.adc_bits above {sensor.adc_bits} or correct the file"
        )
    for wanted in spec.aux:
        if wanted.name not in recording.aux:
            raise DataError(
                f"{where}: no auxiliary stream {wanted.name!r} beside it; record it, or take [[aux]] out of the spec"
            )
        counts, full = recording.aux[wanted.name].counts, wanted.full_scale_counts
        if counts.shape[1] != wanted.channels or ((counts < -full) | (counts >= full)).any():
            raise DataError(
                f"{where}: aux {wanted.name} has {counts.shape[1]} channels from {counts.min(initial=0)} to "
                f"{counts.max(initial=0)}, the spec says {wanted.channels} of {wanted.adc_bits} bits; correct aux.channels "
                "or aux.adc_bits"
            )
    if recording.labels.ndim == 1:
        unknown = (recording.labels < 0) | (recording.labels >= len(spec.output_names))
        if unknown.any():
            row = int(np.argmax(unknown))
            raise DataError(
                f"{where}: sample {row} has label {recording.labels[row]:g}, expected 0 .. "
                f"{len(spec.output_names) - 1}; "
                "correct the file or output.labels"
            )
