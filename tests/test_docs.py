"""Docs that name code must name code that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = "\n".join(
    path.read_text()
    for folder in ("pipeline", "training", "export", "host_tools", "firmware")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".c", ".h") and "__pycache__" not in path.parts
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_call_chain_names_real_functions() -> None:
    text = (ROOT / "docs/call_chain.md").read_text()
    names = {
        n.split(".")[-1] for n in re.findall(r"`([A-Za-z_]+(?:\.[a-z_]+)?)`", text) if "_" in n or "." in n
    }
    assert len(names) > 30
    missing = sorted(name for name in names if not re.search(rf"\b{re.escape(name)}\b", SOURCES))
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_a_page_exist(page: Path) -> None:
    text = page.read_text()
    named = set(
        re.findall(
            r"`((?:pipeline|training|export|host_tools|firmware|tests|docs|benchmarks)/[\w/.-]*\w)`", text
        )
    )
    named |= {link for link in re.findall(r"\]\(([^)#:]+)\)", text)}
    missing = sorted(name for name in named if not ((ROOT / name).exists() or (page.parent / name).exists()))
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_named_in_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets
