"""Export: from a trained model and a spec to a bundle that firmware and host tools can use."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_export.aux_streams import ProvedAux, quantize_aux
from myo_export.budget import Choice, choose_forms
from myo_export.emit_calibration import MEASURED, read_head
from myo_export.emit_feature_set import FEATURE_FILES, render_feature_set
from myo_export.emit_patch import render_bundle_id, render_config_header, render_config_source
from myo_export.emit_quality import render_quality
from myo_export.fixed_point import quantize_multiplier
from myo_export.front_end import FrontEnd, ProvedStep, quantize_front_end
from myo_export.motion import ProvedMotion, describe_motion, quantize_motion
from myo_export.network_report import NetworkReport
from myo_export.patch_model import Ends, name_models, open_model
from myo_export.trained import (
    TRAINED,
    HeldOut,
    read_evaluation,
    read_feature_scale,
    read_input_scale,
    read_training,
)
from myo_pipeline.bundle import (
    BUNDLE_ID,
    MANIFEST,
    MANIFEST_FORMAT,
    Bundle,
    hash_bundle,
    hash_file,
    open_bundle,
    write_json,
    write_text,
)  # fmt: skip
from myo_pipeline.decision_rule import SOFTMAX_SCALE, SOFTMAX_ZERO_POINT, decide_classes, make_rule
from myo_pipeline.errors import BundleError, ExportError
from myo_pipeline.feature_stage import (
    FeatureReference,
    FeatureScale,
    FeatureStage,
    compute_reference,
    make_stage,
    stack_windows,
)
from myo_pipeline.features import FULL_SCALE
from myo_pipeline.quality_gate import make_gate
from myo_pipeline.reference import cut_windows, filter_streams, mean_values, window_ends
from myo_pipeline.spec import PatchSpec, load_spec
from myo_pipeline.steps import pack_steps
from myo_pipeline.twin import CLASSES, VALUES, NetworkTwin, Twin, TwinConfig
from myo_pipeline.vectors import GoldenSegment
from myo_pipeline.word_network import NETWORK_MODELS, WORD_MODELS, WordNetworkTwin

TRACED_WINDOWS = 240  # windows whose every layer goes into the golden vectors, spread over all segments

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Exported:
    """What an export made."""

    bundle: Bundle
    front_end: FrontEnd
    network: NetworkReport
    choice: Choice
    aux: tuple[ProvedAux, ...] = ()


def export_bundle(path: Path, progress: Progress | None = None) -> Exported:
    """Complete a trained bundle.

    Parameters
    ----------
    path
        A folder that training has filled.
    progress
        Called with what is being done and the share of the whole that is done.

    Returns
    -------
    Exported
        The bundle, opened and checked, and what the compiler chose.

    Raises
    ------
    BundleError
        If the folder lacks what training writes.
    ExportError
        If filters or network cannot be compiled.
    """
    tell = progress or (lambda what, share: None)
    spec = load_spec(path / "patch.toml") if (path / "patch.toml").is_file() else None
    wanted = (*TRAINED, *(name_models(spec) if spec else ()))
    missing = [name for name in wanted if not (path / name).is_file()]
    if missing or spec is None:
        raise BundleError(f"{path}: lacks {', '.join(missing)}; run `myopatch train` first")
    training = read_training(path, spec)
    input_scale = np.ones(0) if spec.features else read_input_scale(training, spec)
    feature_scale = read_feature_scale(training, spec) if spec.features else None
    held_out = read_evaluation(path / "evaluation.npz", spec)
    (path / MANIFEST).unlink(missing_ok=True)  # until the export is whole, this is no bundle
    tell("front end to fixed point", 0.0)
    front_end = quantize_front_end(spec)
    aux = quantize_aux(spec, front_end)
    motion = quantize_motion(spec, front_end, aux)
    tell("network to C", 0.05)
    model = open_model(path, spec)
    config = _twin_config(spec, front_end, aux, motion, input_scale, feature_scale, model.ends)
    choice = choose_forms(spec, *model.report_forms(), front_end, config.features, aux, motion)
    network = model.emit(path / "c", f"myopatch export {path.name}", choice.forms)
    if spec.calibration:
        head = read_head(path, spec.calibration, network.embedding, config.layer_tensors.tolist())
        config = replace(config, calibration=head)
    config.save(path / "twin.npz")
    write_text(
        path / "c/patch_config.h",
        render_config_header(spec, config, front_end, choice.buffers, aux, motion),
    )
    _write_features(path, config)
    _write_quality(path, config)
    source = render_config_source(
        spec, config, front_end, model.hop is not None, aux, network.embedding, motion
    )
    write_text(path / "c/patch_config.c", source)
    float_twin = model.open_float(network)
    twin = Twin(config, model.content, keeps_motion_weights=True)
    filtered_bounds = _bound_filtered(spec, front_end, aux)
    if motion is not None:
        filtered_bounds[: front_end.n_out] = _bound_motion(motion, twin, held_out, filtered_bounds[0])
    reference = _make_reference(config, filtered_bounds, input_scale, feature_scale, network.input_scale)
    bounds = _write_vectors(path / "vectors", held_out, spec, twin, float_twin, reference, tell, motion)
    budget = _budget(config, front_end, aux, network, input_scale, filtered_bounds, bounds)
    budget |= {"motion": describe_motion(motion)} if motion else {}
    budget |= {
        "limits": spec.budget.model_dump(exclude={"board"}),
        "predicted": choice.prediction.as_dict()
        | {"weights": choice.describe(), "ring_frames": choice.buffers.ring_frames},
    }
    write_json(path / "budget.json", budget)
    tell("manifest", 0.98)
    return Exported(_write_manifest(path, training), front_end, network, choice, aux)


def _make_stage(
    spec: PatchSpec, front_end: FrontEnd, scale: FeatureScale, input_scale: float, zero_point: int
) -> FeatureStage:
    """Choose the feature stage's integers, and prove that its words cannot saturate."""
    peak = float(spec.sensor.full_scale_counts)
    if front_end.steps:
        peak = front_end.steps[-1].peak * 2.0 ** (31 - front_end.exponent)
    if peak * 2.0**scale.word_shift + 0.5 > FULL_SCALE:
        raise ExportError(
            f"features: the filtered signal may reach {peak:g} counts, a word holds {FULL_SCALE * 2.0**-scale.word_shift:g}; "
            "train again with this spec"
        )
    return make_stage(spec, scale, front_end.exponent, input_scale, zero_point)


