"""Both ends of the link on hostile lines; `make study` runs 10 million frames a side (benchmarks/study_link.py)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from core_build import build_harness
from link_storm import storm_device, storm_host
from myo_host import framing

N_REFUSED = 40_000
N_SCRIPTS = 2000


@pytest.fixture(scope="session")
def storm(core_program: Callable[[str], Path]) -> Path:
    return core_program("link_storm")


def test_the_device_takes_only_what_was_sent(storm: Path) -> None:
    told = storm_device(storm, 1, N_REFUSED)
    assert told["refused"] >= N_REFUSED
    assert told["accepted"] == told["whole"] + told["other_spelling"]
    assert min(told["kinds"].values()) > 100
    assert told["counter_wraps"] > 100
    assert told["clean_runs"] > 100


def test_the_host_takes_only_what_was_sent(storm: Path) -> None:
    done = storm_host(storm, 2, N_REFUSED)
    assert done.wrong == []
    assert done.accepted + done.decoder.repeated == done.told["whole"]
    assert done.decoder.repeated > 1000
    assert done.decoder.frames_bad == done.told["pieces"] - done.told["whole"]


def test_a_decoder_that_trusts_is_found(storm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The storm can fail: a CRC of which one bit does not count lets frames through."""

    class Lenient:
        @staticmethod
        def crc32(data: bytes) -> int:
            import zlib

            return zlib.crc32(data) | 1 << 9

    monkeypatch.setattr(framing, "zlib", Lenient)
    assert storm_host(storm, 2, 10_000).wrong


def test_random_scripts_leave_a_device_that_serves(core_program: Callable[[str], Path]) -> None:
    folder = core_program("link_storm").parent
    program = build_harness("cc", folder, "link_fuzz", "-DLINK_FUZZ_SCRIPTS")
    done = subprocess.run([str(program), "1", str(N_SCRIPTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
