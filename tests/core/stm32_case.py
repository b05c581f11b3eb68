"""The STM32F405's port as a library, and a chip: its code on a model of the silicon."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from stm32_model import MHZ, Stm32

ROOT = Path(__file__).resolve().parents[2]
READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32)
DEPTH, SCANS_A_SECOND = 16, 2000
# What the port asks of a bundle.
PATCH_CONFIG = """#include "calibration/myo_calibration.h"
#define PATCH_CALIBRATION_WORDS 8
#define PATCH_N_OUTPUTS 3u
"""

Load = Callable[..., ctypes.CDLL]


class Chip:
    """The port's code on a model, booted."""

    def __init__(self, code: ctypes.CDLL, model: Stm32) -> None:
        self.code, self.model = code, model
        words = code.harness_dma_words
        words.restype = ctypes.POINTER(ctypes.c_uint16 * (8 * DEPTH))
        model.words = words().contents
        model.tim2_handler = code.tim2_handler
        self._kept = READ(model.read), WRITE(model.write)  # as long as the library may call them
        code.harness_boot(*self._kept)

    def sample(self, n_channels: int = 8, rate_hz: float = SCANS_A_SECOND, bits: int = 12) -> bool:
        started = self.code.harness_sample
        started.restype = ctypes.c_bool
        return bool(started(n_channels, round(rate_hz * 1000), bits))

    def take_frames(self, n_channels: int = 8) -> list[tuple[int, list[int]]]:
        """Return tick and counts of the frames in the ring."""
        frame, tick = (ctypes.c_int32 * n_channels)(), ctypes.c_uint32()
        take = self.code.harness_take_frame
        take.restype = ctypes.c_bool
        found = []
        while take(frame, ctypes.byref(tick)):
            found.append((tick.value, list(frame)))
        return found

    def take_bytes(self) -> bytes:
        return bytes(iter(self.code.harness_take_byte, -1))


def make_loader(folder: Path) -> Load:
    """Return a function that builds the port for a crystal into a folder, and loads it; skip without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    (folder / "patch_config.h").write_text(PATCH_CONFIG)

    @cache
    def build(hse_hz: int = 8 * MHZ) -> ctypes.CDLL:
        library = folder / f"{hse_hz}.so"
        core, ports = ROOT / "firmware/core", ROOT / "firmware/ports"
        subprocess.run(
            [
                compiler, "-std=c11", "-O1", "-g", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-DSTM32_MODEL",
                "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-DSTM32_PATIENCE=50", f"-DBOARD_HSE_HZ={hse_hz}u",
                *(f"-I{path}" for path in (core, ports, ports / "cortex_m", ports / "stm32f405", folder)),
                "tests/core/stm32_harness.c",
                *(str(core / name) for name in (
                    "stream/myo_ring.c", "link/myo_byte_ring.c", "link/myo_crc32.c", "calibration/myo_store.c")),
                "-o", str(library),
            ],
            cwd=ROOT, check=True,
        )  # fmt: skip
        return ctypes.CDLL(str(library))

    return build
