"""A bundle's model as the export sees it, be it a ``.tflite`` network or trees in ``model.npz``: its ends, its C, its float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from myo_export.emit_net import emit_network
from myo_export.float_layers import read_float_layers
from myo_export.network_report import NetworkReport
from myo_export.pack_dsp import Optimize
from myo_export.price import choose_hop, report_forms
from myo_export.tflite_reader import read_graph
from myo_export.word_source import emit_word_network, render_word_network
from myo_pipeline.classical_models import WordModel
from myo_pipeline.errors import ExportError
from myo_pipeline.feature_stage import compile_spec_features
from myo_pipeline.scores import SHARE_STEP, SHARE_ZERO
from myo_pipeline.spec import PatchSpec
from myo_pipeline.twin import NetworkTwin
from myo_pipeline.word_network import (
    INPUT_STEP,
    NETWORK_MODELS,
    WORD_MODELS,
    WordNetwork,
    WordNetworkTwin,
    unpack_word_network,
)


@dataclass(frozen=True)
class Ends:
    """What a model takes and gives, and the tensors that are its layers.

    Attributes
    ----------
    n_inputs, input_scale, input_zero_point
        Of the int8 input.
    n_outputs, output_scale, output_zero_point
        Of the int8 output.
    layer_tensors
        int64 (n_layers,), see :class:`~myo_pipeline.twin.TwinConfig`.
    """

    n_inputs: int
    input_scale: float
    input_zero_point: int
    n_outputs: int
    output_scale: float
    output_zero_point: int
    layer_tensors: NDArray[np.int64]


class PatchModel(Protocol):
    """What the export asks of a model."""

    @property
    def content(self) -> bytes:
        """What the twin runs."""

    @property
    def hop(self) -> int | None:
        """Frames a push; None where windows are run."""

    @property
    def ends(self) -> Ends:
        """What it takes and gives."""

    def report_forms(self) -> tuple[NetworkReport, NetworkReport]:
        """Return the figures with all weights wide, and packed."""

    def emit(self, out_dir: Path, made_by: str, forms: Sequence[Optimize]) -> NetworkReport:
        """Write its C, weights in the forms chosen for each layer."""

    def open_float(self, report: NetworkReport) -> NetworkTwin | WordNetworkTwin:
        """Return the float model, whose layers are those of the report."""


class TfliteModel:
    """``model.tflite`` and ``model_float.tflite``."""

    def __init__(self, spec: PatchSpec, content: bytes, floating: bytes) -> None:
        self.content, self._floating = content, floating
        self.hop = choose_hop(spec, content)
        self._n_dense = spec.calibration.dense_layers if spec.calibration else 0

    @property
    def ends(self) -> Ends:
        """What it takes and gives."""
        graph = read_graph(self.content)
        source, result = graph.tensors[graph.input], graph.tensors[graph.output]
        return Ends(
            source.size, float(source.scales[0]), int(source.zero_points[0]),
            result.size, float(result.scales[0]), int(result.zero_points[0]),
            np.array([tensor for op in graph.ops for tensor in op.outputs], np.int64),
        )  # fmt: skip

    def report_forms(self) -> tuple[NetworkReport, NetworkReport]:
        """Return the figures with all weights wide, and packed."""
        return report_forms(self.content, self.hop, self._n_dense)

    def emit(self, out_dir: Path, made_by: str, forms: Sequence[Optimize]) -> NetworkReport:
        """Write its C, weights in the forms chosen for each layer."""
        return emit_network(self.content, out_dir, made_by, "both", forms, self.hop, self._n_dense)

    def open_float(self, report: NetworkReport) -> NetworkTwin:
        """Return the float model, whose layers are those of the report."""
        names = [layer.op_name for layer in report.layers]
        return NetworkTwin(self._floating, read_float_layers(self._floating, names))


class NpzModel:
    """``model.npz``."""

    hop = None

    def __init__(self, spec: PatchSpec, content: bytes) -> None:
        self.content, self._spec = content, spec
        self._network: WordNetwork = unpack_word_network(content)
        if spec.model.kind != self._network.KIND:
            raise ExportError(
                f"model.npz holds a model of kind {self._network.KIND!r}, the spec asks for {spec.model.kind!r}; train again"
            )

    @property
    def ends(self) -> Ends:
        """What it takes and gives."""
        layers = np.arange(len(self._network.LAYERS), dtype=np.int64)
        n_inputs, n_outputs = self._network.n_inputs, self._network.n_outputs
        return Ends(n_inputs, INPUT_STEP, 0, n_outputs, SHARE_STEP, SHARE_ZERO, layers)

    def report_forms(self) -> tuple[NetworkReport, NetworkReport]:
        """Return the figures twice: there is one form."""
        report = render_word_network(self._network, "").report
        return report, report

    def emit(self, out_dir: Path, made_by: str, forms: Sequence[Optimize]) -> NetworkReport:
        """Write its C."""
        spec = self._spec
        names = compile_spec_features(spec, 16 - spec.sensor.adc_bits).names
        words = [f"{name} channel {channel}" for name in names for channel in range(spec.front_end_channels)]
        return emit_word_network(self._network, out_dir, made_by, words, spec.output_names)

    def open_float(self, report: NetworkReport) -> WordNetworkTwin:
        """Return it in real numbers."""
        return WordNetworkTwin(self._network, floating=True)


def name_models(spec: PatchSpec) -> tuple[str, ...]:
    """Return the files in which training leaves the spec's model."""
    return WORD_MODELS if isinstance(spec.model, WordModel) else NETWORK_MODELS


def open_model(folder: Path, spec: PatchSpec) -> PatchModel:
    """Read the model that training left.

    Raises
    ------
    BundleError, ExportError
        If it is damaged, or not of the spec's kind.
    """
    contents = [(folder / name).read_bytes() for name in name_models(spec)]
    return NpzModel(spec, *contents) if len(contents) == 1 else TfliteModel(spec, contents[0], contents[1])
