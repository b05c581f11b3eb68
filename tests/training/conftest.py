"""Fixtures of the training tests, and the warnings that are TensorFlow's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from myo_pipeline.spec import PatchSpec, parse_spec

sys.path.insert(0, str(Path(__file__).parent))  # for training_case: pytest imports by path, not by folder

from training_case import make_text, write_csv_folder

# TensorFlow's own: what it imports and how it is built, nothing that our code can answer for.
_TENSORFLOW = (
    "ignore:.*np.object.*:FutureWarning",
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    "ignore:.*distutils.*:DeprecationWarning",
    "ignore:.*builtin type .* has no __module__ attribute:DeprecationWarning",
    "ignore:Statistics for quantized inputs were expected:UserWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for warning in _TENSORFLOW:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture
def spec() -> PatchSpec:
    return parse_spec(make_text())


@pytest.fixture
def make_spec() -> Callable[..., PatchSpec]:
    def make(**options: object) -> PatchSpec:
        return parse_spec(make_text(**options))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def csv_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a patch.toml of three classes and its recordings."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "patch.toml").write_text(make_text())
    write_csv_folder(parse_spec(make_text()), folder / "recordings")
    return folder
