"""Compile a model by itself: ``net.h``, ``net.c``, and ``build.json`` that says how to build them for a core."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from myo_export.cores import CPU_FLAGS
from myo_export.cost_model import Level
from myo_export.emit_net import render_network, write_files
from myo_export.emit_net_step import Kernels
from myo_export.fold_mve import Folded, Form
from myo_export.lowered import (
    BatchMatmul,
    Binary,
    Conv,
    Copy,
    DepthwiseConv,
    FullyConnected,
    Layer,
    Lstm,
    Mean,
    Network,
    Pad,
    Pool,
    Reduce,
    Softmax,
    Table,
    TransposeConv,
)
from myo_export.network_report import NetworkReport, report_network
from myo_export.pack_dsp import Optimize, Packed
from myo_export.stream_plan import StreamPlan
from myo_pipeline.errors import ExportError

NN_DIR: Final = Path(__file__).resolve().parents[2] / "firmware" / "core" / "nn"


@dataclass(frozen=True)
class Core:
    """What a core runs and is compiled with."""

    kernels: Kernels
    flags: tuple[str, ...]


CORES: Final = {
    "m0": Core("plain", CPU_FLAGS["m0"]),
    "m3": Core("plain", CPU_FLAGS["m3"]),
    "m4": Core("dsp", CPU_FLAGS["m4"]),
    "m7": Core("dsp", CPU_FLAGS["m7"]),
    "m33": Core("dsp", CPU_FLAGS["m33"]),
    "m55": Core("mve", CPU_FLAGS["m55"]),
    "host": Core("plain", ()),
}
OPTIMIZE: Final[dict[str, Optimize]] = {"speed": "speed", "size": "size"}
LEVELS: Final[dict[Optimize, Level]] = {"speed": "-O3", "size": "-Os"}
_PLAIN_SOURCES: Final[dict[type, str]] = {
    Conv: "conv.c",
    DepthwiseConv: "depthwise_conv.c",
    FullyConnected: "fully_connected.c",
    Pool: "pool.c",
    Mean: "mean.c",
    Reduce: "reduce.c",
    **dict.fromkeys(get_args(Binary), "elementwise.c"),
    Table: "elementwise.c",
    Pad: "rearrange.c",
    Copy: "rearrange.c",
    TransposeConv: "transpose_conv.c",
    BatchMatmul: "batch_matmul.c",
    Softmax: "softmax.c",
    Lstm: "lstm.c",
}
_DSP_SOURCES: Final[dict[type, str]] = {
    Conv: "conv_dsp.c",
    DepthwiseConv: "depthwise_conv_dsp.c",
    FullyConnected: "fully_connected_dsp.c",
    Lstm: "lstm_dsp.c",
}
_SHARED_SOURCES: Final[dict[str, tuple[str, ...]]] = {
    "lstm.c": ("lstm_curves.c",),
    "lstm_dsp.c": ("lstm_curves.c", "lstm_dsp_arm.c"),
}
_TILE_SOURCES: Final = ("tile_dsp.c", "tile_dsp_arm.c")
_MVE_SOURCES: Final[dict[type, tuple[str, ...]]] = {
    Conv: ("conv_mve.c", "dot_mve.c"),
    DepthwiseConv: ("depthwise_conv_mve.c",),
    FullyConnected: ("fully_connected_mve.c", "dot_mve.c"),
}


def _sources(layer: Layer, form: Form) -> tuple[str, ...]:
    if isinstance(form, Folded):
        return _MVE_SOURCES[type(layer)]
    if isinstance(form, Packed):
        name = _DSP_SOURCES[type(layer)]
        return (name, *_TILE_SOURCES, *_SHARED_SOURCES.get(name, ()))
    names = tuple(name for kind, name in _PLAIN_SOURCES.items() if isinstance(layer, kind))
    return (*names, *(shared for name in names for shared in _SHARED_SOURCES.get(name, ())))


def _streamed_layer(network: Network, stream: StreamPlan, place: int) -> dict[str, object]:
    """Say what a push computes of a layer, in columns: all words of one time step."""
    step, parts = network.steps[place], stream.streamed[place]
    entry: dict[str, object] = {"layer": step.index, "operator": step.op.name}
    if parts:
        buffer = stream.buffers[step.output]
        c, n_computed = buffer.columns, sum(part.n for part in parts)
        reused, edges = c.width - n_computed, [c.left, c.right]
        entry |= {"columns": c.width, "new": buffer.n_new, "edges": edges, "reused": reused}
    return entry


def _stream_entry(network: Network, stream: StreamPlan) -> dict[str, object]:
    """Say in ``build.json`` what a push computes."""
    return {
        "hop": stream.hop,
        "window": stream.n_steps,
        "macs_of_run": stream.macs,
        "macs_of_push": stream.macs_push,
        "macs_recomputed": stream.macs_recomputed,
        "push_arena_bytes": stream.push_bytes,
        "streamed": [_streamed_layer(network, stream, place) for place in sorted(stream.streamed)],
        "running_sums": [
            {"layer": step.index, "operator": step.op.name}
            for step in (network.steps[sums.place] for sums in stream.sums)
        ],
        "recomputed_from": [
            {"layer": o.index, "operator": o.op_name, "why": f"it {o.reason}"} for o in stream.obstacles
        ],
        "better_hops": list(stream.better_hops),
    }


def _find_target(core: str, optimize: str) -> tuple[Core, Optimize]:
    if core not in CORES:
        raise ExportError(f"core {core!r} is unknown, expected one of: {', '.join(CORES)}")
    if optimize not in OPTIMIZE:
        raise ExportError(f"--optimize {optimize!r} is unknown, expected one of: {', '.join(OPTIMIZE)}")
    return CORES[core], OPTIMIZE[optimize]


def _read_model(model: Path) -> bytes:
    try:
        return model.read_bytes()
    except OSError as error:
        raise ExportError(f"{model}: cannot be read ({error.strerror}); give a .tflite file") from error


def report_choice(model: Path, core: str, optimize: str, hop: int | None = None) -> NetworkReport:
    """Return what `compile_model` would, without writing anything: to see another choice beside the one made.

    Parameters
    ----------
    model, core, optimize, hop
        See `compile_model`.

    Returns
    -------
    NetworkReport
        Per layer and total.

    Raises
    ------
    ExportError
        As `compile_model`.
    """
    target, how = _find_target(core, optimize)
    return report_network(render_network(_read_model(model), "", target.kernels, how, hop), level=LEVELS[how])


def compile_model(
    model: Path, core: str, optimize: str, out_dir: Path, hop: int | None = None
) -> NetworkReport:
    """Compile a ``.tflite`` file for a core.

    Parameters
    ----------
    model : pathlib.Path
        Fully int8-quantized ``.tflite`` file.
    core : str
        One of `CORES`.
    optimize : str
        One of `OPTIMIZE`. It matters on cores with the DSP extension; the numbers are the same.
    out_dir : pathlib.Path
        Takes ``net.h``, ``net.c`` and ``build.json``. If the model cannot be compiled, nothing in it changes.
    hop : int or None
        Time steps a push: ``net.h`` then has ``net_reset`` and ``net_push`` as well.

    Returns
    -------
    NetworkReport
        Per layer and total: shapes, scales, MACs, kernels, flash, arena.

    Raises
    ------
    ExportError
        If an argument is none of the known ones, or the model cannot be read or compiled, or the folder not
        be written; one line.
    """
    target, how = _find_target(core, optimize)
    content = _read_model(model)
    command = f"myopatch compile {model.name} --core {core} --optimize {optimize}"
    command += "" if hop is None else f" --hop {hop}"
    text = render_network(content, command, target.kernels, how, hop)
    used = {
        name
        for step, form in zip(text.network.steps, text.packed, strict=True)
        for name in _sources(step.layer, form)
    }
    if text.stream is not None and text.stream.sums:
        used.add("running_sums.c")
    build: dict[str, object] = {
        "core": core,
        "optimize": optimize,
        "sources": ["net.c", *(str(NN_DIR / name) for name in sorted(used))],
        "include_dirs": [".", str(NN_DIR)],
        "cflags": [*target.flags, "-std=c11", LEVELS[how], "-ffunction-sections", "-fdata-sections"],
    }
    if text.stream is not None:
        build["stream"] = _stream_entry(text.network, text.stream)
    body = json.dumps(build, indent=2) + "\n"
    write_files(out_dir, {"net.h": text.header, "net.c": text.source, "build.json": body})
    return report_network(text, level=LEVELS[how])
