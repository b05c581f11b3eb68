"""The import directions, read from the sources: who may know whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "myo_pipeline": ROOT / "pipeline/myo_pipeline",
    "myo_training": ROOT / "training/myo_training",
    "myo_export": ROOT / "export/myo_export",
    "myo_host": ROOT / "host_tools/myo_host",
}
ALLOWED = {
    "myo_pipeline": {"myo_pipeline"},
    "myo_training": {"myo_pipeline", "myo_training"},
    "myo_export": {"myo_pipeline", "myo_export"},
    "myo_host": {"myo_pipeline", "myo_host"},
}
# The command line stands above all packages; doctor looks at all of them on its behalf. Both import when they run.
ABOVE_ALL = ("myo_host/cli/", "myo_host/doctor.py")
C_FILES = sorted((ROOT / "firmware").rglob("*.[ch]"))


def is_for_types_only(node: ast.AST) -> bool:
    """``if TYPE_CHECKING:`` without an else never runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not node.orelse


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each imported top-level package, and whether the import runs with the module itself."""
    tree = ast.parse(path.read_text())
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) or is_for_types_only(node)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], id(node) not in inside
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0], id(node) not in inside


def sources() -> list[tuple[str, Path]]:
    return [(package, path) for package, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]


@pytest.mark.parametrize(
    ("package", "path"), sources(), ids=lambda value: value.name if isinstance(value, Path) else value
)
def test_packages_know_only_whom_they_may(package: str, path: Path) -> None:
    above_all = any(part in path.as_posix() for part in ABOVE_ALL)
    for name, at_import in imports(path):
        if name in PACKAGES and name not in ALLOWED[package]:
            assert above_all, f"{path.name} of {package} imports {name}"
            assert not at_import, f"{path.name} imports {name} before a command runs"
        if name in ("tensorflow", "keras", "tf_keras"):
            assert package == "myo_training", f"{path.name} of {package} imports {name}"


@pytest.mark.parametrize("path", C_FILES, ids=lambda path: path.relative_to(ROOT / "firmware").as_posix())
def test_core_knows_neither_port_nor_application(path: Path) -> None:
    relative = path.relative_to(ROOT / "firmware").as_posix()
    if not relative.startswith("core/"):
        return
    for header in re.findall(r'#include\s+[<"]([^">]+)[">]', path.read_text()):
        assert not re.match(r"(\.\./)*(ports|app|platform)/", header), f"{relative} includes {header}"
        assert Path(header).name != "myo_port.h", f"{relative} includes {header}"


@pytest.mark.parametrize("path", C_FILES, ids=lambda path: path.relative_to(ROOT / "firmware").as_posix())
def test_firmware_takes_no_heap(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)
    assert not re.search(r"\b(malloc|calloc|realloc|free|alloca)\s*\(", text)


@pytest.mark.parametrize(
    "module", ["myo_pipeline.spec", "myo_host.cli", "myo_host.link", "myo_host.cli.commands"]
)
def test_light_modules_stay_light(module: str) -> None:
    """Importing them brings in none of the heavy libraries, so that `myopatch --help` is quick."""
    heavy = "tensorflow, tflite_micro, cmsisdsp, scipy, matplotlib, pandas"
    code = f"import sys, {module}; print([n for n in {heavy.split(', ')!r} if n in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"
