"""Options of the hardware-in-the-loop tests."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--board",
        action="append",
        choices=["native", "virtual_m4"],
        help="boards that tests/hil runs on (default: all virtual ones)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "board" in metafunc.fixturenames:
        boards = metafunc.config.getoption("--board") or ["native", "virtual_m4"]
        metafunc.parametrize("board", boards, scope="session")
