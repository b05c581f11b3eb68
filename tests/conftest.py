"""Options of the hardware-in-the-loop tests, those of the plugin `myopatch`; and which tests share a process."""

from __future__ import annotations

import signal

import pytest
from xdist.scheduler import LoadScopeScheduling

from myo_host import pytest_plugin


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    if not pluginmanager.has_plugin("myopatch"):  # where the package is on the path and not installed
        pluginmanager.register(pytest_plugin, "myopatch")


def pytest_configure() -> None:
    """A shell's background jobs ignore SIGINT and bequeath that; the commands that tests interrupt must not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """By default on the boards of pyproject.toml; tests/hil/test_every_core.py takes all."""
    if "board" in metafunc.fixturenames:
        boards = metafunc.config.getoption("myopatch_board") or metafunc.config.getini("myopatch_boards")
        metafunc.parametrize("board", boards, scope="session")


class FilesAndBoards(LoadScopeScheduling):
    """A file's tests share a process, as fixtures are made once a process.

    All of tests/hil share one: they train and build the same bundles, and PlatformIO builds in one place.
    (xdist's own groups are lost under pytest 9, which no longer sends the node id that they are written into.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return "boards" if file.startswith("tests/hil/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Under `-n 2`."""
    return FilesAndBoards(config, log)
