"""Powers of bands in segments of a window, its short-time Fourier transform: keys, float, integer, bound.

A segment's power in a band is ``spectrum``'s ``power`` of the segment's frames. Segments of one length end with the window
and before it at steps that divide the hop, so that a patch computes each once, for all windows that it lies in.

References
----------
Englehart et al. 1999, Classification of the myoelectric signal using time-frequency based representations,
Med. Eng. Phys. 21(6), doi:10.1016/S1350-4533(99)00066-1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_words import Component
from myo_pipeline.spectrum import (
    SpectrumConfig,
    SpectrumFeature,
    Taper,
    compile_spectrum,
    compute_spectrum_features,
)
from myo_pipeline.spectrum_bounds import bound_spectrum
from myo_pipeline.spectrum_twin import compute_spectrum_words

Floats = NDArray[np.float64]

MAX_SEGMENTS, MAX_BANDS = 16, 16

FORMULA: Final = "log2 sum P of each segment and band, P that of the spectrum of the segment"
UNIT: Final = "log2 counts^2"
REFERENCE: Final = (
    "Englehart et al. 1999, Med. Eng. Phys. 21(6), doi:10.1016/S1350-4533(99)00066-1; log2, which keeps its range, "
    "and a Hann window"
)


class StftFeature(BaseModel):
    """Powers of bands in segments of the window, the earliest segment first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["stft_power"]
    segment_ms: float = Field(gt=0, description="length of a segment; a whole number of frames, at most 1024")
    step_ms: float | None = Field(
        default=None,
        gt=0,
        description="from one segment to the next; divides the hop, which it is if left out",
    )
    bands_hz: tuple[tuple[float, float], ...] = Field(
        min_length=1, max_length=MAX_BANDS, description="each from and below: bins of these frequencies"
    )
    taper: Taper = Field(default="hann", description="weights of a segment's samples: 'hann' or 'none'")


@dataclass(frozen=True)
class StftConfig:
    """All integers that decide what a patch computes; ``myo_stft_config_t`` in the firmware.

    Attributes
    ----------
    segment
        The spectrum of a segment; its window is the segment, its hop the step.
    n_segments
        Of a window.
    """

    spec: StftFeature
    window: int
    hop: int
    segment: SpectrumConfig
    n_segments: int

    @property
    def n_channels(self) -> int:
        """Channels of a frame."""
        return self.segment.n_channels

    @property
    def components(self) -> list[Component]:
        """Each segment's bands."""
        return [
            replace(band, name=f"{self.spec.kind}{band.name.removeprefix('power')}[{k}]")
            for k in range(self.n_segments)
            for band in self.segment.components
        ]

    @property
    def memory_words(self) -> int:
        """32-bit words of state on the device, ``myo_stft_memory_words`` in the firmware."""
        return self.segment.memory_words + self.n_segments * len(self.segment.rows) * self.n_channels

    @property
    def scratch_words(self) -> int:
        """Those of them that are of use while a segment ends alone, which a patch's parts share."""
        return self.segment.scratch_words

    def cut(self, windows: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """View the segments of windows (n_windows, n_samples, n_channels), the earliest first."""
        length, step = self.segment.window, self.segment.hop
        first = self.window - length - (self.n_segments - 1) * step
        return [windows[:, at : at + length] for at in range(first, self.window - length + 1, step)]


def _frames(name: str, ms: float, rate_hz: float) -> int:
    frames = ms * rate_hz / 1000
    if abs(frames - round(frames)) > 1e-6 or round(frames) < 1:
        raise SpecError(
            f"features, stft_power: {name} {ms:g} is {frames:g} samples at {rate_hz:g} Hz, expected a whole number of "
            f"samples: use a multiple of {1000 / rate_hz:g} ms"
        )
    return round(frames)


def compile_stft(
    spec: StftFeature, *, n_channels: int, window: int, hop: int, rate_hz: float, word_shift: int
) -> StftConfig:
    """Choose the integers of a window's segments.

    Parameters
    ----------
    spec
        The entry of the spec.
    n_channels, window, hop
        Channels, and frames.
    rate_hz
        Frames a second.
    word_shift
        ``count = word * 2^-word_shift``.

    Raises
    ------
    SpecError
        If segments do not fit the window, or steps the hop.
    """
    length = _frames("segment_ms", spec.segment_ms, rate_hz)
    step = hop if spec.step_ms is None else _frames("step_ms", spec.step_ms, rate_hz)
    if hop % step:
        raise SpecError(
            f"features, stft_power: step_ms is {step} frames, expected a divisor of the hop of {hop}; correct it"
        )
    if not step <= length <= window:
        raise SpecError(
            f"features, stft_power: segments of {length} frames at steps of {step}, expected no less than a step and no "
            f"more than the window of {window}; correct segment_ms or step_ms"
        )
    n_segments = 1 + (window - length) // step
    if n_segments > MAX_SEGMENTS:
        raise SpecError(
            f"features, stft_power: {n_segments} segments in a window, expected at most {MAX_SEGMENTS}; use longer steps"
        )
    bands = [SpectrumFeature(kind="power", band_hz=band) for band in spec.bands_hz]
    segment = compile_spectrum(
        bands, n_channels=n_channels, window=length, hop=step, rate_hz=rate_hz, word_shift=word_shift, taper=spec.taper
    )  # fmt: skip
    return StftConfig(spec, window, hop, segment, n_segments)


def compute_stft_features(config: StftConfig, x: Floats) -> Floats:
    """Features of windows in counts by their definition, (n_windows, n_components, n_channels)."""
    return np.concatenate(
        [compute_spectrum_features(config.segment, np.asarray(part, np.float64)) for part in config.cut(x)],
        axis=1,
    )


def compute_stft_words(config: StftConfig, windows: NDArray[np.int16]) -> NDArray[np.int32]:
    """Features of windows of words, as the device gives them, (n_windows, n_components, n_channels)."""
    return np.concatenate(
        [compute_spectrum_words(config.segment, np.asarray(part, np.int16)) for part in config.cut(windows)],
        axis=1,
    )


def bound_stft(config: StftConfig, x: Floats, deviation: float = 0.5) -> Floats:
    """Largest distance of the twin's features from the float ones, as ``spectrum_bounds.bound_spectrum`` gives it."""
    return np.concatenate(
        [bound_spectrum(config.segment, np.asarray(part, np.float64), deviation) for part in config.cut(x)],
        axis=1,
    )
