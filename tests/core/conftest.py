"""The firmware's own C under pytest: programs that speak over standard input and output, under sanitizers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from myo_export import cmsis_dsp

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZERS = ["-g1", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
BIQUAD = "Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"

sys.path.insert(0, str(Path(__file__).parent))
from device_line import Harness  # noqa: E402

# Sanitizers and other processes make times vary; the examples are the same in every run.
settings.register_profile("core", deadline=None, derandomize=True)
settings.load_profile("core")


@pytest.fixture(scope="session")
def core_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile a harness of this folder with the firmware's dsp, features, quality, stream and link and CMSIS-DSP's biquads."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    cmsis = cmsis_dsp.locate()
    folder = tmp_path_factory.mktemp("core")
    includes = [f"-I{FIRMWARE / 'core'}", f"-I{FIRMWARE / 'ports'}"]
    theirs = folder / "biquad.o"
    subprocess.run(
        [compiler, "-O1", "-w", "-fwrapv", *includes, f"-I{cmsis / 'Include'}",
         f"-I{cmsis / 'PrivateInclude'}", "-c", str(cmsis / BIQUAD), "-o", str(theirs)],
        check=True)  # fmt: skip
    ours = [
        str(path)
        for part in ("dsp", "features", "quality", "stream", "link")
        for path in sorted((FIRMWARE / "core" / part).glob("*.c"))
    ]
    options = [*STRICT, *SANITIZERS, *includes, "-isystem", str(cmsis / "Include")]

    def compile_harness(name: str) -> Path:
        program = folder / name
        if not program.is_file():
            source = str(Path(__file__).parent / f"{name}.c")
            subprocess.run([compiler, *options, source, *ours, str(theirs), "-o", str(program)], check=True)
        return program

    return compile_harness


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
def device(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    """Link and patch around a toy network: see device_harness.c for the operations."""
    harness = Harness(core_program("device_harness"))
    yield harness
    harness.close()
