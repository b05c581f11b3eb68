"""The patch specification ``patch.toml``: what a patch computes, from electrode to decision.

Training, export, firmware and host tools all read this one file. ``docs/spec.md`` is made from the field
descriptions below (``spec_page``), so a key is documented where it is validated.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, model_validator

from myo_pipeline.aux_sensor import AuxSensor, AuxSensors
from myo_pipeline.board_memory import BOARD_MEMORIES
from myo_pipeline.calibration import Calibration
from myo_pipeline.classical_models import (
    CLASSICAL_TABLES,
    BoostedModel,
    ForestModel,
    LdaModel,
    QdaModel,
    SvmModel,
    check_words,
)
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_set import FEATURE_TABLES, WindowFeature, compile_feature_set
from myo_pipeline.motion_spec import Motion, plan_motion
from myo_pipeline.network_models import (
    NETWORK_TABLES,
    NETWORKS_OF_FEATURES,
    AttentionModel,
    AutoencoderModel,
    LstmModel,
    SpectrogramModel,
    TcnModel,
    check_network,
)
from myo_pipeline.quality_gate import Quality, compile_table
from myo_pipeline.stages import MAX_CHANNELS, STAGE_TABLES, Stage, Table

FORMAT = 1
MAX_DECIMATION = 4096
VOTE_MAX = 31  # windows that the firmware's vote history holds
HOLD_MAX = 255  # windows that the firmware counts for debounce and dwell
NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"


class Sensor(Table):
    """The electrodes and the converter behind them."""

    channels: int = Field(ge=1, le=MAX_CHANNELS, description="EMG channels of one frame")
    rate_hz: float = Field(gt=0, le=100_000, description="frames a second")
    lsb_uv: float = Field(gt=0, description="microvolts a count; 1.0 where the recording's unit is unknown")
    adc_bits: int = Field(
        ge=4, le=24, description="bits of the signed converter; up to 16 travel as int16, more as int32"
    )

    @property
    def full_scale_counts(self) -> int:
        """Largest magnitude of a count, 2^(adc_bits - 1)."""
        return 1 << (self.adc_bits - 1)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one count on the link."""
        return 2 if self.adc_bits <= 16 else 4


class Window(Table):
    """What the network sees at once, and how often."""

    window_ms: float = Field(gt=0, le=10_000, description="length of a window")
    hop_ms: float = Field(gt=0, le=10_000, description="time between two windows")


class CnnModel(Table):
    """A compact CNN over the raw, filtered window: convolutions over time, mean over time, one dense layer."""

    kind: Literal["cnn"] = "cnn"
    filters: list[Annotated[int, Field(ge=1, le=512)]] = Field(
        default=[24, 32, 48], min_length=1, max_length=12, description="output channels of each convolution"
    )
    kernel: int = Field(default=5, ge=1, le=64, description="samples that each convolution spans")
    strides: list[Annotated[int, Field(ge=1, le=16)]] = Field(
        default=[1, 2, 2], min_length=1, max_length=12, description="stride of each convolution, in samples"
    )
    dense: int = Field(
        default=32, ge=0, le=512, description="units before the output layer; 0 leaves them out"
    )
    dropout: float = Field(
        default=0.2, ge=0, lt=1, description="dropout before the dense layers, in training only"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.filters) != len(self.strides):
            raise ValueError(
                f"filters has {len(self.filters)} entries and strides {len(self.strides)}: give one of each per convolution"
            )
        return self


class MlpModel(Table):
    """Dense layers over the features of a window."""

    kind: Literal["mlp"]
    hidden: list[Annotated[int, Field(ge=1, le=512)]] = Field(
        default=[32],
        max_length=8,
        description="units of each layer before the output layer; [] decides linearly, as LDA does",
    )
    windows: int = Field(
        default=1,
        ge=1,
        le=16,
        description="windows whose features it takes at once: the last and those before it, one hop apart; a decision comes "
        "later by a hop for each of these",
    )
    shared: int = Field(
        default=1,
        ge=0,
        le=8,
        description="with several windows: so many of the first `hidden` layers see each window by itself, with the same "
        "weights",
    )
    dropout: float = Field(
        default=0.2, ge=0, lt=1, description="dropout before each dense layer but the first, in training only"
    )


