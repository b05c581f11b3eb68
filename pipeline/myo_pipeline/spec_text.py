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


def _render_table(path: str, table: Mapping[str, Any]) -> list[str]:
    """Keys of a table, then the tables in it, as ``[[aux.stage]]``."""
    nested = {key: value for key, value in table.items() if value and _is_tables(value)}
    lines = [
        f"{key} = {_render_value(value)}"
        for key, value in table.items()
        if value is not None and key not in nested
    ]
    for key, tables in nested.items():
        for inner in tables:
            lines += ["", f"[[{path}.{key}]]", *_render_table(f"{path}.{key}", inner)]
    return lines


def _is_tables(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


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
            lines += ["", name, *_render_table(key, table)]
    return "\n".join(lines) + "\n"
