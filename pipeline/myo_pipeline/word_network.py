"""What stands in a network's place over feature words: trees or quadratic forms, kept in ``model.npz``, run as one window.

``model.npz`` holds the integers that the patch computes with and the real numbers that they round. Words are those of a
network's input, whose scale is 1/128 and whose zero point is 0.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import BundleError
from myo_pipeline.quadratic import Quadratic
from myo_pipeline.scores import LOGIT_STEP, LOGIT_ZERO, SHARE_STEP, SHARE_ZERO
from myo_pipeline.trees import Boosted, Forest

Floats = NDArray[np.float64]

INPUT_STEP: Final = 1 / 128
NETWORK_MODELS: Final = ("model.tflite", "model_float.tflite")  # int8 and float
WORD_MODELS: Final = ("model.npz",)
_ZIP: Final = b"PK"  # begins an .npz, and no .tflite


class WordNetwork(Protocol):
    """What takes the words of a window's features and gives an int8 word for each class."""

    KIND: ClassVar[str]
    LAYERS: ClassVar[tuple[str, ...]]

    @property
    def n_inputs(self) -> int:
        """Words that it takes."""

    @property
    def n_outputs(self) -> int:
        """Classes."""

    def run(self, words: NDArray[np.int8]) -> list[NDArray[np.int8]]:
        """Return each layer's words, (n_windows, n_outputs), for windows (n_windows, n_inputs)."""

    def run_float(self, inputs: Floats) -> list[Floats]:
        """Return the same in real numbers, for inputs in words that need not be whole."""

    def to_arrays(self) -> dict[str, Any]:
        """Return it as arrays and numbers."""


_KINDS: Final[dict[str, Callable[[Mapping[str, Any]], WordNetwork]]] = {
    Forest.KIND: Forest.from_arrays,
    Boosted.KIND: Boosted.from_arrays,
    Quadratic.KIND: Quadratic.from_arrays,
}


def describe_layer(name: str) -> tuple[float, int]:
    """Return scale and zero point of a layer's words: logits where a softmax follows, else shares."""
    return (SHARE_STEP, SHARE_ZERO) if name in ("SOFTMAX", "FOREST") else (LOGIT_STEP, LOGIT_ZERO)


def pack_word_network(network: WordNetwork) -> bytes:
    """Return the content of ``model.npz``; the same network gives the same bytes."""
    file = io.BytesIO()
    values: dict[str, Any] = {name: np.asarray(value) for name, value in network.to_arrays().items()}
    np.savez(file, allow_pickle=False, kind=np.array(network.KIND), **values)
    return file.getvalue()


def is_word_network(model: bytes) -> bool:
    """Whether a model's file is one of these, not a ``.tflite``."""
    return model.startswith(_ZIP)


def unpack_word_network(model: bytes) -> WordNetwork:
    """Read the content of ``model.npz``.

    Raises
    ------
    BundleError
        If it is damaged or of another version.
    """
    try:
        with np.load(io.BytesIO(model), allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
        kind = str(values.pop("kind"))
        return _KINDS[kind](values)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise BundleError(
            f"model.npz: damaged, or of another version ({type(error).__name__}: {error}); run `myopatch train` again"
        ) from None


class WordNetworkTwin:
    """One of these as the twin runs networks, window by window."""

    def __init__(self, network: WordNetwork, floating: bool = False) -> None:
        self._network, self._floating = network, floating

    def run(self, window: NDArray[Any]) -> list[NDArray[Any]]:
        """Run one window: int8 words, or real network inputs; return each layer's output, (n_outputs,)."""
        row = np.asarray(window).reshape(1, -1)
        if self._floating:
            return [layer[0] for layer in self._network.run_float(row.astype(np.float64) / INPUT_STEP)]
        return [layer[0] for layer in self._network.run(row.astype(np.int8))]


def find_models(folder: Path) -> tuple[str, ...]:
    """Return the names of the models that a bundle's folder holds or should hold; the first is what the patch computes."""
    return WORD_MODELS if (folder / WORD_MODELS[0]).is_file() else NETWORK_MODELS


def read_model(folder: Path) -> bytes:
    """Return what the patch of a bundle computes with, ``model.tflite`` or ``model.npz``."""
    return (folder / find_models(folder)[0]).read_bytes()
