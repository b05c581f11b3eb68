"""``myopatch compile --report``: whole rows at every width, the same figures as JSON, unknown figures left out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from myo_export.compile_model import compile_model
from myo_host.cli import commands, compile_command
from nn_models import RandomNetwork

KINDS = ["conv", "depthwise", "conv", "mean", "dense", "softmax"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(RandomNetwork(4, KINDS, (1, 40, 8)).pack())
    return path


def run(*words: object) -> str:
    assert commands.app is compile_command.app  # with all commands, each goes by its name
    result = CliRunner().invoke(compile_command.app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_rows_are_whole_at_every_width(
    columns: int,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    report = compile_model(model, "m4", "speed", tmp_path / "a")
    lines = run("compile", model, "--out", tmp_path / "b", "--report").splitlines()
    assert all(len(line.rstrip()) <= columns for line in lines if re.match(r" *(\d+|layer|all) ", line))
    for layer in report.layers:
        row = next(line for line in lines if re.match(rf" *{layer.index} ", line))
        assert f"{layer.cost.instructions:,.0f}" in row
        assert row.rstrip().endswith(("dsp int16", "plain"))
    text = "\n".join(lines)
    assert "dsp int16: few weights, always wide (layer 1)" in text
    assert f"{report.cost.instructions:,.0f} instructions" in text
    assert text.count("--optimize ") == 2
    assert "that live at once" in " ".join(text.split())


def test_json_has_both_choices_and_nulls_where_nothing_is_known(model: Path, tmp_path: Path) -> None:
    reports = {way: compile_model(model, "m4", way, tmp_path / way) for way in ("speed", "size")}
    found = json.loads(run("compile", model, "--out", tmp_path / "b", "--optimize", "size", "--json"))
    for way, report in reports.items():
        assert found["choices"][way]["instructions"] == round(report.cost.instructions)
        assert found["choices"][way]["flash_bytes"] == report.flash_bytes
    assert found["choices"]["size"]["flash_bytes"] < found["choices"]["speed"]["flash_bytes"]
    assert [layer["why"] for layer in found["layers"]][:2] == ["for size", "few weights, always wide"]
    plain = json.loads(run("compile", model, "--out", tmp_path / "b", "--core", "m0", "--json"))
    assert plain["choices"]["speed"]["instructions"] is None
    assert plain["layers"][0]["kernel"] == "plain"
    assert "no DSP extension" in plain["layers"][0]["why"]
