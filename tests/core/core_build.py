"""Build a harness of this folder with the firmware's core, under sanitizers: for the tests and for the studies."""

from __future__ import annotations

import subprocess
from pathlib import Path

from myo_export import cmsis_dsp

FOLDER = Path(__file__).resolve().parent
FIRMWARE = FOLDER.parents[1] / "firmware"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZERS = ["-g1", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
PARTS = ("dsp", "features", "quality", "calibration", "stream", "link")
BIQUAD = "Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"


def build_harness(compiler: str, folder: Path, name: str, *options: str) -> Path:
    """Compile ``name``.c of this folder with the parts of the core but the network, and CMSIS-DSP's biquads, into a folder."""
    program = folder / name
    if program.is_file():
        return program
    cmsis = cmsis_dsp.locate()
    includes = [f"-I{FIRMWARE / 'core'}", f"-I{FIRMWARE / 'ports'}"]
    theirs = folder / "biquad.o"
    if not theirs.is_file():
        subprocess.run(
            [compiler, "-O1", "-w", "-fwrapv", *includes, f"-I{cmsis / 'Include'}",
             f"-I{cmsis / 'PrivateInclude'}", "-c", str(cmsis / BIQUAD), "-o", str(theirs)],
            check=True)  # fmt: skip
    ours = [str(path) for part in PARTS for path in sorted((FIRMWARE / "core" / part).glob("*.c"))]
    subprocess.run(
        [compiler, *STRICT, *SANITIZERS, *options, *includes, "-isystem", str(cmsis / "Include"),
         str(FOLDER / f"{name}.c"), *ours, str(theirs), "-o", str(program)],
        check=True)  # fmt: skip
    return program