def _kind_of_model(table: Any) -> str:  # noqa: ANN401 - a table of the file, or a model
    kind = table.get("kind", "cnn") if isinstance(table, dict) else getattr(table, "kind", "cnn")
    return str(kind)


MODEL_TABLES: dict[str, type[BaseModel]] = {
    "cnn": CnnModel,
    "mlp": MlpModel,
    **NETWORK_TABLES,
    **CLASSICAL_TABLES,
}
# They take features, not the window.
FEATURE_MODELS = frozenset({"mlp", *NETWORKS_OF_FEATURES, *CLASSICAL_TABLES})
_KINDS = ", ".join(repr(kind) for kind in MODEL_TABLES)
Model = Annotated[
    Annotated[CnnModel, Tag("cnn")]
    | Annotated[MlpModel, Tag("mlp")]
    | Annotated[TcnModel, Tag("tcn")]
    | Annotated[LstmModel, Tag("lstm")]
    | Annotated[SpectrogramModel, Tag("spectrogram")]
    | Annotated[AttentionModel, Tag("attention")]
    | Annotated[AutoencoderModel, Tag("autoencoder")]
    | Annotated[LdaModel, Tag("lda")]
    | Annotated[SvmModel, Tag("svm")]
    | Annotated[QdaModel, Tag("qda")]
    | Annotated[ForestModel, Tag("forest")]
    | Annotated[BoostedModel, Tag("boosted")],
    Discriminator(_kind_of_model, custom_error_type="model_kind", custom_error_message=f"one of {_KINDS}"),
]


