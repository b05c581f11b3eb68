"""All features on emulated Cortex-M cores, from generated C, every word against the twin."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from feature_case import all_features
from myo_pipeline.feature_config import compile_features

ROOT = Path(__file__).parents[2]


def load_bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_features", ROOT / "benchmarks" / "bench_features.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_features"] = module
    spec.loader.exec_module(module)
    return module


bench = load_bench()
pytestmark = pytest.mark.skipif(
    shutil.which(bench.COMPILER) is None or shutil.which(bench.EMULATOR) is None,
    reason=f"needs {bench.COMPILER} and {bench.EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)


@pytest.mark.parametrize("machine", bench.MACHINES)
def test_every_word_on_a_core(machine: str, tmp_path: Path) -> None:
    config = compile_features(
        all_features(threshold=40, lags=3, reach=3000), n_channels=3, window=77, hop=30, word_shift=0
    )
    rng = np.random.default_rng(9)
    size = 10 ** rng.uniform(0, 4.5, (77 + 60 * 30, 1)).repeat(3, axis=1)
    x = np.clip(rng.normal(size=size.shape) * size, -(2**15), 2**15 - 1).astype(np.int16)
    n_windows = bench.write_sources(config, x, tmp_path)
    differing, equal, memory_words = bench.run_image(bench.build_image(tmp_path, machine), machine)
    assert (differing, equal) == (0, n_windows)
    assert memory_words == config.memory_words
