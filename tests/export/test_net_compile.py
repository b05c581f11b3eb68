"""`myopatch compile`: what it writes builds for every core and computes the network; bad input is one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.compile_model import CORES, OPTIMIZE, compile_model
from myo_pipeline.errors import ExportError

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_lstm_models import LstmCase, lstm_model
from nn_models import RandomNetwork
from nn_moving_models import MovingNetwork
from nn_run import WARNINGS, run_tflm, varied_inputs

MODEL = RandomNetwork(3, ["conv", "depthwise", "pad", "mean", "dense", "softmax"], (1, 20, 4)).pack()
MOVING = MovingNetwork(
    3, ["transpose_conv", "split", "transpose", "batch_matmul", "dense"], (1, 20, 4)
).pack()
MAIN = """
#include <stdio.h>
#include "net.h"
static _Alignas(16) unsigned char arena[NET_ARENA_SIZE];
int main(void) {
    int8_t input[NET_INPUT_SIZE], output[NET_OUTPUT_SIZE];
    net_init(arena);
    while (fread(input, 1, NET_INPUT_SIZE, stdin) == NET_INPUT_SIZE) {
        net_run(arena, input, output);
        fwrite(output, 1, NET_OUTPUT_SIZE, stdout);
    }
    return 0;
}
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(MODEL)
    return path


def compiler_command(compiler: str, folder: Path) -> list[str]:
    """What a user's script makes of build.json, with its paths relative to the folder."""
    build = json.loads((folder / "build.json").read_text())
    includes = [f"-I{folder / name}" for name in build["include_dirs"]]
    return [compiler, *build["cflags"], *WARNINGS, *includes, *(str(folder / n) for n in build["sources"])]


@pytest.mark.parametrize("optimize", OPTIMIZE)
@pytest.mark.parametrize("core", [name for name in CORES if name != "host"])
def test_builds_for_every_core(core, optimize, model, tmp_path):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc (apt-get install gcc-arm-none-eabi)")
    out = tmp_path / "out"
    report = compile_model(model, core, optimize, out)
    kernels = {layer.kernel.split()[0].rstrip(",") for layer in report.layers}
    assert kernels == {"plain", CORES[core].kernels}
    command = [*compiler_command("arm-none-eabi-gcc", out), "-r", "-nostdlib", "-o", str(tmp_path / "net.o")]
    subprocess.run(command, check=True)


