"""Every kind of network from training to a validated board, by the commands that a user types; simulated EMG, one epoch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from commands import must
from myo_host.boards import BOARDS

SPEC = """
format = 1
name = "{name}"
[sensor]
channels = 4
rate_hz = 500.0
lsb_uv = 1.0
adc_bits = 12
[[stage]]
kind = "highpass"
cutoff_hz = 20.0
order = 2
{features}
[window]
window_ms = 96.0
hop_ms = 32.0
[model]
{model}
[output]
{output}
[decision]
vote = 3
[training]
data = "simulated"
held_out_persons = 1
validation_persons = 1
epochs = 1
hop_ms = 200.0
{training}
"""
CLASSES = 'kind = "classes"\nlabels = ["rest", "open", "close"]'
SCORE = 'kind = "score"\nlabels = ["rest", "open", "close"]\nanomalies = ["close"]'
STFT = '[[features]]\nkind = "stft_power"\nsegment_ms = 32.0\nbands_hz = [[20, 80], [80, 250]]'
SIZES = '[[features]]\nkind = "mav"\nlog = true\n[[features]]\nkind = "wl"\nlog = true'
TCN = 'kind = "tcn"\nfilters = 6\ndilations = [1, 4]'
AWARE = 'quantization = "aware"\naware_epochs = 1'
# kind: model, features, output, keys of training
KINDS = {
    "attention": ('kind = "attention"\nfilters = 6\nkeys = 4', "", CLASSES, AWARE),
    "autoencoder": ('kind = "autoencoder"\nhidden = [6]\ncode = 3', SIZES, SCORE, ""),
    "lstm": ('kind = "lstm"\nunits = 5', "", CLASSES, ""),
    "spectrogram": ('kind = "spectrogram"\nfilters = [4]\nkernel = 2', STFT, CLASSES, ""),
    "tcn": (TCN, "", CLASSES, AWARE),
    "tcn-streamed": (f'{TCN}\nresidual = false\npadding = "valid"', "", CLASSES, ""),
    "vae": ('kind = "autoencoder"\nhidden = [6]\ncode = 3\nvariational = true', SIZES, SCORE, ""),
}
SHOWN = "tcn"  # of every run; the others are slow


@pytest.mark.parametrize(
    "kind", [kind if kind == SHOWN else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_a_network_from_training_to_the_board(kind: str, board: str, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", BOARDS[board].command[0]) if board != "native" else ("cc",):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (make setup)")
    model, features, output, training = KINDS[kind]
    bundle = tmp_path / kind
    bundle.mkdir()
    text = SPEC.format(name=kind, model=model, features=features, output=output, training=training)
    (bundle / "patch.toml").write_text(text)
    must("train", bundle, "--out", bundle)
    must("export", bundle)
    must("build", bundle, "--board", board)
    result = json.loads(must("validate", bundle, "--board", board, "--json"))
    assert result["passed"]
    assert [s["name"] for s in result["stages"] if not s["words"] and "(in layer" not in s["name"]] == []
    record = json.loads((bundle / "training.json").read_text())
    page = (bundle / "report.html").read_text()
    assert ("Rounding, layer by layer" in page) == (record["quantization"]["sensitivity"] is not None)
    assert ("post" in record["metrics"]["int8"]) == (training == AWARE)
    if output == SCORE:
        assert record["score"]["threshold"] > record["score"]["median"]
        assert {d for d in result["confusion"][0]} != {0}
