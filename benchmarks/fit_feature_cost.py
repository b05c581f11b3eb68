"""Fit the constants of export/myo_export/feature_cost.py to m4cost's counts of each feature at several sizes.

usage: python benchmarks/fit_feature_cost.py

Prints the constants and how far predictions are from the counts; writes both to benchmarks/results/feature_cost.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

sys.path.insert(0, str(Path(__file__).resolve().parent))
import bench_features
from bench_network import find_m4cost
from myo_export.feature_cost import count_terms
from myo_pipeline.bundle import write_json
from myo_pipeline.feature_config import FeatureConfig
from myo_pipeline.features import CATALOGUE

RESULTS = Path(__file__).resolve().parent / "results" / "feature_cost.json"
SIZES = ((8, 200, 50), (8, 200, 10), (8, 50, 10), (4, 100, 50), (2, 250, 25))  # channels, window, hop
LOGARITHMS = ("mav log", "rms log", "variance log", "wl log", "dasdv log")
N_WINDOWS = 6


def main() -> int:
    """Count, fit, print, write."""
    counter = find_m4cost()
    if counter is None:
        sys.stderr.write("m4cost is not here: set MYOPATCH_M4COST\n")
        return 2
    sets = [*bench_features.SETS.items(), *((kind, (kind,)) for kind in [*CATALOGUE, *LOGARITHMS])]
    bench_features.N_WINDOWS = N_WINDOWS
    configs: list[FeatureConfig] = []
    counts, labels = [], []
    for channels, window, hop in SIZES:
        bench_features.N_CHANNELS, bench_features.WINDOW, bench_features.HOP = channels, window, hop
        for name, kinds in sets:
            configs.append(bench_features.bench_config(kinds))
            counts.append(bench_features.bench_features(name, kinds, counter).instructions)
            labels.append(f"{name}, {channels} channels, window {window}, hop {hop}")
    terms = [count_terms(config) for config in configs]
    names = sorted({name for found in terms for name in found})
    matrix = np.array([[found.get(name, 0.0) for name in names] for found in terms])
    target = np.array(counts, np.float64)
    constants, _ = nnls(matrix / target[:, None], np.ones(len(target)))  # relative errors
    errors = matrix @ constants / target - 1
    worst = sorted(zip(np.abs(errors), labels, strict=True))[::-1]
    for name, constant in zip(names, constants, strict=True):
        sys.stdout.write(f'    "{name}": {constant:.3g},\n')
    sys.stdout.write(f"median error {100 * np.median(np.abs(errors)):.1f} %, largest {worst[:6]}\n")
    rows = [
        {"what": label, "instructions": round(count), "predicted": round(count * (1 + error))}
        for label, count, error in zip(labels, counts, errors, strict=True)
    ]
    write_json(RESULTS, {"how": "benchmarks/fit_feature_cost.py: m4cost on mps2-an386", "counts": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
