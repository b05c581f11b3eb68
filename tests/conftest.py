"""Options of the hardware-in-the-loop tests, those of the plugin `myopatch`; and which tests share a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from myo_host import pytest_plugin


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    if not pluginmanager.has_plugin("myopatch"):  # where the package is on the path and not installed
        pluginmanager.register(pytest_plugin, "myopatch")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """By default on the boards of pyproject.toml; tests/hil/test_every_core.py takes all."""
    if "board" in metafunc.fixturenames:
        boards = metafunc.config.getoption("myopatch_board") or metafunc.config.getini("myopatch_boards")
        metafunc.parametrize("board", boards, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under `-n 2 --dist loadgroup`: a file's tests share a process, as fixtures are made once a process.

    All of tests/hil share one: they train and build the same bundles, and PlatformIO builds in one place.
    """
    if not config.pluginmanager.has_plugin("xdist"):
        return
    for item in items:
        group = "boards" if item.path.parent.name == "hil" else Path(item.path).name
        item.add_marker(pytest.mark.xdist_group(group))
