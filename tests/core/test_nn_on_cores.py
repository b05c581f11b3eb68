"""Random networks on emulated Cortex-M cores: the kernels of each, its own instructions, every word of every layer."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bare_machine import BOARD_DIR, EMULATOR, MACHINES, run_image
from myo_export.cores import CPU_FLAGS
from myo_export.emit_net import NetworkSource, render_network
from myo_export.emit_net_step import Kernels
from myo_export.pack_dsp import Optimize, PackedLstm
from nn_lstm_models import LstmCase, lstm_model
from nn_models import RandomNetwork
from nn_moving_models import MOVED, PRODUCTS, MovingNetwork
from nn_run import NN_DIR, WARNINGS, run_tflm, varied_inputs

COMPILER = "arm-none-eabi-gcc"
N_NETWORKS = 60
TIMEOUT_S = 60


@dataclass(frozen=True)
class Code:
    """One set of objects: what it is compiled for, its kernels, and which networks."""

    cpu: tuple[str, ...]
    kernels: Kernels
    level: str = "-O1"  # the plain kernels' numbers do not depend on it, and it compiles in half the time
    every: int = 1  # of the networks, one in so many


CODES = {
    "plain, ARMv6-M": Code(CPU_FLAGS["m0"], "plain", every=2),  # what fits 256 kB of flash
    "plain, ARMv7-M": Code(CPU_FLAGS["m3"], "plain"),
    "DSP extension": Code(CPU_FLAGS["m4"], "dsp", "-O3"),
    "Helium": Code(CPU_FLAGS["m55"], "mve", "-O3"),
}
BOARDS = {
    "microbit": "plain, ARMv6-M",
    "mps2-an385": "plain, ARMv7-M",
    "mps2-an386": "DSP extension",
    "mps2-an500": "DSP extension",
    "mps2-an505": "DSP extension",
    "mps3-an547": "Helium",
}

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None or shutil.which(EMULATOR) is None,
    reason=f"needs {COMPILER} and {EMULATOR} (apt-get install gcc-arm-none-eabi qemu-system-arm)",
)

WEIGHTED = ["conv", "depthwise", "dense"]
# Layers that take a vector of words at once on Helium.
VECTORS = ["add", "sub", "mul", "mean", "max_pool", "average_pool", "leaky_relu"]
OTHERS = ["mean", "softmax", "add", "sub", "mul", "pad", "relu", "average_pool", "flatten"]


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
        for kind in VECTORS:
            found.append(RandomNetwork(channels, [kind, kind], (2, 9, channels)).pack())
        found += [RandomNetwork(channels, ["add", "sub", "mul"], (1, 5, channels)).pack()]
    for seed in range(8):  # sizes around whole tiles; odd numbers of steps; factors with and without a shift
        case = LstmCase(3 + seed, 3 + seed % 6, 3 + seed, seed - 15, float(1 << seed % 5), 0.5 * (seed % 3))
        found += 2 * [lstm_model(seed, case)]
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
def objects(tmp_path_factory):
    """Compile a set of objects when it is first asked for; give their folder, and how many words they compare."""
    found: dict[str, tuple[Path, int]] = {}

    def compile_code(name: str) -> tuple[Path, int]:
        if name in found:
            return found[name]
        code, folder = CODES[name], tmp_path_factory.mktemp("cores")
        wanted = models()[:: code.every]
        ways: tuple[Optimize, ...] = ("speed", "size")
        texts = [render_network(m, "test", code.kernels, ways[k % 2]) for k, m in enumerate(wanted)]
        if code.kernels != "plain":
            packed = [form for text in texts for form in text.packed if not isinstance(form, str)]
            assert len(packed) > 150  # the plain kernels are not what this is about
            assert sum(isinstance(form, PackedLstm) for form in packed) == 16  # Helium runs them as well
        sources, n_words = write_batch(texts, wanted, folder)
        ours = [*NN_DIR.glob("*.c"), Path(__file__).parent / "nn_board.c", BOARD_DIR / "startup.c"]
        command = [COMPILER, *code.cpu, *WARNINGS, code.level, f"-I{NN_DIR}", f"-I{BOARD_DIR}"]
        command += [f"-I{folder}", "-c", *map(str, sources), *map(str, ours)]
        subprocess.run(command, check=True, cwd=folder)
        found[name] = folder, n_words
        return found[name]

    return compile_code


@pytest.mark.parametrize("machine", BOARDS)
def test_random_networks_on_a_core(machine, objects, tmp_path):
    code = BOARDS[machine]
    folder, n_words = objects(code)
    image = tmp_path / "networks.elf"
    command = [COMPILER, *CODES[code].cpu, *MACHINES[machine].link_flags(), "-o", str(image)]
    subprocess.run([*command, *map(str, folder.glob("*.o"))], check=True)
    assert run_image(machine, image, TIMEOUT_S) == f"EQUAL {n_words}\n"
    assert n_words > 60_000
