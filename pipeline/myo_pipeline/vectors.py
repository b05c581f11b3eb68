"""Golden vectors: recordings of persons that training never saw, with what twin and float make of them at every stage.

A bundle carries them, so that a board can be validated where there is neither TensorFlow nor the data set.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.bundle import replace_file
from myo_pipeline.errors import BundleError
from myo_pipeline.twin import Decision


@dataclass(frozen=True)
class GoldenSegment:
    """One uninterrupted piece of a recording, fed from reset.

    Attributes
    ----------
    person, session, trial
        Where it comes from.
    start
        First sample of the piece in its recording.
    counts
        int32 (n_samples, n_channels).
    targets
        Label (int32, (n_windows,)) or values (float64, (n_windows, n_outputs)) at each window's end.
    filtered_words, float_filtered
        Behind the front end: int32 words, and float64 in counts, (n_frames, n_channels_there).
    inputs
        Network inputs, int8 (n_windows, window_samples * n_channels_there or n_words).
    outputs, float_outputs
        Network outputs, int8 and float32, (n_windows, n_outputs).
    decisions
        int32 (n_windows, 4): decided, raw, confidence, n_votes.
    sums
        int32 (n_windows, n_outputs) where the output kind is values, else (n_windows, 0).
    float_decided
        The float path's decisions: int32 (n_windows,) classes, or float64 (n_windows, n_outputs) means.
    layers, float_layers
        Each layer's output, flattened, int8 and float32, for the first ``n_traced`` windows.
    features
        Feature words, int32 (n_windows, n_words); empty, as all below, where the network takes the window.
    float_features, feature_bounds
        The float features in their units and the bound on the twin's distance, float64, shape of ``features``.
    float_inputs, input_bounds
        The same of the network's input, limited to what int8 holds; of the features alone, as ``float_filtered`` gives
        the others.
    quality
        What the gate says of each period, int32 (n_periods, n_channels + 2): see
        :meth:`myo_pipeline.quality_gate.QualityGate.judge`; empty without one.
    aux_counts, aux_stamps
        Of each auxiliary stream, its samples int32 (n_samples, n_channels), and the frames of ``counts`` that came before
        each, int64 (n_samples,).
    aux_marks
        Of each window, a bit a stream that lacked or left out a sample, int32 (n_windows,); empty without streams.
    """

    person: str
    session: str
    trial: str
    start: int
    counts: NDArray[np.int32]
    targets: NDArray[Any]
    filtered_words: NDArray[np.int32]
    float_filtered: NDArray[np.float64]
    inputs: NDArray[np.int8]
    outputs: NDArray[np.int8]
    float_outputs: NDArray[np.float32]
    decisions: NDArray[np.int32]
    sums: NDArray[np.int32]
    float_decided: NDArray[Any]
    layers: list[NDArray[np.int8]]
    float_layers: list[NDArray[np.float32]]
    features: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    float_features: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    feature_bounds: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    float_inputs: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    input_bounds: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    quality: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    aux_counts: list[NDArray[np.int32]] = field(default_factory=list)
    aux_stamps: list[NDArray[np.int64]] = field(default_factory=list)
    aux_marks: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    @property
    def aux(self) -> tuple[AuxSamples, ...]:
        """The auxiliary streams beside ``counts``."""
        return tuple(AuxSamples(c, s) for c, s in zip(self.aux_counts, self.aux_stamps, strict=True))

    @property
    def n_windows(self) -> int:
        """Windows in the segment."""
        return len(self.inputs)

    @property
    def n_traced(self) -> int:
        """Windows whose layers are kept."""
        return len(self.layers[0]) if self.layers else 0

    @property
    def name(self) -> str:
        """Person, session and trial in one word."""
        return f"{self.person}/{self.session}/{self.trial}"

    def decision(self, window: int) -> Decision:
        """Return a window's decision."""
        decided, raw, confidence, n_votes = (int(value) for value in self.decisions[window])
        return Decision(decided, raw, confidence, n_votes, self.sums[window])

    def save(self, path: Path) -> None:
        """Write the segment as ``.npz``, whole or not at all; the same segment gives the same bytes."""
        arrays: dict[str, NDArray[Any]] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, list):
                arrays |= {f"{entry.name}_{k}": item for k, item in enumerate(value)}
            else:
                arrays[entry.name] = np.asarray(value)
        with replace_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a segment.

        Raises
        ------
        BundleError
            If the file is not a segment of this version.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                stored = {name: archive[name] for name in archive.files}
            values: dict[str, Any] = {}
            for entry in fields(cls):
                if entry.name in ("layers", "float_layers", "aux_counts", "aux_stamps"):
                    n_layers = sum(name.startswith(f"{entry.name}_") for name in stored)
                    values[entry.name] = [stored[f"{entry.name}_{k}"] for k in range(n_layers)]
                else:
                    value = stored[entry.name]
                    values[entry.name] = value if value.ndim else value.item()
        except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise BundleError(
                f"{path}: not a golden vector of this version ({error}); export the bundle again"
            ) from None
        return cls(**values)


def load_vectors(bundle: Path) -> list[GoldenSegment]:
    """Read all golden segments of a bundle, in order.

    Raises
    ------
    BundleError
        If there is none.
    """
    paths = sorted((bundle / "vectors").glob("*.npz"))
    if not paths:
        raise BundleError(f"{bundle}/vectors: holds no golden vectors; run `myopatch export {bundle}` again")
    return [GoldenSegment.load(path) for path in paths]
