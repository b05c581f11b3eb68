"""The commands on a user's own recordings: what they write, that it is trainable where it stands, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from myo_host.cli import select_command, tune_command
from myo_host.cli.app import app
from myo_pipeline.errors import MyoError, SpecError
from myo_pipeline.spec import load_spec
from myo_training.datasets import resolve_dataset
from myo_training.tune import JOURNAL
from test_train_features import make_feature_text
from training_case import make_text


def run(*arguments: object) -> str:
    result = CliRunner().invoke(
        app, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False
    )
    return result.output


@pytest.fixture(scope="module")
def project(csv_project: Path) -> Path:
    text = make_feature_text(epochs=2) + "\n[budget]\nlatency_ms = 5.0\nclock_mhz = 16.0\n"
    (csv_project / "tuned.toml").write_text(text)
    return csv_project


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few candidates, for speed."""
    find = select_command.find_candidates

    def find_few(spec: object, data: object) -> tuple[list[object], list[str]]:
        candidates, _ = find(spec, data)
        kept = ("mav", "wl", "zc", "rms", "mobility", "log_detector")
        return [f for f in candidates if f.kind in kept], ["odd (key)"]

    for module in (select_command, tune_command):
        monkeypatch.setattr(module, "find_candidates", find_few)


@pytest.mark.usefixtures("few")
def test_tune_writes_a_spec_that_trains_where_it_stands(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    arguments = (
        "tune",
        project / "tuned.toml",
        "--out",
        out,
        "--trials",
        "2",
        "--epochs",
        "1",
        "--finalists",
        "1",
    )
    said = run(*arguments)
    assert "persons held out for the test were not read" in said
    spec = load_spec(out / "patch.toml")
    assert resolve_dataset(spec.training.data, None, spec, out).info.source  # named from the new place
    text = (out / "patch.toml").read_text()
    assert text.startswith("# Found by `myopatch tune`: 2 specs")
    record = json.loads((out / "tune.json").read_text())
    assert record["n_trials"] == 2
    assert record["start"]["params"]["window_ms"] == 200.0
    assert record["chosen"]["accuracy"] == max(f["accuracy"] for f in record["finalists"])
    assert record["chosen"]["cost"]["latency_ms"] <= 5
    assert (out / "pareto.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "tune.html").read_text()
    assert "<svg" in page
    assert "Pareto front" in page

    # Again: nothing is left to try, and the same comes out.
    def read() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in out.iterdir() if path.name != JOURNAL}

    before = read()
    run(*arguments)
    assert read() == before


@pytest.mark.usefixtures("few")
def test_select_writes_a_ranking_and_a_spec(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "selection"
    said = run("select", project / "tuned.toml", "--out", out)
    assert "odd (key)" in said
    found = json.loads((out / "selection.json").read_text())
    spec = load_spec(out / "patch.toml")
    assert [f.kind for f in spec.features] == [name.removeprefix("log ") for name in found["chosen"]["names"]]
    assert {r["name"] for r in found["ranked"]} >= {"log mav", "wl", "zc"}
    assert all(r["tag"]["microseconds"] > 0 for r in found["ranked"])
    page = (out / "select.html").read_text()
    assert "no stage for them" in page  # principal components
    assert (out / "select.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("few")
def test_tune_chooses_among_kinds(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "kinds"
    kinds = ("tcn", "forest", "lda", "spectrogram")
    arguments = ("tune", project / "tuned.toml", "--out", out, "--kinds", ",".join(kinds))
    run(*arguments, "--trials", "6", "--epochs", "1", "--finalists", "1")
    record = json.loads((out / "tune.json").read_text())
    tried = {one["params"]["kind"]: one for one in record["tried"]}
    assert set(tried) >= {"mlp", "forest", "lda"}  # the first five trials are each kind as it begins
    said = [one["what"] for one in record["tried"]]
    assert any("forest, trees 24, leaves 64" in what for what in said)
    for kind, one in tried.items():
        owners = {axis.partition(".")[0] for axis in one["params"]} & {"mlp", *kinds}
        assert owners == {kind}
        assert one["cost"]["flash_bytes"] > 10_000
        assert one["cost"]["latency_ms"] <= 5
    chosen = load_spec(out / "patch.toml")
    assert chosen.model.kind == record["chosen"]["params"]["kind"]
    assert bool(chosen.features) == (chosen.model.kind != "tcn")


def test_bad_input_is_one_line(project: Path, tmp_path: Path) -> None:
    (project / "raw.toml").write_text(make_text())
    with pytest.raises(SpecError, match=r"model\.kind 'cnn' takes the window itself") as caught:
        run("select", project / "raw.toml", "--out", tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(MyoError, match="7 of 3 persons to judge by") as caught:
        run("tune", project / "tuned.toml", "--out", tmp_path, "--judges", "7")
    assert "\n" not in str(caught.value)
    with pytest.raises(SpecError, match="--kinds: 'gru' cannot be searched") as caught:
        run("tune", project / "tuned.toml", "--out", tmp_path, "--kinds", "mlp,gru")
    assert "\n" not in str(caught.value)
    stft = '[[features]]\nkind = "stft_power"\nsegment_ms = 100.0\nbands_hz = [[10, 50], [50, 101]]\n'
    (project / "odd.toml").write_text(make_feature_text(features=stft, model='kind = "spectrogram"'))
    with pytest.raises(
        SpecError, match=r"features cannot be chosen for model\.kind 'spectrogram', expected"
    ) as caught:
        run("select", project / "odd.toml", "--out", tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
