"""An auxiliary stream in integers, word for word as ``firmware/core/stream/myo_aux.h`` runs it.

Samples come with a stamp, the frames of the EMG sensor that came before them. They wait until they are due, go through the
stream's own stages, and are resampled onto the window's frames: linear interpolation between the last two samples behind
the stages, by an exact phase. A sample that is not there when it is due is replaced by the one before it, and one that came
too early to belong to its place is left out; both mark the frames that they touch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_sensor import AuxTiming
from myo_pipeline.step_twin import AlignedStep
from myo_pipeline.steps import BLOCK_FRAMES, Step, pack_steps, unpack_steps

WEIGHT_BITS: Final = 30  # of the interpolation's weights
RING_FRAMES: Final = 128  # of the EMG sensor, as firmware/app/main.c has them: as many may be under way
BURST_SAMPLES: Final = 16  # that may come at once after a hold-up, on top
HELD: Final = -1  # in the place of a sample's number: none was there


@dataclass(frozen=True)
class AuxConfig:
    """All integers of an auxiliary stream; the ``aux<i>_`` arrays of ``twin.npz``.

    Attributes
    ----------
    timing
        When samples are due.
    n_channels
        Of a sample.
    full_scale_counts
        Counts are limited to ``-full_scale .. full_scale - 1``.
    input_shift, steps, exponent
        The stream's own front end, as of the EMG's; a word behind it stands for ``word * 2^-exponent`` counts.
    shift
        Right shift of the interpolation's sum to the words beside the EMG's: ``WEIGHT_BITS`` and what the exponents differ by.
    """

    timing: AuxTiming
    n_channels: int
    full_scale_counts: int
    input_shift: int
    steps: tuple[Step, ...]
    exponent: int
    shift: int

    @property
    def n_outputs(self) -> int:
        """Channels behind the stages."""
        return self.steps[-1].n_out if self.steps else self.n_channels

    @property
    def sample_bytes(self) -> int:
        """Bytes of one count on the link."""
        return 2 if self.full_scale_counts <= 1 << 15 else 4

    @property
    def reciprocal(self) -> tuple[int, int]:
        """Multiplier and shift that make a weight of a phase: ``2^WEIGHT_BITS / span`` to 31 bits."""
        bits = max(1, (self.timing.span - 1).bit_length())
        return ((1 << (WEIGHT_BITS + bits + 1)) + self.timing.span) // (2 * self.timing.span), bits

    @property
    def ring_samples(self) -> int:
        """Samples that the device's ring holds, a power of two: what waits, what comes with the EMG under way, a burst."""
        timing = self.timing
        waiting = (timing.max_age + RING_FRAMES) * timing.step // timing.unit + 2 + BURST_SAMPLES
        return 1 << (waiting - 1).bit_length()

    @property
    def memory_words(self) -> int:
        """32-bit words that the device keeps for it, as ``myo_aux_stage_words`` counts them."""
        widest = max(self.n_channels, *(step.n_out for step in self.steps), 0)
        state = sum(step.state_words for step in self.steps)
        return state + widest * BLOCK_FRAMES + self.n_channels + 2 * self.n_outputs + self.ring_samples * (
            self.n_channels + 1
        )  # fmt: skip

    def weigh(self, phase: np.int64) -> np.int64:
        """Return the weight of the newer sample, Q30, for a phase of ``0 .. span - 1``."""
        multiplier, bits = self.reciprocal
        return np.int64((int(phase) * multiplier + (1 << (bits - 1))) >> bits)

    def to_arrays(self, prefix: str) -> dict[str, Any]:
        """Return the configuration as arrays and numbers."""
        timing, (table, words) = self.timing, pack_steps(self.steps)
        return {
            f"{prefix}timing": np.array([timing.step, timing.unit, timing.frame, timing.factor, timing.lag], np.int64),
            f"{prefix}n_channels": self.n_channels,
            f"{prefix}full_scale_counts": self.full_scale_counts,
            f"{prefix}input_shift": self.input_shift,
            f"{prefix}step_table": table,
            f"{prefix}step_words": words,
            f"{prefix}exponent": self.exponent,
            f"{prefix}shift": self.shift,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], prefix: str) -> Self:
        """Take the configuration back from what :meth:`to_arrays` gave."""
        return cls(
            AuxTiming(*(int(value) for value in arrays[f"{prefix}timing"])),
            int(arrays[f"{prefix}n_channels"]),
            int(arrays[f"{prefix}full_scale_counts"]),
            int(arrays[f"{prefix}input_shift"]),
            unpack_steps(arrays[f"{prefix}step_table"], arrays[f"{prefix}step_words"]),
            int(arrays[f"{prefix}exponent"]),
            int(arrays[f"{prefix}shift"]),
        )


