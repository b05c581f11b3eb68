"""Options of the hardware-in-the-loop tests."""

from __future__ import annotations

import pytest

from myo_host.boards import BOARDS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--board",
        action="append",
        choices=sorted(BOARDS),
        help="boards that tests/hil runs on (default: native and virtual_m4; tests/hil/test_every_core.py takes all)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "board" in metafunc.fixturenames:
        boards = metafunc.config.getoption("--board") or ["native", "virtual_m4"]
        metafunc.parametrize("board", boards, scope="session")
