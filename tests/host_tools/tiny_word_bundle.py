"""A trained folder as `tiny_feature_bundle` gives it, with trees or quadratic forms in the network's place."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from bench_classical import random_network
from myo_pipeline.word_network import NETWORK_MODELS, WORD_MODELS, pack_word_network
from tiny_bundle import LABELS
from tiny_feature_bundle import SPEC, write_trained_features

MODEL = 'kind = "mlp"\nhidden = []'


def write_trained_words(folder: Path, kind: str, n_segments: int = 2) -> Path:
    """Write what training leaves; the model is random."""
    write_trained_features(folder, n_segments)
    for name in NETWORK_MODELS:
        (folder / name).unlink()
    record = json.loads((folder / "training.json").read_text())
    n_inputs = np.size(record["features"]["mean"])
    rng = np.random.default_rng(6)
    content = pack_word_network(random_network(rng, kind, n_inputs, len(LABELS), 12, 20))
    (folder / WORD_MODELS[0]).write_bytes(content)
    record["model"]["sha256"] = {WORD_MODELS[0]: hashlib.sha256(content).hexdigest()}
    (folder / "training.json").write_text(json.dumps(record))
    (folder / "patch.toml").write_text(SPEC.replace(MODEL, f'kind = "{kind}"'))
    return folder
