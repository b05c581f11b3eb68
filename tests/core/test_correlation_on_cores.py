"""Correlation around the ring on emulated Cortex-M cores, from generated C, every word against the twin."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bare_machine import EMULATOR, MACHINES
from bench_network import COMPILER
from myo_export.emit_correlation import render_correlation
from myo_pipeline.feature_twin import cut_windows
from myo_pipeline.ring import RingFeature, compile_ring, compute_ring_words
from window_image import build_image, run_image, write_subject

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)
WINDOW, HOP, N_CHANNELS = 50, 20, 8


@pytest.mark.parametrize("machine", MACHINES)
def test_every_word_on_a_core(machine: str, tmp_path: Path) -> None:
    spec = RingFeature(kind="ring_correlation", reach=4)
    config = compile_ring(spec, n_channels=N_CHANNELS, window=WINDOW, hop=HOP, word_shift=0)
    rng = np.random.default_rng(9)
    common = rng.normal(size=(WINDOW + 60 * HOP, 1))
    size = 10 ** rng.uniform(0, 4.5, (len(common), 1))
    x = np.clip((rng.normal(size=(len(common), N_CHANNELS)) + common) * size, -(2**15), 2**15 - 1).astype(
        np.int16
    )
    x[200:400, 3] = 0
    words = compute_ring_words(config, cut_windows(x, WINDOW, HOP))
    n_windows = write_subject("correlation", render_correlation(config, "a test"), x, words, tmp_path)
    differing, equal, memory_words = run_image(build_image(tmp_path, machine), machine)
    assert (differing, equal) == (0, n_windows)
    assert memory_words == config.memory_words
