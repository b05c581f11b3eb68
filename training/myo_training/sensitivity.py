"""How much each layer's rounding to int8 owes: it alone rounded, and all but it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_training.fit import Examples
from myo_training.metrics import count_confusion, measure_macro
from myo_training.quantization import CHUNK_WINDOWS, Quantized, switch

MAX_WINDOWS = 2048


@dataclass(frozen=True)
class LayerSensitivity:
    """One layer's weights and words; figures are macro accuracies, or RMSEs of values.

    Attributes
    ----------
    layer
        Its name; ``input`` is the network's.
    alone_snr_db, alone
        The network's output against float, and its figure, with this layer rounded and no other.
    without_snr_db, without
        With every layer rounded but this one.
    """

    layer: str
    alone_snr_db: float
    alone: float
    without_snr_db: float
    without: float


def measure_sensitivity(quantized: Quantized, examples: Examples, classes: bool) -> dict[str, Any] | None:
    """Round a network layer by layer, on windows that it was not fitted to.

    Parameters
    ----------
    quantized
        The model.
    examples
        Windows; of more than :data:`MAX_WINDOWS`, as many at equal distances. Targets in real units.
    classes
        Whether targets are class numbers.

    Returns
    -------
    dict or None
        ``n_windows``, ``metric``; ``float``, ``all`` and ``all_snr_db``, with no layer and every one rounded; ``layers``, a
        :class:`LayerSensitivity` each. None where the kind of network has no rounded form.
    """
    if quantized.rounded is None:
        return None
    model, names = quantized.rounded, quantized.layers
    chosen = np.unique(np.linspace(0, len(examples.x) - 1, MAX_WINDOWS).astype(int))
    x, y = examples.x[chosen], examples.y[chosen]

    def run(on: Sequence[str]) -> NDArray[np.float64]:
        switch(model, names, on)
        parts = [
            np.asarray(model.predict_on_batch(x[i : i + CHUNK_WINDOWS]), np.float64)
            for i in range(0, len(x), CHUNK_WINDOWS)
        ]
        return np.concatenate(parts)

    def judge(outputs: NDArray[np.float64]) -> float:
        if classes:
            return measure_macro(count_confusion(y, outputs.argmax(axis=1), outputs.shape[1]))
        return float(np.sqrt(((outputs - y) ** 2).mean()))

    exact = run(())
    whole = run(names)
    layers = []
    for name in names:
        alone, without = run([name]), run([other for other in names if other != name])
        layers.append(
            LayerSensitivity(
                name, _snr_db(exact, alone), judge(alone), _snr_db(exact, without), judge(without)
            )
        )
    switch(model, names, ())
    return {
        "n_windows": len(x),
        "metric": "macro_accuracy" if classes else "rmse",
        "float": judge(exact),
        "all": judge(whole),
        "all_snr_db": _snr_db(exact, whole),
        "layers": [asdict(layer) for layer in layers],
    }


def _snr_db(exact: NDArray[np.float64], rounded: NDArray[np.float64]) -> float:
    """Return the power of ``exact`` about its mean over that of the difference; 200 dB where there is none."""
    signal, noise = float(exact.var()), float(((rounded - exact) ** 2).mean())
    return float(min(200.0, 10 * np.log10(signal / noise))) if signal > 0 and noise > 0 else 200.0
