"""What `myopatch front-end` tells of auxiliary streams, against independent figures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from myo_export.aux_analysis import analyse_aux
from myo_export.aux_cost import predict_aux_instructions
from myo_export.aux_streams import quantize_aux
from myo_export.front_end import quantize_front_end
from myo_host.cli.front_end_command import front_end
from myo_pipeline.spec import parse_spec

EMG = 'format = 1\nname = "x"\n[sensor]\nchannels = 2\nrate_hz = 500.0\nlsb_uv = 1.0\nadc_bits = 16\n'
WRIST = """[[aux]]
name = "wrist"
kind = "accelerometer"
channels = 3
rate_hz = 104.0
lsb = 0.000061
adc_bits = 16
[[aux.stage]]
kind = "highpass"
cutoff_hz = 0.5
order = 2
"""
TURN = """[[aux]]
name = "turn"
kind = "gyroscope"
channels = 1
rate_hz = 148.0
lsb = 0.001
adc_bits = 24
latency_ms = 20.0
"""
TAIL = '[window]\nwindow_ms = 200.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n[training]\ndata = "n"\n'


def test_figures_of_two_streams() -> None:
    spec = parse_spec(EMG + WRIST + TURN + TAIL)
    wrist, turn = analyse_aux(spec, quantize_front_end(spec))
    # The response is SciPy's at the stream's own rate.
    (response,) = wrist.responses
    _, h = signal.freqz_sos(
        signal.butter(2, 0.5, "highpass", fs=104, output="sos"), worN=response.frequencies_hz, fs=104
    )
    np.testing.assert_allclose(response.rounded_db, 20 * np.log10(np.abs(h)), atol=2e-3)
    assert all(0 < s.typical_rms < s.worst_peak < 1 for s in wrist.sections)
    # One sample's time, and what the stream may be late, in whole frames of the EMG: 5 of 2 ms, and 10.
    assert wrist.resampling_ms == pytest.approx(1000 / 104 + 10)
    assert turn.resampling_ms == pytest.approx(1000 / 148 + 20)
    assert wrist.delay_ms == wrist.resampling_ms + wrist.front_end.group_delay_ms
    for found in (wrist, turn):
        assert found.snr_db >= 100
        assert found.window_snr_db >= 100
        assert 0 < found.window_error_counts <= found.window_bound_counts
        assert 0 < found.worst_peak < 1
    assert (turn.max_error_counts, turn.steps, turn.sections) == (0.0, (), ())
    assert wrist.full_scale == pytest.approx(1.999, abs=1e-3)
    assert turn.unit == "deg/s"
    # A hop of 50 ms has 5.2 samples of three channels.
    streams = quantize_aux(spec, quantize_front_end(spec))
    predicted = predict_aux_instructions(streams[:1], 25, 100)
    assert wrist.instructions_per_sample == pytest.approx(predicted / (5.2 * 3))
    assert wrist.core_share == pytest.approx(predicted * 20 / 64e6)


def test_a_patch_without_streams_has_none() -> None:
    spec = parse_spec(EMG + TAIL)
    assert analyse_aux(spec, quantize_front_end(spec)) == ()


def test_text_page_and_json_have_each_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, page = tmp_path / "patch.toml", tmp_path / "page.html"
    spec.write_text(EMG + WRIST + TURN + TAIL)
    front_end(spec, page)
    told = capsys.readouterr().out
    for text in ("x, stream wrist", "gyroscope 'turn'", "on the window's frames", "19.6 by resampling"):
        assert text in told
    html = page.read_text()
    assert html.count("auxiliary stream") == 2
    assert html.count("<svg") == 1  # the wrist's response: neither the EMG nor the gyroscope has a stage
    front_end(spec, as_json=True)
    streams = json.loads(capsys.readouterr().out)["aux"]
    assert [s["name"] for s in streams] == ["wrist", "turn"]
    assert math.isfinite(streams[0]["window_snr_db"])