@pytest.mark.parametrize(
    ("core", "optimize"),
    [("m0", "size"), ("m4", "speed"), ("m33", "size"), ("m55", "speed"), ("m55", "size")],
)
def test_an_lstm_builds_with_what_it_needs(core, optimize, tmp_path):
    """Linked whole: a source that build.json forgets would leave a name undefined."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc (apt-get install gcc-arm-none-eabi)")
    path, out = tmp_path / "lstm.tflite", tmp_path / "out"
    path.write_bytes(lstm_model(1, LstmCase()))
    report = compile_model(path, core, optimize, out)
    width = "int16" if optimize == "speed" else "int8"
    assert (report.layers[0].kernel == f"dsp, weights {width}") == (CORES[core].kernels != "plain")
    (tmp_path / "main.c").write_text(
        '#include "net.h"\nint main(void) { int8_t x[NET_INPUT_SIZE] = {0}, y[NET_OUTPUT_SIZE];'
        " static _Alignas(16) unsigned char a[NET_ARENA_SIZE]; net_init(a); net_run(a, x, y); return y[0]; }\n"
    )
    command = [*compiler_command("arm-none-eabi-gcc", out), "--specs=nosys.specs", str(tmp_path / "main.c")]
    subprocess.run([*command, "-o", str(tmp_path / "net.elf")], check=True, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("content", [MODEL, MOVING])
def test_computes_the_network_on_the_host(content, model, tmp_path):
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    out = tmp_path / "out"
    model.write_bytes(content)
    report = compile_model(model, "host", "speed", out)
    (tmp_path / "main.c").write_text(MAIN)
    program = tmp_path / "net"
    command = [*compiler_command(compiler, out), str(tmp_path / "main.c"), "-o", str(program)]
    subprocess.run(command, check=True)
    inputs = varied_inputs(80, report.input_zero_point, 1)
    run = subprocess.run([str(program)], input=inputs.tobytes(), capture_output=True, check=True)
    expected = np.concatenate([layers[-1] for layers in run_tflm(content, inputs)])
    assert np.array_equal(np.frombuffer(run.stdout, np.int8), expected)


@pytest.mark.parametrize("core", ["m0", "m4", "m55"])
def test_stream_builds_and_says_what_it_recomputes(core, model, tmp_path):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc (apt-get install gcc-arm-none-eabi)")
    out = tmp_path / "out"
    report = compile_model(model, core, "speed", out, 3)
    command = [*compiler_command("arm-none-eabi-gcc", out), "-r", "-nostdlib", "-o", str(tmp_path / "net.o")]
    subprocess.run(command, check=True)
    assert "--hop 3" in (out / "net.c").read_text()
    stream = json.loads((out / "build.json").read_text())["stream"]
    assert (stream["hop"], stream["window"]) == (3, 20)
    assert stream["macs_of_run"] == report.macs >= stream["macs_of_push"] >= stream["macs_recomputed"]
    assert all({"layer", "operator", "why"} == set(entry) for entry in stream["recomputed_from"])
    assert stream["recomputed_from"]
    for entry in stream["streamed"]:
        if "columns" in entry:
            assert entry["columns"] == entry["new"] + sum(entry["edges"]) + entry["reused"]


def mean_over_time() -> bytes:
    network = RandomNetwork(1, ["quantize"], (1, 60, 4))
    axes = network.b.tensor((2,), data=np.array([1, 2], np.int32))
    source = network.at
    target = network._next((1, 4), network.scale)
    network.b.op("MEAN", [source, axes], [target], schema.ReducerOptionsT())
    return network.pack()


def test_running_sums_are_among_the_sources(tmp_path):
    (tmp_path / "mean.tflite").write_bytes(mean_over_time())
    compile_model(tmp_path / "mean.tflite", "m4", "speed", tmp_path, 2)
    build = json.loads((tmp_path / "build.json").read_text())
    assert [Path(name).name for name in build["sources"]].count("running_sums.c") == 1
    assert build["stream"]["running_sums"] == [{"layer": 1, "operator": "MEAN"}]


def test_size_takes_less_flash(model, tmp_path):
    speed, size = (compile_model(model, "m4", way, tmp_path / way) for way in ("speed", "size"))
    assert size.flash_bytes < speed.flash_bytes


def test_bad_input_is_one_line_and_writes_nothing(model, tmp_path):
    out = tmp_path / "out"
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(MODEL[:100])
    cases = [
        ((tmp_path / "absent.tflite", "m4", "speed"), "cannot be read"),
        ((tmp_path, "m4", "speed"), "cannot be read"),
        ((damaged, "m4", "speed"), "model:"),
        ((model, "z80", "speed"), "expected one of: m0"),
        ((model, "m4", "fast"), "expected one of: speed"),
    ]
    for arguments, message in cases:
        with pytest.raises(ExportError, match=message) as caught:
            compile_model(*arguments, out)
        assert "\n" not in str(caught.value)
    assert not out.exists()


def test_command_line(model, tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from myo_host.cli import main; main()", "compile", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good = run(str(model), "--core", "m4", "--out", str(tmp_path / "out"), "--report")
    assert good.returncode == 0, good.stderr
    assert "dsp int16: for speed" in good.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["build.json", "net.c", "net.h"]
    pushed = run(str(model), "--hop", "4", "--out", str(tmp_path / "pushed"), "--report")
    assert pushed.returncode == 0, pushed.stderr
    assert "Stream: 4 new time steps a push, window 20" in pushed.stdout
    late = run(str(model), "--hop", "20", "--out", str(tmp_path / "late"))
    assert late.returncode == 2
    assert late.stderr.startswith("myopatch: --hop 20")
    assert not (tmp_path / "late").exists()
    bad = run(str(model), "--core", "z80", "--out", str(tmp_path / "out"))
    assert bad.returncode == 2
    assert bad.stderr.startswith("myopatch: ")
    assert bad.stderr.count("\n") == 1
