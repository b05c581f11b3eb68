"""What training left in a bundle's folder, read and checked before anything is compiled from it."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.bundle import hash_file, read_json
from myo_pipeline.errors import BundleError, SpecError
from myo_pipeline.feature_stage import FeatureScale, compile_spec_features
from myo_pipeline.spec import PatchSpec
from myo_pipeline.word_network import NETWORK_MODELS, WORD_MODELS

TRAINED = ("patch.toml", "training.json", "evaluation.npz")  # beside the model
TRAINING_FORMAT = 1

_AGAIN = "run `myopatch train` again"
# What export and report read of training.json.
_KEYS = ("data", "split", "tested", "metrics")


@dataclass(frozen=True)
class HeldOut:
    """One uninterrupted piece of a recording that training never saw.

    Attributes
    ----------
    person, session, trial, start
        Where it comes from, ``start`` in samples.
    counts
        int32 (n_samples, n_channels).
    targets
        Class of each sample, int (n_samples,), or values, float64 (n_samples, n_outputs).
    aux
        One a stream of the spec, stamps counted from the piece's first frame.
    """

    person: str
    session: str
    trial: str
    start: int
    counts: NDArray[np.int32]
    targets: NDArray[Any]
    aux: tuple[AuxSamples, ...] = ()


def read_training(folder: Path, spec: PatchSpec) -> dict[str, Any]:
    """Read ``training.json`` and check that it describes the models beside it.

    A training run that was cut short leaves new models beside an old description: their hashes tell.

    Raises
    ------
    BundleError
        If it is damaged, of another version, or of other models.
    """
    path = folder / "training.json"
    training = read_json(path, _AGAIN)
    if training.get("format") != TRAINING_FORMAT:
        raise BundleError(
            f"{path}: format {training.get('format')!r}, this version reads {TRAINING_FORMAT}; {_AGAIN}"
        )
    scale = "features" if spec.features else "input_scale"
    missing = [key for key in (scale, *_KEYS) if key not in training]
    if missing:
        raise BundleError(f"{path}: lacks {', '.join(missing)}; {_AGAIN}")
    model = training.get("model")
    hashes = model.get("sha256") if isinstance(model, dict) else None
    for name in (*NETWORK_MODELS, *WORD_MODELS):
        if isinstance(hashes, dict) and name in hashes and hash_file(folder / name) != hashes[name]:
            raise BundleError(
                f"{folder / name}: is not the model that training.json describes (SHA-256 differs): changed, damaged, "
                f"or training was cut short; {_AGAIN}"
            )
    return training


def read_input_scale(training: dict[str, Any], spec: PatchSpec) -> NDArray[np.float64]:
    """Return the counts that one unit of network input stands for, for each channel behind the front end.

    Raises
    ------
    BundleError
        If there is not one positive number a channel.
    """
    try:
        scale = np.asarray(training["input_scale"], dtype=np.float64).ravel()
    except (TypeError, ValueError):
        scale = np.zeros(0)
    if len(scale) != spec.front_end_channels or not (np.isfinite(scale) & (scale > 0)).all():
        raise BundleError(
            f"training.json: input_scale is {str(training['input_scale'])[:60]}, expected {spec.front_end_channels} "
            f"numbers above 0; {_AGAIN}"
        )
    return scale


def read_feature_scale(training: dict[str, Any], spec: PatchSpec) -> FeatureScale:
    """Return the means and deviations of the spec's features over the training persons.

    Raises
    ------
    BundleError
        If they are not those of the spec's features.
    """
    found = training["features"]
    try:
        mean, deviation = (np.asarray(found[key], np.float64) for key in ("mean", "deviation"))
        scale = FeatureScale(int(found["word_shift"]), mean, deviation)
        names = compile_spec_features(spec, scale.word_shift).names
        shape = (len(names), spec.front_end_channels)
        fits = found["names"] == names and mean.shape == shape and deviation.shape == shape
        fits = fits and bool((np.isfinite(mean) & np.isfinite(deviation) & (deviation > 0)).all())
    except (TypeError, ValueError, KeyError, SpecError):
        fits = False
    if not fits:
        raise BundleError(
            f"training.json: features are {str(found)[:60]}, expected word_shift, and mean and deviation of each of the "
            f"spec's features; {_AGAIN}"
        )
    return scale


def read_evaluation(path: Path, spec: PatchSpec) -> list[HeldOut]:
    """Read the held-out pieces of ``evaluation.npz``.

    Raises
    ------
    BundleError
        If the file is damaged, empty, or does not fit the spec.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            pieces = [
                HeldOut(
                    str(about["person"]), str(about["session"]), str(about["trial"]), int(about["start"]),
                    archive[f"seg{number}_emg"].astype(np.int32), archive[f"seg{number}_labels"],
                    tuple(
                        AuxSamples(
                            archive[f"seg{number}_aux{k}"].astype(np.int32),
                            archive[f"seg{number}_aux{k}_stamps"].astype(np.int64),
                        )
                        for k in range(len(spec.aux))
                    ),
                )
                for number, about in enumerate(json.loads(str(archive["segments"])))
            ]  # fmt: skip
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        AttributeError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise BundleError(f"{path}: damaged ({type(error).__name__}: {error}); {_AGAIN}") from None
    if not pieces:
        raise BundleError(f"{path}: holds no segment; {_AGAIN}")
    n_outputs, least = len(spec.output_names), spec.span_samples * spec.decimation
    for piece in pieces:
        counts, targets = piece.counts, piece.targets
        fits = counts.ndim == 2 and counts.shape[1] == spec.sensor.channels
        fits = fits and len(counts) >= least and len(targets) == len(counts)
        if spec.decides_classes:
            fits = fits and targets.ndim == 1 and np.issubdtype(targets.dtype, np.integer)
            fits = fits and bool(((targets >= 0) & (targets < n_outputs)).all())
        else:
            fits = fits and targets.shape[1:] == (n_outputs,) and bool(np.isfinite(targets).all())
        for samples, sensor in zip(piece.aux, spec.aux, strict=True):
            fits = fits and samples.counts.shape == (len(samples.stamps), sensor.channels)
            fits = fits and bool((np.diff(samples.stamps, prepend=0) >= 0).all())
        if not fits:
            raise BundleError(
                f"{path}: {piece.person}/{piece.session}/{piece.trial} does not fit the spec (EMG {counts.shape}, labels "
                f"{targets.shape} {targets.dtype}; expected {spec.sensor.channels} channels, {n_outputs} outputs of kind "
                f"{spec.output.kind}, at least {least} samples); {_AGAIN}"
            )
    return pieces
