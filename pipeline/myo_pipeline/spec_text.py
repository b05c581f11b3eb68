"""A patch.toml written from a spec: readable, with notes beside its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from myo_pipeline.spec import PatchSpec


def _render_value(value: Any) -> str:  # noqa: ANN401 - plain values of the spec
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_render_value, value))}]"
    return repr(value)


def _render_table(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_render_value(value)}" for key, value in table.items() if value is not None]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def render_spec(spec: PatchSpec, head: Sequence[str] = (), notes: Mapping[str, str] | None = None) -> str:
    """Write a spec as TOML: the keys that were given, in the order of docs/spec.md.

    Parameters
    ----------
    spec
        The patch.
    head
        Lines of comment before everything.
    notes
        Comments beside tables, by name: ``window``, or ``features[1]`` for the second of several.

    Returns
    -------
    str
        Text that :func:`~myo_pipeline.spec.parse_spec` reads as an equal spec.
    """
    notes = notes or {}
    lines = [f"# {_one_line(line)}".rstrip() for line in head]
    content = spec.model_dump(mode="json", exclude_unset=True)
    lines += [
        f"{key} = {_render_value(value)}"
        for key, value in content.items()
        if not isinstance(value, (dict, list))
    ]

    def note(name: str) -> str:
        return f"  # {_one_line(notes[name])}" if name in notes else ""

    for key, value in content.items():
        tables = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        for number, table in enumerate(tables):
            name = (
                f"[[{key}]]{note(f'{key}[{number}]')}" if isinstance(value, list) else f"[{key}]{note(key)}"
            )
            lines += ["", name, *_render_table(table)]
    return "\n".join(lines) + "\n"
