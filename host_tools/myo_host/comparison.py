"""Device against twin in words, twin against float in decibels, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host.streaming import Capture
from myo_pipeline.bundle import Bundle
from myo_pipeline.feature_stage import FeatureStage
from myo_pipeline.feature_twin import to_real
from myo_pipeline.twin import VALUES, TwinConfig
from myo_pipeline.vectors import GoldenSegment


@dataclass
class StageResult:
    """One stage: device against twin in words, twin against float in decibels.

    Attributes
    ----------
    name
        Stage, or layer with its op.
    words, differing
        Words compared between device and twin, and how many of them differ.
    first_difference
        Where the first one is, with both values; empty if none.
    snr_db
        ``10 log10(sum float^2 / sum (twin - float)^2)``; NaN where there is no float form.
    max_error, bound
        Largest ``|twin - float|`` and the derived bound on it, both in ``unit``; NaN where there is none.
    cosine
        Cosine between twin and float, both as one long vector.
    unit
        Unit of ``max_error``.
    """

    name: str
    words: int = 0
    differing: int = 0
    first_difference: str = ""
    snr_db: float = float("nan")
    max_error: float = float("nan")
    bound: float = float("nan")
    cosine: float = float("nan")
    unit: str = ""
    _signal: float = field(default=0.0, repr=False)
    _noise: float = field(default=0.0, repr=False)
    _dot: float = field(default=0.0, repr=False)
    _twin: float = field(default=0.0, repr=False)
    _share: float = field(default=float("nan"), repr=False)

    def compare(
        self, device: NDArray[Any], twin: NDArray[Any], where: Callable[[tuple[int, ...]], str]
    ) -> None:
        """Compare words of the same shape; ``where`` names an index for people."""
        if device.shape != twin.shape:
            missing = max(device.size, twin.size)
            self.words += missing
            self.differing += missing
            self.first_difference = (
                self.first_difference or f"device sent shape {device.shape}, twin has {twin.shape}"
            )
            return
        different = device != twin
        self.words += twin.size
        self.differing += int(different.sum())
        if different.any() and not self.first_difference:
            index = tuple(int(i) for i in np.argwhere(different)[0])
            self.first_difference = f"{where(index)}: device {int(device[index])}, twin {int(twin[index])}"

    def measure_within(
        self,
        twin: NDArray[Any],
        reference: NDArray[Any],
        unit: str,
        share: NDArray[np.float64],
        bound: NDArray[np.float64],
    ) -> None:
        """Accumulate the twin's distance from float where each word has a bound of its own.

        Parameters
        ----------
        twin, reference, unit
            As of :meth:`measure`.
        share, bound
            Distance of each word and the bound on it; the largest of their quotients is kept, against a bound of 1.
        """
        self.measure(twin, reference, unit)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(share > 0, share / bound, 0.0)
        before = 0.0 if np.isnan(self._share) else self._share
        self._share = max(before, float(shares.max(initial=0.0)))
        self.max_error, self.bound, self.unit = self._share, 1.0, "of its bound"

    def measure(self, twin: NDArray[Any], reference: NDArray[Any], unit: str) -> None:
        """Accumulate the twin's distance from float; both in ``unit``."""
        twin, reference = twin.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
        if not twin.size:
            return
        error = twin - reference
        self.unit = unit
        self._signal += float(reference @ reference)
        self._noise += float(error @ error)
        self._dot += float(twin @ reference)
        self._twin += float(twin @ twin)
        self.max_error = float(np.nanmax([self.max_error, np.abs(error).max()]))
        self.snr_db = (
            float(10 * np.log10(self._signal / self._noise)) if self._noise and self._signal else float("inf")
        )
        norm = np.sqrt(self._twin * self._signal)
        self.cosine = self._dot / norm if norm else 1.0


def _layer_name(layer: dict[str, Any]) -> str:
    """Name a layer; one that another one computes along is never sent."""
    into = "" if layer["in_layer"] is None else f" (in layer {layer['in_layer']})"
    return f"layer {layer['index']} {layer['op']}{into}"


