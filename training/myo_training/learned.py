"""What came of learning, whatever learned it: the bundle's models, how they predict, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from myo_training.evaluation import Predict


@dataclass(frozen=True)
class Learned:
    """A model that has been learned and quantized.

    Attributes
    ----------
    files
        Models of the bundle by name, whose hashes ``training.json`` holds.
    keras
        The Keras model; None where there is none.
    floating, quantized
        From network inputs to outputs in real units, as float and as the patch computes them.
    runtime
        What ``quantized`` runs through, in words.
    about, learning
        ``model`` and ``learning`` of ``training.json``.
    quantization
        Scale and zero point of ``input`` and ``output``, the method, and what each layer's rounding costs.
    packages
        Packages whose version decides, beside those of every run.
    before
        Of what was learned on with rounding in the way: the models before that, by their names in ``training.json``.
    threshold
        ``score`` of ``training.json``; None where the output is no score.
    """

    files: Mapping[str, bytes]
    keras: Any
    floating: Predict
    quantized: Predict
    runtime: str
    about: dict[str, Any]
    learning: dict[str, Any]
    quantization: dict[str, Any]
    packages: tuple[str, ...] = ()
    before: Mapping[str, Predict] = field(default_factory=dict)
    threshold: dict[str, Any] | None = None
