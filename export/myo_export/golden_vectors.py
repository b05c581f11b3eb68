"""Golden vectors: held-out recordings with every stage's words, twin and float."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_export.motion import ProvedMotion
from myo_export.trained import (
    HeldOut,
)
from myo_pipeline.decision_rule import decide_classes
from myo_pipeline.errors import ExportError
from myo_pipeline.feature_stage import (
    FeatureReference,
    FeatureScale,
    compute_reference,
    stack_windows,
)
from myo_pipeline.reference import cut_windows, filter_streams, mean_values, window_ends
from myo_pipeline.spec import PatchSpec
from myo_pipeline.twin import NetworkTwin, Twin
from myo_pipeline.twin_config import CLASSES, TwinConfig
from myo_pipeline.vectors import GoldenSegment
from myo_pipeline.word_network import WordNetworkTwin

TRACED_WINDOWS = 240  # windows whose every layer goes into the golden vectors, spread over all segments
Progress = Callable[[str, float], None]
Reference = Callable[[NDArray[np.float64]], FeatureReference]  # of windows, float-filtered


def make_reference(
    config: TwinConfig, filtered_bounds: NDArray[np.float64], input_scale: NDArray[np.float64],
    feature_scale: FeatureScale | None, quantum: float,
) -> Reference:  # fmt: skip
    """Return a function from the float-filtered windows to what the float network takes, and its bounds."""
    stage = config.features

    def take_windows(windows: NDArray[np.float64]) -> FeatureReference:
        none = np.zeros((len(windows), 0))
        return FeatureReference(none, none, windows / input_scale, none)

    def take_features(windows: NDArray[np.float64]) -> FeatureReference:
        if stage is None or feature_scale is None:  # pragma: no cover - see below
            raise ExportError("no features")
        return compute_reference(stage, feature_scale, windows, float(filtered_bounds.max()), quantum)

    return take_windows if stage is None else take_features


def write_vectors(
    folder: Path, held_out: list[HeldOut], spec: PatchSpec, twin: Twin,
    float_twin: NetworkTwin | WordNetworkTwin,
    reference: Reference, tell: Progress, motion: ProvedMotion | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run the held-out segments through twin and float and keep what each stage gives.

    Return the largest bound on each feature and on the network's input that is finite, over all windows.
    """
    largest_features, largest_input = np.zeros(0), 0.0
    config = twin.config
    shutil.rmtree(folder, ignore_errors=True)
    traced = -(-TRACED_WINDOWS // len(held_out))
    for number, piece in enumerate(held_out):
        tell(f"golden vectors of person {piece.person}", 0.1 + 0.85 * number / len(held_out))
        # As the link limits them before they enter the ring.
        full_scale = config.full_scale_counts
        counts = np.clip(piece.counts, -full_scale, full_scale - 1)
        twin.reset()
        filtered, windows = twin.push(counts, piece.aux)
        weights = None
        if motion is not None and twin.motion is not None:
            weights = twin.motion.take_weights(motion.front_end.exponent)
        float_filtered = filter_streams(spec, counts, piece.aux, weights)
        ends = window_ends(len(filtered), config.window_samples, config.hop_samples)
        n_window, n_together = config.window_samples, 1
        if config.features is not None:
            n_window, n_together = config.features.config.window, config.features.n_windows
        # Of windows by themselves, before they stand together.
        own_ends = window_ends(len(filtered), n_window, config.hop_samples)
        seen, own_gated = float_filtered, np.zeros(len(own_ends), bool)
        if config.quality is not None:
            own_gated = config.quality.gate_windows(twin.quality, own_ends)
            if config.features is None:
                masked = config.quality.mask_frames(twin.quality, 0, len(filtered))
                seen = np.where(masked, 0.0, float_filtered)
        float_windows = np.asarray(cut_windows(seen, n_window, config.hop_samples), np.float64)
        expected = reference(float_windows)
        if config.quality is not None and config.features is not None:
            expected = _mask_inputs(expected, config.quality.mask_windows(twin.quality, own_ends))
        expected, gated = expected.stack(n_together), np.any(stack_windows(own_gated, n_together), axis=1)
        if config.features is not None:
            bounds = expected.feature_bounds.reshape(
                -1, config.features.config.n_components, config.front_end_channels
            )
            most = np.where(np.isfinite(bounds), bounds, 0).max(axis=(0, 2))
            largest_features = np.maximum(most, largest_features) if len(largest_features) else most
            finite = expected.input_bounds[np.isfinite(expected.input_bounds)]
            largest_input = max(largest_input, float(finite.max(initial=0.0)))
        float_layers = [float_twin.run(window.astype(np.float32)) for window in expected.inputs]
        float_outputs = np.stack([layers[-1] for layers in float_layers])
        if config.output_kind == CLASSES:
            float_decided: NDArray[Any] = decide_classes(float_outputs, spec.decision, gated)[0].astype(
                np.int32
            )
        else:
            float_decided = mean_values(float_outputs, spec.decision.vote, gated)
        n_traced = min(traced, len(windows))
        decisions = [w.decision for w in windows]
        GoldenSegment(
            person=piece.person,
            session=piece.session,
            trial=piece.trial,
            start=piece.start,
            counts=counts,
            targets=piece.targets[ends * config.decimation - 1],
            filtered_words=filtered,
            float_filtered=float_filtered,
            features=np.stack([w.feature_words.ravel() for w in windows]),
            float_features=expected.features,
            feature_bounds=expected.feature_bounds,
            float_inputs=expected.inputs if config.features else np.zeros((len(windows), 0)),
            input_bounds=expected.input_bounds,
            quality=twin.quality,
            aux_counts=[samples.counts for samples in piece.aux],
            aux_stamps=[samples.stamps for samples in piece.aux],
            aux_marks=np.array([w.aux_marks for w in windows] if config.aux else [], np.int32),
            inputs=np.stack([w.network_input.ravel() for w in windows]),
            outputs=np.stack([w.output for w in windows]),
            float_outputs=float_outputs,
            decisions=np.array([[d.decided, d.raw, d.confidence, d.n_votes] for d in decisions], np.int32),
            sums=np.stack([d.sums for d in decisions]),
            float_decided=float_decided,
            layers=[
                np.stack([w.layers[k] for w in windows[:n_traced]]) for k in range(len(config.layer_tensors))
            ],
            float_layers=[
                np.stack([layers[k] for layers in float_layers[:n_traced]])
                for k in range(len(config.layer_tensors))
            ],
        ).save(folder / f"{number:03d}.npz")
    return {"features": largest_features.tolist(), "input_units": largest_input}


def _mask_inputs(found: FeatureReference, masked: NDArray[np.bool_]) -> FeatureReference:
    """Give masked channels, bool (n_windows, n_channels), the network's zero: exact in the twin, so their bound is zero."""
    spread = np.tile(
        masked, (1, found.inputs.shape[1] // masked.shape[1])
    )  # words lie component by component
    return replace(
        found,
        inputs=np.where(spread, 0.0, found.inputs),
        input_bounds=np.where(spread, 0.0, found.input_bounds),
    )
