"""The firmware's own C under pytest: programs that speak over their standard input and output, under sanitizers."""

from __future__ import annotations

import hashlib
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from myo_export import cmsis_dsp

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZERS = ["-g1", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
BIQUAD = "Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"

CompileC = Callable[[Sequence[Path], Sequence[Path]], Path]


class Harness:
    """A harness process: send it an operation with its data, get its answer."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def ask(self, operation: str, data: bytes = b"") -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        try:
            self.process.stdin.write(operation.encode() + struct.pack("<I", len(data)) + data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        head = self.process.stdout.read(4)
        if len(head) < 4:
            raise AssertionError(f"the harness died: {self.process.stderr.read().decode(errors='replace')[:2000]}")
        return self.process.stdout.read(struct.unpack("<I", head)[0])

    def close(self) -> None:
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors.decode(errors="replace")[:2000]


@pytest.fixture(scope="session")
def cc(tmp_path_factory: pytest.TempPathFactory) -> CompileC:
    """Compile C sources, with include folders, to a program: strict warnings, sanitizers; the same sources once."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    folder = tmp_path_factory.mktemp("programs")

    def compile_c(sources: Sequence[Path], includes: Sequence[Path]) -> Path:
        digest = hashlib.sha256("".join(map(str, includes)).encode())
        for source in sources:
            digest.update(str(source).encode() + source.read_bytes())
        program = folder / digest.hexdigest()[:16]
        if not program.is_file():
            options = [*STRICT, *SANITIZERS, *(f"-I{path}" for path in includes)]
            subprocess.run([compiler, *options, *map(str, sources), "-o", str(program)], check=True)
        return program

    return compile_c


@pytest.fixture(scope="session")
def core_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Compile a harness of this folder with the firmware's dsp, stream and link and CMSIS-DSP's biquads."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a host C compiler (apt-get install gcc)")
    cmsis = cmsis_dsp.locate()
    folder = tmp_path_factory.mktemp("core")
    includes = [f"-I{FIRMWARE / 'core'}", f"-I{FIRMWARE / 'ports'}"]
    theirs = folder / "biquad.o"
    subprocess.run(
        [compiler, "-O1", "-w", "-fwrapv", *includes, f"-I{cmsis / 'Include'}", f"-I{cmsis / 'PrivateInclude'}",
         "-c", str(cmsis / BIQUAD), "-o", str(theirs)], check=True)  # fmt: skip
    ours = [str(path) for part in ("dsp", "stream", "link") for path in sorted((FIRMWARE / "core" / part).glob("*.c"))]
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
def device(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    """Link and patch around a toy network: see device_harness.c for the operations."""
    harness = Harness(core_program("device_harness"))
    yield harness
    harness.close()
