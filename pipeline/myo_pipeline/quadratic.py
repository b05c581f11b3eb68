"""Quadratic forms over int8 words: a class's score is a constant less the squared length of a triangular map of the words.

That is quadratic discriminant analysis: the map whitens what the class's covariance is. The float reference, and the
integers that the firmware runs; on the device it is ``firmware/core/classical/myo_quadratic.h``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline import scores as s

Floats = NDArray[np.float64]

SCORE_BITS: Final = 8  # behind the point of a score
MOST_LENGTH: Final = 1 << 30  # squared, in steps of a score: what is longer saturates
MAX_INPUTS: Final = 1024
_EXPONENTS: Final = (SCORE_BITS // 2, 24)  # of a map


@dataclass(frozen=True)
class Quadratic:
    """A score for each class, then logits and their softmax: ``constant - |map @ words + offset|^2``.

    Attributes
    ----------
    maps
        Lower triangles, float64 (n_outputs, n_inputs, n_inputs).
    offsets, constants
        float64 (n_outputs, n_inputs) and (n_outputs,).
    map_words, offset_words
        Maps and offsets in steps of ``2^-exponents``, int16 and int32.
    constant_words
        Constants in steps of ``2^-SCORE_BITS``, int32.
    exponents
        Of each class, int64 (n_outputs,).
    exp_q31
        Of the softmax, :func:`~myo_pipeline.scores.make_exp_table`.
    """

    KIND: ClassVar[str] = "qda"
    LAYERS: ClassVar[tuple[str, ...]] = ("QUADRATIC", "SOFTMAX")
    maps: Floats
    offsets: Floats
    constants: Floats
    map_words: NDArray[np.int16]
    offset_words: NDArray[np.int32]
    constant_words: NDArray[np.int32]
    exponents: NDArray[np.int64]
    exp_q31: NDArray[np.int32]

    def __post_init__(self) -> None:
        shape = (self.n_outputs, self.n_inputs, self.n_inputs)
        fits = self.maps.shape == self.map_words.shape == shape and 1 <= self.n_inputs <= MAX_INPUTS
        fits = fits and self.offsets.shape == self.offset_words.shape == shape[:2]
        fits = fits and self.constants.shape == self.constant_words.shape == self.exponents.shape == shape[:1]
        if not fits or np.triu(self.map_words.astype(np.int64), 1).any():
            raise ValueError(f"maps {self.maps.shape}, offsets {self.offsets.shape} do not fit")
        low, high = _EXPONENTS
        within = (self.exponents >= low) & (self.exponents <= high)
        bounds = [self._is_proved(c) for c in range(self.n_outputs)]
        if not (within.all() and all(bounds) and (np.abs(self.constant_words) < MOST_LENGTH // 2).all()):
            raise ValueError("maps are too large for the sums of int32 and int64")

    def _is_proved(self, output: int) -> bool:
        """Whether no words can make a sum leave int32, or the squared length int64."""
        most = 128 * np.abs(self.map_words[output].astype(np.int64)).sum(axis=1)
        most += np.abs(self.offset_words[output].astype(np.int64))
        return int(most.max()) < 2**31 and sum(int(m) ** 2 for m in most) < 2**62

    @classmethod
    def quantize(cls, maps: Floats, offsets: Floats, constants: Floats) -> Self:
        """Choose the exponents that use int16 up, and round.

        Raises
        ------
        ValueError
            If a sum could overflow at any words.
        """
        high = _EXPONENTS[1]
        exponents = []
        for triangle, offset in zip(maps, offsets, strict=True):
            exponent = min(high, math.floor(math.log2(32767 / np.abs(triangle).max())))
            most = 128 * np.abs(triangle).sum(axis=1) + np.abs(offset)
            # A row's sum is not longer than the whole; roundings of a row are below 2^17.
            longest = float(np.sqrt((most**2).sum()))
            exponents.append(min(exponent, math.floor(math.log2((2**31 - 2**18) / longest))))
        scale = 2.0 ** np.array(exponents)
        return cls(
            maps,
            offsets,
            constants,
            np.rint(maps * scale[:, None, None]).astype(np.int16),
            np.rint(offsets * scale[:, None]).astype(np.int32),
            np.rint(constants * 2.0**SCORE_BITS).astype(np.int32),
            np.array(exponents, np.int64),
            s.make_exp_table(),
        )

    @property
    def n_inputs(self) -> int:
        """Words that it takes."""
        return int(self.maps.shape[1])

    @property
    def n_outputs(self) -> int:
        """Classes."""
        return int(self.maps.shape[0])

    @property
    def shifts(self) -> NDArray[np.int64]:
        """Of each class, from squared lengths to steps of a score."""
        return 2 * self.exponents - SCORE_BITS

    @property
    def n_macs(self) -> int:
        """Multiplications of a window."""
        return self.n_outputs * self.n_inputs * (self.n_inputs + 3) // 2

    def score_words(self, words: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return integer scores of windows (n_windows, n_inputs), (n_windows, n_outputs)."""
        x, found = words.astype(np.int64), []
        for triangle, offset, shift in zip(self.map_words, self.offset_words, self.shifts, strict=True):
            y = x @ triangle.astype(np.int64).T + offset
            length = (np.square(y).sum(axis=1) + ((1 << int(shift)) >> 1)) >> int(shift)
            found.append(np.minimum(length, MOST_LENGTH))
        return np.asarray(self.constant_words.astype(np.int64) - np.stack(found, axis=1), np.int64)

    def run(self, words: NDArray[np.int8]) -> list[NDArray[np.int8]]:
        """Return each layer's words for windows (n_windows, n_inputs)."""
        logits = s.to_logits(self.score_words(words), SCORE_BITS - s.LOGIT_BITS)
        return [logits, s.softmax_words(logits, self.exp_q31)]

    def score(self, inputs: NDArray[Any]) -> Floats:
        """Return the scores in real numbers, (n_windows, n_outputs)."""
        x = inputs.astype(np.float64)
        lengths = [
            np.square(x @ triangle.T + offset).sum(axis=1)
            for triangle, offset in zip(self.maps, self.offsets, strict=True)
        ]
        return np.asarray(self.constants - np.stack(lengths, axis=1), np.float64)

    def run_float(self, inputs: Floats) -> list[Floats]:
        """Return the same as :meth:`run` in real numbers, for inputs in words that need not be whole."""
        scores = self.score(inputs)
        return [s.to_float_logits(scores), s.to_shares(scores)]

    def bound_error(self, words: NDArray[np.int8]) -> Floats:
        """Return the largest ``|run - run_float|`` of each logit for these words, (n_windows, n_outputs).

        A sum y is off by at most ``d = 2^-exponent (sum |x| + 1) / 2``, its square by ``2 |y| d + d^2``; length and constant
        are rounded to half a step of a score. A logit is off by that of its score and of the highest, whether
        float or integers say which that is, and by half a step of its own.
        """
        x = words.astype(np.float64)
        sizes = np.cumsum(np.abs(x), axis=1)  # row k of a triangle sees k + 1 words
        errors = np.zeros((len(x), self.n_outputs))
        for output, (triangle, offset) in enumerate(zip(self.maps, self.offsets, strict=True)):
            d = 2.0 ** -float(self.exponents[output]) * (sizes + 1) / 2
            y = np.abs(x @ triangle.T + offset)
            errors[:, output] = (2 * y * d + d**2).sum(axis=1) + 2.0**-SCORE_BITS
        rows = np.arange(len(x))
        highest = np.maximum(
            errors[rows, self.score(words).argmax(axis=1)],
            errors[rows, self.score_words(words).argmax(axis=1)],
        )
        return np.asarray(errors + highest[:, None] + 0.5 * s.LOGIT_STEP, np.float64)

    def to_arrays(self) -> dict[str, Any]:
        """Return it as arrays and numbers."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """Take back what :meth:`to_arrays` gave."""
        return cls(*(np.asarray(arrays[name], dtype) for name, dtype in _ARRAYS.items()))


_ARRAYS: Final[dict[str, Any]] = {
    "maps": np.float64, "offsets": np.float64, "constants": np.float64, "map_words": np.int16, "offset_words": np.int32,
    "constant_words": np.int32, "exponents": np.int64, "exp_q31": np.int32,
}  # fmt: skip
