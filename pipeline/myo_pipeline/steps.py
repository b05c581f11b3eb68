"""The front end in steps: what the spec's stages come down to, in float and in integers.

A few kinds of step do for all stages. :class:`FloatStep` says what a step should compute, :class:`Step` what it computes on
the device; :mod:`myo_export.front_end` makes the second from the first and proves it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.ecg import EcgSettings

BLOCK_FRAMES = 32  # MYO_BLOCK_FRAMES


class Kind(IntEnum):
    """Kinds of step; the numbers stand in ``twin.npz``. No step is designed SOS_WIDE: it is a form of SOS."""

    SOS = 0
    MATRIX = 1
    RECTIFY = 2
    MEAN = 3
    DECIMATE = 4
    FIR = 5
    TKEO = 6
    ECG = 7
    SOS_WIDE = 8


LINEAR = (Kind.SOS, Kind.FIR, Kind.MEAN)  # a response over frequency, the same for every channel


@dataclass(frozen=True)
class FloatStep:
    """A step as designed.

    Attributes
    ----------
    kind
        What it does.
    n_in, n_out
        Channels.
    rate_hz
        Frames a second that come in.
    values
        SOS: sections, (n_sections, 6), SciPy's order and sign. MATRIX: weights, (n_out, n_in). FIR: taps, newest sample
        first. MEAN: its samples, of shape (1,). ECG: its settings. Otherwise empty.
    decimation
        Frames that it takes for one that it gives: of DECIMATE its factor, of FIR those of the decimation behind it.
    """

    kind: Kind
    n_in: int
    n_out: int
    rate_hz: float
    values: NDArray[np.float64]
    decimation: int = 1

    @property
    def count(self) -> int:
        """Samples of a mean."""
        return int(self.values[0])


@dataclass(frozen=True)
class Step:
    """A step in integers. Words are int32 and stand for ``word * 2^-exponent`` counts (of TKEO: squared counts).

    Attributes
    ----------
    kind
        What it does.
    n_in, n_out
        Channels.
    align
        Before it, words are shifted left by ``align``, or right by ``-align`` with rounding half up.
    shift
        SOS, SOS_WIDE: post shift of the coefficients. MATRIX, FIR, TKEO: right shift of the 64-bit sum to the output, with
        rounding half up (0 for none). MEAN: the same of its product. Otherwise 0.
    count
        SOS, SOS_WIDE: sections. MATRIX: terms. FIR: taps. MEAN: samples. ECG: the window. Otherwise 0.
    words
        int32. SOS, SOS_WIDE: ``b0 b1 b2 -a1 -a2`` of each section times ``2^(31 - shift)``. MATRIX: weights by row,
        (n_out * n_in,), within 16 bits. FIR: taps, newest sample first. MEAN: the multiplier that stands for
        ``2^before / count``. ECG: its settings. Otherwise empty.
    decimation
        Frames that it takes for one that it gives, the last of each; a FIR computes only what it gives.
    """

    kind: Kind
    n_in: int
    n_out: int
    align: int
    shift: int
    count: int
    words: NDArray[np.int32]
    decimation: int = 1

    @property
    def before(self) -> int:
        """MEAN: right shift that brings its running sum back to 32 bits."""
        return (self.count - 1).bit_length()

    @property
    def state_words(self) -> int:
        """Words of state that the device keeps."""
        match self.kind:
            case Kind.SOS:
                return 4 * self.count * self.n_in
            case Kind.SOS_WIDE:
                return 6 * self.count * self.n_in
            case Kind.MEAN:
                return (self.count + 3) * self.n_in
            case Kind.FIR:
                return (self.count - 1 + BLOCK_FRAMES) * self.n_in + (self.decimation > 1)
            case Kind.TKEO:
                return 2 * self.n_in
            case Kind.DECIMATE:
                return 1
            case Kind.ECG:
                return EcgSettings.from_values(self.words).count_state(self.n_in)
            case _:
                return 0


_COLUMNS = 8  # of pack_steps' table: kind, n_in, n_out, align, shift, count, decimation, number of words


def pack_steps(steps: Sequence[Step]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return steps as a table, int64 (n_steps, 8), and all their words one after the other."""
    rows = [[s.kind, s.n_in, s.n_out, s.align, s.shift, s.count, s.decimation, len(s.words)] for s in steps]
    words = [s.words.astype(np.int32) for s in steps]
    return np.array(rows, np.int64).reshape(-1, _COLUMNS), np.concatenate([np.zeros(0, np.int32), *words])


def unpack_steps(table: NDArray[np.int64], words: NDArray[np.int32]) -> tuple[Step, ...]:
    """Return the steps that :func:`pack_steps` packed."""
    steps, first = [], 0
    for kind, n_in, n_out, align, shift, count, decimation, n_words in table.tolist():
        held = words[first : first + n_words]
        steps.append(Step(Kind(kind), n_in, n_out, align, shift, count, held, decimation))
        first += n_words
    return tuple(steps)


def decimation_of(steps: Sequence[Step]) -> int:
    """Return the frames of the sensor for one behind the steps."""
    return math.prod(step.decimation for step in steps)
