"""What every family of features is to those who only pass its words on: names, units, and how a word becomes a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Component:
    """One word of a channel's features.

    Attributes
    ----------
    name
        As ``power[20-60]``.
    unit
        Of the real value.
    is_log
        The real value is a base-2 logarithm of something in that unit, which the unit itself may not say.
    scale, offset
        ``real = word * scale + offset``.
    """

    name: str
    unit: str
    is_log: bool
    scale: float
    offset: float


class FeatureWords(Protocol):
    """Config of one family, or of all that a patch computes."""

    @property
    def n_channels(self) -> int: ...  # noqa: D102 - the names say it
    @property
    def window(self) -> int: ...  # noqa: D102
    @property
    def hop(self) -> int: ...  # noqa: D102
    @property
    def components(self) -> list[Component]: ...  # noqa: D102
    @property
    def memory_words(self) -> int: ...  # noqa: D102


def to_real(config: FeatureWords, words: NDArray[Any]) -> NDArray[np.float64]:
    """Words (..., n_components, n_channels) in the units of the definitions."""
    found = config.components
    scale = np.array([component.scale for component in found])[:, None]
    offset = np.array([component.offset for component in found])[:, None]
    return np.asarray(words * scale + offset, np.float64)