class ClassesOutput(Table):
    """A class a window."""

    kind: Literal["classes"]
    labels: list[Annotated[str, Field(min_length=1, max_length=40)]] = Field(
        min_length=2, max_length=64, description="class names, in the order of the recording's label numbers"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        doubles = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if doubles:
            raise ValueError(f"label {doubles[0]!r} stands twice: give every class its own name")
        return self

    @property
    def names(self) -> list[str]:
        """Names of the network's outputs."""
        return self.labels


class ValuesOutput(Table):
    """One or more continuous values a window (force, angle, envelope)."""

    kind: Literal["values"]
    names: list[Annotated[str, Field(min_length=1, max_length=40)]] = Field(
        min_length=1, max_length=64, description="value names, in the order of the recording's value columns"
    )
    unit: str = Field(default="", description="unit of the values, for reports")


class ScoreOutput(Table):
    """Whether a window is unlike those that were learned: classes `normal` and `anomaly`, by a score and its threshold."""

    kind: Literal["score"]
    labels: list[Annotated[str, Field(min_length=1, max_length=40)]] = Field(
        min_length=2,
        max_length=64,
        description="the recordings' classes, in the order of their label numbers",
    )
    anomalies: list[str] = Field(
        min_length=1,
        description="those of `labels` that are never learned from and that the test takes for anomalies",
    )
    percentile: float = Field(
        default=95.0,
        gt=50,
        lt=100,
        description="the threshold: so many of the training persons' normal windows score less",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        unknown = [label for label in self.anomalies if label not in self.labels]
        if unknown:
            raise ValueError(f"anomalies names {unknown[0]!r}, which is none of labels: correct it")
        if set(self.anomalies) == set(self.labels):
            raise ValueError("anomalies names every label: leave some to learn from")
        return self

    @property
    def names(self) -> list[str]:
        """Names of the network's outputs."""
        return ["normal", "anomaly"]


class LaterOutput(Table):
    """An output kind that has its place in the design, and no stage yet."""

    kind: Literal["events", "trend"]

    @model_validator(mode="before")
    @classmethod
    def _check(cls, table: dict[str, Any]) -> dict[str, Any]:
        raise ValueError(
            f"kind {table['kind']!r} has no stage in this version: use 'classes', 'values' or 'score'"
        )


Output = Annotated[ClassesOutput | ValuesOutput | ScoreOutput | LaterOutput, Field(discriminator="kind")]


class Decision(Table):
    """What becomes of the network's outputs."""

    method: Literal["majority", "average", "bayes"] = Field(
        default="majority",
        description="classes: `majority` of the last windows' classes; `average` of their softmax outputs; `bayes`: a filter "
        "that knows how long classes stay",
    )
    vote: int = Field(
        default=1,
        ge=1,
        le=VOTE_MAX,
        description="classes: majority or average over the last n windows; bayes forgets after n without a vote; "
        "values: mean over them",
    )
    reject_below: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="classes: a window whose softmax is lower casts no vote; 0 never rejects",
    )
    stay: float = Field(
        default=0.9,
        ge=0.5,
        le=0.999,
        description="bayes: probability that a window's class is that of the window before",
    )
    debounce: int = Field(
        default=1,
        ge=1,
        le=HOLD_MAX,
        description="classes: windows in a row that must decide the same before a change is told",
    )
    dwell: int = Field(
        default=1, ge=1, le=HOLD_MAX, description="classes: windows that a class is told at least"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.method != "bayes" and self.stay != type(self).model_fields["stay"].default:
            raise ValueError(f"decision.stay: only method 'bayes' has it, not {self.method!r}: remove it")
        return self


class Training(Table):
    """How the model is learned; nothing of it reaches the patch."""

    data: str = Field(
        min_length=1, description="data set name (`myopatch data list`), or a folder of recordings"
    )
    held_out_persons: int | list[str] = Field(
        default=6, description="persons that only the test sees: how many, or which"
    )
    validation_persons: int | list[str] = Field(
        default=3, description="persons that choose the epoch: how many, or which"
    )
    epochs: int = Field(default=6, ge=1, le=10_000, description="passes over the training windows")
    batch_size: int = Field(default=256, ge=1, le=65_536, description="windows a step")
    learning_rate: float = Field(default=2e-3, gt=0, lt=1, description="peak of the cosine schedule")
    hop_ms: float = Field(default=200.0, gt=0, description="time between two training windows of a recording")
    scaling: Literal["shared", "channel"] = Field(
        default="shared",
        description="statistics that scale the network's input: shared by all channels, as electrodes turn around an arm; or "
        "of each channel, where electrodes keep their muscles",
    )
    augment: bool = Field(default=True, description="gain and electrode-rotation augmentation")
    quantization: Literal["post", "aware"] = Field(
        default="post",
        description="int8 weights and ranges of the float model as learned, or learned further with the rounding in its way",
    )
    aware_epochs: int = Field(
        default=2, ge=1, le=1000, description='further passes, of `quantization = "aware"` alone'
    )
    seed: int = Field(default=1, ge=0, lt=2**31, description="seed of everything random")


class Budget(Table):
    """What the patch may cost, predicted for a Cortex-M4F at export and checked on the image by `myopatch build`."""

    board: Literal["stm32f405"] | None = Field(
        default=None,
        description="real board whose flash, RAM and core clock stand where flash_kb, ram_kb and clock_mhz are left out",
    )
    flash_kb: float | None = Field(
        default=None,
        gt=0,
        description="flash of the whole firmware, units of 1024 bytes; no limit if left out",
    )
    ram_kb: float | None = Field(
        default=None,
        gt=0,
        description="static RAM of the whole firmware with its stack, units of 1024 bytes, which shortens the rings "
        "where it must; no limit if left out",
    )
    latency_ms: float | None = Field(
        default=None,
        gt=0,
        description="computing a decision: front end of one hop, network and decision; no limit if left out",
    )
    clock_mhz: float = Field(
        default=64.0,
        gt=0,
        le=2000,
        description="core clock that latency_ms is meant for, the board's if one is named; virtual_m4 counts 64",
    )

    @model_validator(mode="before")
    @classmethod
    def _take_board(cls, table: Any) -> Any:  # noqa: ANN401
        if not isinstance(table, dict) or (memory := BOARD_MEMORIES.get(str(table.get("board")))) is None:
            return table
        return {k: v for k, v in vars(memory).items() if table.get(k) is None} | {
            k: v for k, v in table.items() if v is not None
        }

    @model_validator(mode="after")
    def _check(self) -> Self:
        memory = BOARD_MEMORIES[self.board] if self.board else None
        for name, given in (("flash_kb", self.flash_kb), ("ram_kb", self.ram_kb)):
            if memory and given is not None and given > (has := getattr(memory, name)):
                raise ValueError(
                    f"{name} is {given:g} and {self.board} has {has}: leave it out, or give a lower one"
                )
        return self


class PatchSpec(Table):
    """A whole ``patch.toml``."""

    format: Literal[1] = Field(description="version of this file's format: 1")
    name: str = Field(pattern=NAME_PATTERN, description="name of the patch and of its bundle's folder")
    sensor: Sensor
    stage: list[Stage] = Field(
        default=[], max_length=16, description="stages of the front end, in the order of the signal"
    )
    features: list[WindowFeature] = Field(
        default=[],
        max_length=32,
        description="features of a window; the network takes those in time first, then of the spectrum, of segments, of wavelets",
    )
    aux: AuxSensors = []
    motion: Motion | None = Field(
        default=None, description="removal of motion artefacts; there is none if left out"
    )
    quality: Quality | None = Field(
        default=None, description="signal quality; nothing is watched if left out"
    )
    window: Window
    model: Model = CnnModel()
    output: Output
    decision: Decision = Decision()
    calibration: Calibration | None = Field(
        default=None, description="calibration on the patch; there is none if left out"
    )
    budget: Budget = Budget()
    training: Training

    @model_validator(mode="after")
    def _check(self) -> Self:
        n_channels, rate_hz = self.sensor.channels, self.sensor.rate_hz
        for number, stage in enumerate(self.stage):
            try:
                stage.check(n_channels, rate_hz)
            except ValueError as error:
                raise ValueError(f"stage[{number}].{error}") from None
            n_channels, rate_hz = stage.count_outputs(n_channels), rate_hz / stage.decimation
        for key in ("window_ms", "hop_ms"):
            samples = getattr(self.window, key) * rate_hz / 1000
            if abs(samples - round(samples)) > 1e-6 or round(samples) < 1:
                raise ValueError(
                    f"window.{key}: {getattr(self.window, key):g} ms is {samples:g} samples at {rate_hz:g} Hz"
                    f"{' behind the stages' * (self.decimation > 1)}, expected a whole number of samples: "
                    f"use a multiple of {1000 / rate_hz:g} ms"
                )
        if self.hop_samples > self.window_samples:
            raise ValueError(
                f"window.hop_ms: {self.window.hop_ms:g} is longer than window_ms {self.window.window_ms:g}, "
                "samples between windows would never be seen: shorten it"
            )
        if self.decimation > MAX_DECIMATION:
            raise ValueError(
                f"stage: decimation by {self.decimation} in all, at most {MAX_DECIMATION}: lower a factor"
            )
        if self.window_samples > 65_535:
            raise ValueError(f"window.window_ms: {self.window_samples} samples, at most 65535: shorten it")
        rule = {"method", "debounce", "dwell"} & self.decision.model_fields_set
        if rule and not self.decides_classes:
            raise ValueError(
                f"decision.{min(rule)}: for outputs that are classes, not {self.output.kind!r}: remove it"
            )
        self._check_aux()
        if self.motion is not None:
            plan_motion(self, self.motion)
        self._check_features()
        if self.calibration is not None and self.output.kind != "classes":
            raise ValueError(
                f"calibration: output.kind {self.output.kind!r} has no classes to calibrate: remove the table, or use 'classes'"
            )
        if (self.model.kind == "autoencoder") != (self.output.kind == "score"):
            raise ValueError(
                f"model.kind: {self.model.kind!r} beside output.kind {self.output.kind!r}, expected 'autoencoder' with "
                "'score' and neither without the other: change one"
            )
        check_network(self.model.kind, self.training.quantization, [f.kind for f in self.features])
        try:
            compile_table(self)
        except SpecError as error:
            raise ValueError(str(error)) from None
        return self

    def _check_aux(self) -> None:
        names = [sensor.name for sensor in self.aux]
        for number, sensor in enumerate(self.aux):
            try:
                sensor.check(self.sensor.rate_hz, self.decimation)
            except ValueError as error:
                raise ValueError(f"aux[{number}].{error}") from None
            if names.index(sensor.name) < number:
                raise ValueError(
                    f"aux[{number}].name: {sensor.name!r} stands twice: give every stream its own name"
                )
        if self.front_end_channels > MAX_CHANNELS:
            raise ValueError(
                f"aux: {self.front_end_channels} channels with the EMG's, at most {MAX_CHANNELS}: take some out"
            )

    def _check_features(self) -> None:
        kind = self.model.kind
        if kind in CLASSICAL_TABLES and self.output.kind != "classes":
            raise ValueError(
                f"model.kind: {kind!r} decides between classes, and the output is of kind "
                f"{self.output.kind!r}: use 'mlp'"
            )
        if kind in CLASSICAL_TABLES and self.training.quantization != "post":
            raise ValueError(
                f"training.quantization: {self.training.quantization!r} is for networks, {kind!r} is fitted at once: use 'post'"
            )
        if kind in CLASSICAL_TABLES and self.calibration is not None:
            raise ValueError(
                f"calibration: model.kind {kind!r} has no layer that the patch learns again: remove the table, or use 'mlp'"
            )
        if not self.features:
            if kind in FEATURE_MODELS:
                raise ValueError(
                    f"model.kind: {kind!r} takes features and the spec has none: add [[features]], or use 'cnn'"
                )
            if isinstance(self.model, TcnModel | AttentionModel):
                self.model.check_window(self.window_samples)
            return
        if kind not in FEATURE_MODELS:
            raise ValueError(
                f"model.kind: {kind!r} takes the window itself, and the spec has [[features]]: use 'mlp', "
                "or remove the features"
            )
        try:  # as if the filters had a gain of one: their own is known at export
            config = compile_feature_set(
                self.features, n_channels=self.front_end_channels, window=self.window_samples, hop=self.hop_samples,
                rate_hz=self.front_end_rate_hz, word_shift=16 - self.sensor.adc_bits,
            )  # fmt: skip
        except SpecError as error:
            raise ValueError(str(error)) from None
        check_words(self.model, config.n_components * config.n_channels)
        if self.span_samples > 65_535:
            raise ValueError(
                f"model.windows: {self.context_windows} windows span {self.span_samples} samples, at most 65535: take fewer"
            )

    @property
    def decimation(self) -> int:
        """Frames of the sensor for one behind the stages."""
        return math.prod(stage.decimation for stage in self.stage)

    @property
    def front_end_rate_hz(self) -> float:
        """Frames a second behind the stages."""
        return self.sensor.rate_hz / self.decimation

    @property
    def emg_channels(self) -> int:
        """EMG channels behind the stages."""
        n_channels = self.sensor.channels
        for stage in self.stage:
            n_channels = stage.count_outputs(n_channels)
        return n_channels

    @property
    def front_end_channels(self) -> int:
        """Channels behind the front end, what the network sees: the EMG's, then those of each auxiliary stream."""
        return self.emg_channels + sum(sensor.n_outputs for sensor in self.aux)

    @property
    def window_samples(self) -> int:
        """Frames in a window, behind the stages."""
        return round(self.window.window_ms * self.front_end_rate_hz / 1000)

    @property
    def hop_samples(self) -> int:
        """Frames between two windows, behind the stages."""
        return round(self.window.hop_ms * self.front_end_rate_hz / 1000)

    @property
    def context_windows(self) -> int:
        """Windows, one hop apart, whose features the network takes at once."""
        return self.model.windows if self.features and isinstance(self.model, MlpModel) else 1

    @property
    def span_samples(self) -> int:
        """Frames that a decision sees, behind the stages: a window, and a hop for each one before it."""
        return self.window_samples + (self.context_windows - 1) * self.hop_samples

    @property
    def decides_classes(self) -> bool:
        """Whether a decision is a class: of the spec's, or normal and anomaly."""
        return self.output.kind != "values"

    def as_recorded(self) -> PatchSpec:
        """Return the spec with the recordings' classes for outputs, of a score."""
        if not isinstance(self.output, ScoreOutput):
            return self
        return self.model_copy(update={"output": ClassesOutput(kind="classes", labels=self.output.labels)})

    @property
    def output_names(self) -> list[str]:
        """Names of the network's outputs, in order."""
        if isinstance(self.output, LaterOutput):  # pragma: no cover - the validator refuses it
            raise SpecError(f"output.kind {self.output.kind!r} has no outputs")
        return self.output.names


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Return the keys that the table at ``location`` (without its last part) may hold."""
    tables: dict[str, list[type[BaseModel]]] = {
        "sensor": [Sensor], "window": [Window], "decision": [Decision], "budget": [Budget],
        "training": [Training], "model": [CnnModel], "quality": [Quality], "motion": [Motion], "calibration": [Calibration],
        "features": list(FEATURE_TABLES.values()),
        "output": [ClassesOutput, ValuesOutput], "stage": list(STAGE_TABLES.values()), "aux": [AuxSensor],
    }  # fmt: skip
    kinds: dict[str, type[BaseModel]] = {
        **STAGE_TABLES, **MODEL_TABLES, **FEATURE_TABLES, "classes": ClassesOutput, "values": ValuesOutput,
        "score": ScoreOutput,
    }  # fmt: skip
    if len(location) == 1:
        return list(PatchSpec.model_fields)
    named = [kinds[part] for part in map(str, location[:-1]) if part in kinds]
    return sorted(
        {key for table in (named or tables.get(str(location[0]), [])) for key in table.model_fields}
    )


def _explain(error: dict[str, Any]) -> str:
    """Turn one pydantic error into `key: what was found, what was expected, what to do`."""
    location = tuple(error["loc"])
    kinds = (*STAGE_TABLES, *MODEL_TABLES, *FEATURE_TABLES, "classes", "values", "events", "trend", "score")
    shown: list[str] = []
    for position, part in enumerate(location):
        if isinstance(part, int) and shown:
            shown[-1] += f"[{part}]"
        elif not (position and part in kinds and position < len(location)):
            shown.append(str(part))
    key = ".".join(shown)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(location)
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else f"remove it; known keys: {', '.join(known)}"
        return f"{key}: unknown key; {remedy}"
    if kind == "missing":
        return f"{key}: missing; add it (see docs/spec.md)"
    if kind == "union_tag_invalid":
        return f"{key}.kind: {context.get('tag')!r} is unknown, expected one of {context.get('expected_tags')}; correct it"
    if kind == "model_kind":
        return f"{key}.kind: {_kind_of_model(error.get('input'))!r} is unknown, expected one of {_KINDS}; correct it"
    if kind == "union_tag_not_found":
        return f"{key}.kind: missing; add it, one of the kinds in docs/spec.md"
    if kind == "value_error":
        message = str(context.get("error", error["msg"]))
        return (
            message if not key or re.match(r"^[a-z]+(\[\d+\])?\.[a-z_]+: ", message) else f"{key}: {message}"
        )
    value = repr(error.get("input"))
    value = value if len(value) <= 60 else value[:57] + "..."
    return f"{key}: {value} does not fit, {error['msg'][0].lower() + error['msg'][1:]}; correct it (see docs/spec.md)"


def parse_spec(text: str, where: str = "patch.toml") -> PatchSpec:
    """Validate the text of a ``patch.toml``.

    Parameters
    ----------
    text
        TOML text.
    where
        Name of the file, for messages.

    Raises
    ------
    SpecError
        In one line: the file, the key, what was found and expected, what to do; further faults are counted.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{where}: not valid TOML, {error}; correct the line") from None
    if table.get("format", FORMAT) != FORMAT:
        raise SpecError(
            f"{where}: format {table['format']!r}, this version reads format {FORMAT}; "
            "update MyoPatch or make a new spec with `myopatch new`"
        )
    try:
        return PatchSpec.model_validate(table)
    except ValidationError as error:
        # A misspelt key shows as one unknown and one missing key: the unknown one tells more.
        faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise SpecError(f"{where}: {_explain(dict(faults[0]))}{more}") from None


def load_spec(path: Path) -> PatchSpec:
    """Read and validate a ``patch.toml``.

    Raises
    ------
    SpecError
        If the file is absent, unreadable or invalid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(
            f"{path}: no such file; make one with `myopatch new {path.parent.name or 'NAME'}`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"{path}: not readable as UTF-8 text ({error}); give the path of a patch.toml"
        ) from None
    return parse_spec(text, str(path))


def find_templates() -> dict[str, Path]:
    """Return the templates of ``myopatch new`` by name; ``@NAME@`` in them stands for the patch's name."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "templates").glob("*.toml"))}
