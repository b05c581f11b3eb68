"""Device against twin in words, twin against float in decibels, stage by stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host.divergence import SAMPLES, WINDOWS, Divergence, Layout, find_divergence
from myo_host.metrics import Distance, count_ulps, merge_ulps, share_loss
from myo_host.streaming import Capture
from myo_pipeline.bundle import Bundle
from myo_pipeline.calibration_head import Tally, fit_head, score, to_softmax
from myo_pipeline.feature_stage import FeatureStage
from myo_pipeline.feature_words import to_real
from myo_pipeline.quality_gate import QualityGate
from myo_pipeline.twin import DecisionTwin
from myo_pipeline.twin_config import VALUES, TwinConfig
from myo_pipeline.vectors import GoldenSegment

RAW_STAGE = "samples"  # the sensor's frames, before the front end may change their rate

QUALITY_STAGE = "signal quality"  # a row a period, counted in the sensor's frames

DECISION_FIELDS = ("decided", "raw", "confidence", "n_votes")  # of DECISION, in the golden vectors' order


@dataclass
class StageResult:
    """One stage: device against twin in words, twin against float in decibels.

    Attributes
    ----------
    name
        Stage, or layer with its op.
    layer
        The layer's index; None where the stage is no layer.
    words, differing
        Words compared between device and twin, and how many of them differ.
    first
        The first word that differs; None if none does.
    ulp_device
        Words by ``|device - twin|`` in steps of the last bit, see :func:`myo_host.metrics.count_ulps`.
    unit
        Unit of the distances below.
    distance
        Of the twin from float, empty where there is no float form.
    bound
        Derived bound on the distance's ``max_error``; NaN where there is none, or each word has its own.
    ulp_float
        Words by ``|twin - float|``, float rounded to the twin's steps; empty where there is no float form.
    """

    name: str
    layer: int | None = None
    words: int = 0
    differing: int = 0
    first: Divergence | None = None
    ulp_device: dict[str, int] = field(default_factory=dict)
    unit: str = ""
    distance: Distance = field(default_factory=Distance)
    bound: float = float("nan")
    ulp_float: dict[str, int] = field(default_factory=dict)
    _share: float = field(default=float("nan"), repr=False)

    @property
    def first_difference(self) -> str:
        """Where the first word differs, with both values; empty if none does."""
        return str(self.first) if self.first else ""

    @property
    def snr_db(self) -> float:
        """Signal-to-noise ratio of the twin against float, in decibels."""
        return self.distance.snr_db

    @property
    def max_error(self) -> float:
        """Largest ``|twin - float|``."""
        return self.distance.max_error

    @property
    def bound_share(self) -> float:
        """Largest share that an error has of its bound: above 1, the bound is broken. NaN where there is none."""
        if not np.isnan(self._share):
            return self._share
        if not self.bound:  # exact by proof
            return float("inf") if self.max_error else 0.0
        return self.max_error / self.bound

    @property
    def bound_text(self) -> str:
        """The bound, for people; where each word has its own, the largest share that an error has of it."""
        if np.isnan(self.bound_share):
            return ""
        return f"{self.bound:.3g}" if np.isnan(self._share) else f"{self._share:.3g} of own"

    @property
    def cosine(self) -> float:
        """Cosine between twin and float."""
        return self.distance.cosine

    def compare(self, device: NDArray[Any], twin: NDArray[Any], layout: Layout) -> None:
        """Compare words, shape (n_rows, n_words); rows that one side lacks are different words."""
        words = max(device.size, twin.size)
        if device.ndim != 2 or device.shape[1] != twin.shape[1]:
            device = np.zeros((0, twin.shape[1]), np.int64)  # no words of this stage
        n_rows = min(len(device), len(twin))
        error = device[:n_rows].astype(np.int64) - twin[:n_rows]
        self.words += words
        self.differing += int(np.count_nonzero(error)) + words - error.size
        self.ulp_device = merge_ulps(self.ulp_device, count_ulps(error))
        if self.first is None:
            self.first = find_divergence(device, twin, layout)

    def measure_shares(self, error: NDArray[np.float64], bounds: NDArray[np.float64]) -> None:
        """Hold errors of the twin against bounds of their own, both of the same shape and unit, one a word."""
        size = np.abs(error)
        # Where an error of zero meets a bound of zero, nothing is broken.
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(size > 0, size / bounds, 0.0)
        self._share = float(np.fmax(self._share, shares.max(initial=0.0)))

    def measure(
        self, twin: NDArray[Any], reference: NDArray[Any], unit: str, step: float | NDArray[np.float64]
    ) -> None:
        """Add a piece to the twin's distance from float.

        Parameters
        ----------
        twin, reference
            Of the same shape, in ``unit``.
        unit
            Of both.
        step
            One step of the twin's words in that unit: of all, or of each in a row.
        """
        steps = np.rint((twin.astype(np.float64) - reference) / step)
        twin, reference = twin.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
        self.unit = unit
        self.distance.add(twin, reference)
        if twin.size:
            self.ulp_float = merge_ulps(self.ulp_float, count_ulps(steps))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        distances = ("snr_db", "max_error", "rmse", "mae", "l2_relative", "cosine", "nse")
        return {
            "name": self.name,
            "layer": self.layer,
            "words": self.words,
            "differing": self.differing,
            "first_difference": self.first_difference,
            "first": {**asdict(self.first), "place": self.first.place} if self.first else None,
            "ulp_device": self.ulp_device,
            "unit": self.unit,
            **{name: getattr(self.distance, name) for name in distances},
            "bound": self.bound,
            "bound_share": self.bound_share,
            "ulp_float": self.ulp_float,
        }


def _layer_name(layer: dict[str, Any]) -> str:
    """Name a layer; one that another one computes along is never sent."""
    into = "" if layer["in_layer"] is None else f" (in layer {layer['in_layer']})"
    return f"layer {layer['index']} {layer['op']}{into}"


class Comparison:
    """The stages' running comparison over segments.

    Attributes
    ----------
    stored
        What the head in use on the board is made of; None: the network decides.
    """

    def __init__(self, bundle: Bundle, config: TwinConfig, stored: Tally | None = None) -> None:
        self.stored = stored
        head = config.calibration
        self._head = fit_head(head, stored) if head is not None and stored is not None else None
        budget = bundle.read_json("budget.json")
        self.config = config
        self.output_names = bundle.spec.output_names
        self.layers: list[dict[str, Any]] = budget["network"]["layers"]
        self.input_scale = np.asarray(budget["front_end"]["input_scale_counts"])
        self.bound: dict[str, float] = budget["front_end"]["error_bound"]
        self.input_quantum = float(budget["network"]["input_scale"])
        self.raw = StageResult(RAW_STAGE)
        self.quality = StageResult(QUALITY_STAGE)
        self.filtered = StageResult("filtered signal")
        self.aux = StageResult("auxiliary streams")
        self.aux_bounds = [
            stream["error_bound_counts"]
            for stream in budget.get("aux", [])
            for _ in range(stream["channels"])
        ]
        self.features = StageResult("features")
        self.input = StageResult("network input")
        self.layer_results = [StageResult(_layer_name(layer), layer["index"]) for layer in self.layers]
        self.output = StageResult("network output")
        self.scores = StageResult("calibrated scores")
        self.decision = StageResult("decision")

    @property
    def stages(self) -> list[StageResult]:
        """All stages, in the order of the signal."""
        features = [self.features] if self.config.features else []
        quality = [self.quality] if self.config.quality else []
        return [
            self.raw,
            *quality,
            self.filtered,
            *([self.aux] if self.config.aux else []),
            *features,
            self.input,
            *self.layer_results,
            self.output,
            *([self.scores] if self._head else []),
            self.decision,
        ]

    def take(self, golden: GoldenSegment, capture: Capture, n_windows: int, traced: bool) -> None:
        """Compare one captured run with the first ``n_windows`` windows of its segment."""
        config = self.config
        if traced:
            n, width = config.count_frames(n_windows), config.front_end_channels
            samples = Layout(golden.name, SAMPLES, config.n_channels)
            self.raw.compare(capture.raw, golden.counts[:n], samples)
            device, twin = capture.filtered_words, golden.filtered_words[: n // config.decimation]
            n_emg = config.emg_channels
            filtered = Layout(golden.name, SAMPLES, n_emg)
            self.filtered.compare(device[:, :n_emg], twin[:, :n_emg], filtered)
            if config.aux:
                behind = Layout(golden.name, SAMPLES, width - n_emg)
                self.aux.compare(device[:, n_emg:], twin[:, n_emg:], behind)
            window = Layout(golden.name, WINDOWS, width)
            if config.features is not None:
                newest = self._lay_out_features(golden.name, config.features, 1)
                self.features.compare(capture.features, golden.features[:n_windows], newest)
                window = self._lay_out_features(golden.name, config.features, config.features.n_windows)
            self.input.compare(capture.inputs, golden.inputs[:n_windows], window)
            for number, result in enumerate(self.layer_results):
                layer = self.layers[number]
                if layer["in_layer"] is not None:
                    continue
                layout = Layout(golden.name, WINDOWS, int(layer["shape"][-1]))
                result.compare(capture.layers[number], golden.layers[number][:n_windows], layout)
            if (scores := self._score(golden, n_windows)) is not None:
                named = Layout(golden.name, WINDOWS, config.n_outputs, self._name_outputs("score"))
                self.scores.compare(capture.scores, scores, named)
        else:
            # The traced windows come again here: the same signal must give the same words without tracing.
            self.take_decisions(golden, capture, n_windows)
        if config.quality is not None:
            self._compare_quality(golden, capture, config.quality)
        outputs = Layout(golden.name, WINDOWS, config.n_outputs, self._name_outputs("output"))
        self.output.compare(capture.outputs, golden.outputs[:n_windows], outputs)

    def take_decisions(self, golden: GoldenSegment, capture: Capture, n_windows: int) -> None:
        """Compare the decisions of a run."""
        config = self.config
        found = [[d[k] for k in DECISION_FIELDS] for d in capture.decisions]
        self.decision.compare(
            np.array(found, np.int32).reshape(-1, len(DECISION_FIELDS)),
            self.decide(golden, capture).decisions[:n_windows],
            Layout(golden.name, WINDOWS, len(DECISION_FIELDS), DECISION_FIELDS),
        )
        if config.aux:
            marks = Layout(golden.name, WINDOWS, 1, ("aux_marks",))
            told = np.array([d["aux_marks"] for d in capture.decisions], np.int32)[:, None]
            self.decision.compare(told, golden.aux_marks[:n_windows, None], marks)
        if config.output_kind == VALUES:
            sums = Layout(golden.name, WINDOWS, config.n_outputs, self._name_outputs("sum"))
            self.decision.compare(capture.sums, golden.sums[:n_windows], sums)

    def _score(self, golden: GoldenSegment, n_windows: int) -> NDArray[np.int8] | None:
        """Return the twin's words of the head in use, (n_windows, n_outputs); None where there is none."""
        config = self.config.calibration
        if config is None or self._head is None:
            return None
        words = golden.inputs if config.layer < 0 else golden.layers[config.layer]
        return to_softmax(config, self._head, score(config, self._head, words[:n_windows]))

    def decide(self, golden: GoldenSegment, capture: Capture) -> GoldenSegment:
        """Return the segment with the decisions that a calibrated board owes.

        They follow from the board's own scores of every window, which are compared with the twin's where the bundle has the
        embedding: in the traced windows.
        """
        if self._head is None or len(capture.scores) == 0:
            return golden
        twin = DecisionTwin(self.config)
        rows = []
        for scores, (_, raw, _, _) in zip(capture.scores, golden.decisions, strict=False):
            found = twin.decide(scores, is_gated=bool(raw < 0))
            rows.append([found.decided, found.raw, found.confidence, found.n_votes])
        return replace(golden, decisions=np.array(rows, np.int32))

    def _compare_quality(self, golden: GoldenSegment, capture: Capture, gate: QualityGate) -> None:
        """Compare flags and masks of the periods that ended in the run."""
        names = [f"channel {c} flags" for c in range(self.config.n_channels)]
        layout = Layout(
            golden.name,
            SAMPLES,
            len(names) + 2,
            (*names, "masked channels", "gate"),
            gate.config.period_frames,
        )
        n_periods = capture.status["samples_processed"] // layout.step
        self.quality.compare(capture.quality, golden.quality[:n_periods], layout)

    def absorb(self, other: Comparison) -> None:
        """Add another run's words."""
        for mine, theirs in zip(self.stages, other.stages, strict=True):
            mine.words += theirs.words
            mine.differing += theirs.differing
            mine.ulp_device = merge_ulps(mine.ulp_device, theirs.ulp_device)
            mine.first = mine.first or theirs.first

    def _name_outputs(self, noun: str) -> tuple[str, ...]:
        return tuple(f"{noun} {k} ({name})" for k, name in enumerate(self.output_names))

    def measure(self, golden: GoldenSegment) -> None:
        """Compare twin and float over a whole segment."""
        config = self.config
        step = 2.0**-config.exponent
        n_emg = config.emg_channels
        words, behind = golden.filtered_words * step, golden.float_filtered
        self.filtered.measure(words[:, :n_emg], behind[:, :n_emg], "counts", step)
        if config.aux:
            self.aux.measure(words[:, n_emg:], behind[:, n_emg:], "counts", step)
            error = words[:, n_emg:] - behind[:, n_emg:]
            self.aux.measure_shares(error, np.broadcast_to(self.aux_bounds, error.shape))
        inputs = (golden.inputs.astype(np.float64) - config.zero_point) * self.input_quantum
        if config.features is not None:
            self._measure_features(golden, config.features, inputs)
        else:
            seen = golden.float_filtered
            if config.quality is not None:
                seen = np.where(config.quality.mask_frames(golden.quality, 0, len(seen)), 0.0, seen)
            windows = np.lib.stride_tricks.sliding_window_view(
                seen / self.input_scale, config.window_samples, axis=0
            )[:: config.hop_samples].transpose(0, 2, 1)
            limits = (np.array([-128, 127]) - config.zero_point) * self.input_quantum
            reference = np.clip(
                windows.reshape(len(windows), -1), *limits
            )  # saturation is the format's, not an error
            self.input.measure(inputs, reference, "input units", self.input_quantum)
        for result, layer, twin, exact in zip(
            self.layer_results, self.layers, golden.layers, golden.float_layers, strict=True
        ):
            values = (twin.astype(np.float64) - layer["zero_point"]) * layer["scale"]
            result.measure(values, exact, "layer units", layer["scale"])
        scale, zero_point = config.output_scale, config.output_zero_point
        words = (golden.outputs.astype(np.float64) - zero_point) * scale
        self.output.measure(words, golden.float_outputs, "output units", scale)

    def find_first(self) -> StageResult | None:
        """Return the first stage of the signal's path that differs: what stands before it is equal."""
        return next((stage for stage in self.stages if stage.differing), None)

    def split_loss(self) -> list[tuple[StageResult, float]]:
        """Return the stages that have a float form, each with its share of the loss; see :func:`share_loss`.

        The last layer is the network's output, which is therefore not counted again.
        """
        chain = [s for s in (self.filtered, self.features, self.input, *self.layer_results) if s.distance.n]
        return list(zip(chain, share_loss([s.distance.noise_to_signal for s in chain]), strict=True))

    def _lay_out_features(self, segment: str, stage: FeatureStage, n_windows: int) -> Layout:
        """Name the feature words of a window, component by component, and of those before it, the oldest first."""
        width = self.config.front_end_channels
        names = tuple(
            f"{name} channel {c}" + f" {age} windows before" * (age > 0)
            for age in range(n_windows - 1, -1, -1)
            for name in stage.config.names
            for c in range(width)
        )
        return Layout(segment, WINDOWS, len(names), names)

    def _measure_features(
        self, golden: GoldenSegment, stage: FeatureStage, inputs: NDArray[np.float64]
    ) -> None:
        """Compare features, all brought to the input's unit by their gains, and the network's input."""
        shape = (-1, stage.config.n_components, self.config.front_end_channels)
        real = to_real(stage.config, golden.features.reshape(shape)).reshape(golden.float_features.shape)
        scale = np.array([component.scale for component in stage.config.components])[:, None]
        n = stage.normalization
        step = np.abs(n.multiplier * 2.0**-n.shift).ravel() * self.input_quantum
        gain = (n.multiplier * 2.0**-n.shift / scale).ravel() * self.input_quantum
        self.features.measure(real * gain, golden.float_features * gain, "input units", step)
        self.features.measure_shares(real - golden.float_features, golden.feature_bounds)
        self.input.measure(inputs, golden.float_inputs, "input units", self.input_quantum)
        self.input.measure_shares(inputs - golden.float_inputs, golden.input_bounds)

    def check_law2(self) -> list[str]:
        """Return one sentence for each stage whose twin left its derived bound."""
        self.filtered.bound = self.bound["filtered_counts"]
        if self.config.features is None:
            self.input.bound = self.bound["input_units"]
        return [
            f"{stage.name}: |twin - float| {stage.max_error:.3g} {stage.unit}, bound {stage.bound_text}"
            for stage in (self.filtered, self.aux, self.features, self.input)
            if stage.bound_share > 1
        ]
