"""The firmware's own C under pytest: programs that speak over standard input and output, under sanitizers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
from core_build import build_harness
from device_line import Harness

# Sanitizers and other processes make times vary; the examples are the same in every run.
settings.register_profile("core", deadline=None, derandomize=True)
settings.load_profile("core")


@pytest.fixture(scope="session")
def core_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile a harness of this folder with the firmware's dsp, features, quality, stream and link and CMSIS-DSP's biquads."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    folder = tmp_path_factory.mktemp("core")
    return lambda name: build_harness(compiler, folder, name)


@pytest.fixture(scope="session")
def parts(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    """The small parts of the core: see parts_harness.c for the operations."""
    harness = Harness(core_program("parts_harness"))
    yield harness
    harness.close()


@pytest.fixture(scope="session")
def front_end(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    """The front end's chain of steps: see front_end_harness.c."""
    harness = Harness(core_program("front_end_harness"))
    yield harness
    harness.close()


@pytest.fixture(scope="session")
def aux(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    """Auxiliary streams: see aux_harness.c."""
    harness = Harness(core_program("aux_harness"))
    yield harness
    harness.close()


@pytest.fixture(scope="session")
def motion(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    """Removal of motion: see motion_harness.c."""
    harness = Harness(core_program("motion_harness"))
    yield harness
    harness.close()


@pytest.fixture(scope="session")
def device(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    """Link and patch around a toy network: see device_harness.c for the operations."""
    harness = Harness(core_program("device_harness"))
    yield harness
    harness.close()
