"""The written files: the same bytes each time, whole or untouched, and what a TFLM project needs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from myo_export import emit_net
from myo_export.emit_net import emit_network
from myo_export.emit_net_tflm import measure_tflm_arena
from myo_pipeline.errors import ExportError

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_models import RandomNetwork

MODEL = RandomNetwork(11, ["conv", "relu", "mean", "dense", "softmax"], (1, 20, 4)).pack()
FILES = ["net.c", "net.h", "tflm/model_data.cc", "tflm/model_data.h", "tflm/model_ops.h"]


def written(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_bytes_each_time(tmp_path):
    first = emit_network(MODEL, tmp_path / "a", "bundle 0123\nmyopatch export")
    second = emit_network(MODEL, tmp_path / "b", "bundle 0123\nmyopatch export")
    assert first == second
    assert written(tmp_path / "a") == written(tmp_path / "b")
    assert sorted(written(tmp_path / "a")) == FILES
    for body in written(tmp_path / "a").values():
        assert "bundle 0123" in body.splitlines()[1]
        assert str(tmp_path) not in body


def test_report_agrees_with_the_files(tmp_path):
    report = emit_network(MODEL, tmp_path, "test")
    defines = dict(re.findall(r"#define (NET_\w+) (\d+)", (tmp_path / "net.h").read_text()))
    assert int(defines["NET_N_LAYERS"]) == len(report.layers)
    assert int(defines["NET_ARENA_SIZE"]) == report.arena_bytes >= report.arena_lower_bound_bytes
    assert int(defines["NET_INPUT_SIZE"]) == 80
    assert report.input_shape == (1, 1, 20, 4)
    assert report.macs == sum(layer.macs for layer in report.layers) > 0
    assert report.flash_bytes == sum(layer.weight_bytes + layer.table_bytes for layer in report.layers)
    assert [layer.op_name for layer in report.layers][-1] == "SOFTMAX"
    assert report.layers[-1].output_shape == report.output_shape
    assert (report.output_scale, report.output_zero_point) == (1 / 256, -128)


def test_a_bad_model_leaves_files_whole(tmp_path):
    emit_network(MODEL, tmp_path, "test")
    before = written(tmp_path)
    with pytest.raises(ExportError):
        emit_network(MODEL[:-100], tmp_path, "test")
    assert written(tmp_path) == before


def test_a_failing_write_leaves_no_rubbish(tmp_path, monkeypatch):
    emit_network(MODEL, tmp_path, "test")
    before = written(tmp_path)

    def full(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(emit_net.Path, "replace", full)
    with pytest.raises(ExportError, match="No space left"):
        emit_network(MODEL, tmp_path, "other")
    assert written(tmp_path) == before


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        emit_network(MODEL, tmp_path / "file" / "c", "test")


def test_what_a_tflm_project_needs(tmp_path):
    report = emit_network(MODEL, tmp_path, "test")
    header = (tmp_path / "tflm" / "model_data.h").read_text()
    arena = int(re.search(r"kModelArenaSize = (\d+)", header)[1])
    assert arena == report.tflm_arena_bytes >= measure_tflm_arena(MODEL)
    ops = (tmp_path / "tflm" / "model_ops.h").read_text()
    assert set(re.findall(r"resolver\.(\w+)\(", ops)) == {
        "AddConv2D",
        "AddRelu",
        "AddMean",
        "AddFullyConnected",
        "AddSoftmax",
    }
    assert "kModelOpCount = 5" in ops
    data = (tmp_path / "tflm" / "model_data.cc").read_text()
    words = re.findall(r"\d+", data.split("= {")[1].split("}")[0])
    assert bytes(int(w) for w in words) == MODEL
    if shutil.which("g++") is None:
        pytest.skip("needs a host C++ compiler (apt-get install g++)")
    command = [
        "g++",
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-c",
        str(tmp_path / "tflm" / "model_data.cc"),
    ]
    subprocess.run([*command, "-o", str(tmp_path / "model.o")], check=True)


def test_a_model_that_the_runtime_refuses_is_one_line():
    with pytest.raises(ExportError) as caught:
        measure_tflm_arena(b"nonsense")
    assert "\n" not in str(caught.value)
