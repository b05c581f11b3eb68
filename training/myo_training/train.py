"""The training run: from a spec and recordings to the first half of a bundle."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.bundle import hash_file, replace_file, without_nan, write_json, write_text
from myo_pipeline.classical_models import WordModel
from myo_pipeline.decision_rule import find_latency
from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec, load_spec
from myo_pipeline.word_network import NETWORK_MODELS, WORD_MODELS
from myo_training.anomaly import keep_normal, mark_recording
from myo_training.calibration import (
    HeadStatistics,
    WindowOrigins,
    choose_windows,
    measure_head,
    trace_windows,
)
from myo_training.convert import check_alignment, choose_representative, convert_model, read_quantization
from myo_training.datasets import resolve_dataset
from myo_training.decision_curve import trace_decisions
from myo_training.evaluation import (
    choose_segments,
    count_windows,
    evaluate,
    judge_windows,
    pack_segments,
    predict_float,
    predict_int8,
    predict_windows,
    summarize_outputs,
)
from myo_training.fit import Examples
from myo_training.fit_network import fit_network
from myo_training.input_scale import describe_scale, make_augmentation, measure_scale
from myo_training.learned import Learned
from myo_training.model import (
    InputScale,
    build_model,
    count_cost,
    save_model,
    scale_input,
)
from myo_training.model_card import write_card
from myo_training.quantization import quantize_aware, quantize_post
from myo_training.quiet import import_tensorflow, quiet_stderr
from myo_training.recordings import (
    DataSet,
    Recording,
    check_fits,
    digest_listing,
    digest_recording,
)
from myo_training.sensitivity import measure_sensitivity
from myo_training.split import (
    ACROSS_PERSONS,
    ACROSS_SESSIONS,
    TRAIN,
    VALIDATION,
    Session,
    Split,
    split_sessions,
)
from myo_training.windows import WindowSet, choose_balanced, cut_recordings, weigh_classes
from myo_training.word_training import learn_words

Progress = Callable[[str, float], None]

FORMAT = 1
REST_EXCESS = 2.0  # a class keeps at most this many times the windows of the mean other class
MAX_INT8_WINDOWS = 30_000  # through tflite_micro one at a time: about a quarter of a minute
PACKAGES = ("tensorflow", "keras", "tflite-micro", "numpy", "scipy", "myopatch")


@dataclass(frozen=True)
class TrainingResult:
    """What a training run made.

    Attributes
    ----------
    bundle
        Folder with ``model.tflite`` and the rest.
    training
        Content of ``training.json``.
    source, simulated
        Where the recordings came from, in words; whether no person was measured.
    seconds
        Wall time.
    """

    bundle: Path
    training: dict[str, Any]
    source: str
    simulated: bool
    seconds: float


class _Reader:
    """Reads the recordings of one part of a split at a time, and remembers what was read."""

    def __init__(self, data: DataSet, split: Split, spec: PatchSpec) -> None:
        self._data, self._roles, self._spec = data, split.roles(), spec
        self.digests: dict[tuple[str, str, str], str] = {}

    def read(self, role: str) -> list[Recording]:
        wanted: set[Session] = set(self._roles[role])
        found = [
            recording
            for recording in self._data.recordings({person for person, _ in wanted})
            if (recording.person, recording.session) in wanted
        ]
        self.digests.update({recording.key: digest_recording(recording) for recording in found})
        return [mark_recording(recording, self._spec) for recording in found]


def train(
    spec_path: Path, out_dir: Path, data_dir: Path | None = None, progress: Progress | None = None
) -> TrainingResult:
    """Train, quantize and evaluate the model of a spec, and write it into a bundle's folder.

    The same spec, recordings, package versions and kind of processor give the same ``model.tflite``, byte for
    byte.

    Parameters
    ----------
    spec_path
        The ``patch.toml``.
    out_dir
        The bundle's folder; files in it are replaced one by one, each whole.
    data_dir
        Where to look for the data set, see :func:`~myo_training.datasets.resolve_dataset`.
    progress
        Called with a phrase and a fraction of 0 .. 1.

    Returns
    -------
    TrainingResult
        What was made and how good it is.

    Raises
    ------
    SpecError, DataError
        If the spec or the recordings cannot be used; nothing is written then.
    """
    started = time.monotonic()
    tell = progress or (lambda _text, _fraction: None)
    spec = load_spec(spec_path)
    data = resolve_dataset(spec.training.data, data_dir, spec.as_recorded(), spec_path.parent)
    check_fits(data.info, spec.as_recorded())
    split = split_sessions(
        data.sessions(), spec.training.held_out_persons, spec.training.validation_persons, spec.training.seed
    )
    tell(f"data: {data.info.name}, {data.info.source}", 0.0)
    reader = _Reader(data, split, spec)
    hop = max(1, round(spec.training.hop_ms * spec.front_end_rate_hz / 1000))
    tell("reading and filtering recordings", 0.02)
    recordings = reader.read(TRAIN)
    windows = cut_recordings(recordings, spec, hop)
    origins = trace_windows(recordings, spec, hop) if spec.calibration else None
    del recordings
    if spec.output.kind == "score":
        windows = keep_normal(windows)
    input_scale = measure_scale(windows.counts, spec)
    targets = Targets(windows.labels)
    examples = make_examples(windows, spec, input_scale, targets)
    checked = None
    if split.validation:
        others = cut_recordings(reader.read(VALIDATION), spec, hop)
        checked = Examples(
            scale_input(others.counts, input_scale), targets.normalize(others.labels), np.ones(0, np.float32)
        )
    if isinstance(spec.model, WordModel):
        learned = learn_words(spec, examples, checked, make_augmentation(spec, input_scale), tell)
    else:
        learned = _learn_network(spec, examples, checked, targets, input_scale, tell)
    del examples, checked
    head = _measure_head(spec, learned, windows, origins, input_scale) if origins is not None else None
    del windows

    figures, curve, segments = _evaluate_splits(learned, reader, split, spec, input_scale, tell)
    record: dict[str, Any] = {
        "format": FORMAT,
        "name": spec.name,
        "source": data.info.source,
        "simulated": data.info.simulated,
        "data": asdict(data.info)
        | {
            "digest": digest_listing(reader.digests.values()),
            "n_recordings": len(reader.digests),
            "files": hash_files(data),
        },
        "split": {role: [list(s) for s in sessions] for role, sessions in split.roles().items()},
        "tested": split.tested,
        **describe_scale(input_scale, spec),
        "model": {"kind": spec.model.kind, **learned.about},
        "quantization": learned.quantization,
        **({"calibration": {"n_windows": head.n_windows, "temperature": head.temperature}} if head else {}),
        "learning": learned.learning
        | {"seed": spec.training.seed, "rest_excess": REST_EXCESS if spec.decides_classes else None},
        **({"score": learned.threshold} if learned.threshold else {}),
        "latency": find_latency(spec).as_dict(),
        "metrics": figures,
        "decision_curve": curve,
        "evaluation": {"n_segments": len(segments), "n_windows": count_windows(segments, spec)},
        "versions": list_versions(learned.packages),
    }
    record = without_nan(record)
    tell("writing the bundle", 0.98)
    _write_bundle(out_dir, spec_path, spec, learned, record, pack_segments(segments, spec), head)
    seconds = time.monotonic() - started
    tell(f"trained in {seconds:.0f} s", 1.0)
    return TrainingResult(out_dir, record, data.info.source, data.info.simulated, seconds)


def _learn_network(
    spec: PatchSpec, examples: Examples, checked: Examples | None, targets: Targets, input_scale: InputScale,
    tell: Progress,
) -> Learned:  # fmt: skip
    """Learn a Keras model, or the one layer of a linear one, and quantize it."""
    keras, seed, augment = import_tensorflow().keras, spec.training.seed, make_augmentation(spec, input_scale)
    keras.utils.set_random_seed(seed)
    keras.backend.clear_session()
    with quiet_stderr():
        model = build_model(spec)
    fitted = fit_network(model, spec, examples, checked, lambda t, f: tell(t, 0.05 + 0.6 * f), augment)
    tell("quantizing to int8", 0.66)
    representative = choose_representative(examples.x, seed)
    if spec.training.quantization == "aware":
        quantized = quantize_aware(
            model, spec, representative, targets, examples, checked, augment,
            lambda t, f: tell(f"rounding in the way: {t}", 0.66 + 0.03 * f),
        )  # fmt: skip
    else:
        quantized = quantize_post(model, spec, representative, targets)
    model, int8 = quantized.model, quantized.int8
    floating = convert_model(model, None)
    tell("rounding layer by layer", 0.69)
    with quiet_stderr():
        sensitivity = measure_sensitivity(
            quantized, targets.in_units(checked or examples), spec.decides_classes
        )
    sensitivity = sensitivity and sensitivity | {"on": VALIDATION if checked else TRAIN}
    before = {}
    if quantized.post:
        before = {"learned": predict_float(quantized.learned), "post": predict_int8(quantized.post)}
    cost = count_cost(spec)
    return Learned(
        files={"model_float.tflite": floating, "model.tflite": int8},
        keras=model,
        floating=predict_float(model),
        quantized=predict_int8(int8),
        runtime="tflite_micro",
        about={
            "n_parameters": cost.n_parameters,
            "n_macs": cost.n_macs,
            "ops": check_alignment(int8, floating),
        },
        learning=fitted.learning | ({"aware": asdict(quantized.history)} if quantized.history else {}),
        quantization={
            tensor: dict(zip(("scale", "zero_point"), read_quantization(int8, tensor), strict=True))
            for tensor in ("input", "output")
        }
        | {"method": spec.training.quantization, "sensitivity": sensitivity},
        packages=fitted.packages,
        before=before,
        threshold=asdict(fitted.threshold) if fitted.threshold else None,
    )


class Targets:
    """Targets as the network learns them: class numbers as they are, values to mean 0 and variance 1."""

    def __init__(self, labels: NDArray[Any]) -> None:
        values = labels.ndim == 2
        self._mean = labels.mean(axis=0) if values else None
        self._spread = np.where(labels.std(axis=0) > 0, labels.std(axis=0), 1.0) if values else None

    def normalize(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return targets of labels."""
        if self._mean is None or self._spread is None:
            return labels
        targets: NDArray[np.float32] = ((labels - self._mean) / self._spread).astype(np.float32)
        return targets

    def restore(self, model: Any) -> None:  # noqa: ANN401
        """Fold the units back into the output layer: the network then gives values as the recordings do."""
        if self._mean is None or self._spread is None:
            return
        output = model.get_layer("output")
        output.kernel.assign(output.kernel.numpy() * self._spread)
        output.bias.assign(output.bias.numpy() * self._spread + self._mean)

    def in_units(self, examples: Examples) -> Examples:
        """Return examples with targets as the recordings have them."""
        if self._mean is None or self._spread is None:
            return examples
        return replace(examples, y=examples.y * self._spread + self._mean)


