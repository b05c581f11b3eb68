"""The pytest plugin ``myopatch``: hardware tests in five lines, on virtual boards and on a port; see docs/hil.md.

Loaded by every pytest where MyoPatch is installed, it imports nothing of MyoPatch before a test asks for one of its fixtures.
"""

from __future__ import annotations

import re
from argparse import ArgumentError
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from myo_host.patch import Patch
    from myo_pipeline.bundle import Bundle
    from myo_pipeline.vectors import GoldenSegment


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--board``, ``--port`` and ``--bundle``, also under names that no other plugin has."""
    group = parser.getgroup("myopatch", "MyoPatch: tests on a patch")
    for name, action, text in (
        (
            "board",
            "append",
            "virtual board that the fixture `patch` boots; may be given again (default: virtual_m4, or myopatch_boards)",
        ),
        ("port", "store", "serial port of a board that runs the bundle, instead of virtual boards"),
        ("bundle", "store", "exported bundle, with its firmware built"),
    ):
        dest = f"myopatch_{name}"
        group.addoption(f"--myopatch-{name}", action=action, dest=dest, help=text)
        with suppress(ValueError, ArgumentError):  # another plugin has this name: ours is the long one alone
            group.addoption(f"--{name}", action=action, dest=dest, help=f"the same as --myopatch-{name}")
    parser.addini(
        "myopatch_boards", "virtual boards where no --board is given", type="args", default=["virtual_m4"]
    )
    parser.addini(
        "myopatch_bundle", "exported bundle for the fixtures of MyoPatch, relative to this file", default=""
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse ``--port /dev/ttyACM0`` with a space.

    Before pytest knows its plugins' options it looks for its settings beside every argument that is a path: it would
    take those of /dev for the project's.
    """
    given = {config.getoption("myopatch_port"), config.getoption("myopatch_bundle")} - {None}
    for option, value in pairwise(map(str, config.invocation_params.args)):
        if value in given and re.fullmatch("--(myopatch-)?(port|bundle)", option) and Path(value).exists():
            raise pytest.UsageError(
                f"{option} {value}: write {option}={value}; with a space, pytest would look for its settings in {value}"
            )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a patch once a board."""
    if "patch_board" in metafunc.fixturenames:
        config = metafunc.config
        boards = config.getoption("myopatch_board") or config.getini("myopatch_boards")
        if config.getoption("myopatch_port"):
            boards = ["port"]
        metafunc.parametrize("patch_board", boards, scope="session", indirect=True)


@pytest.fixture(scope="session")
def patch_board(request: pytest.FixtureRequest) -> str:
    """Give the name of the virtual board, or "port"."""
    return str(request.param)


@pytest.fixture(scope="session")
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """Open the bundle given with --bundle or ``myopatch_bundle``, and check it against its manifest."""
    from myo_pipeline.bundle import open_bundle
    from myo_pipeline.errors import MyoError

    given = request.config.getoption("myopatch_bundle")
    configured = request.config.getini("myopatch_bundle")
    if not given and not configured:
        pytest.fail(
            "no bundle: give --bundle FOLDER, or set myopatch_bundle in pytest's settings", pytrace=False
        )
    path = Path(given) if given else request.config.rootpath / configured
    try:
        return open_bundle(path)
    except MyoError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def recording(bundle: Bundle) -> GoldenSegment:
    """Give a recording of a person whom training never saw: the first of the bundle's."""
    from myo_pipeline.vectors import load_vectors

    return load_vectors(bundle.path)[0]


@pytest.fixture
def patch(request: pytest.FixtureRequest, bundle: Bundle, patch_board: str) -> Iterator[Patch]:
    """Give a running, checked patch, fresh for each test; afterwards it must have counted no fault and no loss."""
    from myo_host.patch import open_patch
    from myo_pipeline.errors import MyoError

    port = request.config.getoption("myopatch_port")
    entered = False
    try:
        with open_patch(bundle, patch_board, port) as opened:
            entered = True
            yield opened
            losses = opened.list_losses()
    except MyoError as error:
        when = "after the test" if entered else "before the test"
        pytest.fail(f"{when}: {error}", pytrace=False)
    if losses:
        counted = ", ".join(f"{key} {value}" for key, value in losses.items())
        pytest.fail(f"after the test the patch counts {counted}", pytrace=False)
