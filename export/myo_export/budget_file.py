"""What ``budget.json`` says of a patch before its firmware is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_export.aux_streams import ProvedAux
from myo_export.front_end import FrontEnd, ProvedStep
from myo_export.network_report import NetworkReport
from myo_pipeline.feature_stage import (
    FeatureStage,
)
from myo_pipeline.twin_config import TwinConfig


def _describe(proved: ProvedStep) -> dict[str, Any]:
    """Return a step and its proof as plain values."""
    cascade = proved.cascade
    found: dict[str, Any] = {
        "kind": proved.step.kind.name.lower(), "channels": proved.step.n_out, "align": proved.step.align,
        "exponent": proved.exponent, "peak": proved.peak, "accumulator_peak": proved.accumulator_peak,
    }  # fmt: skip
    if cascade is not None:
        found |= {
            "post_shift": cascade.post_shift, "node_peak": cascade.node_peak.tolist(),
            "node_accumulator_peak": cascade.accumulator_peak.tolist(), "pole_radius": cascade.pole_radius.tolist(),
        }  # fmt: skip
    return found


def describe_budget(
    config: TwinConfig, front_end: FrontEnd, aux: Sequence[ProvedAux], network: NetworkReport,
    input_scale: NDArray[np.float64], filtered_bounds: NDArray[np.float64], bounds: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return memory and cost as far as they are known before the firmware is built."""
    quantum = network.input_scale
    # Half a step of rounding; the multiplier's own error is 2^-31 of at most 256 steps.
    stage = config.features
    if stage is None:
        input_bound = float((filtered_bounds / input_scale).max()) + quantum * (0.5 + 256 * 2.0**-31)
    else:
        input_bound = float(bounds["input_units"])  # of the golden windows: it depends on the signal
    return {
        "front_end": {
            "input_shift": config.input_shift,
            "exponent": config.exponent,
            "channels": config.front_end_channels,
            "decimation": config.decimation,
            "steps": [_describe(proved) for proved in front_end.steps],
            "group_delay_ms": front_end.group_delay_ms,
            "input_scale_counts": input_scale.tolist(),
            "error_bound": {"filtered_counts": float(filtered_bounds[0]), "input_units": input_bound},
            "notes": list(front_end.notes),
            "state_bytes": 4 * front_end.state_words,
        },
        **({"features": _describe_stage(stage, bounds)} if stage else {}),
        **({"aux": [_describe_aux(stream) for stream in aux]} if aux else {}),
        "network": {
            "macs": network.macs,
            "flash_bytes": network.flash_bytes,
            "arena_bytes": network.arena_bytes,
            "arena_lower_bound_bytes": network.arena_lower_bound_bytes,
            "input_scale": quantum,
            "tflm_arena_bytes": network.tflm_arena_bytes,
            "layers": [
                {
                    "index": layer.index,
                    "op": layer.op_name,
                    "tensor": layer.output_name,
                    "shape": layer.output_shape,
                    "scale": layer.output_scale,
                    "zero_point": layer.output_zero_point,
                    "macs": layer.macs,
                    "weight_bytes": layer.weight_bytes + layer.table_bytes,
                    "in_layer": layer.in_layer,  # which computes it along: it has no words on the device
                }
                for layer in network.layers
            ],
        },
    }


def _describe_stage(stage: FeatureStage, bounds: dict[str, Any]) -> dict[str, Any]:
    """Return what ``budget.json`` says of the features; bounds are the largest over the golden windows."""
    names = stage.config.names
    return {
        "names": names,
        "word_shift": stage.config.word_shift,
        "filtered_shift": stage.filtered_shift,
        "state_bytes": 4 * stage.config.memory_words,
        "error_bound": dict(zip(names, bounds["features"], strict=True)),
    }


def _describe_aux(stream: ProvedAux) -> dict[str, Any]:
    """Return what ``budget.json`` says of an auxiliary stream."""
    timing = stream.config.timing
    return {
        "name": stream.sensor.name,
        "kind": stream.sensor.kind,
        "channels": stream.config.n_outputs,
        "samples_a_frame": [timing.step, timing.unit],
        "delay_ms": stream.delay_ms + stream.front_end.group_delay_ms,
        "late_frames": timing.lag,
        "gain_bits": stream.gain_bits,
        "error_bound_counts": stream.error_bound,
        "state_bytes": 4 * stream.config.memory_words,
        "notes": [*stream.front_end.notes, stream.note],
    }
