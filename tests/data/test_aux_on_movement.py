"""Interpolation on recorded movement: a knee's goniometer at 1 kHz, taken at a lower rate and brought back by the twin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aux_case import make_spec
from myo_export.aux_streams import quantize_aux
from myo_export.front_end import quantize_front_end
from myo_pipeline.aux_stream import AuxSamples, AuxTwin
from myo_training.datasets import list_places

FOLDERS = [place / "uci_lower_limb" for place in list_places() if (place / "uci_lower_limb").is_dir()]
pytestmark = pytest.mark.skipif(not FOLDERS, reason="uci_lower_limb is not in any folder of data sets")
LSB_DEG = 0.01
N_RECORDINGS, N_FRAMES = 12, 6000


@pytest.fixture(scope="module")
def angles() -> list[np.ndarray]:
    """Every fifth recording: gait, sitting and standing of persons with and without a sound knee."""
    paths = sorted(Path(FOLDERS[0]).glob("*.npz"))[::5][:N_RECORDINGS]
    return [np.load(path)["angle"].astype(np.float64)[:N_FRAMES] for path in paths]


@pytest.mark.parametrize(("rate_hz", "gain"), [(50.0, 3.0), (100.0, 2.0)])
def test_the_twin_comes_nearer_to_the_movement_than_a_hold(
    angles: list[np.ndarray], rate_hz: float, gain: float
) -> None:
    """Each against the recording at its own delay: one sample's time, and half of one."""
    spec = make_spec([(rate_hz, 0.0, "")])
    front_end = quantize_front_end(spec)
    proved = quantize_aux(spec, front_end)[0]
    factor, unit = round(1000 / rate_hz), 2.0 ** (-front_end.exponent - proved.gain_bits) * LSB_DEG
    twin = AuxTwin(proved.config)
    linear, held = [], []
    for angle in angles:
        n = len(angle)
        t = np.arange(n)
        counts = np.rint(angle[::factor] / LSB_DEG).astype(np.int32)
        twin.reset()
        twin.feed(
            AuxSamples(np.stack([counts, counts], axis=1), proved.config.timing.stamp_samples(len(counts)))
        )
        words, marks = twin.resample(n)
        assert not marks.any()
        settled = slice(2 * factor, None)
        linear.append((words[:, 0] * unit - np.interp(t - factor, t, angle))[settled])
        held.append((counts[t // factor] * LSB_DEG - np.interp(t - factor / 2, t, angle))[settled])
    rms = [np.sqrt(np.mean(np.concatenate(errors) ** 2)) for errors in (linear, held)]
    assert rms[0] < rms[1] / gain
    assert rms[0] < 0.2  # degrees
