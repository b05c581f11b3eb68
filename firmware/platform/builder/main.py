"""How PlatformIO builds a bundle's firmware: core, a port, the app, the bundle's C, CMSIS-DSP's biquads."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
project = Path(env.subst("$PROJECT_DIR"))
firmware = Path(env.subst("$PROJECT_SRC_DIR"))
port = env.GetProjectOption("custom_port")
application = os.environ.get("MYOPATCH_APP", env.GetProjectOption("custom_app"))
bundle = project / os.environ.get("MYOPATCH_BUNDLE", env.GetProjectOption("custom_bundle"))

STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
CMSIS_DSP_SOURCES = ["Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"]
# Sources name themselves relative to the project, so that two checkouts give the same image.
REPRODUCIBLE = [f"-ffile-prefix-map={bundle}=bundle", f"-ffile-prefix-map={project}=."]

sys.path[:0] = [str(project / "export"), str(project / "pipeline")]
from myo_export.cores import CPU_FLAGS  # noqa: E402  (the project's packages need not be installed)
from myo_export.uploaders import choose_uploader  # noqa: E402
from myo_pipeline.errors import BuildError  # noqa: E402

APPLICATIONS = {"app": 1_000_000, "mlperf": 115_200}  # folders in firmware/, and the serial line's speed
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def describe_cortex_m(core: str, shared: str) -> dict[str, object]:
    """Say how a port is built whose start-up is in ports/cortex_m and whose peripherals are in ports/<shared>."""
    return {
        "compiler": "arm-none-eabi-gcc",
        "package": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        "program": ("firmware", ".elf"),
        "machine": list(CPU_FLAGS[core]),
        # -O3 rather than -O2: the network's inner loops gain from unrolling, and a patch does not run out of flash.
        "compile": ["-O3", "-g", "-ffunction-sections", "-fdata-sections", "-fno-common"],
        "link": [
            "-nostartfiles",
            "--specs=nano.specs",
            "-Wl,--gc-sections",
            f"-Wl,-L,{firmware}/ports/{port}",
            f"-Wl,-T,{firmware}/ports/cortex_m/image.ld",
        ],
        "ours": [],
        "folders": ["cortex_m", shared],
    }


PORTS = {
    "virtual_m0": describe_cortex_m("m0", "virtual_m0"),
    "virtual_m3": describe_cortex_m("m3", "mps2"),
    "virtual_m4": describe_cortex_m("m4", "mps2"),
    "virtual_m7": describe_cortex_m("m7", "mps2"),
    "virtual_m33": describe_cortex_m("m33", "mps2"),
    "virtual_m55": describe_cortex_m("m55", "mps2"),
    "stm32f405": describe_cortex_m("m4", "stm32f405"),
    "native": {
        "compiler": "gcc",
        "package": "gcc libc6-dev",
        "program": ("program", ""),
        "machine": [],
        "compile": ["-O2", "-g", "-fno-common", "-fno-omit-frame-pointer"],
        "link": SANITIZERS,
        "ours": SANITIZERS,
        "folders": ["native"],
    },
}


# Runs once a message, a window or a start, not once a sample or a weight: -Os makes it a quarter smaller.
FOR_SIZE = [
    "*/core/link/myo_link.c",
    "*/core/link/myo_frame.c",
    "*/core/calibration/myo_calibration.c",
    "*/core/calibration/myo_store.c",
    "*/core/stream/myo_patch.c",
    "*/core/stream/myo_decision*.c",
    "*/app/*.c",
]


def compile_for_size(env: object, node: object) -> object:
    """Build a source with -Os."""
    return env.Object(node, CCFLAGS=[*env["CCFLAGS"], "-Os"])


def fail(message: str) -> None:
    """End the build with one line."""
    sys.stderr.write(f"Error: {message}\n")
    env.Exit(1)


def locate_cmsis_dsp() -> Path:
    """Return the folder of CMSIS-DSP's sources, fetched on first use."""
    from myo_export.cmsis_dsp import locate

    try:
        return locate()
    except BuildError as error:
        fail(str(error))
        raise


if port not in PORTS:
    fail(f"no port {port}: custom_port is one of {', '.join(PORTS)}")
if application not in APPLICATIONS:
    fail(f"no application {application}: custom_app is one of {', '.join(APPLICATIONS)}")
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
    SRC_FILTER=["+<core/>", f"+<{application}/>", *(f"+<ports/{folder}/>" for folder in settings["folders"])],
)
if port == "stm32f405":
    crystal_hz = env.GetProjectOption("custom_hse_hz")
    env.Append(
        CPPDEFINES=[("BOARD_HSE_HZ", f"{crystal_hz}u"), ("BOARD_BAUD", f"{APPLICATIONS[application]}u")]
    )
env.Append(
    CFLAGS=["-std=c11"],
    CCFLAGS=[*settings["machine"], *settings["compile"], *REPRODUCIBLE],
    CPPPATH=[
        str(firmware / "core"),
        str(firmware / "core" / "nn"),
        str(firmware / "ports"),
        str(firmware / "ports" / port),
        *(str(firmware / "ports" / folder) for folder in settings["folders"]),
        str(bundle / "c"),
    ],
    LINKFLAGS=[*settings["machine"], *settings["link"], "-Wl,-Map,$BUILD_DIR/firmware.map"],
)

# CMSIS-DSP is other people's code: its warnings are theirs, and its sums wrap, which C leaves undefined
# without -fwrapv. Its Helium biquads round their sums at bit 8 on the way, twice, so one word in some millions differs
# by one, and they do not stop at a block of one sample; ARM_MATH_AUTOVECTORIZE is its switch to plain C.
theirs = env.Clone()
theirs.Append(
    CCFLAGS=["-w", "-fwrapv", "-DARM_MATH_AUTOVECTORIZE"],
    CPPPATH=[str(cmsis_dsp / "Include"), str(cmsis_dsp / "PrivateInclude")],
)
objects = [
    theirs.Object(f"$BUILD_DIR/cmsis_dsp/{Path(source).stem}.o", str(cmsis_dsp / source))
    for source in CMSIS_DSP_SOURCES
]

env.Append(CCFLAGS=[*STRICT, *settings["ours"], "-isystem", str(cmsis_dsp / "Include")])
env.BuildSources("$BUILD_DIR/bundle", str(bundle / "c"), src_filter="+<*.c>")  # c/tflm is for TFLM projects
env.Append(PIOBUILDFILES=objects)

if port != "native":
    for pattern in FOR_SIZE:
        env.AddBuildMiddleware(compile_for_size, pattern)

program = None if "nobuild" in COMMAND_LINE_TARGETS else env.BuildProgram()
if program is not None:
    AlwaysBuild(env.Alias("buildprog", program))
    Default("buildprog")


def upload(target: list[object], source: list[object], env: object) -> int:
    """Write the flash with the program that the protocol has here, which shows its progress itself."""
    elf = Path(str(source[0]))
    try:
        uploader = choose_uploader(
            os.environ.get("MYOPATCH_UPLOAD", env.GetProjectOption("upload_protocol", "stlink"))
        )
    except BuildError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    subprocess.run([f"{prefix}objcopy", "-O", "binary", str(elf), str(elf.with_suffix(".bin"))], check=True)
    return subprocess.run(uploader.command(elf), check=False).returncode


if port == "stm32f405" and program is not None:
    env.AddPlatformTarget("upload", program, env.VerboseAction(upload, "Uploading $SOURCE"), "Upload")
