"""Export as a whole: the same inputs give the same bundle, and half an export is no bundle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from myo_export import export as export_module
from myo_export.export import export_bundle
from myo_export.firmware_build import _stop_group
from myo_pipeline.bundle import open_bundle
from myo_pipeline.errors import BundleError
from myo_pipeline.reference import cut_windows
from myo_pipeline.twin import Twin
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import load_vectors
from tiny_bundle import write_trained


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return write_trained(tmp_path / "my patch ä")


def test_the_same_inputs_give_the_same_bundle(trained: Path) -> None:
    first = export_bundle(trained).bundle
    # What a killed export leaves behind must not become a part of the next one.
    (trained / "c/.net.c.half.c").write_text("half")
    (trained / "vectors/999.npz").write_text("of an earlier export")
    second = export_bundle(trained).bundle
    assert first.manifest == second.manifest
    assert open_bundle(trained).bundle_hash == first.bundle_hash
    assert not any("half" in name or "999" in name for name in second.manifest["files"])


@pytest.mark.parametrize("step", ["quantize_front_end", "open_model", "write_vectors", "describe_budget"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_export_that_ends_early_leaves_no_bundle(
    trained: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]
) -> None:
    export_bundle(trained)

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(export_module, step, fail)
        with pytest.raises(error):
            export_bundle(trained)
    with pytest.raises(BundleError, match="never exported"):
        open_bundle(trained)
    assert not [path for path in trained.rglob(".*")]
    assert open_bundle(export_bundle(trained).bundle.path)


def test_channels_keep_scales_of_their_own(trained: Path) -> None:
    """Both laws where channels are scaled apart: the twin gives the vectors, within the bound of float."""
    record = json.loads((trained / "training.json").read_text()) | {"input_scale": [400.0, 60.0]}
    (trained / "training.json").write_text(json.dumps(record))
    bundle = export_bundle(trained).bundle
    config = TwinConfig.load(trained / "twin.npz")
    gains = config.multiplier * 2.0**-config.shift
    assert gains[1] / gains[0] == pytest.approx(400 / 60, rel=1e-8)
    twin = Twin(config, (trained / "model.tflite").read_bytes())
    bound = bundle.read_json("budget.json")["front_end"]["error_bound"]["input_units"]
    n_saturated = 0
    for golden in load_vectors(bundle.path):
        twin.reset()
        inputs = np.stack([w.network_input for w in twin.push(golden.counts)[1]])
        np.testing.assert_array_equal(inputs.reshape(golden.inputs.shape), golden.inputs)
        windows = cut_windows(golden.float_filtered, config.window_samples, config.hop_samples)
        expected = np.clip(windows / [400.0, 60.0], -1, 127 / 128)
        assert np.abs(inputs / 128 - expected).max() <= bound
        n_saturated += int((np.abs(expected) >= 127 / 128).sum())
    assert n_saturated > 0
    # Half a step, and the filter's error over the smaller scale.
    assert 0.5 / 128 < bound < 0.51 / 128


def test_inputs_that_are_refused_leave_the_bundle_as_it_was(trained: Path) -> None:
    whole = export_bundle(trained).bundle
    record = json.loads((trained / "training.json").read_text())
    original = (trained / "training.json").read_bytes()
    (trained / "training.json").write_text(json.dumps(record | {"input_scale": [0, 1]}))
    with pytest.raises(BundleError, match="input_scale"):
        export_bundle(trained)
    (trained / "training.json").write_bytes(original)
    assert open_bundle(trained).bundle_hash == whole.bundle_hash


def test_models_of_a_training_run_that_was_cut_short_are_refused(trained: Path) -> None:
    record = json.loads((trained / "training.json").read_text())
    record["model"]["sha256"]["model_float.tflite"] = "0" * 64
    (trained / "training.json").write_text(json.dumps(record))
    with pytest.raises(
        BundleError, match=r"model_float.tflite: is not the model that training.json describes"
    ):
        export_bundle(trained)


def test_a_build_is_stopped_with_its_compilers() -> None:
    with subprocess.Popen(
        ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    ) as shell:  # fmt: skip
        assert shell.stdout is not None
        child = int(shell.stdout.readline())
        _stop_group(shell)
        assert shell.wait(5) in (-signal.SIGKILL, 128 + signal.SIGTERM, 0)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
