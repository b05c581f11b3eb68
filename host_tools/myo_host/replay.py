"""Replay a recording into a board, or its twin: the same decisions at any speed, every time."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host.streaming import Capture
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.bundle import Bundle
from myo_pipeline.calibration import CalibrationTwin
from myo_pipeline.calibration_head import Tally
from myo_pipeline.errors import DataError
from myo_pipeline.recording import Recording
from myo_pipeline.recording.aux_file import name_aux_file, read_aux
from myo_pipeline.spec import PatchSpec, Sensor
from myo_pipeline.twin import Twin
from myo_pipeline.twin_config import VALUES, TwinConfig
from myo_pipeline.word_network import read_model

RATE_TOLERANCE = 0.01  # as in training: armbands state "about 200 Hz"
LSB_TOLERANCE = 1e-3  # as in training; an EDF header rounds to 8 characters


@dataclass(frozen=True)
class Fitted:
    """A recording as a patch takes it: int32 counts (n_samples, n_channels), and in words what was done to it."""

    counts: NDArray[np.int32]
    notes: tuple[str, ...]


def fit_recording(
    recording: Recording, sensor: Sensor, *, resample: bool = False, rescale: bool = False
) -> Fitted:
    """Return a recording in a sensor's counts at its rate; whatever changes a number is refused unless asked for.

    Parameters
    ----------
    recording
        What was recorded, its channels chosen and in order.
    sensor
        The patch's converter.
    resample
        Bring another rate to the sensor's, by ``scipy.signal.resample_poly``.
    rescale
        Bring counts of another worth to the sensor's, rounded to nearest.

    Raises
    ------
    DataError
        Naming what does not fit, and the option that makes it fit.
    """
    source, notes = recording.source, []
    if len(recording.channels) != sensor.channels:
        raise DataError(
            f"{source}: {len(recording.channels)} channels ({', '.join(recording.channels)[:120]}), the bundle takes "
            f"{sensor.channels}; choose them with --channels"
        )
    as_it_is = abs(recording.rate_hz / sensor.rate_hz - 1) <= RATE_TOLERANCE
    if not as_it_is and not resample:
        raise DataError(
            f"{source}: {recording.rate_hz:g} Hz, the bundle takes {sensor.rate_hz:g} Hz; say --resample, or record again"
        )
    unknown = recording.is_counts and np.isnan(recording.lsb_uv).any()
    if unknown and sensor.lsb_uv != 1.0:
        raise DataError(
            f"{source}: does not say what a count is worth; give --lsb-uv (the bundle has {sensor.lsb_uv:g})"
        )
    same_lsb = unknown or bool(np.abs(recording.lsb_uv / sensor.lsb_uv - 1).max() <= LSB_TOLERANCE)
    same = recording.is_counts and same_lsb and not (np.abs(recording.zero_counts) > 0.5).any()
    if recording.is_counts and not same and not rescale:
        raise DataError(
            f"{source}: {recording.lsb_uv[0]:g} uV a count and zero at {recording.zero_counts[0]:g}, the bundle has "
            f"{sensor.lsb_uv:g} uV and zero at 0; say --rescale to round to its counts"
        )
    if same and as_it_is:
        counts = recording.read()
    else:
        exact = recording.read().astype(np.float64) if same else recording.microvolts() / sensor.lsb_uv
        if not same:
            notes.append(f"microvolts rounded to counts of {sensor.lsb_uv:g} uV")
        if not as_it_is:
            from scipy import signal

            ratio = (Fraction(sensor.rate_hz) / Fraction(recording.rate_hz)).limit_denominator(10_000)
            exact = signal.resample_poly(exact, ratio.numerator, ratio.denominator, axis=0)
            notes.append(
                f"resampled {ratio.numerator}:{ratio.denominator}, {recording.rate_hz:g} to {sensor.rate_hz:g} Hz"
            )
        counts = np.rint(exact)
    full = sensor.full_scale_counts
    outside = int(((counts < -full) | (counts >= full)).any(axis=1).sum())
    if outside:
        notes.append(f"{outside} samples beyond {sensor.adc_bits} bits, limited as the converter would")
    return Fitted(np.clip(counts, -full, full - 1).astype(np.int32), tuple(notes))


def list_decisions(bundle: Bundle, capture: Capture) -> list[dict[str, Any]]:
    """Return a row a window: what was decided, without the times that a run takes."""
    config = TwinConfig.load(bundle.path / "twin.npz")
    rows = []
    for index, decision in enumerate(capture.decisions):
        sums = capture.sums[index].tolist() if config.output_kind == VALUES else []
        rows.append(_row(bundle, config, decision, sums))
    return rows


def find_streams(spec: PatchSpec, recording: Path) -> list[Path]:
    """Return the files of a spec's auxiliary streams that stand beside a recording; none unless all of them do."""
    paths = [name_aux_file(recording, sensor.name) for sensor in spec.aux]
    return paths if all(path.is_file() for path in paths) else []


