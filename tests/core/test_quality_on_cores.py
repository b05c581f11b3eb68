"""Signal quality on emulated Cortex-M cores, from generated C, every flag against the twin."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import bench_quality as bench
from bare_machine import EMULATOR, MACHINES
from myo_pipeline.quality import QualitySettings, compile_quality
from quality_case import faulty_counts
from window_image import run_comparison

pytestmark = pytest.mark.skipif(
    shutil.which(bench.COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {bench.COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("adc_bits", [12, 24])
def test_every_flag_on_a_core(machine: str, adc_bits: int, tmp_path: Path) -> None:
    settings = QualitySettings(settle_periods=4, periods_on=1, period_ms=120.0)
    config = compile_quality(
        settings, n_channels=5, rate_hz=500.0, adc_bits=adc_bits, lsb_uv=4000.0 / (1 << adc_bits)
    )
    rng = np.random.default_rng(11)
    n_frames = config.period_frames * 40 // bench.HOP * bench.HOP
    counts = faulty_counts(rng, n_frames, 5, 500.0, adc_bits, config.period_frames)
    n_flags = bench.write_sources(config, counts, tmp_path)
    differing, found, _ = run_comparison(bench.build_image(tmp_path, machine), machine)
    assert (differing, found) == (0, n_flags)
    assert n_flags > 0
