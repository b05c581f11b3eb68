"""The front end's steps in integers, word for word as the device runs them.

Second-order sections run through ``cmsisdsp``; what it lacks is NumPy in 64 bits. The export has proved that nothing leaves
its word for any input of the sensor's range, so no sum here can wrap. Blocks of any size give the same words as one block.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.ecg import EcgSettings, EcgTwin
from myo_pipeline.steps import Kind, Step

Words = NDArray[np.int64]


class StepTwin(Protocol):
    """One step with its state."""

    def run(self, x: Words) -> Words:
        """Take a block, (n_frames, n_in), and return what it gives, (n_frames or fewer, n_out)."""


def shift_words(x: Words, left: int) -> Words:
    """Shift left, or right by ``-left`` with rounding half up."""
    return x << left if left >= 0 else (x + (np.int64(1) << (-left - 1))) >> -left


class _Sections:
    def __init__(self, step: Step) -> None:
        import cmsisdsp  # costs 0.3 s: only where a twin really runs

        self._filter = cmsisdsp.arm_biquad_cascade_df1_q31
        self._instances = []
        for _ in range(step.n_in):
            instance = cmsisdsp.arm_biquad_casd_df1_inst_q31()
            state = np.zeros(4 * step.count, np.int32)
            cmsisdsp.arm_biquad_cascade_df1_init_q31(instance, step.count, step.words, state, step.shift)
            self._instances.append(instance)

    def run(self, x: Words) -> Words:
        x_q31 = x.astype(np.int32)
        columns = [
            self._filter(instance, np.ascontiguousarray(x_q31[:, channel]))
            for channel, instance in enumerate(self._instances)
        ]
        return np.stack(columns, axis=1).astype(np.int64)


class _WideSections:
    """Sections that keep 31 bits below the words of their past outputs."""

    def __init__(self, step: Step) -> None:
        self._sections: list[list[int]] = step.words.reshape(-1, 5).tolist()
        self._shift = step.shift
        self._states = [[[0] * 6 for _ in self._sections] for _ in range(step.n_in)]

    def run(self, x: Words) -> Words:
        columns = []
        for states, column in zip(self._states, x.T.tolist(), strict=True):
            for section, state in zip(self._sections, states, strict=True):
                self._run_section(section, state, column)
            columns.append(column)
        return np.array(columns, np.int64).T

    def _run_section(self, section: list[int], state: list[int], column: list[int]) -> None:
        """Filter a column in place."""
        b0, b1, b2, a1, a2 = section
        x1, x2, y1, y2, e1, e2 = state
        right, post_shift = 31 - self._shift, self._shift
        mask = (1 << right) - 1
        for place, x0 in enumerate(column):
            total = b0 * x0 + b1 * x1 + b2 * x2 + a1 * y1 + a2 * y2
            total += 2 * ((a1 * e1 >> 32) + (a2 * e2 >> 32))
            x2, x1, y2, e2 = x1, x0, y1, e1
            y1, e1 = total >> right, (total & mask) << post_shift
            column[place] = y1 + (e1 >> 30)
        state[:] = x1, x2, y1, y2, e1, e2


class _Matrix:
    def __init__(self, step: Step) -> None:
        self._weights = step.words.astype(np.int64).reshape(step.n_out, step.n_in).T
        self._shift = step.shift

    def run(self, x: Words) -> Words:
        return shift_words(x @ self._weights, -self._shift)


class _Rectify:
    def __init__(self, step: Step) -> None:
        pass

    def run(self, x: Words) -> Words:
        return np.abs(x)


class _Past:
    """The frames before a block."""

    def __init__(self, n_frames: int, n_channels: int) -> None:
        self._past = np.zeros((n_frames, n_channels), np.int64)

    def join(self, x: Words) -> Words:
        """Return the past and the block in one, and remember the block."""
        joined = np.concatenate([self._past, x])
        self._past = joined[len(joined) - len(self._past) :]
        return joined


class _Mean:
    def __init__(self, step: Step) -> None:
        self._step, self._past = step, _Past(step.count, step.n_in)

    def run(self, x: Words) -> Words:
        step = self._step
        sums = np.cumsum(np.pad(self._past.join(x), ((1, 0), (0, 0))), axis=0)
        sums = sums[step.count + 1 :] - sums[1 : -step.count]
        return shift_words((sums >> step.before) * np.int64(step.words[0]), -step.shift)


class _Decimate:
    def __init__(self, step: Step) -> None:
        self._factor, self._skipped = step.decimation, 0

    def run(self, x: Words) -> Words:
        kept = x[self._factor - 1 - self._skipped :: self._factor]
        self._skipped = (self._skipped + len(x)) % self._factor
        return kept


class _Fir:
    def __init__(self, step: Step) -> None:
        self._step, self._past, self._kept = step, _Past(step.count - 1, step.n_in), _Decimate(step)

    def run(self, x: Words) -> Words:
        joined = self._past.join(x)
        sums = np.zeros(x.shape, np.int64)
        for age, tap in enumerate(self._step.words.astype(np.int64)):
            first = self._step.count - 1 - age
            sums += tap * joined[first : first + len(x)]
        return self._kept.run(shift_words(sums, -self._step.shift))


class _Tkeo:
    def __init__(self, step: Step) -> None:
        self._shift, self._past = step.shift, _Past(2, step.n_in)

    def run(self, x: Words) -> Words:
        past = self._past.join(x)
        return shift_words(past[1:-1] ** 2 - past[2:] * past[:-2], -self._shift)


class _Ecg(EcgTwin):
    def __init__(self, step: Step) -> None:
        super().__init__(EcgSettings.from_values(step.words), step.n_in)


_TWINS: dict[Kind, type[StepTwin]] = {
    Kind.SOS: _Sections, Kind.MATRIX: _Matrix, Kind.RECTIFY: _Rectify, Kind.MEAN: _Mean, Kind.DECIMATE: _Decimate,
    Kind.FIR: _Fir, Kind.TKEO: _Tkeo, Kind.ECG: _Ecg,
    Kind.SOS_WIDE: _WideSections,
}  # fmt: skip


class AlignedStep:
    """A step with the shift before it."""

    def __init__(self, step: Step) -> None:
        self._align, self._n_out = step.align, step.n_out
        self._twin = _TWINS[step.kind](step)  # type: ignore[call-arg]

    def run(self, x: Words) -> Words:
        """Take a block, int64 (n_frames, n_in), and return what it gives, (n_frames or fewer, n_out)."""
        if not len(x):
            return np.zeros((0, self._n_out), np.int64)
        return self._twin.run(shift_words(x, self._align))