def read_streams(spec: PatchSpec, paths: Sequence[Path]) -> list[AuxSamples]:
    """Read a CSV file for each auxiliary stream of a spec, in its order; none, where no path is given.

    Raises
    ------
    DataError
        If there are others than the spec's, or a file cannot be read.
    """
    if paths and len(paths) != len(spec.aux):
        names = ", ".join(sensor.name for sensor in spec.aux) or "none"
        raise DataError(
            f"{len(paths)} files of auxiliary streams, the bundle takes {len(spec.aux)} ({names}); give one --aux for each, "
            "in this order"
        )
    return [
        read_aux(path, sensor.channels, sensor.rate_hz, spec.sensor.rate_hz)
        for path, sensor in zip(paths, spec.aux, strict=bool(paths))
    ]


def list_twin_decisions(
    bundle: Bundle, counts: NDArray[np.int32], aux: Sequence[AuxSamples] = (), stored: Tally | None = None
) -> list[dict[str, Any]]:
    """Return the rows that the integer twin gives for the same counts, auxiliary streams and stored head."""
    config = TwinConfig.load(bundle.path / "twin.npz")
    twin = Twin(config, read_model(bundle.path))
    if config.calibration is not None and stored is not None:
        twin.calibration = CalibrationTwin(config.calibration, stored)
    rows = []
    for window in twin.push(counts, aux)[1]:
        decision = {key: getattr(window.decision, key) for key in ("decided", "raw", "confidence", "n_votes")}
        decision |= {"window": window.window, "end_sample": window.end_sample, "aux_marks": window.aux_marks}
        sums = window.decision.sums.tolist() if config.output_kind == VALUES else []
        rows.append(_row(bundle, config, decision, sums))
    return rows


def _row(bundle: Bundle, config: TwinConfig, decision: dict[str, int], sums: list[int]) -> dict[str, Any]:
    spec = bundle.spec
    row: dict[str, Any] = {
        "window": int(decision["window"]),
        "end_sample": int(decision["end_sample"]),
        "time_s": round(int(decision["end_sample"]) / spec.sensor.rate_hz, 6),
    }
    row |= {"aux_marks": int(decision["aux_marks"])} if spec.aux else {}
    if config.output_kind == VALUES:
        for name, value in zip(spec.output_names, sums, strict=True):
            mean = value / decision["n_votes"] if decision["n_votes"] else math.nan  # no window voted
            row[f"{name}_sum"], row[name] = value, (mean - config.output_zero_point) * config.output_scale
        return row
    decided = int(decision["decided"])
    return row | {
        "decided": decided,
        "label": spec.output_names[decided] if decided >= 0 else "",
        "raw": int(decision["raw"]),
        "confidence": int(decision["confidence"]),
        "n_votes": int(decision["n_votes"]),
    }


def render_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as CSV text: the same bytes for the same rows."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def first_difference(device: Sequence[dict[str, Any]], twin: Sequence[dict[str, Any]]) -> str:
    """Return where two runs part first, or nothing."""
    for ours, theirs in zip(device, twin, strict=False):
        for key, value in ours.items():
            if value != theirs[key]:
                where = f"window {ours['window']} at {ours['time_s']:g} s"
                return f"{where}: {key} is {value} on the device, {theirs[key]} in the twin"
    if len(device) != len(twin):
        return f"the device decided {len(device)} windows, the twin {len(twin)}"
    return ""
