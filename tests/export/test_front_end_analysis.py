"""What `myopatch front-end` tells, against independent figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from myo_export.front_end_analysis import analyse_front_end
from myo_export.front_end_cost import predict_front_end
from myo_pipeline.chain import design_chain
from myo_pipeline.spec import parse_spec

HEAD = 'format = 1\nname = "x"\n[sensor]\nchannels = 8\nrate_hz = 2000.0\nlsb_uv = 1.0\nadc_bits = 16\n'
TAIL = '[window]\nwindow_ms = 200.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n[training]\ndata = "n"\n'
BAND = '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 450.0\norder = 2\n'
NOTCH = '[[stage]]\nkind = "notch"\nfrequency_hz = 50.0\n'


def test_figures_of_the_standard_front_end():
    spec = parse_spec(HEAD + BAND + NOTCH + TAIL)
    found = analyse_front_end(spec)
    assert len(found.stages) == 2
    assert [(s.channels, s.rate_hz) for s in found.steps] == [(8, 2000.0)]
    (response,) = found.responses
    assert found.snr_db >= 100
    assert found.max_error_counts <= found.bound_counts
    assert found.limit_cycle_counts <= found.limit_cycle_bound_counts
    assert response.deviation_db < 1e-4
    assert all(0 < s.typical_rms < s.worst_peak < 1 and s.pole_radius_rounded < 1 for s in found.sections)
    # The delay against SciPy's, which knows transfer functions only.
    numerator, denominator = signal.sos2tf(design_chain(spec)[0].values)
    inside = (response.frequencies_hz > 80) & (response.frequencies_hz < 400)
    _, delay = signal.group_delay((numerator, denominator), w=response.frequencies_hz[inside], fs=2000.0)
    np.testing.assert_allclose(response.designed_delay_ms[inside], delay / 2, rtol=1e-5, atol=1e-6)
    predicted = predict_front_end(found.front_end.device_steps, 8, 100, 400)
    assert found.instructions_per_sample == predicted / 800
    assert found.core_share < 0.015


def test_a_front_end_without_filters_is_exact():
    found = analyse_front_end(parse_spec(HEAD + TAIL))
    assert found.sections == ()
    assert (found.max_error_counts, found.limit_cycle_counts, found.state_bytes) == (0.0, 0.0, 0)
    assert found.limit_cycle.startswith("none")


@pytest.mark.parametrize("design", ["bessel", "chebyshev1", "chebyshev2", "elliptic"])
def test_designs_are_scipys(design):
    spec = parse_spec(HEAD + BAND + f'design = "{design}"\n' + TAIL)
    found = analyse_front_end(spec)
    expected = {
        "bessel": lambda: signal.bessel(2, (20, 450), "bandpass", fs=2000, norm="mag", output="sos"),
        "chebyshev1": lambda: signal.cheby1(2, 0.5, (20, 450), "bandpass", fs=2000, output="sos"),
        "chebyshev2": lambda: signal.cheby2(2, 40, (20, 450), "bandpass", fs=2000, output="sos"),
        "elliptic": lambda: signal.ellip(2, 0.5, 40, (20, 450), "bandpass", fs=2000, output="sos"),
    }[design]()
    (response,) = found.responses
    _, h = signal.freqz_sos(expected, worN=response.frequencies_hz, fs=2000)
    shown = response.designed_db > -100
    np.testing.assert_allclose(response.rounded_db[shown], 20 * np.log10(np.abs(h[shown])), atol=2e-3)


def test_figures_of_a_chain_of_all_kinds():
    """Two linear runs, each with its own rate; delays against SciPy's; typical noise inside every bound."""
    spatial = '[[stage]]\nkind = "spatial"\nmode = "single_differential"\n'
    fir = '[[stage]]\nkind = "fir"\nn_taps = 41\nedges_hz = [30.0, 400.0]\nshape = "bandpass"\n'
    envelope = '[[stage]]\nkind = "envelope"\ncutoff_hz = 10.0\n'
    rest = '[[stage]]\nkind = "decimate"\nfactor = 10\n[[stage]]\nkind = "moving_average"\nms = 50.0\n'
    found = analyse_front_end(parse_spec(HEAD + spatial + fir + envelope + rest + TAIL))
    assert [(s.channels, s.rate_hz) for s in found.steps] == [(7, 2000.0)] * 4 + [(7, 200.0)] * 2
    assert [r.frequencies_hz[-1] > 900 for r in found.responses] == [True, True, False]
    first, _, last = found.responses
    shown = first.designed_db > -20
    np.testing.assert_allclose(first.designed_delay_ms[shown], 10.0, atol=1e-6)  # 20 samples of 2 kHz
    np.testing.assert_allclose(last.designed_delay_ms, 22.5, atol=1e-6)  # 4.5 samples of 200 Hz
    # The envelope's low-pass is SciPy's; its delay at low frequencies is about 0.225 / cutoff.
    assert found.front_end.group_delay_ms == pytest.approx(10 + 22.5, abs=25)
    assert found.snr_db > 80
    assert 0 < found.max_error_counts <= found.bound_counts
    assert found.limit_cycle_counts <= found.limit_cycle_bound_counts
    assert all(0 < s.typical_rms < s.worst_peak < 1 for s in found.steps)
    assert [s.bound_counts for s in found.steps][-1] == found.bound_counts
