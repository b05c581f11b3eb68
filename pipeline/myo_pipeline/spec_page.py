"""The page ``docs/spec.md``, made from the spec's own field descriptions."""

from __future__ import annotations

from pydantic import BaseModel

from myo_pipeline.aux_sensor import AuxSensor
from myo_pipeline.calibration import Calibration
from myo_pipeline.classical_models import CLASSICAL_TABLES
from myo_pipeline.feature_set import FEATURE_TABLES
from myo_pipeline.motion_spec import Motion
from myo_pipeline.network_models import NETWORK_TABLES
from myo_pipeline.quality_gate import Quality
from myo_pipeline.spec import (
    Budget,
    ClassesOutput,
    CnnModel,
    Decision,
    MlpModel,
    PatchSpec,
    ScoreOutput,
    Sensor,
    Training,
    ValuesOutput,
    Window,
)
from myo_pipeline.stages import STAGE_TABLES


def _feature_sections() -> list[tuple[str, type[BaseModel]]]:
    """One section for the kinds of each table."""
    tables = dict.fromkeys(FEATURE_TABLES.values())
    return [
        (
            f"`[[features]]` `kind` = {', '.join(f'`{k}`' for k, t in FEATURE_TABLES.items() if t is table)}",
            table,
        )
        for table in tables
    ]


def document_spec() -> str:
    """Return the Markdown page ``docs/spec.md`` that documents every key."""
    out = [
        "# `patch.toml`, key by key",
        "",
        "Made from `pipeline/myo_pipeline/spec.py` by `make docs`; do not edit. A wrong key, type, range or combination",
        "is refused with one line that names the key. Templates: `myopatch new --list`.",
        "",
    ]
    sections: list[tuple[str, type[BaseModel]]] = [
        ("Top level", PatchSpec), ("`[sensor]`", Sensor),
        *((f'`[[stage]]` `kind = "{kind}"`', table) for kind, table in STAGE_TABLES.items()),
        ("`[[aux]]`", AuxSensor), ("`[motion]`", Motion), ("`[quality]`", Quality), ("`[window]`", Window), *_feature_sections(),
        ('`[model]` `kind = "cnn"`', CnnModel), ('`[model]` `kind = "mlp"`', MlpModel),
        *((f'`[model]` `kind = "{kind}"`', table) for kind, table in NETWORK_TABLES.items()),
        *((f'`[model]` `kind = "{kind}"`', table) for kind, table in CLASSICAL_TABLES.items()),
        ('`[output]` `kind = "classes"`', ClassesOutput), ('`[output]` `kind = "values"`', ValuesOutput),
        ('`[output]` `kind = "score"`', ScoreOutput),
        ("`[decision]`", Decision), ("`[calibration]`", Calibration), ("`[budget]`", Budget), ("`[training]`", Training),
    ]  # fmt: skip
    for title, table in sections:
        out += [
            f"## {title}",
            "",
            (table.__doc__ or "").strip(),
            "",
            "| key | default | range | meaning |",
            "|---|---|---|---|",
        ]
        schema = table.model_json_schema()["properties"]
        for key, field in table.model_fields.items():
            if field.description is None:
                continue
            limits = schema[key].get("anyOf", [schema[key]])[
                0
            ]  # of a value that may be left out, the value's
            marks = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
            bounds = ", ".join(f"{mark} {limits[name]:g}" for name, mark in marks.items() if name in limits)
            default = "required" if field.is_required() else f"`{field.default!r}`"
            default = "none" if field.default is None else default
            out.append(f"| `{key}` | {default} | {bounds} | {field.description} |")
        out.append("")
    out += [
        "## Output kinds to come",
        "",
        "`events` (motor-unit spikes, onsets) and `trend` (fatigue) have their place in the design; a spec that asks",
        "for one is refused by name.",
        "",
    ]
    return "\n".join(out)
