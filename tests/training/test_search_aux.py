"""A selection and a search of a patch with an auxiliary stream beside its EMG."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from myo_host.cli import select_command, tune_command
from myo_host.cli.app import app
from myo_pipeline.aux_sensor import AuxSensor
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.spec import PatchSpec, load_spec, parse_spec
from myo_training.feature_selection import LinearJudge
from myo_training.search_data import TRAIN, SearchData, count_components
from myo_training.search_space import list_candidates
from myo_training.simulation import SimulatedSet
from test_train_features import make_feature_text
from training_case import SMALL, write_csv_folder

AUX = """
[[aux]]
name = "wrist"
kind = "accelerometer"
channels = 2
rate_hz = 50.0
lsb = 0.001
adc_bits = 14
"""
FEATURES = '[[features]]\nkind = "mav"\nlog = true\n[[features]]\nkind = "wl"\n'


def make_aux_text(**options: object) -> str:
    text = make_feature_text(features=FEATURES, epochs=2, **options)  # type: ignore[arg-type]
    return text.replace("[window]", f"{AUX}[window]", 1)


@pytest.fixture(scope="module")
def spec() -> PatchSpec:
    return parse_spec(make_aux_text())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    find = select_command.find_candidates

    def find_few(spec: object, data: object) -> tuple[list[object], list[str]]:
        candidates, left_out = find(spec, data)
        return [f for f in candidates if f.kind in ("mav", "wl", "stft_power", "mobility")], left_out

    for module in (select_command, tune_command):
        monkeypatch.setattr(module, "find_candidates", find_few)


@pytest.fixture(scope="module")
def folder(spec: PatchSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings with a stream beside them, and their spec."""
    folder = tmp_path_factory.mktemp("aux")
    write_csv_folder(spec, folder / "recordings")
    (folder / "patch.toml").write_text(make_aux_text())
    about = folder / "recordings" / "dataset.toml"
    about.write_text(
        about.read_text() + '[[aux]]\nname = "wrist"\nkind = "accelerometer"\nrate_hz = 50.0\nlsb = 0.001\n'
        'channels = ["x", "y"]\n'
    )
    for recording in SimulatedSet(spec, seed=1, size=SMALL).recordings():
        counts = recording.aux["wrist"].counts
        rows = ["x,y", *(f"{a},{b}" for a, b in counts.tolist())]
        (folder / "recordings" / f"{'_'.join(recording.key)}.wrist.csv").write_text("\n".join(rows))
    return folder


def run(*arguments: object) -> str:
    found = CliRunner().invoke(
        app, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False
    )
    return found.output


@pytest.mark.usefixtures("few")
def test_select_and_tune_take_a_patch_with_a_stream(folder: Path, tmp_path: Path) -> None:
    run("select", folder / "patch.toml", "--out", tmp_path / "select")
    record = json.loads((tmp_path / "select" / "selection.json").read_text())
    assert "ring_correlation (no ring with auxiliary channels in it)" in record["left_out"]
    ranked = {r["name"]: r for r in record["ranked"]}
    assert ranked.keys() >= {"log mav", "wl", "mobility"}
    assert any(name.startswith("stft_power") for name in ranked)
    assert ranked["log mav"]["accuracy"] > 0.5  # chance is 1/3
    chosen = load_spec(tmp_path / "select" / "patch.toml")
    assert [sensor.name for sensor in chosen.aux] == ["wrist"]
    out = tmp_path / "tune"
    run(
        "tune",
        folder / "patch.toml",
        "--out",
        out,
        "--trials",
        "3",
        "--epochs",
        "1",
        "--finalists",
        "1",
        "--kinds",
        "lda",
    )
    found = json.loads((out / "tune.json").read_text())
    assert {one["params"]["kind"] for one in found["tried"]} == {"mlp", "lda"}
    assert load_spec(out / "patch.toml").aux == chosen.aux


def test_a_stream_of_large_numbers_does_not_drown_the_electrodes(spec: PatchSpec) -> None:
    """Statistics are the EMG's over its channels and a stream's own: a constant on the stream changes no accuracy."""
    data = SearchData(spec, SimulatedSet(spec, seed=1, size=SMALL))
    sides = data.cut(spec)
    moved = []
    for side in (sides.train, sides.validation):
        counts = side.counts.copy()
        counts[..., spec.emg_channels :] = 1e5 * counts[..., spec.emg_channels :] + 1e7
        moved.append(dataclasses.replace(side, counts=counts))
    plain = LinearJudge(spec, sides, count_components(spec), 1)
    other = LinearJudge(
        spec, dataclasses.replace(sides, train=moved[0], validation=moved[1]), count_components(spec), 1
    )
    n_emg = spec.emg_channels
    for one, two in zip(plain.columns, other.columns, strict=True):
        emg = np.arange(one.shape[1]) % spec.front_end_channels < n_emg
        np.testing.assert_array_equal(one[:, emg], two[:, emg])
    assert other.judge([0, 1]) == pytest.approx(plain.judge([0, 1]), abs=0.02)
    alone = spec.model_copy(update={"aux": []})
    assert data.measure_size(spec) == pytest.approx(
        SearchData(alone, SimulatedSet(alone, seed=1, size=SMALL)).measure_size(alone), rel=0.1
    )


def test_recordings_cut_short_keep_their_stream(spec: PatchSpec) -> None:
    data = SearchData(spec, SimulatedSet(spec, seed=1, size=SMALL), None, (20_000, 4_000))
    assert all(isinstance(r.aux["wrist"], AuxSamples) for r in data._recordings[TRAIN])
    assert data.cut(spec).train.counts.shape[2] == spec.emg_channels + 2
    kinds = {f.kind for f in list_candidates(spec, 20.0)[0]}
    assert "ring_correlation" not in kinds
    assert "stft_power" in kinds
    assert isinstance(spec.aux[0], AuxSensor)
