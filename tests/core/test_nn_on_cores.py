"""Random networks on emulated Cortex-M cores: the DSP kernels' own instructions, every word of every layer."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from myo_export.emit_net import NetworkSource, render_network
from myo_export.pack_dsp import Optimize
from nn_models import RandomNetwork
from nn_moving_models import MOVED, PRODUCTS, MovingNetwork
from nn_run import NN_DIR, WARNINGS, run_tflm, varied_inputs

ROOT = Path(__file__).parents[2]
BOARD_DIR = ROOT / "benchmarks" / "net_bench"
COMPILER, EMULATOR = "arm-none-eabi-gcc", "qemu-system-arm"
N_NETWORKS = 60
TIMEOUT_S = 60


@dataclass(frozen=True)
class Board:
    """Addresses of a machine's code memory, data memory and first serial port."""

    flash: int
    ram: int
    uart: int


# Cortex-M4, M7 and M33; the last in its secure state. From QEMU's hw/arm/mps2.c and mps2-tz.c.
BOARDS = {
    "mps2-an386": Board(0x00000000, 0x20000000, 0x40004000),
    "mps2-an500": Board(0x00000000, 0x20000000, 0x40004000),
    "mps2-an505": Board(0x10000000, 0x38000000, 0x50200000),
}

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)

WEIGHTED = ["conv", "depthwise", "dense"]
OTHERS = ["mean", "softmax", "add", "pad", "relu", "average_pool", "flatten"]


def models() -> list[bytes]:
    """Chains around layers with weights, then each such layer at sizes around whole tiles and groups of four."""
    rng = np.random.default_rng(20)
    found = []
    for seed in range(N_NETWORKS):
        kinds = [*rng.choice(WEIGHTED, 2), *rng.choice(WEIGHTED + OTHERS, 3)]
        plane = (int(rng.integers(1, 5)), int(rng.integers(1, 12)), int(rng.integers(1, 10)))
        found.append(RandomNetwork(seed, [str(k) for k in kinds], plane).pack())
    for kind in MOVED + PRODUCTS:  # plain C everywhere; what reads their outputs may be the DSP extension's
        found.append(MovingNetwork(2, ["conv", kind, "dense"], (2, 9, 6)).pack())
    for channels in (3, 4, 5, 15, 16, 17):
        for kind in WEIGHTED:  # twice: the ways of holding weights take turns
            found += 2 * [RandomNetwork(channels, [kind, kind], (1, 20, channels)).pack()]
    return found


def _array(name: str, words: np.ndarray) -> str:
    return f"static const int8_t {name}[] = {{{','.join(str(w) for w in words.reshape(-1).tolist())}}};\n"


