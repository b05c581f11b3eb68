"""What corrections of quantization after training are worth: bias correction, equalisation across layers, clipped ranges.

usage: python benchmarks/study_quantization.py [--epochs N] [--out FILE]

Two kinds of benchmarks/study_models.py are learned in float on its split; each is rounded to int8 in the ways below, in
the rounded form that quantization-aware training uses (its words are the device's within a step in fifty), and judged on
windows of the persons never seen. Needs the recordings of myo_readings; about five minutes on 2 cores.

References
----------
Nagel et al. 2019, Data-free quantization through weight equalization and bias correction, doi:10.1109/ICCV.2019.00141,
sections 4.1 (equalisation) and 4.2 (bias correction; here with the means of windows, not of normalisation).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.bundle import write_json
from myo_pipeline.spec import parse_spec
from myo_training.convert import choose_representative
from myo_training.datasets import find_dataset, resolve_dataset
from myo_training.fit import Examples, fit_model
from myo_training.input_scale import make_augmentation, measure_scale
from myo_training.metrics import count_confusion, measure_macro
from myo_training.model import build_model, scale_input
from myo_training.networks.builder import FIXED_RANGES, INPUT, Form, fold_weights
from myo_training.networks.shapes import build_network
from myo_training.quantization import measure_ranges, read_ranges, switch, write_ranges
from myo_training.quiet import import_tensorflow
from myo_training.split import split_sessions
from myo_training.train import Targets, make_examples
from myo_training.windows import cut_recordings
from study_models import DATA, make_spec

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "quantization.json"
KINDS = ("cnn", "tcn, separable")
N_WINDOWS = 6000
CLIPPED = 99.99  # percentile of the words that a clipped range holds

# Layers whose outputs pass through nothing but ReLU or a mean to the next one's inputs.
CHAINS = {
    "cnn": [("conv0", "conv1"), ("conv1", "conv2"), ("conv2", "dense"), ("dense", "output")],
    "tcn, separable": [(f"depth{k}", f"conv{k}") for k in range(1, 5)],
}


class Study:
    """One kind, learned in float."""

    def __init__(self, kind: str, epochs: int) -> None:
        self.kind, self.spec = kind, parse_spec(make_spec(kind, epochs))
        spec = self.spec
        import_tensorflow().keras.utils.set_random_seed(spec.training.seed)
        data = resolve_dataset(DATA, None, spec)
        split = split_sessions(
            data.sessions(),
            spec.training.held_out_persons,
            spec.training.validation_persons,
            spec.training.seed,
        )

        def cut(role: str, hop: int) -> Any:  # noqa: ANN401
            wanted = set(split.roles()[role])
            found = data.recordings({person for person, _ in wanted})
            return cut_recordings([r for r in found if (r.person, r.session) in wanted], spec, hop)

        hop = round(spec.training.hop_ms * spec.front_end_rate_hz / 1000)
        windows = cut("train", hop)
        scale = measure_scale(windows.counts, spec)
        train = make_examples(windows, spec, scale, Targets(windows.labels))
        others = cut("validation", hop)
        checked = Examples(scale_input(others.counts, scale), others.labels, np.ones(0, np.float32))
        self.model = build_model(spec)
        fit_model(
            self.model, train, checked, spec.training, True, lambda text, _: print(f"{kind}: {text}"),
            make_augmentation(spec, scale),
        )  # fmt: skip
        self.representative = choose_representative(train.x, spec.training.seed)
        test = cut("across_persons", hop)
        chosen = np.unique(np.linspace(0, len(test.counts) - 1, N_WINDOWS).astype(int))
        self.x, self.y = scale_input(test.counts[chosen], scale), test.labels[chosen]

    def round(self, corrections: list[Callable[[Study, Any, list[str]], None]]) -> dict[str, float]:
        """Return how much of float remains after these corrections, in their order."""
        rounded, names = build_network(self.spec, Form.ROUNDED)
        fold_weights(self.model, rounded)
        exact = rounded.predict(self.x, batch_size=512, verbose=0)
        write_ranges(rounded, measure_ranges(rounded, names, self.representative))
        for correct in corrections:
            correct(self, rounded, names)
        switch(rounded, names, names)
        found = rounded.predict(self.x, batch_size=512, verbose=0)
        noise = float(((found - exact) ** 2).mean())

        def macro(outputs: NDArray[np.floating]) -> float:
            return 100 * measure_macro(count_confusion(self.y, outputs.argmax(axis=1), outputs.shape[1]))

        return {
            "snr_db": float(10 * np.log10(exact.var() / noise)),
            "same_decision": 100 * float((found.argmax(axis=1) == exact.argmax(axis=1)).mean()),
            "macro": macro(found),
            "macro_float": macro(exact),
        }


def equalise(study: Study, rounded: Any, names: list[str]) -> None:  # noqa: ANN401
    """Scale each channel between two layers so that its weights before and behind reach equally far."""
    for first, second in CHAINS[study.kind]:
        one, two = rounded.get_layer(first), rounded.get_layer(second)
        before, behind = one.kernel.numpy(), two.kernel.numpy()
        channels = 2 if first.startswith("depth") else -1
        reach = np.abs(np.moveaxis(before, channels, 0)).reshape(before.shape[channels], -1).max(axis=1)
        inputs = 2 if behind.ndim == 4 else 0
        next_reach = np.abs(np.moveaxis(behind, inputs, 0)).reshape(behind.shape[inputs], -1).max(axis=1)
        scale = np.sqrt(np.maximum(reach, 1e-9) / np.maximum(next_reach, 1e-9))
        scale /= np.exp(np.log(scale).mean())
        shape = [1] * before.ndim
        shape[channels] = -1
        one.kernel.assign(before / scale.reshape(shape))
        one.bias.assign(one.bias.numpy() / scale)
        shape = [1] * behind.ndim
        shape[inputs] = -1
        two.kernel.assign(behind * scale.reshape(shape))
    write_ranges(rounded, measure_ranges(rounded, names, study.representative))


def correct_biases(study: Study, rounded: Any, names: list[str]) -> None:  # noqa: ANN401
    """Take from each layer's bias, the first layer first, what rounding adds to its mean output."""
    keras = import_tensorflow().keras
    for number, name in enumerate(names):
        layer = next((found for found in rounded.layers if found.name == name), None)
        if getattr(layer, "bias", None) is None:
            continue
        tap = keras.Model(rounded.input, layer.output)
        switch(rounded, names, ())
        exact = tap.predict(study.representative, verbose=0)
        switch(rounded, names, names[: number + 1])
        found = tap.predict(study.representative, verbose=0)
        axes = tuple(range(exact.ndim - 1))
        layer.bias.assign_sub((found - exact).mean(axis=axes))
    switch(rounded, names, ())


