"""Export: from a trained model and a spec to a bundle that firmware and host tools can use."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_export.aux_streams import ProvedAux, quantize_aux
from myo_export.budget import Choice, choose_forms
from myo_export.budget_file import describe_budget
from myo_export.emit_calibration import MEASURED, read_head
from myo_export.emit_feature_set import FEATURE_FILES, render_feature_set
from myo_export.emit_patch import render_bundle_id, render_config_header, render_config_source
from myo_export.emit_quality import render_quality
from myo_export.fixed_point import quantize_multiplier
from myo_export.front_end import FrontEnd, quantize_front_end
from myo_export.golden_vectors import Progress, make_reference, write_vectors
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
from myo_pipeline.decision_rule import SOFTMAX_SCALE, SOFTMAX_ZERO_POINT, make_rule
from myo_pipeline.errors import BundleError, ExportError
from myo_pipeline.feature_stage import (
    FeatureScale,
    FeatureStage,
    make_stage,
)
from myo_pipeline.features import FULL_SCALE
from myo_pipeline.quality_gate import make_gate
from myo_pipeline.spec import PatchSpec, load_spec
from myo_pipeline.steps import pack_steps
from myo_pipeline.twin import Twin
from myo_pipeline.twin_config import CLASSES, VALUES, TwinConfig
from myo_pipeline.word_network import NETWORK_MODELS, WORD_MODELS


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
    reference = make_reference(config, filtered_bounds, input_scale, feature_scale, network.input_scale)
    bounds = write_vectors(path / "vectors", held_out, spec, twin, float_twin, reference, tell, motion)
    budget = describe_budget(config, front_end, aux, network, input_scale, filtered_bounds, bounds)
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
