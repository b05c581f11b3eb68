"""What travels to the page: JSON texts, and binary packets for samples and spectra (``page/wire.js`` reads them)."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.bundle import without_nan

Packet = bytes | str

SAMPLES, SPECTRUM = 1, 2
# Kind, stream, channels, frames or bins, first frame or hertz a bin; 16 bytes, so that the floats behind are aligned.
HEADER = struct.Struct("<BBHId")


def pack_samples(stream: int, first: int, frames: NDArray[np.floating]) -> bytes:
    """Return frames (n_frames, n_channels) of a stream from frame ``first`` on; NaN where the line lost them."""
    n_frames, n_channels = frames.shape
    return HEADER.pack(SAMPLES, stream, n_channels, n_frames, first) + frames.astype("<f4").tobytes()


def pack_spectrum(stream: int, hz_per_bin: float, density: NDArray[np.floating]) -> bytes:
    """Return amplitude densities (n_channels, n_bins), unit/sqrt(Hz), of a stream."""
    n_channels, n_bins = density.shape
    return HEADER.pack(SPECTRUM, stream, n_channels, n_bins, hz_per_bin) + density.astype("<f4").tobytes()


def pack_json(packet: str, /, **values: Any) -> str:  # noqa: ANN401 - JSON values
    """Return a text packet; what is no number becomes null."""
    return json.dumps({"type": packet} | without_nan(values), separators=(",", ":"))