def clip_ranges(study: Study, rounded: Any, names: list[str]) -> None:  # noqa: ANN401
    """Give each layer's words the range of all but one in ten thousand at either end."""
    keras = import_tensorflow().keras
    ranges = read_ranges(rounded, names)
    for name in names:
        if name in FIXED_RANGES or name == INPUT:
            continue
        words = keras.Model(rounded.input, rounded.get_layer(f"words_{name}").output).predict(
            study.representative, verbose=0
        )
        low, high = np.percentile(words, [100 - CLIPPED, CLIPPED])
        ranges[name] = (float(min(low, 0.0)), float(max(high, 0.0)))
    write_ranges(rounded, ranges)


WAYS: dict[str, list[Callable[[Study, Any, list[str]], None]]] = {
    "as it is": [],
    "bias correction": [correct_biases],
    "equalisation": [equalise],
    "equalisation, bias correction": [equalise, correct_biases],
    "clipped ranges": [clip_ranges],
}


def main() -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if find_dataset(DATA) is None:
        print(f"{DATA} is not on this machine (see docs/data.md): nothing to study")
        return 0
    found: dict[str, Any] = {"data": DATA, "epochs": options.epochs, "n_windows": N_WINDOWS, "kinds": {}}
    for kind in KINDS:
        study = Study(kind, options.epochs)
        found["kinds"][kind] = {name: study.round(corrections) for name, corrections in WAYS.items()}
        for name, figures in found["kinds"][kind].items():
            print(f"| {kind} | {name} | {' | '.join(f'{value:.2f}' for value in figures.values())} |")
        write_json(options.out, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