def make_examples(windows: WindowSet, spec: PatchSpec, input_scale: InputScale, targets: Targets) -> Examples:
    """Make training windows into network inputs and targets, classes balanced and weighed.

    Raises
    ------
    DataError
        If a class has no window.
    """
    labels = windows.labels
    if labels.ndim == 2:
        weights = np.ones(len(labels), dtype=np.float32)
        return Examples(scale_input(windows.counts, input_scale), targets.normalize(labels), weights)
    if spec.output.kind == "score":
        normal = np.ones(len(labels), np.float32)
        return Examples(scale_input(windows.counts, input_scale), labels.astype(np.int64), normal)
    n_classes = len(spec.output_names)
    missing = [spec.output_names[c] for c in range(n_classes) if not (labels == c).any()]
    if missing:
        raise DataError(
            f"no training window carries label {missing[0]!r}; record it, hold out other persons, or take it "
            "out of output.labels"
        )
    numbers = labels.astype(np.int64)
    chosen = choose_balanced(numbers, n_classes, np.random.default_rng((spec.training.seed, 3)), REST_EXCESS)
    return Examples(
        scale_input(windows.counts[chosen], input_scale),
        numbers[chosen],
        weigh_classes(numbers[chosen], n_classes),
    )


def _measure_head(
    spec: PatchSpec, learned: Learned, windows: WindowSet, origins: WindowOrigins, input_scale: InputScale
) -> HeadStatistics | None:
    """Measure what calibration on the patch needs; None without it."""
    if spec.calibration is None:
        return None
    labels, int8 = windows.labels.astype(np.int64), learned.files["model.tflite"]
    chosen = choose_windows(labels, origins)
    x = scale_input(windows.counts[chosen], input_scale)
    return measure_head(
        spec.calibration, int8, x, labels[chosen], origins.groups[chosen], read_quantization(int8, "input"),
        len(spec.output_names),
    )  # fmt: skip


