"""The network of a spec: its input's scale, building it, keeping it, what it costs."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.feature_stage import FeatureScale
from myo_pipeline.spec import PatchSpec
from myo_training.networks.builder import Form
from myo_training.networks.counting import count_network
from myo_training.networks.shapes import build_network
from myo_training.quiet import quiet_stderr

# Filtered counts of training persons are divided by this percentile of their magnitude. EMG is heavy-tailed:
# the largest count would leave three of eight bits to weak contractions; at 99.9 one sample in a thousand
# saturates.
INPUT_PERCENTILE = 99.9
INPUT_MAX = 127 / 128  # the largest int8 value at a scale of 1/128

# Counts that become 1.0, for all channels or for each; or means and deviations of features.
InputScale = float | NDArray[np.float64] | FeatureScale


def measure_input_scale(counts: NDArray[np.floating]) -> float:
    """Return the counts that become 1.0 at the network's input.

    Parameters
    ----------
    counts
        Filtered counts of the training persons, any shape.

    Returns
    -------
    float
        :data:`INPUT_PERCENTILE` of the magnitude over all channels; one scale for all, since electrodes turn
        around the arm. Rounded to six digits, and 1.0 where the signal is silent.
    """
    scale = float(f"{np.percentile(np.abs(counts), INPUT_PERCENTILE):.6g}")
    return scale if scale > 0 else 1.0


def measure_channel_scales(counts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return :func:`measure_input_scale` of each channel, (n_channels,), for counts (..., n_channels)."""
    return np.array([measure_input_scale(counts[..., channel]) for channel in range(counts.shape[-1])])


def scale_input(counts: NDArray[np.floating], input_scale: InputScale) -> NDArray[np.float32]:
    """Return the network's input, (n_windows, 1, window_samples, n_channels), clipped to what int8 holds.

    Of features (n_windows, n_components, n_channels), their z-scores in the same way; those of several windows keep their
    shape, (n_windows, windows, n_components, n_channels).
    """
    if isinstance(input_scale, FeatureScale):
        z = input_scale.apply(counts).astype(np.float32)
        return z if z.ndim == 4 else z[:, None]
    scaled = np.asarray(counts, dtype=np.float32) / np.asarray(input_scale, np.float32)
    x: NDArray[np.float32] = np.clip(scaled, -1.0, INPUT_MAX)[:, None].astype(np.float32)
    return x


def build_model(spec: PatchSpec) -> Any:  # noqa: ANN401 - Keras has no types
    """Build the Keras model of a spec as it is learned, weights drawn from Keras' global seed."""
    return build_network(spec, Form.LEARNED)[0]


def save_model(model: Any, path: Path) -> None:  # noqa: ANN401
    """Save a Keras model so that the same model gives the same file.

    Keras writes the time into its archive, and addresses as identity of shared objects: the first is left
    out, the second are numbered in the order in which they appear.
    """
    with quiet_stderr():
        model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in sorted(archive.namelist())}
    about = json.loads(members["metadata.json"])
    about.pop("date_saved", None)
    members["metadata.json"] = json.dumps(about).encode()
    numbers: dict[bytes, int] = {}
    members["config.json"] = re.sub(
        rb'("shared_object_id": )(\d+)',
        lambda m: m[1] + str(numbers.setdefault(m[2], len(numbers))).encode(),
        members["config.json"],
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)


@dataclass(frozen=True)
class ModelCost:
    """Parameters after folding, and multiply-accumulates of one window."""

    n_parameters: int
    n_macs: int


def count_cost(spec: PatchSpec) -> ModelCost:
    """Count what one window costs."""
    with quiet_stderr():
        return ModelCost(*count_network(build_network(spec, Form.FOLDED)[0]))