def _write_features(path: Path, config: TwinConfig) -> None:
    """Write the features' C, or take away that of an earlier export."""
    made_by = f"myopatch export {path.name}"
    texts = render_feature_set(config.features.config, made_by) if config.features else {}
    for name in FEATURE_FILES:
        if name in texts:
            write_text(path / "c" / name, texts[name])
        else:
            (path / "c" / name).unlink(missing_ok=True)


def _write_quality(path: Path, config: TwinConfig) -> None:
    """Write the signal quality's C, or take away that of an earlier export."""
    files = [path / "c/quality_config.h", path / "c/quality_config.c"]
    if config.quality is None:
        for file in files:
            file.unlink(missing_ok=True)
        return
    texts = render_quality(config.quality.config, f"myopatch export {path.name}")
    for file, text in zip(files, texts, strict=True):
        write_text(file, text)


def _twin_config(
    spec: PatchSpec,
    front_end: FrontEnd,
    aux: Sequence[ProvedAux],
    motion: ProvedMotion | None,
    input_scale: NDArray[np.float64],
    feature_scale: FeatureScale | None,
    ends: Ends,
) -> TwinConfig:
    stage = None
    n_input, what = spec.window_samples * spec.front_end_channels, f"{spec.window_samples} samples"
    if feature_scale is not None:
        stage = _make_stage(spec, front_end, feature_scale, ends.input_scale, ends.input_zero_point)
        n_input, what = stage.n_inputs, f"{stage.n_windows * stage.config.n_components} features"
    name = name_models(spec)[0]
    if ends.n_inputs != n_input:
        raise ExportError(
            f"{name} takes {ends.n_inputs} values, a window of the spec has {n_input} "
            f"({what} x {spec.front_end_channels} channels); train again with this spec"
        )
    if ends.n_outputs != len(spec.output_names):
        raise ExportError(
            f"{name} gives {ends.n_outputs} values, the spec names {len(spec.output_names)} outputs; train again"
        )
    pairs = [quantize_multiplier(2.0**-front_end.exponent / (s * ends.input_scale)) for s in input_scale]
    table, words = pack_steps(front_end.device_steps)
    reject = -128
    if spec.decides_classes and spec.decision.reject_below > 0:
        reject = int(np.ceil(spec.decision.reject_below / ends.output_scale)) + ends.output_zero_point
        reject = min(reject, 127)
    _check_decision(spec, ends.output_scale, ends.output_zero_point)
    return TwinConfig(
        n_channels=spec.sensor.channels,
        window_samples=spec.span_samples,
        hop_samples=spec.hop_samples,
        n_outputs=ends.n_outputs,
        full_scale_counts=spec.sensor.full_scale_counts,
        input_shift=front_end.input_shift,
        step_table=table,
        step_words=words,
        exponent=front_end.exponent,
        multiplier=np.array([multiplier for multiplier, _ in pairs], np.int64),
        shift=np.array([shift for _, shift in pairs], np.int64),
        zero_point=ends.input_zero_point,
        output_scale=ends.output_scale,
        output_zero_point=ends.output_zero_point,
        output_kind=CLASSES if spec.decides_classes else VALUES,
        vote=spec.decision.vote,
        reject_below=reject,
        layer_tensors=ends.layer_tensors,
        features=stage,
        quality=make_gate(spec, front_end.device_steps, spec.decimation),
        aux=tuple(stream.config for stream in aux),
        motion=motion.config if motion else None,
        rule=make_rule(spec.decision, ends.n_outputs) if spec.decides_classes else None,
    )


