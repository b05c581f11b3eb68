"""What the catalogue says of a data set before any copy of it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from myo_training.recordings import DataSet

CLASSES, VALUES = "classes", "values"


@dataclass(frozen=True)
class CatalogueEntry:
    """A data set that MyoPatch knows by name.

    Attributes
    ----------
    name, description, licence
        Its name on the command line and in ``training.data``, one line about it, and whose terms hold.
    url
        Its public home: what ``myopatch data get`` reads where ``can_fetch``, else a page for people.
    open_folder
        ``open_folder(folder, kind)`` opens a copy; ``kind`` is one of ``kinds``.
    kinds
        What its labels can be read as, ``classes`` or ``values``; the first where nobody asks.
    can_fetch
        Whether ``myopatch data get`` can bring it.
    pins
        Where its home has plain files: their names below ``url``, and the SHA-256 of each as the home publishes it.
    """

    name: str
    description: str
    licence: str
    url: str
    open_folder: Callable[[Path, str], DataSet]
    kinds: tuple[str, ...] = (CLASSES,)
    can_fetch: bool = False
    pins: Mapping[str, str] = field(default_factory=dict)
