"""A trained folder as `tiny_bundle` gives it, of a patch with features: one dense layer over those of a short window."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np

import tiny_bundle
from myo_pipeline.feature_stage import FeatureScale, choose_word_shift, compile_spec_features
from myo_pipeline.feature_windows import compute_set
from myo_pipeline.reference import cut_windows, filter_streams
from myo_pipeline.spec import parse_spec
from tiny_aux_bundle import STREAMS, add_streams, read_streams

# Of every transform, of counts and of ratios, one.
FEATURES = """
[[features]]
kind = "mav"
log = true
[[features]]
kind = "wl"
[[features]]
kind = "rms"
[[features]]
kind = "ssc"
threshold = 20.5
[[features]]
kind = "autocorrelation"
lags = 2
[[features]]
kind = "complexity"
[[features]]
kind = "mav2"
[[features]]
kind = "histogram"
bins = 3
range = 300.0
"""
SPEC = tiny_bundle.SPEC.replace("[window]", FEATURES + "[window]").replace(
    "[output]", '[model]\nkind = "mlp"\nhidden = []\n[output]'
)
# Behind the front end, one channel more and half the frames.
CHAIN_SPEC = SPEC.replace(
    "[[features]]",
    """[[stage]]
kind = "spatial"
mode = "matrix"
weights = [[0.5, -0.5], [0.25, 0.5], [0.0, 1.0]]
[[stage]]
kind = "decimate"
factor = 2
attenuation_db = 0
[[features]]""",
    1,
)
# Of every family; the network takes those in time first.
FAMILIES = """
[[features]]
kind = "packet_energy"
wavelet = "db1"
levels = 2
[[features]]
kind = "mnf"
[[features]]
kind = "ar"
order = 2
[[features]]
kind = "wavelet_energy"
wavelet = "db2"
levels = 2
[[features]]
kind = "power"
band_hz = [30.0, 60.0]
[[features]]
kind = "stft_power"
segment_ms = 50.0
step_ms = 25.0
bands_hz = [[10.0, 50.0], [50.0, 100.0]]
[[features]]
kind = "ring_correlation"
[[features]]
kind = "cepstrum"
order = 2
[[features]]
kind = "rms"
log = true
"""
FAMILIES_SPEC = SPEC.replace(FEATURES, FAMILIES)
# Of three windows together, beside auxiliary streams and behind a gate that noise opens and closes all the time.
CONTEXT_SPEC = SPEC.replace("hidden = []", "hidden = []\nwindows = 3").replace(
    "[window]",
    f"""{STREAMS}
[quality]
period_ms = 80.0
periods_on = 1
periods_off = 1
clip_counts = 590
saturated_share = 0.015
motion_uv = 95.0
motion_share = 0.0
checks = ["saturated", "motion"]
mask = ["saturated", "motion"]
max_masked = 1
[window]""",
)


def write_trained_features(folder: Path, n_segments: int = 3, spec: str = SPEC) -> Path:
    """Write what training leaves; means and deviations are those of the segments themselves."""
    patch = parse_spec(spec)
    word_shift = choose_word_shift(patch)
    config = compile_spec_features(patch, word_shift)
    steps = patch.context_windows * config.n_components
    make = partial(tiny_bundle.make_model, steps=steps, channels=patch.front_end_channels)
    tiny_bundle.write_trained(folder, n_segments, make)
    (folder / "patch.toml").write_text(spec)
    if patch.aux:
        add_streams(folder, patch, n_segments)
    with np.load(folder / "evaluation.npz") as archive:
        windows = [
            cut_windows(
                filter_streams(patch, archive[f"seg{k}_emg"], read_streams(archive, patch, k)),
                patch.window_samples,
                patch.hop_samples,
            )
            for k in range(n_segments)
        ]
    features = compute_set(config, np.concatenate(windows).astype(np.float64))
    scale = FeatureScale(word_shift, features.mean(axis=0), features.std(axis=0) + 1e-3)
    record = json.loads((folder / "training.json").read_text())
    del record["input_scale"]
    record["data"]["simulated"] = True
    record["features"] = scale.as_dict(config.names)
    record["model"]["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in record["model"]["sha256"]
    }
    (folder / "training.json").write_text(json.dumps(record))
    return folder
