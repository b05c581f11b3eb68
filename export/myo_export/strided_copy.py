"""Words that change their places but not their values: axes with a stride in the input and one in the output."""

from collections.abc import Sequence
from typing import NamedTuple

from myo_export.lowered import CopyPart


class Axis(NamedTuple):
    """One axis of a copy: its size, and words from one index to the next in the input and in the output."""

    size: int
    source: int
    target: int


def dense_strides(shape: Sequence[int]) -> list[int]:
    """Words from one index to the next along each axis of a tensor."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return strides[::-1]


def copy_part(axes: Sequence[Axis], source_begin: int = 0, target_begin: int = 0) -> CopyPart:
    """Describe a copy by as few axes as possible.

    Parameters
    ----------
    axes : sequence of Axis
        Any order; strides in the output are positive.
    source_begin, target_begin : int
        Word of index 0 along all axes.

    Returns
    -------
    CopyPart
        Outermost first in the output; neighbours that follow each other without a gap on both sides are one axis.
    """
    folded: list[Axis] = []
    for axis in sorted((a for a in axes if a.size != 1), key=lambda a: -a.target):
        if folded:
            outer = folded[-1]
            if (outer.source, outer.target) == (axis.source * axis.size, axis.target * axis.size):
                folded[-1] = Axis(outer.size * axis.size, axis.source, axis.target)
                continue
        folded.append(axis)
    sizes, sources, targets = zip(*(folded or [Axis(1, 1, 1)]), strict=True)
    return CopyPart(sizes, sources, targets, source_begin, target_begin)


def axes_of(part: CopyPart) -> list[Axis]:
    """Axes of a copy, outermost first."""
    return [Axis(*a) for a in zip(part.sizes, part.source_strides, part.target_strides, strict=True)]
