"""All features of a patch: the families that a spec's ``[[features]]`` belong to, and their words one after the other.

A family computes its features together: those of a window's sums (``features``), of its spectrum (``spectrum``), of its
segments (``stft``), of its wavelet coefficients (``wavelet``), of its electrodes together (``ring``). Words stand family by
family in this order, within one in the order of the spec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, get_args

from pydantic import BaseModel, Field

from myo_pipeline import features as sums
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_config import FeatureConfig, compile_features
from myo_pipeline.feature_words import Component
from myo_pipeline.features import TimeFeature
from myo_pipeline.ring import RingConfig, RingFeature, compile_ring
from myo_pipeline.spectrum import SpectrumConfig, SpectrumFeature, compile_spectrum
from myo_pipeline.stft import StftConfig, StftFeature, compile_stft
from myo_pipeline.wavelet import PacketFeature, WaveletConfig, WaveletFeature, compile_wavelet

WindowFeature = Annotated[
    TimeFeature | SpectrumFeature | StftFeature | WaveletFeature | PacketFeature | RingFeature,
    Field(discriminator="kind"),
]
#: Config of one family.
Part = FeatureConfig | SpectrumConfig | StftConfig | WaveletConfig | RingConfig

#: Table of each kind, for messages and the page of the spec.
FEATURE_TABLES: Final[dict[str, type[BaseModel]]] = sums.FEATURE_TABLES | {
    str(kind): table
    for table in (SpectrumFeature, StftFeature, WaveletFeature, PacketFeature, RingFeature)
    for kind in get_args(table.model_fields["kind"].annotation)
}


@dataclass(frozen=True)
class FeatureSet:
    """All integers that decide what features a patch computes; ``myo_feature_stage_config_t`` in the firmware.

    Attributes
    ----------
    rate_hz
        Frames a second, behind the front end.
    word_shift
        ``count = word * 2^-word_shift``.
    features
        The entries of the spec, in its order.
    parts
        The families, in the order of the words.
    """

    n_channels: int
    window: int
    hop: int
    rate_hz: float
    word_shift: int
    features: tuple[WindowFeature, ...]
    parts: tuple[Part, ...]

    @property
    def components(self) -> list[Component]:
        """Each word of a channel."""
        return [component for part in self.parts for component in part.components]

    @property
    def names(self) -> list[str]:
        """Name of each component."""
        return [component.name for component in self.components]

    @property
    def n_components(self) -> int:
        """Words a channel."""
        return len(self.components)

    @property
    def memory_words(self) -> int:
        """32-bit words of state on the device; parts run one after the other, so the transforms share their scratch."""
        scratch = [part.scratch_words for part in self.parts if isinstance(part, SpectrumConfig | StftConfig)]
        return sum(part.memory_words for part in self.parts) - sum(scratch) + max(scratch, default=0)


def _compile_spectrum(
    features: Sequence[SpectrumFeature],
    n_channels: int,
    window: int,
    hop: int,
    rate_hz: float,
    word_shift: int,
) -> SpectrumConfig:
    tapers = {feature.taper for feature in features}
    if len(tapers) > 1:
        raise SpecError(
            f"features: spectral ones with taper {' and '.join(sorted(tapers))}, expected one; make them equal"
        )
    doubles = [f for f in features if features.count(f) > 1]
    if doubles:
        raise SpecError(f"features: {doubles[0].kind} of one band stands twice; remove one")
    return compile_spectrum(
        features, n_channels=n_channels, window=window, hop=hop, rate_hz=rate_hz, word_shift=word_shift,
        taper=features[0].taper,
    )  # fmt: skip


def compile_feature_set(
    features: Sequence[WindowFeature],
    *,
    n_channels: int,
    window: int,
    hop: int,
    rate_hz: float,
    word_shift: int,
) -> FeatureSet:
    """Choose the integers of all features of a spec.

    Parameters
    ----------
    features
        Entries of the spec; each once, but for ``log`` beside plain and for bands beside each other.
    n_channels, window, hop
        Channels, and frames.
    rate_hz
        Frames a second.
    word_shift
        ``count = word * 2^-word_shift``.

    Raises
    ------
    SpecError
        If the features or sizes contradict each other.
    """
    in_time = [f for f in features if isinstance(f, TimeFeature)]
    spectral = [f for f in features if isinstance(f, SpectrumFeature)]
    parts: list[Part] = []
    if in_time or not features:
        parts.append(
            compile_features(in_time, n_channels=n_channels, window=window, hop=hop, word_shift=word_shift)
        )
    if spectral:
        parts.append(_compile_spectrum(spectral, n_channels, window, hop, rate_hz, word_shift))
    for table in (StftFeature, WaveletFeature, PacketFeature, RingFeature):
        found = [f for f in features if isinstance(f, table)]
        if len(found) > 1:
            raise SpecError(f"features: {found[0].kind} stands twice; remove one")
        for feature in found:
            if isinstance(feature, StftFeature):
                parts.append(
                    compile_stft(
                        feature, n_channels=n_channels, window=window, hop=hop, rate_hz=rate_hz, word_shift=word_shift
                    )
                )  # fmt: skip
            elif isinstance(feature, RingFeature):
                parts.append(
                    compile_ring(
                        feature, n_channels=n_channels, window=window, hop=hop, word_shift=word_shift
                    )
                )
            else:
                parts.append(
                    compile_wavelet(
                        feature, n_channels=n_channels, window=window, hop=hop, word_shift=word_shift
                    )
                )
    return FeatureSet(n_channels, window, hop, rate_hz, word_shift, tuple(features), tuple(parts))
