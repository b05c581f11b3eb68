"""What ``validation.json`` and ``myopatch validate --json`` hold, as models; docs/validation.schema.json is made from them.

``python -m myo_host.validation_schema`` (``make docs``) writes the schema. A number that has no finite value is null.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from myo_pipeline.bundle import without_nan, write_text

FORMAT: Literal[1] = 1  # raised where a reader of the format before would misread the file


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NeighbourRecord(_Model):
    """One word near a difference, of the same channel."""

    at: int = Field(description="sample, or window where a window holds no time")
    device: int | None = Field(description="null where the device sent none")
    twin: int | None = Field(description="null where the twin has none")


class DivergenceRecord(_Model):
    """The first word at which device and twin differ."""

    segment: str = Field(description="recording: person/session/trial")
    window: int | None = Field(description="null where the stage's words are samples")
    sample: int | None = Field(
        description="since START, or within the window; null where a window holds no time"
    )
    channel: int = Field(description="channel, or index of the word where a window holds no time")
    field: str = Field(description="the word's name, where it has one instead of a channel")
    device: int | None
    twin: int | None
    neighbours: list[NeighbourRecord] = Field(description="up to 3 words before and after")
    patterns: list[str] = Field(description="what the difference looks like over the whole recording")
    place: str = Field(description="where it is, in words")


class FirstDivergenceRecord(DivergenceRecord):
    """The first difference in the signal's order; every stage before it is equal."""

    stage: str
    layer: int | None = Field(description="null where the stage is no layer")


class StageRecord(_Model):
    """One stage: device against twin (port), twin against float (quantization)."""

    name: str
    layer: int | None
    words: int = Field(ge=0, description="words compared between device and twin")
    differing: int = Field(ge=0, description="of them, how many differ")
    first_difference: str = Field(description="empty if none differs")
    first: DivergenceRecord | None
    ulp_device: dict[str, int] = Field(description="words by |device - twin| in steps: 0, 1, 2-3, 4-7, ...")
    unit: str = Field(description="of max_error, rmse, mae and bound, which are twin against float")
    snr_db: float | None = Field(description="10 log10(sum float^2 / sum (twin - float)^2)")
    max_error: float | None
    rmse: float | None
    mae: float | None
    l2_relative: float | None = Field(description="||twin - float|| / ||float||")
    cosine: float | None
    nse: float | None = Field(description="1 - sum (twin - float)^2 / sum (float - mean float)^2")
    bound: float | None = Field(
        description="derived bound on max_error; null where there is none, or each word has its own"
    )
    bound_share: float | None = Field(
        description="largest share that an error has of its bound, at most 1; null where there is none"
    )
    ulp_float: dict[str, int] = Field(description="words by |twin - float| in the twin's steps")
    loss_share: float | None = Field(description="share of the loss between float and twin, 0 to 1")


class DecisionsLostRecord(_Model):
    """What quantization does to the decisions, without any board: twin against float."""

    windows: int
    changed_before_vote: int = Field(description="windows whose largest output is another class's")
    changed: int = Field(description="windows decided otherwise after the vote")
    lost: int = Field(description="float right, twin wrong")
    won: int = Field(description="float wrong, twin right")


class ValidationRecord(_Model):
    """What one validation found."""

    format: Literal[1] = FORMAT
    board: str
    description: str
    hello: dict[str, int | float | str] = Field(description="what the board says of itself")
    bundle_hash: str = Field(pattern="^[0-9a-f]{64}$")
    passed: bool = Field(description="every word equal and every bound held")
    differing: int = Field(ge=0, description="words that differ between device and twin, all stages together")
    first_divergence: FirstDivergenceRecord | None
    diagnosis: list[str] = Field(
        description="what replaying the first difference again, and after a reset, showed"
    )
    law2_broken: list[str] = Field(description="stages whose twin left its derived bound of float")
    stages: list[StageRecord] = Field(description="in the signal's order")
    output_kind: Literal["classes", "values"]
    names: list[str] = Field(description="of the classes or values")
    n_windows: int
    n_traced: int = Field(description="windows of which every stage was compared")
    n_segments: int
    persons: list[str]
    accuracy: dict[str, dict[str, float | None]] = Field(
        description="of float, twin and device against the targets: macro and plain, or mae, rmse, l2_relative and nse"
    )
    agreement: dict[str, float] = Field(description="share of the decisions on which two agree")
    confusion: list[list[int]] = Field(
        description="the device's: row target, column decision, last column none"
    )
    decisions_lost: DecisionsLostRecord | dict[str, int] = Field(
        description="empty where the output is values"
    )
    status: dict[str, int] = Field(description="the board's counters, all runs together")
    ticks: dict[str, float]
    cost: dict[str, float]
    latency: dict[str, float]
    bytes_per_s: float
    seconds: float


def check_record(values: dict[str, Any]) -> dict[str, Any]:
    """Return a validation's plain values as the schema orders them.

    Raises
    ------
    pydantic.ValidationError
        If they are not what the schema says, which is a bug.
    """
    return ValidationRecord.model_validate(without_nan(values)).model_dump(mode="json")


def render_schema() -> str:
    """Return the text of docs/validation.schema.json."""
    schema = ValidationRecord.model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


def main() -> None:
    """Write the schema into the docs beside this package."""
    path = Path(__file__).resolve().parents[2] / "docs/validation.schema.json"
    write_text(path, render_schema())
    sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
