"""A trained folder as `tiny_bundle` gives it, of a patch with two auxiliary streams, whose clocks have faults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tiny_bundle
from aux_case import FAULTS, make_samples
from myo_export.aux_streams import quantize_aux
from myo_export.front_end import quantize_front_end
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.reference import filter_streams
from myo_pipeline.spec import PatchSpec, parse_spec
from tiny_bundle import CHANNELS

N_FRAMES = 340
STREAMS = """
[[aux]]
name = "wrist"
kind = "accelerometer"
channels = 3
rate_hz = 52.0
lsb = 0.000061
adc_bits = 16
[[aux]]
name = "turn"
kind = "gyroscope"
channels = 1
rate_hz = 148.0
lsb = 0.001
adc_bits = 24
latency_ms = 20.0
[[aux.stage]]
kind = "lowpass"
cutoff_hz = 8.0
[[aux.stage]]
kind = "decimate"
factor = 4
"""
SPEC = tiny_bundle.SPEC.replace("[window]", STREAMS + "[window]")
# Behind the front end half the frames, and the slow stream by itself: what fits 16 kB of RAM.
SLOW_SPEC = tiny_bundle.SPEC.replace(
    "[window]",
    """[[stage]]
kind = "decimate"
factor = 2
attenuation_db = 0
"""
    + STREAMS[: STREAMS.index('[[aux]]\nname = "turn"')]
    + "[window]",
).replace("window_ms = 100.0", "window_ms = 200.0")


def read_streams(archive: Mapping[str, Any], spec: PatchSpec, segment: int) -> list[AuxSamples]:
    """Return a segment's streams."""
    names = [f"seg{segment}_aux{k}" for k in range(len(spec.aux))]
    return [AuxSamples(archive[name], archive[f"{name}_stamps"]) for name in names]


def add_streams(folder: Path, spec: PatchSpec, n_segments: int) -> None:
    """Make a folder's segments longer and put streams beside them, each with another fault."""
    with np.load(folder / "evaluation.npz") as archive:
        arrays = dict(archive)
    configs = [stream.config for stream in quantize_aux(spec, quantize_front_end(spec))]
    rng = np.random.default_rng(9)
    for k in range(n_segments):
        arrays[f"seg{k}_emg"] = rng.integers(-600, 600, (N_FRAMES, CHANNELS)).astype(np.int16)
        arrays[f"seg{k}_labels"] = np.arange(N_FRAMES) * 3 // N_FRAMES
        for number, config in enumerate(configs):
            samples = make_samples(config, N_FRAMES, k, FAULTS[(k + number * (k > 0)) % len(FAULTS)])
            arrays[f"seg{k}_aux{number}"] = samples.counts
            arrays[f"seg{k}_aux{number}_stamps"] = samples.stamps
    np.savez_compressed(folder / "evaluation.npz", allow_pickle=False, **arrays)


def write_trained_aux(folder: Path, n_segments: int = len(FAULTS), spec: str = SPEC) -> Path:
    """Write what training leaves; scales are those of the segments themselves."""
    patch = parse_spec(spec)
    tiny_bundle.write_trained(
        folder, n_segments, partial(tiny_bundle.make_model, channels=patch.front_end_channels)
    )
    (folder / "patch.toml").write_text(spec)
    add_streams(folder, patch, n_segments)
    with np.load(folder / "evaluation.npz") as archive:
        filtered = [
            filter_streams(patch, archive[f"seg{k}_emg"], read_streams(archive, patch, k))
            for k in range(n_segments)
        ]
    record = json.loads((folder / "training.json").read_text())
    record["input_scale"] = np.percentile(np.abs(np.concatenate(filtered)), 99, axis=0).tolist()
    (folder / "training.json").write_text(json.dumps(record))
    return folder