def _evaluate_splits(
    learned: Learned, reader: _Reader, split: Split, spec: PatchSpec, input_scale: InputScale, tell: Progress
) -> tuple[dict[str, Any], list[dict[str, Any]], list[Any]]:  # fmt: skip
    """Evaluate float on every part of the split, int8 and ways to decide on the tested one; choose what to replay from that."""
    figures: dict[str, Any] = {"float": {}, "int8": {}}
    curve: list[dict[str, Any]] = []
    segments: list[Any] = []
    with quiet_stderr():
        floating = learned.floating
        for index, role in enumerate((VALIDATION, ACROSS_SESSIONS, ACROSS_PERSONS)):
            if not split.roles()[role]:
                continue
            tell(f"evaluating {role.replace('_', ' ')}", 0.7 + 0.05 * index)
            recordings = reader.read(role)
            seen = cut_recordings(recordings, spec, spec.hop_samples)
            outputs = predict_windows(seen, floating, input_scale)
            figures["float"][role] = summarize_outputs(judge_windows(seen, outputs), spec)
            if role == split.tested:
                segments = choose_segments(recordings, spec)
                some, said = _thin_recordings(recordings, spec)
                tell(f"evaluating int8 through {learned.runtime}", 0.85)
                windows = cut_recordings(some, spec, spec.hop_samples)
                curve = trace_decisions(judge_windows(seen, outputs), spec)
                figures["int8"] = {
                    "on": f"{role}, {said}",
                    "runtime": learned.runtime,
                    "int8": evaluate(windows, learned.quantized, input_scale, spec),
                    "float": evaluate(windows, floating, input_scale, spec),
                }
                figures["int8"] |= {
                    name: evaluate(windows, predict, input_scale, spec)
                    for name, predict in learned.before.items()
                }
    return figures, curve, segments


