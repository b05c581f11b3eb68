"""Calibration in a bundle: the head's integers from what training measured, and their C."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from myo_export.embedding import Embedding
from myo_pipeline.calibration import Calibration
from myo_pipeline.calibration_head import HeadConfig, quantize_head
from myo_pipeline.errors import BundleError, ExportError, SpecError

MEASURED = "calibration.npz"  # beside the model, where the spec has [calibration]
_PER_LINE = 12


def read_head(
    path: Path, table: Calibration, embedding: Embedding | None, layer_tensors: list[int]
) -> HeadConfig:
    """Make a head's integers of what training measured of the embedding.

    Parameters
    ----------
    path
        The bundle's folder.
    table
        ``[calibration]``.
    embedding
        Where it lies.
    layer_tensors
        The model's layers, by their tensors.

    Raises
    ------
    BundleError
        If training left no statistics, or those of another model.
    ExportError
        If the embedding is too wide.
    """
    file = path / MEASURED
    if embedding is None:
        raise ExportError("calibration: the network keeps no embedding; export it with [calibration]")
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            tensor, prior, precision = int(archive["tensor"]), archive["prior"], archive["precision"]
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{file}: not readable ({error}); train again with [calibration] in the spec"
        ) from None
    shape = (embedding.size, embedding.size)
    if tensor != embedding.tensor or precision.shape != shape or prior.shape[1:] != shape[1:]:
        raise BundleError(
            f"{file}: of tensor {tensor} with {prior.shape[-1]} words, the model's embedding is tensor {embedding.tensor} with "
            f"{embedding.size}; train again with this spec"
        )
    layer = layer_tensors.index(tensor) if tensor in layer_tensors else -1
    try:
        return quantize_head(
            layer=layer, zero_point=embedding.zero_point, prior=prior, precision=precision,
            prior_windows=table.prior_windows, memory_windows=table.memory_windows, min_windows=table.min_windows,
        )  # fmt: skip
    except SpecError as error:
        raise ExportError(str(error)) from None


def _table(kind: str, name: str, values: list[int]) -> list[str]:
    cells = ["INT32_MIN" if v == -(2**31) else str(v) for v in values]
    rows = [", ".join(cells[i : i + _PER_LINE]) for i in range(0, len(cells), _PER_LINE)]
    return [f"static const {kind} {name}[{len(cells)}] = {{", *(f"    {row}," for row in rows), "};"]


def render_calibration(head: HeadConfig, embedding: Embedding) -> list[str]:
    """Return the C of a head's config and of what binds it to the patch."""
    return [
        "",
        f"/* Means of the training persons' embeddings by class, Q7: {head.n_classes} x {head.n_words}. */",
        *_table("int16_t", "head_prior", head.prior.ravel().tolist()),
        f"/* Inverse of the embedding's covariance within a person and class, * 2^{head.precision_shift}: lower triangle. */",
        *_table("int32_t", "head_precision", head.precision.tolist()),
        "static const myo_head_config_t head_config = {",
        "    .n_classes = PATCH_N_OUTPUTS,",
        "    .n_words = PATCH_CALIBRATION_WORDS,",
        f"    .zero_point = {head.zero_point},",
        f"    .precision_shift = {head.precision_shift},",
        f"    .prior_windows = {head.prior_windows},",
        f"    .memory_windows = {head.memory_windows},",
        f"    .min_windows = {head.min_windows},",
        "    .prior = head_prior,",
        "    .precision = head_precision,",
        "};",
        "",
        "static const myo_calibration_config_t calibration_stage = {",
        "    .head = &head_config,",
        f"    .run_offset = {embedding.run_offset},",
        f"    .push_offset = {embedding.push_offset},",
        "    .functions = &myo_calibration_functions,",
        "};",
    ]
