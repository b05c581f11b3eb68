"""The int8 network of a spec before anybody has trained it: what it costs depends on its shapes alone."""

from __future__ import annotations

import numpy as np

from myo_pipeline.spec import PatchSpec
from myo_training.convert import convert_model
from myo_training.networks.builder import Form
from myo_training.networks.shapes import build_network
from myo_training.quiet import quiet_stderr

N_WINDOWS = 2  # of noise, which ranges are measured on


def make_untrained(spec: PatchSpec) -> bytes:
    """Build and convert a network with drawn weights; a second or two.

    Parameters
    ----------
    spec
        A patch whose model is a network.

    Returns
    -------
    bytes
        An int8 ``.tflite``.
    """
    with quiet_stderr():
        network, _ = build_network(spec, Form.FOLDED)
        noise = np.random.default_rng(1).normal(size=(N_WINDOWS, *network.input_shape[1:]))
        return convert_model(network, np.clip(noise, -1, 127 / 128).astype(np.float32))