def _thin_recordings(recordings: list[Recording], spec: PatchSpec) -> tuple[list[Recording], str]:
    """Return recordings of at most about :data:`MAX_INT8_WINDOWS` windows, and in words which they are.

    All; else each person's last session; else the first part of each of those recordings.
    """
    limit = MAX_INT8_WINDOWS * spec.hop_samples * spec.decimation
    if sum(len(r.emg) for r in recordings) <= limit:
        return recordings, "all recordings"
    last = {r.person: r.session for r in sorted(recordings, key=lambda r: r.key)}
    chosen = [r for r in recordings if r.session == last[r.person]]
    n_samples = max(limit // len(chosen), spec.span_samples * spec.decimation)
    if all(len(r.emg) <= n_samples for r in chosen):
        return chosen, "each person's last session"
    cut = [replace(r, emg=r.emg[:n_samples], labels=r.labels[:n_samples]) for r in chosen]
    return (
        cut,
        f"first {n_samples / spec.sensor.rate_hz:.0f} s of each recording of each person's last session",
    )


def hash_files(data: DataSet) -> dict[str, str]:
    """Return the SHA-256 of the files used, by name below their common folder, wherever that lies."""
    files = data.files()
    if not files:
        return {}
    root = Path(os.path.commonpath([file.parent for file in files]))
    return {file.relative_to(root).as_posix(): hash_file(file) for file in files}


def list_versions(more: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the versions of the packages that a trained model depends on."""
    versions = {}
    for package in (*PACKAGES, *more):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions


def _write_bundle(
    out_dir: Path, spec_path: Path, spec: PatchSpec, learned: Learned, record: dict[str, Any],
    arrays: dict[str, NDArray[Any]], head: HeadStatistics | None,
) -> None:  # fmt: skip
    out_dir.mkdir(parents=True, exist_ok=True)
    for name in {"model.keras", *NETWORK_MODELS, *WORD_MODELS} - set(learned.files):
        (out_dir / name).unlink(missing_ok=True)  # of a model of another kind
    if learned.keras is not None:
        with replace_file(out_dir / "model.keras") as temporary:
            save_model(learned.keras, temporary)
    for name, content in learned.files.items():
        with replace_file(out_dir / name) as temporary:
            temporary.write_bytes(content)
    with replace_file(out_dir / "evaluation.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    if head is not None:
        with replace_file(out_dir / "calibration.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{name: np.asarray(v) for name, v in vars(head).items()})
    record["model"]["sha256"] = {
        name: hashlib.sha256(content).hexdigest() for name, content in learned.files.items()
    }
    write_json(out_dir / "training.json", record)
    write_text(out_dir / "model_card.md", write_card(record, spec))
    # The spec comes last: a folder with a spec holds a whole training run.
    if spec_path.resolve() != (out_dir / "patch.toml").resolve():
        with replace_file(out_dir / "patch.toml") as temporary:
            shutil.copyfile(spec_path, temporary)
