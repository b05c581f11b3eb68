"""How well a gesture that was never learned is told by its score: autoencoders beside distances that need no network.

usage: python benchmarks/study_anomaly.py [--epochs N] [--out FILE]

Leave one gesture out: each of the seven is the anomaly in turn, learned is on the others and rest, and the area under the
ROC curve is of the persons never seen, whose other windows are normal. Features and split are the template's `features`;
the covariance and the components are of the same windows. Needs the recordings of myo_readings; about five minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from myo_pipeline.bundle import write_json
from myo_pipeline.spec import find_templates, parse_spec
from myo_training.anomaly import fit_autoencoder, score
from myo_training.class_metrics import measure_auc
from myo_training.convert import choose_representative
from myo_training.datasets import find_dataset, resolve_dataset
from myo_training.evaluation import predict_int8
from myo_training.input_scale import make_augmentation, measure_scale
from myo_training.metrics import estimate_mean
from myo_training.model import build_model, scale_input
from myo_training.quantization import quantize_post
from myo_training.quiet import import_tensorflow
from myo_training.split import split_sessions
from myo_training.train import Targets
from myo_training.windows import cut_recordings

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "anomaly.json"
DATA = "myo_readings"
CODE, HIDDEN = 6, [24]
N_TRAIN, N_TEST = 12_000, 6_000  # windows, at equal distances


def make_spec(variational: bool, labels: list[str], anomaly: str, epochs: int) -> Any:  # noqa: ANN401
    """Return the template's spec with an autoencoder."""
    text = find_templates()["features"].read_text(encoding="utf-8").replace("@NAME@", "anomaly")
    head, _, rest = text.partition("[model]\n")
    tail = rest.partition("[decision]\n")[2]
    model = (
        f'kind = "autoencoder"\nhidden = {HIDDEN}\ncode = {CODE}\nvariational = {str(variational).lower()}\n'
    )
    output = f'kind = "score"\nlabels = {labels}\nanomalies = ["{anomaly}"]\n'
    spec = parse_spec(f"{head}[model]\n{model}\n[output]\n{output}\n[decision]\n{tail}")
    return spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": epochs})})


def thin(n: int, most: int) -> NDArray[np.int64]:
    """Return at most so many of n indices, at equal distances."""
    return np.unique(np.linspace(0, n - 1, most).astype(np.int64))


def main() -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if find_dataset(DATA) is None:
        print(f"{DATA} is not on this machine (see docs/data.md): nothing to study")
        return 0
    template = parse_spec(
        find_templates()["features"].read_text(encoding="utf-8").replace("@NAME@", "features")
    )
    data = resolve_dataset(DATA, None, template)
    split = split_sessions(data.sessions(), 6, 3, template.training.seed)
    hop = round(template.training.hop_ms * template.front_end_rate_hz / 1000)

    def cut(role: str) -> Any:  # noqa: ANN401
        wanted = set(split.roles()[role])
        found = data.recordings({person for person, _ in wanted})
        return cut_recordings([r for r in found if (r.person, r.session) in wanted], template, hop)

    train, test = cut("train"), cut("across_persons")
    owners = np.array([p for p, part in test.parts() for _ in range(part.stop - part.start)])
    chosen = thin(len(owners), N_TEST)
    owners = owners[chosen]
    areas: dict[str, dict[str, list[float]]] = {}  # by method and person, a gesture each
    for number, gesture in list(enumerate(template.output_names))[1:]:
        normal = train.counts[train.labels != number]
        normal = normal[thin(len(normal), N_TRAIN)]
        truth = (test.labels[chosen] == number).astype(np.int64)
        scale = measure_scale(normal, template)
        x, seen = scale_input(normal, scale), scale_input(test.counts[chosen], scale)
        flat, seen_flat = x.reshape(len(x), -1), seen.reshape(len(seen), -1)
        scores: dict[str, NDArray[np.float64]] = {}
        scores["Mahalanobis distance"] = LedoitWolf().fit(flat).mahalanobis(seen_flat)
        components = PCA(CODE).fit(flat)
        again = components.inverse_transform(components.transform(seen_flat))
        scores["principal components"] = ((again - seen_flat) ** 2).mean(axis=1)
        for name, variational in (("autoencoder", False), ("variational autoencoder", True)):
            spec = make_spec(variational, template.output_names, gesture, options.epochs)
            keras = import_tensorflow().keras
            keras.utils.set_random_seed(spec.training.seed)
            model = build_model(spec)
            fit_autoencoder(model, spec, x, None, lambda _t, _f: None, make_augmentation(spec, scale))
            sizes = keras.Model(model.input, model.get_layer("output").input)
            scores[f"{name}, float"] = score(sizes, seen)
            scores[f"{name}, mean square"] = np.square(sizes.predict(seen, verbose=0)).mean(axis=1)
            found = quantize_post(model, spec, choose_representative(x, 1), Targets(np.zeros(1)))
            scores[f"{name}, int8"] = predict_int8(found.int8)(seen)[:, 1]
        for method, values in scores.items():
            for person in sorted(set(owners.tolist())):
                own = owners == person
                found_area = measure_auc(truth[own], np.stack([-values[own], values[own]], axis=1))
                areas.setdefault(method, {}).setdefault(person, []).append(found_area)
        print(
            gesture, {m: round(float(np.nanmean([a[-1] for a in p.values()])), 3) for m, p in areas.items()}
        )
    result = {
        method: {
            "auc": asdict(estimate_mean([float(np.nanmean(a)) for a in persons.values()], 0.0, 1.0)),
            "by_gesture": dict(
                zip(
                    template.output_names[1:],
                    np.nanmean(list(persons.values()), axis=0).round(4).tolist(),
                    strict=True,
                )
            ),
        }
        for method, persons in areas.items()
    }
    write_json(options.out, {"data": DATA, "epochs": options.epochs, "n_train": N_TRAIN, "methods": result})
    for method, figures in result.items():
        area = figures["auc"]
        print(f"| {method} | {area['mean']:.3f} ({area['low']:.3f} to {area['high']:.3f}) |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
