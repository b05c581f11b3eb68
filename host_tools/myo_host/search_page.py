"""The pages of ``myopatch tune`` and ``myopatch select``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2


@dataclass(frozen=True)
class Table:
    """A table of a page: title, columns, rows of text, and a note below."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def render_search_page(
    title: str, summary: Sequence[tuple[str, str]], picture: str, tables: Sequence[Table], spec_text: str
) -> str:
    """Return a page as HTML text: what was found, the picture, tables, the spec that was written."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("myo_host", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("search.html.j2").render(
        title=title, summary=summary, picture=picture, tables=tables, spec_text=spec_text
    )
