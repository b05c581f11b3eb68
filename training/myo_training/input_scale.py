"""How the network's input is scaled, by the spec: measured over training windows, described, and kept in augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.feature_stage import FeatureScale, compile_spec_features
from myo_pipeline.spec import PatchSpec
from myo_training.augmentation import ChannelAugmentation, augment_windows
from myo_training.feature_input import FeatureAugmentation, measure_features
from myo_training.fit import Augment
from myo_training.model import INPUT_PERCENTILE, InputScale, measure_channel_scales, measure_input_scale


def measure_scale(windows: NDArray[np.floating], spec: PatchSpec) -> InputScale:
    """Measure what the spec's network takes, over the windows of training persons.

    Parameters
    ----------
    windows
        As of :class:`~myo_training.windows.WindowSet`; of several windows' features, the newest are measured.
    spec
        The patch; ``training.scaling`` says whether channels of EMG share their statistics. An auxiliary channel has its own.

    Raises
    ------
    DataError
        If a feature is the same in all windows.
    """
    if spec.features:
        return measure_features(windows[:, -1] if spec.context_windows > 1 else windows, spec)
    if spec.training.scaling == "channel":
        return measure_channel_scales(windows)
    emg, others = windows[..., : spec.emg_channels], windows[..., spec.emg_channels :]
    shared = measure_input_scale(emg)
    return np.append([shared] * spec.emg_channels, measure_channel_scales(others)) if spec.aux else shared


def make_augmentation(spec: PatchSpec, scale: InputScale) -> Augment:
    """Choose what turns and gains do to inputs of that scale."""
    if isinstance(scale, FeatureScale):
        return FeatureAugmentation(spec, scale)
    return augment_windows if isinstance(scale, float) else ChannelAugmentation(scale, spec.emg_channels)


def describe_scale(scale: InputScale, spec: PatchSpec) -> dict[str, Any]:
    """Return what ``training.json`` says of the network's input."""
    if isinstance(scale, FeatureScale):
        return {"features": scale.as_dict(compile_spec_features(spec, scale.word_shift).names)}
    scales = np.broadcast_to(scale, spec.front_end_channels).tolist()
    return {"input_scale": scales, "input_percentile": INPUT_PERCENTILE}
