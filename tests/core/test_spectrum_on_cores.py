"""Spectral features on emulated Cortex-M cores, from generated C, every word against the twin."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bare_machine import MACHINES
from myo_pipeline.spectrum import compile_spectrum

ROOT = Path(__file__).parents[2]


def load_bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_spectrum", ROOT / "benchmarks" / "bench_spectrum.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_spectrum"] = module
    spec.loader.exec_module(module)
    return module


bench = load_bench()
pytestmark = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-gcc and qemu-system-arm (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("window", "taper"), [(200, "hann"), (320, "none")])
def test_every_word_on_a_core(machine: str, window: int, taper: str, tmp_path: Path) -> None:
    config = compile_spectrum(
        bench.every_feature(), n_channels=3, window=window, hop=100, rate_hz=1000.0, word_shift=0, taper=taper
    )  # type: ignore[arg-type]
    rng = np.random.default_rng(9)
    size = 10 ** rng.uniform(0, 4.5, (window + 20 * 100, 1)).repeat(3, axis=1)
    x = np.clip(rng.normal(size=size.shape) * size, -(2**15), 2**15 - 1).astype(np.int16)
    n_windows = bench.write_sources(config, x, tmp_path)
    differing, equal, memory_words = bench.run_image(bench.build_image(tmp_path, machine), machine)
    assert (differing, equal) == (0, n_windows)
    assert memory_words == config.memory_words