def _check_decision(spec: PatchSpec, scale: float, zero_point: int) -> None:
    """Refuse a Bayesian filter over outputs that are no softmax."""
    if spec.decision.method == "bayes" and (scale, zero_point) != (SOFTMAX_SCALE, SOFTMAX_ZERO_POINT):
        raise ExportError(
            f"decision.method: 'bayes' takes a softmax, int8 of scale 1/256 and zero point -128; model.tflite gives scale "
            f"{scale:g} and {zero_point}: end the model with a softmax, or use 'average'"
        )


Reference = Callable[[NDArray[np.float64]], FeatureReference]


def _bound_filtered(spec: PatchSpec, front_end: FrontEnd, aux: Sequence[ProvedAux]) -> NDArray[np.float64]:
    """Return the largest ``|twin - float|`` of each channel behind the front end, in the EMG's counts."""
    emg = front_end.error_bound_counts(float(spec.sensor.full_scale_counts))
    bounds = [[emg] * front_end.n_out, *([stream.error_bound] * stream.config.n_outputs for stream in aux)]
    return np.concatenate(bounds)


def _bound_motion(motion: ProvedMotion, twin: Twin, held_out: Sequence[HeldOut], emg_error: float) -> float:
    """Return the largest ``|twin - float|`` behind the removal of motion, by the weights that the held-out segments teach."""
    bound, config = emg_error, twin.config
    for piece in held_out:
        twin.reset()
        twin.filter(np.clip(piece.counts, -config.full_scale_counts, config.full_scale_counts - 1), piece.aux)
        if twin.motion is not None:
            bound = max(bound, motion.bound_error(emg_error, np.stack(twin.motion.weights)))
    return bound


def _make_reference(
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


def _write_vectors(
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


def _budget(
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


def _write_manifest(path: Path, training: dict[str, Any]) -> Bundle:
    """Hash every file, write the bundle's identity and the manifest, and open the bundle."""
    names = [
        *TRAINED, *NETWORK_MODELS, *WORD_MODELS, *([MEASURED] if (path / MEASURED).is_file() else []), "model.keras",
        "model_card.md", "twin.npz", "budget.json",
        *(str(p.relative_to(path)) for folder in ("c", "vectors") for p in (path / folder).rglob("*")
          if p.is_file() and not p.name.startswith(".")),  # such a one was left by an export that was killed
    ]  # fmt: skip
    files = {
        name: hash_file(path / name)
        for name in sorted(set(names))
        if (path / name).is_file() and name != BUNDLE_ID
    }
    bundle_hash = hash_bundle(files)
    write_text(path / BUNDLE_ID, render_bundle_id(bundle_hash))
    files[BUNDLE_ID] = hash_file(path / BUNDLE_ID)
    versions = {
        name: metadata.version(name) for name in ("myopatch", "numpy", "scipy", "cmsisdsp", "tflite-micro")
    } | {"python": platform.python_version()}
    write_json(
        path / MANIFEST,
        {
            "format": MANIFEST_FORMAT,
            "name": path.name,
            "bundle_hash": bundle_hash,
            "versions": versions,
            "training": {key: training[key] for key in ("seed", "data", "versions") if key in training},
            "files": files,
        },
    )
    return open_bundle(path)
