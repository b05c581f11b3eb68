"""The training run on small simulated recordings: whole, repeatable, learning, and quiet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from myo_pipeline.errors import DataError, ExportError
from myo_pipeline.spec import load_spec, parse_spec
from myo_training.augmentation import augment_windows, iterate_batches
from myo_training.convert import check_alignment, convert_model, list_ops, read_quantization
from myo_training.model import INPUT_MAX, count_cost, measure_input_scale, scale_input
from myo_training.quiet import import_tensorflow
from myo_training.runtime import quantize_input, run_model
from myo_training.train import TrainingResult, train
from training_case import VALUES, make_text, write_csv_folder

WRITTEN = [
    "evaluation.npz",
    "model.keras",
    "model.tflite",
    "model_card.md",
    "model_float.tflite",
    "patch.toml",
    "training.json",
]


@pytest.fixture(scope="module")
def trained(csv_project: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train(csv_project / "patch.toml", tmp_path_factory.mktemp("bundle"))


def test_bundle_is_whole_and_says_what_it_is(trained: TrainingResult) -> None:
    assert sorted(path.name for path in trained.bundle.iterdir()) == WRITTEN
    record = json.loads((trained.bundle / "training.json").read_text(), parse_constant=pytest.fail)
    assert record == trained.training
    spec = load_spec(trained.bundle / "patch.toml")
    assert len(record["input_scale"]) == spec.sensor.channels
    assert record["quantization"]["input"] == {"scale": 1 / 128, "zero_point": 0}
    split = {role: {tuple(s) for s in sessions} for role, sessions in record["split"].items()}
    assert len({p for p, _ in split["across_persons"]}) == 2
    assert not {p for p, _ in split["across_persons"]} & {p for p, _ in split["train"]}
    with np.load(trained.bundle / "evaluation.npz") as archive:
        replayed = {(s["person"], s["session"]) for s in json.loads(str(archive["segments"]))}
    assert replayed <= split["across_persons"]
    card = (trained.bundle / "model_card.md").read_text()
    assert "persons never seen" in card
    assert record["data"]["digest"] in card


def test_it_learns(trained: TrainingResult) -> None:
    # Chance is 1/3; persons of the simulation differ little, so that a working path is far above it.
    figures = trained.training["metrics"]["float"]["across_persons"]["window"]
    assert figures["macro_accuracy"]["mean"] > 0.6


def test_int8_keeps_what_float_knows(trained: TrainingResult) -> None:
    int8 = trained.training["metrics"]["int8"]
    difference = int8["int8"]["window"]["accuracy"]["mean"] - int8["float"]["window"]["accuracy"]["mean"]
    assert abs(difference) < 0.05


def test_int8_and_float_models_align_layer_by_layer(trained: TrainingResult) -> None:
    int8 = (trained.bundle / "model.tflite").read_bytes()
    floating = (trained.bundle / "model_float.tflite").read_bytes()
    ops = check_alignment(int8, floating)
    assert ops == ["CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]
    spec = load_spec(trained.bundle / "patch.toml")
    shape = (5, 1, spec.window_samples, spec.sensor.channels)
    x = np.clip(np.random.default_rng(0).normal(0, 0.3, shape), -1, INPUT_MAX).astype(np.float32)
    scale, zero_point = read_quantization(int8, "output")
    found = (
        run_model(int8, quantize_input(x, *read_quantization(int8, "input"))).astype(float) - zero_point
    ) * scale
    # Measured on trained models of this shape; probabilities, so 0.1 is far from another answer.
    np.testing.assert_allclose(found, run_model(floating, x), atol=0.1)


def test_models_that_do_not_align_are_refused(trained: TrainingResult) -> None:
    keras = import_tensorflow().keras
    model = keras.models.load_model(trained.bundle / "model.keras")
    shorter = convert_model(keras.Model(model.inputs, model.get_layer("mean").output), None)
    assert list_ops(shorter) == ["CONV_2D", "CONV_2D", "MEAN"]
    with pytest.raises(ExportError, match="layers cannot be compared"):
        check_alignment((trained.bundle / "model.tflite").read_bytes(), shorter)


def test_second_run_gives_the_same_files(trained: TrainingResult, csv_project: Path, tmp_path: Path) -> None:
    again = train(csv_project / "patch.toml", tmp_path)
    for name in WRITTEN:
        assert (again.bundle / name).read_bytes() == (trained.bundle / name).read_bytes(), name


def test_values_are_learned_in_their_own_unit(tmp_path: Path) -> None:
    text = make_text(output=VALUES, epochs=10)
    write_csv_folder(parse_spec(text), tmp_path / "recordings")
    (tmp_path / "patch.toml").write_text(text)
    result = train(tmp_path / "patch.toml", tmp_path / "bundle")
    figures = result.training["metrics"]["float"]["across_persons"]
    assert figures["voted"]["r2"]["mean"] > 0.3
    assert result.training["model"]["ops"][-1] == "FULLY_CONNECTED"
    assert "RMSE" in (tmp_path / "bundle" / "model_card.md").read_text()


def test_faults_stop_before_anything_is_written(csv_project: Path, tmp_path: Path) -> None:
    text = (csv_project / "patch.toml").read_text()
    for old, new, message in [
        ("rate_hz = 200.0", "rate_hz = 1000.0", "recorded at 200 Hz"),
        ("held_out_persons = 2", "held_out_persons = 4", "nobody is left"),
        ('data = "recordings"', 'data = "elsewhere"', "neither known"),
    ]:
        (csv_project / "wrong.toml").write_text(text.replace(old, new))
        with pytest.raises(DataError, match=message):
            train(csv_project / "wrong.toml", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_augmentation_keeps_range_and_repeats() -> None:
    x = np.random.default_rng(0).uniform(-1, INPUT_MAX, (64, 1, 10, 4)).astype(np.float32)
    once, again = (augment_windows(x, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.float32
    assert once.min() >= -1
    assert once.max() <= INPUT_MAX
    seen = np.concatenate([chosen for chosen, _ in iterate_batches(100, 25, 1, 0)])
    assert sorted(seen.tolist()) == list(range(100))


def test_input_scale_is_the_percentile_and_saturates_above() -> None:
    counts = np.arange(-1000, 1001, dtype=np.float64)[:, None]
    scale = measure_input_scale(counts)
    assert scale == pytest.approx(np.percentile(np.abs(counts), 99.9), rel=1e-5)
    x = scale_input(counts[None], scale)
    assert x.shape == (1, 1, 2001, 1)
    assert x.min() == -1
    assert x.max() == np.float32(INPUT_MAX)
    assert measure_input_scale(np.zeros((5, 1))) == 1.0


def test_cost_is_counted_as_the_converter_folds(trained: TrainingResult) -> None:
    spec = load_spec(trained.bundle / "patch.toml")
    cost = count_cost(spec)
    assert cost.n_parameters == (5 * 4 * 8 + 8) + (5 * 8 * 8 + 8) + (8 * 8 + 8) + (8 * 3 + 3)
    assert cost.n_macs == 40 * 5 * 4 * 8 + 20 * 5 * 8 * 8 + 8 * 8 + 8 * 3


def test_a_terminal_stays_clean(csv_project: Path, tmp_path: Path) -> None:
    text = make_text(epochs=1)
    (csv_project / "short.toml").write_text(text)
    code = "import sys, pathlib, myo_training.train as t; t.train(*map(pathlib.Path, sys.argv[1:]))"
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS", "CUDA", "PYTEST"))
    }
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code, str(csv_project / "short.toml"), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""
