"""Record a board, replay the file: the same samples, the same decisions, the same bytes, at any speed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from commands import must, myopatch
from myo_pipeline.recording import read_recording
from test_board import repeat_virtual_adc

Built = Callable[[str, str], Path]


@pytest.mark.parametrize(("kind", "bits"), [("classes", 12), ("values", 24)])
def test_what_is_recorded_replays_to_the_same_decisions(
    built: Built, board: str, kind: str, bits: int, tmp_path: Path
) -> None:
    bundle = built(kind, board)
    file = tmp_path / "r.bdf"
    must("record", bundle, "--board", board, "--seconds", 1, "--out", file)
    recording = read_recording(file)
    samples = recording.read()
    assert samples.ravel().tolist() == repeat_virtual_adc(samples.size, bits).tolist()
    assert recording.meta["status"]["samples_processed"] == len(samples)
    assert recording.meta["samples_missing"] == recording.meta["faults"] == 0
    must("replay", file, bundle, "--board", board, "--twin", "--out", tmp_path / "max.csv")
    must("convert", file, tmp_path / "r.mat")
    must(
        "replay",
        tmp_path / "r.mat",
        bundle,
        "--board",
        board,
        "--speed",
        "real",
        "--out",
        tmp_path / "real.csv",
    )
    rows = (tmp_path / "max.csv").read_bytes()
    assert rows == (tmp_path / "real.csv").read_bytes()
    table = [line.split(",") for line in rows.decode().splitlines()[1:]]
    noted = [note.text for note in recording.annotations if note.text.startswith("decision")]
    assert len(table) == len(noted) >= 20
    if kind == "classes":
        assert noted == [f"decision {row[0]}: {row[4] or 'none'}" for row in table]
    else:
        assert noted == [
            f"decision {row[0]}: sums {row[3]} {row[5]} of {min(k, 3)}" for k, row in enumerate(table, 1)
        ]


def test_a_file_of_another_rate_is_refused(built: Built, board: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b,c\n" + "1,2,3\n" * 50)
    command = ("replay", tmp_path / "r.csv", built("classes", board), "--board", board, "--lsb-uv", 1)
    done = myopatch(*command, "--rate-hz", 2000)
    assert done.returncode == 2
    assert "say --resample" in done.stderr
    assert done.stderr.count("\n") == 1
