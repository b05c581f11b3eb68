"""Specs and configurations that the pipeline's tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from myo_pipeline.spec import PatchSpec, parse_spec

BASE = """
format = 1
name = "test"
[sensor]
channels = {channels}
rate_hz = {rate_hz}
lsb_uv = 0.5
adc_bits = {adc_bits}
{stages}
[window]
window_ms = 100.0
hop_ms = 50.0
[output]
kind = "classes"
labels = ["a", "b"]
[training]
data = "none"
"""

HIGHPASS = '[[stage]]\nkind = "highpass"\ncutoff_hz = 20.0\norder = 4\n'
NOTCH = '[[stage]]\nkind = "notch"\nfrequency_hz = 50.0\nharmonics = 3\nq = 30.0\n'
BANDPASS = '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 450.0\norder = 4\n'
LOWPASS = '[[stage]]\nkind = "lowpass"\ncutoff_hz = 60.0\norder = 5\n'


@pytest.fixture()
def make_spec() -> Callable[..., PatchSpec]:
    """Return a function that makes a spec from channels, rate, bits and stages."""

    def make(stages: str = BANDPASS + NOTCH, channels: int = 2, rate_hz: float = 2000.0, adc_bits: int = 16) -> PatchSpec:
        return parse_spec(BASE.format(stages=stages, channels=channels, rate_hz=rate_hz, adc_bits=adc_bits))

    return make
