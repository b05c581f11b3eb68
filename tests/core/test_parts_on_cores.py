"""Wavelet energies and segments on emulated Cortex-M cores, from generated C, every word against the twin."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import bench_wavelet as bench
from bare_machine import MACHINES
from myo_pipeline.feature_set import WindowFeature
from myo_pipeline.stft import StftFeature
from myo_pipeline.wavelet import PacketFeature
from window_image import run_image

pytestmark = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-gcc and qemu-system-arm (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)
# Packets at a hop of which two levels of three are updated: the same code as other wavelets.
FEATURES = [
    (PacketFeature(kind="packet_energy", wavelet="db4", levels=3), 36),
    (
        StftFeature(
            kind="stft_power", segment_ms=90.0, step_ms=25.0, bands_hz=((20.0, 200.0), (200.0, 500.0))
        ),
        50,
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("feature", "hop"), FEATURES, ids=["packets", "segments"])
def test_every_word_on_a_core(machine: str, feature: WindowFeature, hop: int, tmp_path: Path) -> None:
    config = bench.bench_config(feature, hop, n_channels=3)
    rng = np.random.default_rng(9)
    size = 10 ** rng.uniform(0, 4.5, (bench.WINDOW + 12 * hop, 1)).repeat(3, axis=1)
    x = np.clip(rng.normal(size=size.shape) * size, -(2**15), 2**15 - 1).astype(np.int16)
    n_windows = bench.write_sources(config, x, tmp_path)
    differing, equal, memory_words = run_image(bench.build_image(tmp_path, machine), machine)
    assert (differing, equal) == (0, n_windows)
    assert memory_words == config.memory_words
