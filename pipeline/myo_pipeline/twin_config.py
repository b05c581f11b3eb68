"""Numbers that the twin computes with, as the bundle keeps them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_stream import AuxConfig
from myo_pipeline.bundle import replace_file
from myo_pipeline.calibration_head import HeadConfig
from myo_pipeline.decision_rule import DecisionRule
from myo_pipeline.errors import BundleError, SpecError
from myo_pipeline.feature_stage import FeatureStage
from myo_pipeline.motion_twin import MotionConfig
from myo_pipeline.quality_gate import QualityGate
from myo_pipeline.steps import Step, decimation_of, unpack_steps

# Of a TwinConfig, that may be missing.
_PARTS = {"features", "quality", "aux", "motion", "calibration", "rule"}
CLASSES, VALUES = 0, 1  # output kinds, as the firmware numbers them


@dataclass(frozen=True)
class TwinConfig:
    """All integers that decide what a patch computes; ``twin.npz`` in the bundle.

    Attributes
    ----------
    n_channels
        Counts in a frame of the sensor.
    window_samples, hop_samples
        Frames behind the front end that a decision sees, those of all its windows' features, and from one to the next.
    n_outputs
        Outputs of the network.
    full_scale_counts
        Counts are limited to ``-full_scale .. full_scale - 1`` before anything else.
    input_shift
        A count enters the front end as ``count * 2^input_shift``.
    step_table, step_words
        The front end's steps, as :func:`myo_pipeline.steps.pack_steps` gives them.
    exponent
        A word behind the front end stands for ``word * 2^-exponent`` counts.
    multiplier, shift, zero_point
        From there to the network's int8 input, one multiplier and shift a channel behind the front end, int64; empty
        where the network takes features.
    output_scale, output_zero_point
        The network's int8 output in real units.
    output_kind
        :data:`CLASSES` or :data:`VALUES`.
    vote
        Windows in the vote or in the mean.
    reject_below
        int8 output below which a window casts no vote; -128 never rejects.
    layer_tensors
        Tensor index in ``model.tflite`` of each layer's output, int64 (n_layers,); layers of ``model.npz`` by number.
    features
        What the network takes; None: the window itself.
    quality
        The gate before the vote; None: every channel is taken as it is.
    aux
        Auxiliary streams, whose channels stand behind the EMG's.
    motion
        Removal of what one of them tells from the EMG; None: there is none.
    calibration
        What a person's head is made of; None: the network's output always decides.
    rule
        How classes are decided; None: by majority.
    """

    n_channels: int
    window_samples: int
    hop_samples: int
    n_outputs: int
    full_scale_counts: int
    input_shift: int
    step_table: NDArray[np.int64]
    step_words: NDArray[np.int32]
    exponent: int
    multiplier: NDArray[np.int64]
    shift: NDArray[np.int64]
    zero_point: int
    output_scale: float
    output_zero_point: int
    output_kind: int
    vote: int
    reject_below: int
    layer_tensors: NDArray[np.int64]
    features: FeatureStage | None = None
    quality: QualityGate | None = None
    aux: tuple[AuxConfig, ...] = ()
    motion: MotionConfig | None = None
    calibration: HeadConfig | None = None
    rule: DecisionRule | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The front end's steps."""
        return unpack_steps(self.step_table, self.step_words)

    @property
    def emg_channels(self) -> int:
        """EMG channels behind the front end."""
        return int(self.step_table[-1, 2]) if len(self.step_table) else self.n_channels

    @property
    def front_end_channels(self) -> int:
        """Channels behind the front end: the EMG's, then those of each auxiliary stream."""
        return self.emg_channels + sum(stream.n_outputs for stream in self.aux)

    @property
    def decimation(self) -> int:
        """Frames of the sensor for one behind the front end."""
        return decimation_of(self.steps)

    def count_frames(self, n_windows: int) -> int:
        """Return the frames of the sensor that ``n_windows`` windows take, from the start."""
        return (self.window_samples + (n_windows - 1) * self.hop_samples) * self.decimation

    def save(self, path: Path) -> None:
        """Write the configuration as ``.npz``, whole or not at all; the same configuration gives the same bytes."""
        with replace_file(path) as temporary, temporary.open("wb") as file:
            values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _PARTS}
            values |= self.features.to_arrays() if self.features else {}
            values |= self.quality.to_arrays() if self.quality else {}
            values |= self.calibration.to_arrays() if self.calibration else {}
            values |= self.rule.to_arrays() if self.rule else {}
            values |= self.motion.to_arrays() if self.motion else {}
            for number, stream in enumerate(self.aux):
                values |= stream.to_arrays(f"aux{number}_")
            np.savez(file, allow_pickle=False, **{name: np.asarray(value) for name, value in values.items()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a configuration.

        Raises
        ------
        BundleError
            If the file is absent or is not a twin of this version.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                values: dict[str, Any] = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise BundleError(f"{path}: not readable ({error}); export the bundle again") from None
        values = {name: value if value.ndim else value.item() for name, value in values.items()}
        stage = {name: values.pop(name) for name in list(values) if name.startswith("features_")}
        streams = {name: values.pop(name) for name in list(values) if name.startswith("aux")}
        gate = {name: values.pop(name) for name in list(values) if name.startswith("quality_")}
        head = {name: values.pop(name) for name in list(values) if name.startswith("calibration_")}
        rule = {name: values.pop(name) for name in list(values) if name.startswith("decision_")}
        motion = {name: values.pop(name) for name in list(values) if name.startswith("motion_")}
        if {f.name for f in fields(cls)} - _PARTS != set(values):
            raise BundleError(f"{path}: holds another version's twin; export the bundle again")
        config = cls(**values)
        with _of_this_version(path, "auxiliary streams"):
            n_streams = len({name.partition("_")[0] for name in streams})
            aux = tuple(AuxConfig.from_arrays(streams, f"aux{number}_") for number in range(n_streams))
        config = replace(config, aux=aux)
        if motion:
            with _of_this_version(path, "motion removal"):
                config = replace(config, motion=MotionConfig.from_arrays(motion))
        if rule:
            with _of_this_version(path, "decision"):
                config = replace(config, rule=DecisionRule.from_arrays(rule))
        if gate:
            with _of_this_version(path, "signal quality"):
                config = replace(config, quality=QualityGate.from_arrays(gate, config.decimation))
        if head:
            with _of_this_version(path, "calibration"):
                config = replace(config, calibration=HeadConfig.from_arrays(head))
        if stage:
            sizes = {"span": config.window_samples, "hop": config.hop_samples}
            with _of_this_version(path, "features"):
                features = FeatureStage.from_arrays(stage, n_channels=config.front_end_channels, **sizes)
            config = replace(config, features=features)
        return config


@contextmanager
def _of_this_version(path: Path, what: str) -> Iterator[None]:
    """Tell of a part that another version wrote."""
    try:
        yield
    except (KeyError, ValueError, TypeError, SpecError) as error:
        raise BundleError(
            f"{path}: holds another version's {what} ({error}); export the bundle again"
        ) from None
