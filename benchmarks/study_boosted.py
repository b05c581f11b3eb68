"""Boosted trees by scikit-learn and by XGBoost: the same rounds, leaves and step, on persons that neither learned from.

usage: python benchmarks/study_boosted.py [--out FILE] [--folds N] [--every N]

The 23 development persons of myo_readings, whom the template ``features`` does not hold out, in folds of persons; each window by
itself, in float, augmented as training does. Needs XGBoost (`pip install myopatch[xgboost]`) and the recordings; ten minutes on
one core. It goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from myo_pipeline.bundle import write_json
from myo_pipeline.classical_models import BoostedModel
from myo_pipeline.spec import PatchSpec, find_templates, parse_spec
from myo_training.datasets import find_dataset, resolve_dataset
from myo_training.evaluation import judge_windows, predict_windows, summarize_outputs
from myo_training.input_scale import make_augmentation, measure_scale
from myo_training.metrics import compare_paired
from myo_training.split import split_sessions
from myo_training.train import Targets, make_examples
from myo_training.windows import WindowSet, cut_recordings
from myo_training.word_training import learn_words

RESULTS = Path(__file__).resolve().parent / "results" / "boosted.json"
DATA = "myo_readings"
SIZES = ((20, 8, 0.15), (30, 8, 0.15), (60, 8, 0.15), (30, 16, 0.15))  # rounds, leaves, step
TRAINERS = ("scikit-learn", "xgboost")


def make_spec(rounds: int, leaves: int, step: float, trainer: str) -> PatchSpec:
    """Return the template's spec with boosted trees."""
    text = find_templates()["features"].read_text(encoding="utf-8").replace("@NAME@", "boosted")
    spec = parse_spec(text)
    model = BoostedModel(kind="boosted", rounds=rounds, leaves=leaves, step=step, trainer=trainer)  # type: ignore[arg-type]
    return spec.model_copy(update={"model": model})


def choose(windows: WindowSet, chosen: Any) -> WindowSet:  # noqa: ANN401 - a mask
    """Return the windows of some persons as one recording each."""
    owners = np.repeat(np.array(windows.persons), windows.lengths)[chosen]
    order = np.argsort(owners, kind="stable")
    names, lengths = np.unique(owners, return_counts=True)
    return WindowSet(
        windows.counts[chosen][order],
        windows.labels[chosen][order],
        tuple(lengths.tolist()),
        tuple(names.tolist()),
    )


def measure(spec: PatchSpec, train: WindowSet, test: WindowSet) -> dict[str, Any]:
    """Learn from some persons, measure on others."""
    began = time.process_time()
    scale = measure_scale(train.counts, spec)
    examples = make_examples(train, spec, scale, Targets(train.labels))
    learned = learn_words(spec, examples, None, make_augmentation(spec, scale), lambda _t, _f: None)
    seconds = time.process_time() - began
    outputs = predict_windows(test, learned.floating, scale)
    figures = summarize_outputs(judge_windows(test, outputs), spec)["window"]
    about = learned.about
    return {
        "persons": {p: own["macro_accuracy"] for p, own in figures["per_person"].items()},
        "n_nodes": about["n_nodes"], "n_leaves": about["n_leaves"], "nodes_met": about["nodes_met"],
        "table_bytes": 4 * about["n_nodes"] + 2 * about["n_leaves"], "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--every", type=int, default=3, help="learn from each so manieth window")
    options = parser.parse_args()
    if find_dataset(DATA) is None:
        print(f"{DATA} is not on this machine (see docs/data.md): nothing to study")
        return 0
    template = make_spec(*SIZES[0], TRAINERS[0])
    data = resolve_dataset(DATA, None, template)
    split = split_sessions(data.sessions(), 6, 3, template.training.seed)
    wanted = {*split.train, *split.validation, *split.across_sessions}
    hop = round(template.training.hop_ms * template.front_end_rate_hz / 1000)
    windows = cut_recordings(
        [r for r in data.recordings({p for p, _ in wanted}) if (r.person, r.session) in wanted], template, hop
    )
    owners = np.repeat(np.array(windows.persons), windows.lengths)
    persons = np.random.default_rng(template.training.seed).permutation(np.unique(owners))
    how = {"data": DATA, "folds": options.folds, "every": options.every, "n_persons": len(persons)}
    found: dict[str, Any] = {}
    if options.out.is_file() and (kept := json.loads(options.out.read_text()))["how"] == how:
        found = kept["runs"]
    for rounds, leaves, step in SIZES:
        for fold in range(options.folds):
            tested = np.isin(owners, persons[fold :: options.folds])
            learned = ~tested & (np.arange(len(owners)) % options.every == 0)
            for trainer in TRAINERS:
                key = f"{rounds} rounds of {leaves} leaves, step {step}, {trainer}, fold {fold}"
                if key in found:
                    continue
                spec = make_spec(rounds, leaves, step, trainer)
                found[key] = measure(spec, choose(windows, learned), choose(windows, tested))
                write_json(options.out, {"how": how, "runs": found})
                print(key, round(100 * float(np.mean(list(found[key]["persons"].values()))), 2), flush=True)
    rows = []
    print("| rounds, leaves | scikit-learn | XGBoost | XGBoost's gain | tables | nodes met |")
    print("|---|---|---|---|---|---|")
    for rounds, leaves, step in SIZES:
        joined: dict[str, dict[str, Any]] = {}
        for trainer in TRAINERS:
            runs = [
                found[f"{rounds} rounds of {leaves} leaves, step {step}, {trainer}, fold {fold}"]
                for fold in range(options.folds)
            ]
            joined[trainer] = {"persons": {p: v for run in runs for p, v in run["persons"].items()}} | {
                key: float(np.mean([run[key] for run in runs]))
                for key in ("table_bytes", "nodes_met", "seconds")
            }
        paired = compare_paired(*(joined[t]["persons"] for t in reversed(TRAINERS)))
        means = [100 * float(np.mean(list(joined[t]["persons"].values()))) for t in TRAINERS]
        sizes = [
            " and ".join(f"{joined[t][key]:,.0f}" for t in TRAINERS) for key in ("table_bytes", "nodes_met")
        ]
        gain = paired.gain
        interval = f"({100 * (gain.low or 0):+.2f} to {100 * (gain.high or 0):+.2f})"
        better = f"{paired.n_better} of {paired.n_better + paired.n_worse}"
        print(
            f"| {rounds}, {leaves} | {means[0]:.1f} % | {means[1]:.1f} % | {100 * gain.mean:+.2f} {interval}, {better} | "
            f"{sizes[0]} B | {sizes[1]} |"
        )
        rows.append(
            {
                "rounds": rounds,
                "leaves": leaves,
                "step": step,
                "trainers": joined,
                "paired": asdict(paired),
            }
        )
    write_json(options.out, {"how": how, "runs": found, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
