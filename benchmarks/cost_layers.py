"""Layers by themselves on a Cortex-M4F: random ones for the cost model's fit, and what m4cost counts for each.

Every layer is written as the compiler writes it and called between roi_begin and roi_end, so that a region's count is
the layer's: setting up the call, the kernel, the return.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile

from bench_network import BENCH_DIR, C_FLAGS, COMPILER, CPU_FLAGS, LINK_FLAGS, NN_DIR
from myo_export.cost_events import Form, form_of
from myo_export.emit_net_step import step_text
from myo_export.lowered import (
    Add,
    Alias,
    Broadcast,
    Conv,
    DepthwiseConv,
    Extremum,
    FullyConnected,
    Layer,
    Mean,
    Mul,
    Operand,
    Pad,
    Pool,
    Prelu,
    Reduce,
    Requantize,
    Softmax,
    SquaredDifference,
    Table,
    Window,
)
from myo_export.pack_dsp import Packed, pack_layer
from myo_export.quantized_math import Factor, Quantization, softmax_factors
from myo_pipeline.errors import BuildError

LEVELS = ("-O3", "-Os")
LAYERS_AN_IMAGE = 40
BUFFER_BYTES = 1 << 17


@dataclass(frozen=True, eq=False)
class Case:
    """A layer in one form: ``packed`` is what the compiler packed, or why it did not."""

    layer: Layer
    packed: Packed | str

    @property
    def form(self) -> Form:
        """How it runs."""
        return form_of(self.packed)


@dataclass(frozen=True)
class Count:
    """What m4cost says of one region."""

    instructions: int
    cycles: int


class Shapes:
    """Random layers, sizes spread evenly in their logarithm."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def size(self, low: int, high: int) -> int:
        """Draw a number of low .. high."""
        return int(np.exp(self.rng.uniform(np.log(low), np.log(high + 1))))

    def cases(self, n: int) -> list[Case]:
        """Draw n layers of each kind, those with weights in all their forms."""
        found: list[Case] = []
        makers = [
            self._conv_over_time, self._conv, self._pointwise, self._depthwise, self._dense, self._pool, self._mean,
            self._reduce, self._add, self._mul, self._squared_difference, self._prelu, self._extremum, self._pad,
            self._softmax, self._table, self._alias,
        ]  # fmt: skip
        for make in makers:
            for _ in range(n):
                layer = make()
                forms = [pack_layer(layer, "speed"), pack_layer(layer, "size"), "asked for"]
                kept = forms if isinstance(layer, Conv | FullyConnected) else forms[1:]
                found += [Case(layer, form) for form in (kept if isinstance(forms[0], Packed) else ["plain"])]
        return found

    def _requantize(self, n: int, n_terms: int) -> Requantize:
        # Sums of about 70 * 70 * sqrt(n_terms) come out as about 60.
        shift = round(np.log2(60 / (70 * 70 * np.sqrt(n_terms))))
        factors = tuple(Factor(int(m), shift) for m in self.rng.integers(1 << 30, (1 << 31) - 1, n))
        low = int(self.rng.choice([-128, -128, -20]))
        return Requantize(factors, -20 if low > -128 else int(self.rng.integers(-90, 90)), low, 127)

    def _weights(self, shape: tuple[int, ...], n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
        return (
            self.rng.integers(-127, 128, shape).astype(np.int8),
            self.rng.integers(-2000, 2000, n_outputs).astype(np.int32),
        )

    def _make_conv(self, height: int, width: int, channels: int, kernel: tuple[int, int]) -> Conv:
        groups = 2 if channels % 2 == 0 and self.rng.random() < 0.1 else 1
        stride = (1 if height == 1 else self.size(1, 2), self.size(1, 3))
        dilation = (1, self.size(1, 3) if self.rng.random() < 0.2 else 1)
        reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        is_same = self.rng.random() < 0.5 or reach[0] > height or reach[1] > width
        out = tuple(
            -(-n // s) if is_same else (n - r) // s + 1
            for n, s, r in zip((height, width), stride, reach, strict=True)
        )
        pads = [
            max(0, (o - 1) * s + r - n) // 2
            for n, o, s, r in zip((height, width), out, stride, reach, strict=True)
        ]
        n_outputs = groups * self.size(1, 48)
        shape = (n_outputs, *kernel, channels // groups)
        weights, bias = self._weights(shape, n_outputs)
        window = Window(*kernel, *stride, *dilation, *pads)
        requantize = self._requantize(n_outputs, int(np.prod(shape[1:])))
        return Conv(
            (height, width, channels),
            (*out, n_outputs),
            window,
            int(self.rng.integers(-127, 128)),
            weights,
            bias,
            requantize,
        )

    def _conv_over_time(self) -> Layer:
        return self._make_conv(1, self.size(20, 120), self.size(1, 40), (1, self.size(1, 9)))

    def _conv(self) -> Layer:
        return self._make_conv(
            self.size(2, 14), self.size(2, 14), self.size(1, 20), (self.size(1, 4), self.size(1, 4))
        )

    def _pointwise(self) -> Layer:
        return self._make_conv(1, self.size(4, 100), 4 * self.size(1, 16), (1, 1))

    def _depthwise(self) -> Layer:
        conv = self._make_conv(
            self.size(1, 8), self.size(6, 60), 2 * self.size(1, 28), (self.size(1, 3), self.size(1, 9))
        )
        window = conv.window
        multiplier = int(self.rng.choice([1, 1, 1, 2, 3]))
        channels = multiplier * conv.input_shape[2]
        weights, bias = self._weights((window.height, window.width, channels), channels)
        requantize = self._requantize(channels, window.height * window.width)
        shape = (*conv.output_shape[:2], channels)
        return DepthwiseConv(
            conv.input_shape, shape, window, multiplier, conv.input_offset, weights, bias, requantize
        )

    def _dense(self) -> Layer:
        n_inputs, n_outputs = self.size(4, 300), self.size(1, 100)
        weights, bias = self._weights((n_outputs, n_inputs), n_outputs)
        rows = int(self.rng.choice([1, 1, 1, 2, 7, 16]))
        offset = int(self.rng.integers(-127, 128))
        return FullyConnected(rows, offset, weights, bias, self._requantize(n_outputs, n_inputs))

    def _pool(self) -> Layer:
        conv = self._make_conv(
            self.size(1, 8), self.size(6, 60), 2 * self.size(1, 20), (self.size(1, 3), self.size(1, 5))
        )
        window = replace(conv.window, dilation_height=1, dilation_width=1)
        kind = str(self.rng.choice(["average", "max"]))
        shape = (*conv.output_shape[:2], conv.input_shape[2])
        return Pool(kind, conv.input_shape, shape, window, int(self.rng.choice([-128, -20])), 127)

    def _mean(self) -> Layer:
        kept = (1, self.size(8, 100), self.size(1, 60), int(self.rng.choice([1, 1, 1, 5])))
        if self.rng.random() < 0.3:
            kept = (self.size(1, 30), 1, self.size(1, 8), self.size(2, 40))
        return Mean(*kept, int(self.rng.integers(-500, 500)), Factor(1 << 30, -5), 3)

    def _broadcast(self) -> tuple[Broadcast, int]:
        size = (1, self.size(1, 4), self.size(1, 60), self.size(1, 50))
        stride = (size[1] * size[2] * size[3], size[2] * size[3], size[3], 1)
        is_row = self.rng.random() < 0.3
        return Broadcast(size, stride, (0, 0, 0, 1) if is_row else stride), size[3]

    def _factor(self, shift: int) -> Factor:
        return Factor(int(self.rng.integers(1 << 30, (1 << 31) - 1)), shift)

    def _reduce(self) -> Layer:
        if self.rng.random() < 0.3:
            return Reduce("max", self.size(1, 30), 1, self.size(1, 8), self.size(2, 40))
        return Reduce("max", 1, self.size(8, 100), self.size(1, 60), int(self.rng.choice([1, 1, 1, 5])))

    def _operands(self, row: int, is_row: bool) -> tuple[Operand, Operand]:
        values = self.rng.integers(-128, 128, row).astype(np.int8) if is_row else None
        return Operand(0, None), Operand(1, values)

    def _add(self) -> Layer:
        meet, row = self._broadcast()
        a, b = self._operands(row, meet.stride_b[1] == 0)
        factors = Factor(1 << 30, 0), self._factor(-1), self._factor(-19)
        return Add(meet, a, b, 3, -5, *factors, 2, int(self.rng.choice([-128, -128, -20])), 127)

    def _mul(self) -> Layer:
        meet, row = self._broadcast()
        a, b = self._operands(row, meet.stride_b[1] == 0)
        return Mul(meet, a, b, 3, -5, self._factor(-6), 2, int(self.rng.choice([-128, -128, -20])), 127)

    def _squared_difference(self) -> Layer:
        meet, row = self._broadcast()
        a, b = self._operands(row, meet.stride_b[1] == 0)
        factors = Factor(1 << 30, 0), self._factor(-1), self._factor(-19)
        return SquaredDifference(meet, a, b, 3, -5, *factors, -128)

    def _prelu(self) -> Layer:
        meet, row = self._broadcast()
        a, b = self._operands(row, meet.stride_b[1] == 0)
        return Prelu(meet, a, b, 3, -5, self._factor(-1), self._factor(-8), 2)

    def _extremum(self) -> Layer:
        meet, row = self._broadcast()
        return Extremum("maximum", meet, *self._operands(row, meet.stride_b[1] == 0))

    def _pad(self) -> Layer:
        shape = (self.size(1, 6), self.size(4, 80), self.size(1, 40))
        before, after = ((int(self.rng.integers(0, 3)), int(self.rng.integers(0, 4)), 0) for _ in range(2))
        return Pad(shape, before, after, 5)

    def _softmax(self) -> Layer:
        factors = softmax_factors(Quantization(float(self.rng.uniform(0.03, 0.2)), 0), 1.0)
        if factors is None:
            raise BuildError("softmax: no factors for a scale that is usual")
        return Softmax(int(self.rng.choice([1, 1, 2, 9])), self.size(2, 20), factors)

    def _table(self) -> Layer:
        return Table(self.rng.integers(-128, 128, 256).astype(np.int8), self.size(4, 3000))

    def _alias(self) -> Layer:
        return Alias(self.size(4, 3000))


class Bench:
    """Compiles the kernels once for a level, then measures layers."""

    def __init__(self, level: str, folder: Path) -> None:
        self.folder = folder / level.strip("-")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.flags = [
            *CPU_FLAGS,
            *(level if f == "-O3" else f for f in C_FLAGS),
            f"-I{NN_DIR}",
            f"-I{BENCH_DIR}",
        ]
        self.objects = []
        for source in [*sorted(NN_DIR.glob("*.c")), BENCH_DIR / "startup.c"]:
            self.objects.append(self.folder / f"{source.stem}.o")
            self._run([*self.flags, "-c", str(source), "-o", str(self.objects[-1])])

    def _run(self, arguments: list[str]) -> None:
        run = subprocess.run([COMPILER, *arguments], capture_output=True, text=True, check=False)
        if run.returncode:
            raise BuildError(
                f"{COMPILER} failed: {run.stderr.strip()[-300:]}; see the sources in {self.folder}"
            )

    def measure(self, cases: Sequence[Case], counter: Path) -> list[Count]:
        """Count every case."""
        found: list[Count] = []
        for first in range(0, len(cases), LAYERS_AN_IMAGE):
            found += self._measure(cases[first : first + LAYERS_AN_IMAGE], counter)
        return found

    def code(self, case: Case) -> dict[str, int]:
        """Functions and tables that a layer's kernel brings into an image, in bytes, and its configuration."""
        empty = self._symbols([])
        found = self._symbols([case])
        config = found.get("layer_0", 0)
        own = ("layer_0", "input", "output", "scratch")  # constants and buffers
        brought = {n: size for n, size in found.items() if n not in empty and not n.startswith(own)}
        return brought | {"configuration": config}

    def _symbols(self, cases: Sequence[Case]) -> dict[str, int]:
        with self._link(self._main(cases)).open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            kinds = ("STT_FUNC", "STT_OBJECT")
            return (
                {
                    s.name: int(s["st_size"])
                    for s in table.iter_symbols()
                    if s["st_info"]["type"] in kinds and s["st_size"]
                }
                if table is not None
                else {}
            )

    def _measure(self, cases: Sequence[Case], counter: Path) -> list[Count]:
        return self.run(self._main(cases), counter)

    def _main(self, cases: Sequence[Case]) -> str:
        constants, body = "", ""
        for index, case in enumerate(cases):
            text = step_text(index, case.layer, case.packed, "dsp", _sources(case.layer), "output", "scratch")
            constants += text.constants + "\n"
            body += f"    roi_begin();\n{text.calls}    roi_end();\n"
        return _MAIN.format(constants=constants, body=body, size=BUFFER_BYTES)

    def _link(self, source: str) -> Path:
        (self.folder / "main.c").write_text(source)
        image = self.folder / "image.elf"
        link = [*LINK_FLAGS, *map(str, self.objects)]
        self._run([*self.flags, "-w", *link, str(self.folder / "main.c"), "-o", str(image)])
        return image

    def run(self, source: str, counter: Path) -> list[Count]:
        """Build and run a main with its regions; the first region is empty.

        Raises
        ------
        BuildError
            If the image does not build or run.
        """
        image = self._link(source)
        run = subprocess.run(
            [sys.executable, str(counter), str(image)], capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise BuildError(
                f"m4cost failed ({run.stderr.strip()[-120:]}); it needs capstone and a C compiler"
            )
        regions = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")][1:]
        return [Count(r["instr"], r["cycles"]) for r in regions]


def _sources(layer: Layer) -> list[str]:
    return ["input", "input_b"]


_MAIN = """#include <string.h>
#include "board.h"
#include "myo_nn_dispatch.h"
#include "myo_nn_dsp.h"

static _Alignas(16) int8_t input[{size}], input_b[{size}], output[{size}], scratch[{size}];

__attribute__((noinline)) void roi_begin(void) {{ __asm__ volatile("nop"); }}
__attribute__((noinline)) void roi_end(void) {{ __asm__ volatile("nop"); }}

{constants}
int main(void) {{
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof input; i++) {{ /* sums of two uniform words: more of them in the middle */
        state = state * 1664525u + 1013904223u;
        input[i] = (int8_t)((int32_t)(state >> 25) + (int32_t)(state >> 18 & 127u) - 128);
        input_b[i] = input[i] / 2;
    }}
    roi_begin();
    roi_end();
{body}    board_print("DONE\\n");
    return 0;
}}
"""
