"""How PlatformIO builds a bundle's firmware: core, a port, the app, the bundle's C, CMSIS-DSP's biquads."""

import os
import sys
from pathlib import Path
from shutil import which

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
project = Path(env.subst("$PROJECT_DIR"))
firmware = Path(env.subst("$PROJECT_SRC_DIR"))
port = env.GetProjectOption("custom_port")
bundle = project / os.environ.get("MYOPATCH_BUNDLE", env.GetProjectOption("custom_bundle"))

STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
CMSIS_DSP_SOURCES = ["Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"]
# Sources name themselves relative to the project, so that two checkouts give the same image.
REPRODUCIBLE = [f"-ffile-prefix-map={bundle}=bundle", f"-ffile-prefix-map={project}=."]

M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# -O3 rather than -O2: the network's inner loops gain from unrolling, and a patch does not run out of flash.
PORTS = {
    "virtual_m4": {
        "compiler": "arm-none-eabi-gcc",
        "package": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        "program": ("firmware", ".elf"),
        "machine": M4,
        "compile": ["-O3", "-g", "-ffunction-sections", "-fdata-sections", "-fno-common"],
        "link": [
            "-nostartfiles",
            "--specs=nano.specs",
            "-Wl,--gc-sections",
            f"-Wl,-T,{firmware}/ports/{port}/{port}.ld",
        ],
        "ours": [],
    },
    "native": {
        "compiler": "gcc",
        "package": "gcc libc6-dev",
        "program": ("program", ""),
        "machine": [],
        "compile": ["-O2", "-g", "-fno-common", "-fno-omit-frame-pointer"],
        "link": SANITIZERS,
        "ours": SANITIZERS,
    },
}


def fail(message: str) -> None:
    """End the build with one line."""
    sys.stderr.write(f"Error: {message}\n")
    env.Exit(1)


def locate_cmsis_dsp() -> Path:
    """Return the folder of CMSIS-DSP's sources, fetched on first use."""
    sys.path[:0] = [str(project / "export"), str(project / "pipeline")]
    from myo_export.cmsis_dsp import locate
    from myo_pipeline.errors import BuildError

    try:
        return locate()
    except BuildError as error:
        fail(str(error))
        raise


if port not in PORTS:
    fail(f"no port {port}: custom_port is one of {', '.join(PORTS)}")
settings = PORTS[port]
if which(settings["compiler"]) is None:
    fail(f"{settings['compiler']} is not on this machine; run: sudo apt-get install {settings['package']}")
if not (bundle / "c" / "patch_config.c").is_file():
    fail(f"no bundle at {bundle}: expected c/patch_config.c in it; export one, or name it in MYOPATCH_BUNDLE")
cmsis_dsp = locate_cmsis_dsp()

prefix = settings["compiler"].removesuffix("gcc")
name, suffix = settings["program"]
env.Replace(
    CC=f"{prefix}gcc",
    AR=f"{prefix}gcc-ar",
    RANLIB=f"{prefix}gcc-ranlib",
    LINK=f"{prefix}gcc",
    PROGNAME=name,
    PROGSUFFIX=suffix,
    SRC_FILTER=["+<core/>", "+<app/>", f"+<ports/{port}/>"],
)
env.Append(
    CFLAGS=["-std=c11"],
    CCFLAGS=[*settings["machine"], *settings["compile"], *REPRODUCIBLE],
    CPPPATH=[
        str(firmware / "core"),
        str(firmware / "core" / "nn"),
        str(firmware / "ports"),
        str(bundle / "c"),
    ],
    LINKFLAGS=[*settings["machine"], *settings["link"], "-Wl,-Map,$BUILD_DIR/firmware.map"],
)

# CMSIS-DSP is other people's code: its warnings are theirs, and its sums wrap, which C leaves undefined
# without -fwrapv.
theirs = env.Clone()
theirs.Append(
    CCFLAGS=["-w", "-fwrapv"], CPPPATH=[str(cmsis_dsp / "Include"), str(cmsis_dsp / "PrivateInclude")]
)
objects = [
    theirs.Object(f"$BUILD_DIR/cmsis_dsp/{Path(source).stem}.o", str(cmsis_dsp / source))
    for source in CMSIS_DSP_SOURCES
]

env.Append(CCFLAGS=[*STRICT, *settings["ours"], "-isystem", str(cmsis_dsp / "Include")])
env.BuildSources("$BUILD_DIR/bundle", str(bundle / "c"), src_filter="+<*.c>")  # c/tflm is for TFLM projects
env.Append(PIOBUILDFILES=objects)

program = None if "nobuild" in COMMAND_LINE_TARGETS else env.BuildProgram()
if program is not None:
    AlwaysBuild(env.Alias("buildprog", program))
    Default("buildprog")