def write_batch(texts: list[NetworkSource], batch: list[bytes], folder: Path) -> tuple[list[Path], int]:
    """One source a network, its names made its own, and the table of all; gives the sources and the words."""
    sources, rows, arrays, declarations, n_words = [], [], "", "", 0
    largest_input, largest_output, arena = 1, 1, 16
    for k, (text, model) in enumerate(zip(texts, batch, strict=True)):
        graph = text.network.graph
        source = graph.tensors[graph.input]
        inputs = varied_inputs(source.size, source.quantization.zero_point, k, 2)
        own_words = [step.index for step in text.network.steps]  # those folded into others have none
        layers = [np.concatenate([found[i] for i in own_words]) for found in run_tflm(model, inputs)]
        n_words += sum(words.size for words in layers)
        own = folder / f"net_{k}"
        own.mkdir()
        (own / "net.h").write_text(text.header)
        (own / "net.c").write_text(text.source)
        names = "".join(f"#define {n} {n}_{k}\n" for n in ("net_run_observed", "net_run", "net_init"))
        sources.append(folder / f"network_{k}.c")
        sources[-1].write_text(f'{names}#include "net_{k}/net.c"\n')
        arrays += _array(f"inputs_{k}", inputs) + _array(f"expected_{k}", np.concatenate(layers))
        declarations += f"void net_init_{k}(void *); run_t net_run_observed_{k};\n"
        rows.append(
            f"{{net_init_{k}, net_run_observed_{k}, inputs_{k}, expected_{k}, {source.size}, {len(inputs)}}},\n"
        )
        largest_input = max(largest_input, source.size)
        largest_output = max(largest_output, graph.tensors[graph.output].size)
        arena = max(arena, text.plan.arena_size)
    (folder / "nn_networks.h").write_text(
        "#include <stddef.h>\n#include <stdint.h>\n"
        "typedef void observer_t(void *, uint16_t, const int8_t *, size_t);\n"
        "typedef void run_t(void *, const int8_t *, int8_t *, observer_t *, void *);\n"
        "typedef struct { void (*init)(void *); run_t *run; const int8_t *inputs, *expected;"
        " size_t input_size; uint32_t n_inputs; } network_t;\n"
        f"{declarations}{arrays}"
        f"static const network_t networks[] = {{\n{''.join(rows)}}};\n"
        f"static const uint32_t n_networks = {len(rows)};\n"
        f"#define ARENA_SIZE {arena}\n#define LARGEST_INPUT {largest_input}\n"
        f"#define LARGEST_OUTPUT {largest_output}\n"
    )
    return sources, n_words


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Compile all networks; give the folder of the objects, and how many words they compare."""
    folder = tmp_path_factory.mktemp("cores")
    wanted = models()
    ways: tuple[Optimize, ...] = ("speed", "size")
    texts = [render_network(model, "test", "dsp", ways[k % 2]) for k, model in enumerate(wanted)]
    packed = [form for text in texts for form in text.packed if not isinstance(form, str)]
    assert len(packed) > 150  # the plain kernels are not what this is about
    sources, n_words = write_batch(texts, wanted, folder)
    ours = [*NN_DIR.glob("*.c"), Path(__file__).parent / "nn_board.c"]
    command = [COMPILER, "-mcpu=cortex-m4", "-mthumb", *WARNINGS, "-O3", f"-I{NN_DIR}", f"-I{BOARD_DIR}"]
    command += [f"-I{folder}", "-c", *map(str, sources), *map(str, ours)]
    subprocess.run(command, check=True, cwd=folder)
    return folder, n_words


def link(machine: str, objects: Path, folder: Path) -> Path:
    """Place the one set of objects in a board's memory."""
    board = BOARDS[machine]
    script = (BOARD_DIR / "mps2_an386.ld").read_text()
    for usual, origin in (("0x00000000", board.flash), ("0x20000000", board.ram)):
        assert f"ORIGIN = {usual}" in script
        script = script.replace(f"ORIGIN = {usual}", f"ORIGIN = {origin:#x}")
    (folder / "board.ld").write_text(script)
    image = folder / "networks.elf"
    command = [COMPILER, "-mcpu=cortex-m4", "-mthumb", "-nostartfiles", "--specs=nano.specs"]
    command += [f"-DUART0_BASE={board.uart:#x}u", f"-T{folder / 'board.ld'}", "-o", str(image)]
    command += [str(BOARD_DIR / "startup.c"), *map(str, objects.glob("*.o"))]
    subprocess.run(command, check=True)
    return image


@pytest.mark.parametrize("machine", BOARDS)
def test_random_networks_on_a_core(machine, batch, tmp_path):
    objects, n_words = batch
    image = link(machine, objects, tmp_path)
    serial = tmp_path / "serial.txt"
    command = [EMULATOR, "-M", machine, "-kernel", str(image), "-display", "none", "-monitor", "none"]
    command += ["-serial", f"file:{serial}", "-semihosting-config", "enable=on,target=native"]
    subprocess.run(command, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False)
    assert serial.read_text() == f"EQUAL {n_words}\n"
