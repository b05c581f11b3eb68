"""Generated C of all features of a patch: a config for each family, and the list of them."""

from __future__ import annotations

from typing import Final

from myo_export.emit_correlation import render_correlation
from myo_export.emit_features import render_features
from myo_export.emit_spectrum import render_spectrum
from myo_export.emit_wavelet import render_stft, render_wavelet
from myo_pipeline.feature_config import FeatureConfig
from myo_pipeline.feature_set import FeatureSet, Part
from myo_pipeline.ring import RingConfig
from myo_pipeline.spectrum import SpectrumConfig
from myo_pipeline.stft import StftConfig

#: Every file that a patch's features may have in ``c/``.
FEATURE_FILES: Final = tuple(
    f"{name}_config.{suffix}"
    for name in ("features", "spectrum", "segment", "stft", "wavelet", "packet", "correlation")
    for suffix in ("h", "c")
)


def _name(part: Part) -> str:
    """Return the name of a family's config, and of its files, without ``_config``."""
    match part:
        case FeatureConfig():
            return "features"
        case SpectrumConfig():
            return "spectrum"
        case StftConfig():
            return "stft"
        case RingConfig():
            return "correlation"
        case _:
            return part.spec.kind.removesuffix("_energy")


def _engine(part: Part) -> str:
    name = _name(part)
    return f"myo_{'wavelet' if name == 'packet' else name}_engine"


def render_feature_set(config: FeatureSet, made_by: str) -> dict[str, str]:
    """Write the configs of a patch's features as C.

    Parameters
    ----------
    config
        What to compute.
    made_by
        The command that makes the files again.

    Returns
    -------
    dict
        Text of each file, of :data:`FEATURE_FILES`.
    """
    found: dict[str, str] = {}
    for part in config.parts:
        match part:
            case FeatureConfig():
                texts = render_features(part, made_by)
            case SpectrumConfig():
                texts = render_spectrum(part, made_by)
            case StftConfig():
                found |= render_stft(part, made_by)
                continue
            case RingConfig():
                texts = render_correlation(part, made_by)
            case _:
                texts = render_wavelet(part, made_by)
        found |= dict(zip((f"{_name(part)}_config.h", f"{_name(part)}_config.c"), texts, strict=True))
    return found


def list_feature_headers(config: FeatureSet) -> list[str]:
    """Return the headers that the list of parts needs."""
    return [f"{_name(part)}_config.h" for part in config.parts]


def render_parts(config: FeatureSet) -> list[str]:
    """Write the list of families that ``myo_feature_stage_config_t`` takes."""
    return [
        "/* The families of features, in the order of their words. */",
        "static const myo_feature_part_t feature_parts[PATCH_FEATURE_PARTS] = {",
        *(f"    {{&{_engine(part)}, &{_name(part)}_config}}," for part in config.parts),
        "};",
    ]
