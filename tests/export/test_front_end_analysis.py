"""What `myopatch front-end` tells, against independent figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from myo_export.front_end_analysis import analyse_front_end
from myo_export.front_end_cost import predict_instructions
from myo_pipeline.filters import design_front_end
from myo_pipeline.spec import parse_spec

HEAD = 'format = 1\nname = "x"\n[sensor]\nchannels = 8\nrate_hz = 2000.0\nlsb_uv = 1.0\nadc_bits = 16\n'
TAIL = '[window]\nwindow_ms = 200.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n[training]\ndata = "n"\n'
BAND = '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 450.0\norder = 2\n'
NOTCH = '[[stage]]\nkind = "notch"\nfrequency_hz = 50.0\n'


def test_figures_of_the_standard_front_end():
    spec = parse_spec(HEAD + BAND + NOTCH + TAIL)
    found = analyse_front_end(spec)
    assert [n for _, n in found.stages] == [2, 1]
    assert found.snr_db >= 100
    assert found.max_error_counts <= found.bound_counts
    assert found.limit_cycle_counts <= found.limit_cycle_bound_counts
    assert found.deviation_db < 1e-4
    assert all(0 < s.typical_rms < s.worst_peak < 1 and s.pole_radius_rounded < 1 for s in found.sections)
    # The delay against SciPy's, which knows transfer functions only.
    numerator, denominator = signal.sos2tf(design_front_end(spec))
    inside = (found.frequencies_hz > 80) & (found.frequencies_hz < 400)
    _, delay = signal.group_delay((numerator, denominator), w=found.frequencies_hz[inside], fs=2000.0)
    np.testing.assert_allclose(found.designed_delay_ms[inside], delay / 2, rtol=1e-5, atol=1e-6)
    assert found.instructions_per_sample == predict_instructions(8, 3, 100, 400) / 800
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
    _, h = signal.freqz_sos(expected, worN=found.frequencies_hz, fs=2000)
    shown = found.designed_db > -100
    np.testing.assert_allclose(found.rounded_db[shown], 20 * np.log10(np.abs(h[shown])), atol=2e-3)
