"""Options of the hardware-in-the-loop tests: those of the plugin `myopatch`, which tests/hil also uses."""

from __future__ import annotations

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