@dataclass(frozen=True)
class AuxSamples:
    """A stretch of an auxiliary stream.

    Attributes
    ----------
    counts
        int32 (n_samples, n_channels).
    stamps
        Frames of the EMG sensor, since the start, that came before each sample; int64 (n_samples,), never falling.
    """

    counts: NDArray[np.int32]
    stamps: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.counts)


class Alignment:
    """Which sample is due when: the part of a stream that float and integers share."""

    def __init__(self, timing: AuxTiming) -> None:
        self._timing = timing
        self._phase = timing.first
        self._frame = timing.frame - 1  # of the EMG sensor, at which the next frame of the window is complete
        self._waiting: deque[tuple[int, int]] = deque()  # stamp, number
        self._n_samples = 0
        self.n_held = self.n_dropped = 0

    def feed(self, stamps: NDArray[np.int64]) -> None:
        """Take samples in that came after so many frames."""
        for stamp in stamps.tolist():
            self._waiting.append((int(stamp), self._n_samples))
            self._n_samples += 1

    def advance(self) -> tuple[list[tuple[int, bool]], int]:
        """Go on by one frame of the window.

        Returns
        -------
        tuple
            The samples that are due with it, each by its number or :data:`HELD`, and whether one was held, or left out before
            it; the phase behind them, in ``1 / unit`` of a sample.
        """
        timing, waiting, now = self._timing, self._waiting, self._frame
        due = []
        self._frame += timing.frame
        self._phase += timing.frame * timing.step
        while self._phase >= timing.unit:
            self._phase -= timing.unit
            n_faults = self.n_dropped + self.n_held
            while len(waiting) > 1 and waiting[1][0] <= now and now - waiting[0][0] > timing.max_age:
                waiting.popleft()
                self.n_dropped += 1
            number = HELD
            if waiting and waiting[0][0] <= now:
                number = waiting.popleft()[1]
            else:
                self.n_held += 1
            due.append((number, self.n_dropped + self.n_held > n_faults))
        return due, self._phase


class AuxTwin:
    """A stream's words on the window's frames, in blocks of any size."""

    def __init__(self, config: AuxConfig) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Return to the state after START."""
        config = self.config
        self._alignment = Alignment(config.timing)
        self._steps = [AlignedStep(step) for step in config.steps]
        self._counts: deque[NDArray[np.int64]] = deque()  # of samples that wait
        self._n_gone = 0  # samples that no longer wait
        self._last = np.zeros(config.n_channels, np.int64)
        self._previous = self._current = np.zeros(config.n_outputs, np.int64)
        self._is_running = False
        self._since = 0  # samples since the last one behind the stages
        self._marks = 0  # bit 0: of the current sample behind the stages, bit 1: of the previous one
        self._is_marked = False  # by the samples of the next one behind the stages

    @property
    def n_held(self) -> int:
        """Samples that were not there when they were due."""
        return self._alignment.n_held

    @property
    def n_dropped(self) -> int:
        """Samples that were left out."""
        return self._alignment.n_dropped

    def feed(self, samples: AuxSamples) -> None:
        """Take samples in, before the frames that come behind them."""
        full = self.config.full_scale_counts
        self._counts.extend(np.clip(samples.counts.astype(np.int64), -full, full - 1))
        self._alignment.feed(samples.stamps)

    def resample(self, n_frames: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Go on by frames of the window.

        Returns
        -------
        tuple
            Words beside the EMG's, (n_frames, n_outputs), and the frames that a held or left out sample touches, (n_frames,).
        """
        config = self.config
        words, marks = np.zeros((n_frames, config.n_outputs), np.int32), np.zeros(n_frames, bool)
        half = np.int64(1) << (config.shift - 1)
        for k in range(n_frames):
            due, phase = self._alignment.advance()
            for number, is_fault in due:
                self._is_marked |= is_fault
                self._take(number)
            weight = np.int64(0)  # before the first sample behind the stages
            if self._is_running:
                weight = config.weigh(np.int64(self._since * config.timing.unit + phase))
            total = self._previous * ((1 << WEIGHT_BITS) - weight) + self._current * weight
            words[k] = (total + half) >> config.shift
            marks[k] = self._is_marked or self._marks != 0
        return words, marks

    def _take(self, number: int) -> None:
        """Give one sample to the stages."""
        config = self.config
        if number != HELD:
            while self._n_gone <= number:
                self._last = self._counts.popleft()
                self._n_gone += 1
        x = self._last[None]
        x = x << config.input_shift if config.input_shift >= 0 else x >> -config.input_shift
        for step in self._steps:
            x = step.run(x)
        self._since = (self._since + 1) % config.timing.factor
        if len(x):
            self._previous = self._current if self._is_running else x[0]
            self._current = x[0]
            self._is_running = True
            self._marks = (self._marks << 1 & 2) | self._is_marked
            self._is_marked = False
