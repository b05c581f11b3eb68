"""Motion removal in integers, word for word as ``firmware/core/dsp/myo_motion.h`` runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.motion_reference import LEAK_BITS, POWER_BITS, START_BITS, Weights
from myo_pipeline.motion_spec import MotionShape
from myo_pipeline.step_twin import AlignedStep
from myo_pipeline.steps import BLOCK_FRAMES, Step, pack_steps, unpack_steps

COUNT_BITS: Final = 24  # a word enters the reference's high-pass as its upper bits
REFERENCE_SHIFT: Final = 8  # of its words: a reference sample keeps 24 bits
ESTIMATE_SHIFT: Final = 8  # of the sum of weights and references
LARGEST_WEIGHT: Final = 1 << 30
_STEP_BASE: Final = 27 + ESTIMATE_SHIFT  # of a step's shift


@dataclass(frozen=True)
class MotionConfig(MotionShape):
    """All integers of a removal; the ``motion_`` arrays of ``twin.npz``.

    Attributes
    ----------
    limit
        Largest magnitude of an estimate and of what is left, in words.
    quiet
        Least power of the reference.
    input_shift, steps
        The reference's high-pass.
    """

    limit: int
    quiet: int
    input_shift: int
    steps: tuple[Step, ...]

    @property
    def reciprocal(self) -> int:
        """``2^31 / every``, rounded down."""
        return (1 << 31) // self.every

    @property
    def memory_words(self) -> int:
        """32-bit words that the device keeps, in ``myo_motion_memory_t.words``."""
        chain = sum(step.state_words for step in self.steps) + 2 * self.n_reference * BLOCK_FRAMES
        return (
            chain
            + self.n_reference * (self.taps + 2)
            + 2 * self.n_weights
            + self.n_emg * (self.delay + self.n_weights + 4)
        )

    def to_arrays(self) -> dict[str, Any]:
        """Return the configuration as arrays and numbers."""
        table, words = pack_steps(self.steps)
        numbers = [
            self.stream, self.n_emg, self.first, self.n_reference, self.every, self.delay, self.taps, self.slowness,
            self.limit, self.quiet, self.input_shift,
        ]  # fmt: skip
        return {
            "motion_numbers": np.array(numbers, np.int64),
            "motion_step_table": table,
            "motion_step_words": words,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """Take the configuration back from what :meth:`to_arrays` gave."""
        stream, n_emg, first, n_reference, every, delay, taps, slowness, limit, quiet, input_shift = (
            int(value) for value in arrays["motion_numbers"]
        )
        return cls(
            stream, n_emg, first, n_reference, every, delay, taps, slowness, limit, quiet, input_shift,
            unpack_steps(arrays["motion_step_table"], arrays["motion_step_words"]),
        )  # fmt: skip


class MotionTwin:
    """A removal's words, in blocks of any size.

    Attributes
    ----------
    weights
        Of each estimate since the reset, as words; kept only where asked for.
    """

    def __init__(self, config: MotionConfig, keeps_weights: bool = False) -> None:
        self.config = config
        self._keeps_weights = keeps_weights
        self.reset()

    def reset(self) -> None:
        """Return to the state after START."""
        config = self.config
        n = config.n_emg
        self._steps = [AlignedStep(step) for step in config.steps]
        self._line = np.zeros((config.delay, n), np.int64)
        self._past = np.zeros((config.taps + 2, config.n_reference), np.int64)  # newest first
        self._weights = np.zeros((config.n_weights, n), np.int64)
        self._estimate, self._slope, self._target, self._left = np.zeros((4, n), np.int64)
        self._place = self._frozen = 0
        self._is_marked = False
        self._power = config.quiet << START_BITS
        self.weights: list[NDArray[np.int64]] = []

    def take_weights(self, chain_exponent: int) -> Weights:
        """Return the weights that were kept, in counts for a count of the high-passed reference.

        ``chain_exponent`` is that of the high-pass's words: ``2^-exponent`` of its counts.
        """
        config = self.config
        kept = np.zeros((len(self.weights), config.n_weights, config.n_emg))
        if self.weights:
            kept[:] = self.weights
        scale = chain_exponent - REFERENCE_SHIFT - (32 - COUNT_BITS) - ESTIMATE_SHIFT
        return Weights(kept * 2.0**scale)

    def run(self, words: NDArray[np.int32], marks: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Take a block behind front end and auxiliary streams.

        Parameters
        ----------
        words
            (n_frames, channels of the window).
        marks
            Frames that the reference's stream marks, (n_frames,).

        Returns
        -------
        NDArray[np.int32]
            The same shape.
        """
        config = self.config
        n = config.n_emg
        x = words.astype(np.int64)
        estimates = x[config.every - 1 - self._place :: config.every]
        r = estimates[:, config.first : config.first + config.n_reference] >> (32 - COUNT_BITS)
        r = r << config.input_shift
        for step in self._steps:
            r = step.run(r)
        r = (r + (1 << (REFERENCE_SHIFT - 1))) >> REFERENCE_SHIFT
        line = np.concatenate([self._line, x[:, :n]])
        self._line = line[len(x) :]
        begin = number = 0
        while begin < len(x):
            end = min(len(x), begin + config.every - self._place)
            x[begin:end, :n] = self._subtract(line[begin:end])
            self._is_marked |= bool(marks[begin:end].any())
            self._place += end - begin
            begin = end
            if self._place == config.every:
                self._place = 0
                self._learn(r[number])
                number += 1
        return x.astype(np.int32)

    def _subtract(self, x: NDArray[np.int64]) -> NDArray[np.int64]:
        limit = self.config.limit
        estimate = self._estimate + self._slope * np.arange(1, len(x) + 1)[:, None]
        self._estimate = estimate[-1]
        left = np.clip(x - estimate, -limit, limit)
        self._left = self._left + (left >> self.config.mean_shift).sum(axis=0)
        return left

    def _learn(self, reference: NDArray[np.int64]) -> None:
        """Take the reference in, learn from what was left, and make the next estimate."""
        config = self.config
        self._past = np.concatenate([reference[None], self._past[:-1]])
        if self._is_marked:
            self._frozen, self._is_marked = config.taps + 2, False
        if self._frozen:
            self._frozen -= 1
        else:
            sums = (self._past[1:-1] + self._past[2:]).T.ravel()
            self._power = max(
                int((sums * sums).sum()), self._power - (self._power >> POWER_BITS), config.quiet
            )
            self._step(sums)
        self._left = np.zeros(config.n_emg, np.int64)
        if self._keeps_weights:
            self.weights.append(self._weights)
        most = config.limit - config.every
        total = self._past[: config.taps].T.ravel() @ self._weights
        rounded = (total + (1 << (ESTIMATE_SHIFT - 1))) >> ESTIMATE_SHIFT
        self._estimate, self._target = self._target, np.clip(rounded, -most, most)
        self._slope = ((self._target - self._estimate) * config.reciprocal) >> 31

    def _step(self, sums: NDArray[np.int64]) -> None:
        config = self.config
        learnt = np.zeros_like(self._weights)
        for channel, left in enumerate(self._left.tolist()):
            free = 31 - ((left if left >= 0 else ~left) | 1).bit_length()
            shift = max(0, min(31, self._power.bit_length() + config.slowness + free - _STEP_BASE))
            product = ((sums << 6) * (left << free)) >> 32
            step = (product + (1 << shift >> 1)) >> shift
            w = self._weights[:, channel]
            w = w - ((w + (1 << (LEAK_BITS - 1))) >> LEAK_BITS) + step
            learnt[:, channel] = np.clip(w, -LARGEST_WEIGHT, LARGEST_WEIGHT - 1)
        self._weights = learnt