class Comparison:
    """The stages' running comparison over segments."""

    def __init__(self, bundle: Bundle, config: TwinConfig) -> None:
        budget = bundle.read_json("budget.json")
        self.config = config
        self.layers: list[dict[str, Any]] = budget["network"]["layers"]
        self.input_scale = np.asarray(budget["front_end"]["input_scale_counts"])
        self.bound: dict[str, float] = budget["front_end"]["error_bound"]
        self.input_quantum = float(budget["network"]["input_scale"])
        self.raw = StageResult("samples")
        self.filtered = StageResult("filtered signal")
        self.features = StageResult("features")
        self.input = StageResult("network input")
        self.layer_results = [StageResult(_layer_name(layer)) for layer in self.layers]
        self.output = StageResult("network output")
        self.decision = StageResult("decision")

    @property
    def stages(self) -> list[StageResult]:
        """All stages, in the order of the signal."""
        features = [self.features] if self.config.features else []
        return [
            self.raw,
            self.filtered,
            *features,
            self.input,
            *self.layer_results,
            self.output,
            self.decision,
        ]

    def take(self, golden: GoldenSegment, capture: Capture, n_windows: int, traced: bool) -> None:
        """Compare one captured run with the first ``n_windows`` windows of its segment."""
        config = self.config
        if traced:
            n = config.window_samples + (n_windows - 1) * config.hop_samples

            def sample(index: tuple[int, ...]) -> str:
                return f"{golden.name} sample {index[0]} channel {index[1]}"

            self.raw.compare(capture.raw, golden.counts[:n], sample)
            self.filtered.compare(capture.filtered_q31, golden.filtered_q31[:n], sample)
            stage = config.features

            def element(index: tuple[int, ...]) -> str:
                row, channel = divmod(index[1], config.n_channels)
                name = stage.config.names[row] if stage else f"sample {row}"
                return f"{golden.name} window {index[0]} {name} channel {channel}"

            if stage is not None:
                self.features.compare(capture.features, golden.features[:n_windows], element)
            self.input.compare(capture.inputs, golden.inputs[:n_windows], element)
            for number, result in enumerate(self.layer_results):
                if self.layers[number]["in_layer"] is not None:
                    continue
                result.compare(
                    capture.layers[number], golden.layers[number][:n_windows],
                    lambda i: f"{golden.name} window {i[0]} element {i[1]}",
                )  # fmt: skip
        else:
            # The traced windows come again here: the same signal must give the same words without tracing.
            found = [[d[k] for k in ("decided", "raw", "confidence", "n_votes")] for d in capture.decisions]
            self.decision.compare(
                np.array(found, np.int32).reshape(-1, 4), golden.decisions[:n_windows],
                lambda i: f"{golden.name} window {i[0]} {('decided', 'raw', 'confidence', 'votes')[i[1]]}",
            )  # fmt: skip
            if config.output_kind == VALUES:
                self.decision.compare(
                    capture.sums, golden.sums[:n_windows], lambda i: f"{golden.name} window {i[0]} sum {i[1]}"
                )
        self.output.compare(
            capture.outputs,
            golden.outputs[:n_windows],
            lambda i: f"{golden.name} window {i[0]} output {i[1]}",
        )

    def measure(self, golden: GoldenSegment) -> None:
        """Compare twin and float over a whole segment."""
        config = self.config
        filtered = golden.filtered_q31 * 2.0**-config.input_shift
        self.filtered.measure(filtered, golden.float_filtered, "counts")
        inputs = (golden.inputs.astype(np.float64) - config.zero_point) * self.input_quantum
        if config.features is not None:
            self._measure_features(golden, config.features, inputs)
        else:
            windows = np.lib.stride_tricks.sliding_window_view(
                golden.float_filtered / self.input_scale, config.window_samples, axis=0
            )[:: config.hop_samples].transpose(0, 2, 1)
            limits = (np.array([-128, 127]) - config.zero_point) * self.input_quantum
            reference = np.clip(
                windows.reshape(len(windows), -1), *limits
            )  # saturation is the format's, not an error
            self.input.measure(inputs, reference, "input units")
        for result, layer, twin, exact in zip(
            self.layer_results, self.layers, golden.layers, golden.float_layers, strict=True
        ):
            result.measure(
                (twin.astype(np.float64) - layer["zero_point"]) * layer["scale"], exact, "layer units"
            )
        scale, zero_point = config.output_scale, config.output_zero_point
        self.output.measure(
            (golden.outputs.astype(np.float64) - zero_point) * scale, golden.float_outputs, "output units"
        )

    def _measure_features(
        self, golden: GoldenSegment, stage: FeatureStage, inputs: NDArray[np.float64]
    ) -> None:
        """Compare features, all brought to one unit by their gains, and the network's input."""
        shape = (-1, stage.config.n_components, self.config.n_channels)
        real = to_real(stage.config, golden.features.reshape(shape)).reshape(golden.float_features.shape)
        scale = np.concatenate([np.full(row.n_components, row.scale) for row in stage.config.rows])[:, None]
        n = stage.normalization
        gain = (n.multiplier * 2.0**-n.shift / scale).ravel() * self.input_quantum
        self.features.measure_within(
            real * gain,
            golden.float_features * gain,
            "",
            np.abs(real - golden.float_features),
            golden.feature_bounds,
        )
        expected = golden.float_inputs
        self.input.measure_within(inputs, expected, "", np.abs(inputs - expected), golden.input_bounds)

    def check_law2(self) -> list[str]:
        """Return one sentence for each stage whose twin left its derived bound."""
        self.filtered.bound = self.bound["filtered_counts"]
        if self.config.features is None:
            self.input.bound = self.bound["input_units"]
        return [
            f"{stage.name}: |twin - float| {stage.max_error:.3g} {stage.unit}, bound {stage.bound:.3g}"
            for stage in (self.filtered, self.features, self.input)
            if stage.max_error > stage.bound
        ]
