"""Cost of the features on a Cortex-M4F, and whether every word is right.

usage: python benchmarks/bench_features.py [--out FILE]

Each feature set is compiled to C for 8 channels, windows of 200 frames and a hop of 50, built with arm-none-eabi-gcc,
and run under QEMU (mps2-an386) on noise of EMG's size; every word is compared with the integer twin's. A decision is
the push of one hop. Instructions are counted by m4cost, as in bench_network.py.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from myo_export.emit_features import render_features
from myo_pipeline.feature_config import FeatureConfig, compile_features
from myo_pipeline.feature_twin import compute_words, cut_windows
from myo_pipeline.features import (
    CATALOGUE,
    AmplitudeFeature,
    AutocorrelationFeature,
    CountFeature,
    DescriptorFeature,
    Feature,
    HistogramFeature,
    PredictionFeature,
    ShapeFeature,
)
from window_image import (
    HOP,
    N_CHANNELS,
    N_WINDOWS,
    RMS_WORDS,
    Measured,
    begin,
    bench_words,
    measure,
    tell,
    write_results,
    write_subject,
)

WINDOW, THRESHOLD_WORDS = 200, 60


@dataclass(frozen=True, kw_only=True)
class FeatureCost(Measured):
    """One feature set's figures a decision."""

    name: str
    features: list[str]


def one(kind: str) -> Feature:
    """Give a feature of the catalogue, its parameters those of the bench; of ``rms log`` its logarithm."""
    if kind.endswith(" log"):
        return AmplitudeFeature(kind=kind.removesuffix(" log"), log=True)  # type: ignore[arg-type]
    if kind in ("zc", "ssc", "wamp"):
        return CountFeature(kind=kind, threshold=THRESHOLD_WORDS)  # type: ignore[arg-type]
    if kind == "autocorrelation":
        return AutocorrelationFeature(kind="autocorrelation", lags=4)
    if kind in ("ar", "cepstrum"):
        return PredictionFeature(kind=kind, order=4)  # type: ignore[arg-type]
    if kind in ("tdpsd_sizes", "tdpsd_shapes"):
        return DescriptorFeature(kind=kind)  # type: ignore[arg-type]
    if kind == "histogram":
        return HistogramFeature(kind="histogram", bins=9, range=3 * RMS_WORDS)
    if kind in ("log_detector", "tm3", "tm4", "tkeo", "mobility", "complexity", "skewness", "kurtosis"):
        return ShapeFeature(kind=kind)  # type: ignore[arg-type]
    return AmplitudeFeature(kind=kind)  # type: ignore[arg-type]


SETS: dict[str, Sequence[str]] = {
    "Hudgins: mav, wl, zc, ssc": ("mav", "wl", "zc", "ssc"),
    "common: mav, wl, zc, ssc, rms, variance, log_detector": (
        "mav", "wl", "zc", "ssc", "rms", "variance", "log_detector",
    ),
    "Hjorth": ("activity", "mobility", "complexity"),
    "prediction of order 4: ar, cepstrum": ("ar", "cepstrum"),
    "TDPSD": ("tdpsd_sizes", "tdpsd_shapes"),
    "all": tuple(CATALOGUE),
}  # fmt: skip


def bench_config(kinds: Sequence[str]) -> FeatureConfig:
    """Compile a set for the bench's sizes."""
    return compile_features(
        [one(kind) for kind in kinds], n_channels=N_CHANNELS, window=WINDOW, hop=HOP, word_shift=0
    )


def write_sources(config: FeatureConfig, x: np.ndarray, folder: Path) -> int:
    """Write a config and its vectors; give the number of windows."""
    texts = render_features(config, "benchmarks/bench_features.py")
    words = compute_words(config, cut_windows(x, config.window, config.hop))
    return write_subject("features", texts, x, words, folder)


def bench_features(name: str, kinds: Sequence[str], counter: Path | None) -> FeatureCost:
    """Compile, run and measure one set."""
    config = bench_config(kinds)
    x = bench_words(WINDOW + (N_WINDOWS - 1) * HOP, N_CHANNELS)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), write_sources(config, x, Path(folder)), counter)
    return FeatureCost(name=name, features=list(kinds), **vars(found))


def main() -> int:
    """Bench the sets and each feature alone, print a table, write the results."""
    begun = begin("bench_features", "Cost of the features on a Cortex-M4F.")
    if begun is None:
        return 2
    out, counter = begun
    sets = {**SETS, **{kind: (kind,) for kind in CATALOGUE}}
    costs = tell(
        "features, a decision", (bench_features(name, kinds, counter) for name, kinds in sets.items())
    )
    write_results(out, "features", costs, window=WINDOW)
    return 0 if all(r.equal_windows == r.n_windows for r in costs) else 1


if __name__ == "__main__":
    sys.exit(main())
