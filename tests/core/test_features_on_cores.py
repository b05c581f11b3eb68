"""All features on emulated Cortex-M cores, from generated C, every word against the twin."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bare_machine import EMULATOR, MACHINES
from bench_features import write_sources
from bench_network import COMPILER
from feature_case import all_features
from myo_pipeline.feature_config import compile_features
from window_image import build_image, run_image

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_word_on_a_core(machine: str, tmp_path: Path) -> None:
    config = compile_features(
        all_features(threshold=40, lags=3, reach=3000), n_channels=3, window=77, hop=30, word_shift=0
    )
    rng = np.random.default_rng(9)
    size = 10 ** rng.uniform(0, 4.5, (77 + 60 * 30, 1)).repeat(3, axis=1)
    x = np.clip(rng.normal(size=size.shape) * size, -(2**15), 2**15 - 1).astype(np.int16)
    n_windows = write_sources(config, x, tmp_path)
    differing, equal, memory_words = run_image(build_image(tmp_path, machine), machine)
    assert (differing, equal) == (0, n_windows)
    assert memory_words == config.memory_words
