"""Run a model twice: as C under the sanitizers, and on the tflite_micro runtime; give every layer of both."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tflite_micro.python.tflite_micro import runtime

from myo_export.emit_net import NetworkSource
from myo_export.pack_dsp import Optimize
from myo_export.tflite_reader import read_graph

NN_DIR = Path(__file__).parents[2] / "firmware" / "core" / "nn"
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
# A host that claims the DSP extension and finds its instructions in emulated form.
EMULATED_DSP = ["-D__ARM_FEATURE_DSP=1", f"-I{Path(__file__).parent / 'nn_emulated_dsp'}"]
SANITIZERS = ["-g1", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

HARNESS = r"""
#include <stdio.h>
#include <string.h>
#include "net.h"
#ifndef NET_STATE_SIZE
#define NET_STATE_SIZE 0
#endif
static _Alignas(16) unsigned char arena[NET_ARENA_SIZE], state[NET_STATE_SIZE + 1];
/* Overwrites what does not live from run to run. */
static void forget(int with) {
    memset(arena + NET_STATE_SIZE, with, NET_ARENA_SIZE - NET_STATE_SIZE);
}
/* The caller's buffers may stand at any address: here at odd ones. */
static _Alignas(4) int8_t input_buffer[NET_INPUT_SIZE + 1];
static _Alignas(4) int8_t output_buffer[NET_OUTPUT_SIZE + 1];
static int8_t *const input = input_buffer + 1;
static int8_t *const output = output_buffer + 1;
static const uint16_t expected_layers[] = {EXPECTED_LAYERS};
#define N_EXPECTED (sizeof expected_layers / sizeof *expected_layers)
static size_t n_seen;
static void observe(void *context, uint16_t layer, const int8_t *data, size_t n) {
    if (n_seen >= N_EXPECTED || layer != expected_layers[n_seen++]) {
        fprintf(stderr, "layer %u out of order\n", layer);
    }
    fwrite(data, 1, n, (FILE *)context);
}
int main(void) {
    memset(arena, 0x3C, NET_ARENA_SIZE);
    net_init(arena);
    while (fread(input, 1, NET_INPUT_SIZE, stdin) == NET_INPUT_SIZE) {
        int8_t copy[NET_INPUT_SIZE], again[NET_OUTPUT_SIZE];
        memcpy(copy, input, NET_INPUT_SIZE);
        memcpy(state, arena, NET_STATE_SIZE);
        forget(0xA5);
        n_seen = 0;
        net_run_observed(arena, input, output, observe, stdout);
        fwrite(output, 1, NET_OUTPUT_SIZE, stdout);
        memcpy(arena, state, NET_STATE_SIZE);
        forget(0x5A);
        net_run(arena, input, again);
        if (n_seen != N_EXPECTED || memcmp(copy, input, NET_INPUT_SIZE) ||
            memcmp(again, output, NET_OUTPUT_SIZE)) {
            return 3;
        }
    }
    return 0;
}
"""


def host_compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")


@dataclass(frozen=True)
class HostKernels:
    """Core/nn as a static library, and what a network compiled against it is compiled with."""

    library: Path
    flags: list[str]
    optimize: Optimize = "speed"


def build_kernels(folder: Path, flags: list[str], optimize: Optimize = "speed") -> HostKernels:
    """Compile core/nn once into a static library, under the sanitizers and with warnings as errors."""
    objects = []
    for source in sorted(NN_DIR.glob("*.c")):
        objects.append(folder / f"{source.stem}.o")
        command = [
            host_compiler() or "cc",
            *WARNINGS,
            *SANITIZERS,
            *flags,
            "-c",
            str(source),
            "-o",
            str(objects[-1]),
        ]
        subprocess.run(command, check=True)
    library = folder / "libnn.a"
    subprocess.run(["ar", "rcs", str(library), *map(str, objects)], check=True)
    return HostKernels(library, flags, optimize)


def run_c(
    text: NetworkSource, inputs: np.ndarray, kernels: HostKernels, folder: Path
) -> list[list[np.ndarray]]:
    """Every layer of every input, then the output, as the generated C computes them.

    A layer that is computed in another one has no words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.h").write_text(text.header)
    (folder / "net.c").write_text(text.source)
    (folder / "harness.c").write_text(HARNESS)
    program = folder / "net"
    command = [
        host_compiler() or "cc",
        *WARNINGS,
        *SANITIZERS,
        *kernels.flags,
        f"-I{NN_DIR}",
        f"-I{folder}",
        "-DEXPECTED_LAYERS=" + ",".join(str(step.index) for step in text.network.steps),
        str(folder / "net.c"),
    ]
    subprocess.run(
        [*command, str(folder / "harness.c"), str(kernels.library), "-o", str(program)], check=True
    )
    run = subprocess.run([str(program)], input=inputs.tobytes(), capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr.decode()[:2000]
    assert run.stderr == b""
    graph = text.network.graph
    sizes = [graph.tensors[step.output].size for step in text.network.steps] + [
        graph.tensors[graph.output].size
    ]
    words = np.frombuffer(run.stdout, np.int8).reshape(len(inputs), sum(sizes))
    results, n_layers = [], sum(len(op.outputs) for op in graph.ops)
    for row in words:
        *layers, output = np.split(row, np.cumsum(sizes)[:-1])
        seen = {step.index: layer for step, layer in zip(text.network.steps, layers, strict=True)}
        results.append([*(seen.get(k, np.zeros(0, np.int8)) for k in range(n_layers)), output])
    return results


def run_tflm(model: bytes, inputs: np.ndarray, anew: bool = False) -> list[list[np.ndarray]]:
    """The same from the tflite_micro runtime; nothing of float layers, for which other words stand in C.

    Each input continues the one before, or begins anew.
    """
    graph = read_graph(model)
    interpreter = runtime.Interpreter.from_bytes(
        model, arena_size=1 << 20, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors
    )
    results = []
    for words in inputs:
        if anew:
            interpreter.reset()
        interpreter.set_input(words.reshape(graph.tensors[graph.input].shape), 0)
        interpreter.invoke()
        layers = [
            np.array(interpreter.GetTensor(tensor, 0)["tensor_data"], np.int8).reshape(-1)
            if graph.tensors[tensor].dtype == "int8"
            else np.zeros(0, np.int8)
            for op in graph.ops
            for tensor in op.outputs
        ]
        results.append([*layers, np.array(interpreter.get_output(0), np.int8).reshape(-1)])
    return results


def varied_inputs(n_words: int, zero_point: int, seed: int, n_random: int = 5) -> np.ndarray:
    """The extremes, the zero point, and random words."""
    rng = np.random.default_rng(seed)
    constant = [np.full(n_words, v) for v in (-128, 127, zero_point)]
    random = [rng.integers(-128, 128, n_words) for _ in range(n_random)]
    ends = [rng.choice([-128, 127], n_words)]
    return np.array(constant + random + ends, np.int8)


def compare(expected: list[list[np.ndarray]], found: list[list[np.ndarray]], names: list[str]) -> None:
    """Name the first input, layer and word that differ."""
    for i, (rows, others) in enumerate(zip(expected, found, strict=True)):
        for k, (a, b) in enumerate(zip(rows, others, strict=True)):
            if a.size and b.size and not np.array_equal(a, b):
                where = int(np.flatnonzero(a != b)[0])
                name = names[k] if k < len(names) else "output"
                raise AssertionError(
                    f"input {i}, layer {k} ({name}): {np.count_nonzero(a != b)} of {a.size} words differ,"
                    f" first at {where}: TFLM {a[where]}, C {b[where]}"
                )
