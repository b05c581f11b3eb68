"""What a patch would take of flash, RAM and time, from its spec alone: the compiler's own models, nothing trained or built.

A search asks for the price of hundreds of specs; one takes 20 ms over features and 0.3 s for a CNN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from myo_export.aux_streams import quantize_aux
from myo_export.budget import Choice, Prediction, find_excess, find_forms
from myo_export.dry_model import INPUT_SCALE, make_dry_model
from myo_export.dry_words import make_dry_words
from myo_export.emit_net import render_network
from myo_export.front_end import quantize_front_end
from myo_export.motion import quantize_motion
from myo_export.network_report import NetworkReport, report_network
from myo_export.word_source import render_word_network
from myo_pipeline.classical_models import WordModel
from myo_pipeline.errors import ExportError
from myo_pipeline.feature_stage import FeatureScale, choose_word_shift, compile_spec_features, make_stage
from myo_pipeline.spec import PatchSpec

STREAM_WORTH: Final = 0.9  # of a run's MACs: a push that takes more does not pay for its memory


def choose_hop(spec: PatchSpec, model: bytes) -> int | None:
    """Return the hop if pushing it saves what its state costs; None where whole windows are run."""
    if spec.features or spec.hop_samples >= spec.window_samples:
        return None
    try:
        stream = render_network(model, "", hop=spec.hop_samples).stream
    except (
        ExportError
    ):  # the network has no time axis; whatever else is wrong, the export finds without a hop
        return None
    return spec.hop_samples if stream and stream.macs_push <= STREAM_WORTH * stream.macs else None


def report_forms(model: bytes, hop: int | None, n_dense: int = 0) -> tuple[NetworkReport, NetworkReport]:
    """Report a network with all weights wide, and packed."""
    fast = report_network(render_network(model, "", optimize="speed", hop=hop, n_dense=n_dense))
    return fast, report_network(render_network(model, "", optimize="size", hop=hop, n_dense=n_dense))


@dataclass(frozen=True)
class Price:
    """What a spec's patch is predicted to take.

    Attributes
    ----------
    choice : Choice
        Forms of the weights, and the prediction with them.
    core_percent : float
        Share of the core at the budget's clock: time of a decision over that between two.
    excess : str
        What the budget's limits are exceeded by, in words; empty where it is within.
    violations : tuple of float
        Flash, RAM and latency as shares of their limits, less 1; no limit counts as -1.
    """

    choice: Choice
    core_percent: float
    excess: str
    violations: tuple[float, float, float]

    @property
    def prediction(self) -> Prediction:
        """By part."""
        return self.choice.prediction


def price_spec(spec: PatchSpec, model: bytes | None = None) -> Price:
    """Predict what the patch of a spec takes, before it is trained.

    Parameters
    ----------
    spec : PatchSpec
        The patch; its budget decides between fast and small forms of weights.
    model : bytes, optional
        An int8 ``.tflite`` of the spec's shapes; one of noise if left out, for the kinds that ``make_dry_model`` knows.

    Returns
    -------
    Price
        Also of a patch that exceeds the budget.

    Raises
    ------
    ExportError, SpecError
        If the front end cannot be made in fixed point.
    """
    front_end, stage = quantize_front_end(spec), None
    aux = quantize_aux(spec, front_end)
    motion = quantize_motion(spec, front_end, aux)
    if spec.features:
        word_shift = choose_word_shift(spec)
        config = compile_spec_features(spec, word_shift)
        shape = (config.n_components, config.n_channels)  # what the words are scaled by costs nothing
        scale = FeatureScale(word_shift, np.zeros(shape), np.ones(shape))
        stage = make_stage(spec, scale, front_end.exponent, INPUT_SCALE, 0)
    n_dense = spec.calibration.dense_layers if spec.calibration else 0
    if isinstance(spec.model, WordModel):
        fast = small = render_word_network(make_dry_words(spec, spec.model), "").report
    else:
        model = make_dry_model(spec) if model is None else model
        fast, small = report_forms(model, choose_hop(spec, model), n_dense)
    choice = find_forms(spec, fast, small, front_end, stage, aux, motion)[0]
    p, budget = choice.prediction, spec.budget
    limits = (budget.flash_kb, budget.ram_kb, budget.latency_ms)
    found = (p.flash_bytes / 1024, p.ram_bytes / 1024, p.total_ms)
    flash, ram, latency = (-1.0 if b is None else a / b - 1 for a, b in zip(found, limits, strict=True))
    excess = find_excess(budget, p.flash_bytes, p.ram_bytes, p.total_ms)
    hop_ms = 1000 * spec.hop_samples / spec.front_end_rate_hz
    return Price(choice, 100 * p.total_ms / hop_ms, excess, (flash, ram, latency))
