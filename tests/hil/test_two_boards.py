"""Two boards at once: each session has its own port, bundle and words."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import MYOPATCH
from myo_host.boards import BOARDS, start_board
from myo_host.patch import open_patch
from myo_pipeline.bundle import open_bundle
from myo_pipeline.errors import LinkError


def test_two_boards_validate_at_the_same_time(built: Callable[[str, str], Path]) -> None:
    pairs = [("classes", "native"), ("values", "virtual_m4")]
    bundles = [built(kind, board) for kind, board in pairs]
    running = [
        subprocess.Popen(
            [MYOPATCH, "validate", bundle, "--board", board], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for bundle, (_, board) in zip(bundles, pairs, strict=True)
    ]  # fmt: skip
    for process in running:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said


def test_a_port_belongs_to_one_session(built: Callable[[str, str], Path]) -> None:
    bundle = open_bundle(built("classes", "native"))
    with (
        start_board(BOARDS["native"], bundle.path / "firmware/native.elf") as port,
        open_patch(bundle, port=port),
        pytest.raises(LinkError, match="busy, another program has it open: close that program"),
        open_patch(bundle, port=port),
    ):
        pass
