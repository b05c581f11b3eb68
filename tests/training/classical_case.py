"""Words and specs that the tests of classical models share."""

from __future__ import annotations

import numpy as np

from myo_training.classical import Words

NETWORK = 'kind = "mlp"\nhidden = [12]'


def make_words(n_classes: int, seed: int = 1, n: int = 900) -> Words:
    """Clouds of int8 words around a mean for each class, unequally many."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_classes, n, p=np.arange(1, n_classes + 1) / sum(range(n_classes + 1)))
    means = rng.normal(0, 25, (n_classes, 6))
    words = means[labels] + rng.normal(0, 25, (n, 6)) @ rng.normal(0, 0.5, (6, 6))
    return Words(np.clip(np.rint(words), -128, 127).astype(np.int8), labels, np.ones(n))


def lower(scores: np.ndarray) -> np.ndarray:
    return scores - scores.max(axis=1, keepdims=True)
