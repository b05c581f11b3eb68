"""``myopatch data info``: what it counts is what the recordings hold, and it draws every kind of set."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from myo_host.cli import data_info_command  # noqa: F401 - it registers itself
from myo_host.cli.app import app
from myo_pipeline.errors import DataError
from myo_training.data_picture import draw_summary
from myo_training.data_summary import cut_drawn, summarize_set
from myo_training.recordings import DataSet, DataSetInfo, Recording

RATE_HZ = 100.0


class MadeSet(DataSet):
    """Two persons; each recording rests for 1 s, then makes gesture 1 or 2 (the second person only 1) for 1 s."""

    def __init__(self, kind: str = "classes", n_channels: int = 3, lsb_uv: float = 0.5) -> None:
        self.info = DataSetInfo(
            "made", "a test's", RATE_HZ, lsb_uv, n_channels, kind,
            ("rest", "fist", "open") if kind == "classes" else ("force", "angle"), "none", "nobody", "a test",
            faults=("none is real",), channels=tuple(f"muscle {k}" for k in range(n_channels)),
        )  # fmt: skip

    def sessions(self) -> list[tuple[str, str]]:
        return [("ann", "1"), ("ann", "2"), ("bob", "1")]

    def recordings(self, persons: Collection[str] | None = None) -> Iterator[Recording]:
        rng = np.random.default_rng(0)
        for person, session in self.sessions():
            if persons is not None and person not in persons:
                continue
            for gesture in (1, 2) if person == "ann" else (1,):
                emg = rng.integers(-200, 200, (200, self.info.n_channels), dtype=np.int32)
                emg[7, 0] = -513
                classes = np.repeat([0, gesture], 100)
                labels = (
                    classes if self.info.kind == "classes" else np.stack([np.arange(200.0), -classes], axis=1)
                )
                yield Recording(emg, labels, RATE_HZ, self.info.lsb_uv, person, session, str(gesture), "made")


def test_windows_are_counted_by_person_and_class() -> None:
    summary = summarize_set(MadeSet())
    assert (summary.persons, summary.n_sessions, summary.n_recordings) == (("ann", "bob"), 3, 5)
    assert summary.windows.tolist() == [[16, 8, 8], [4, 4, 0]]  # 2 s are eight windows of 250 ms
    assert summary.lengths_s.tolist() == [2.0] * 5
    assert (summary.smallest, summary.bits) == (-513, 11)
    assert summary.densities.shape == (2, len(summary.frequencies_hz))
    # White noise of +-200 counts: its power, spread over 50 Hz, times the median of a channel's estimate.
    assert np.median(summary.densities[:, 4:-4]) == pytest.approx(np.sqrt(400**2 / 12 / 50), rel=0.15)
    assert [r.key for r in summary.drawn] == [("ann", "1", "1"), ("ann", "1", "2")]
    for recording, part in cut_drawn(summary.drawn):
        assert set(recording.labels[part]) == {0, int(recording.trial)}
    assert summarize_set(MadeSet(), ["bob"]).windows.tolist() == [[4, 4, 0]]
    with pytest.raises(DataError, match="no person 'eve'; known: ann, bob"):
        summarize_set(MadeSet(), ["eve"])


def test_values_are_counted_by_tenths_of_their_range() -> None:
    summary = summarize_set(MadeSet("values"))
    assert (summary.lowest.tolist(), summary.highest.tolist()) == ([24.0, -2.0], [199.0, 0.0])
    assert summary.windows.sum(axis=1).tolist() == [32, 8]
    assert summary.windows[1].tolist() == [
        1,
        1,
        1,
        0,
        1,
        1,
        0,
        1,
        1,
        1,
    ]  # ends at 24, 49, ... 199 of 24 .. 199


@pytest.mark.parametrize("kind", ["classes", "values"])
@pytest.mark.parametrize(("n_channels", "lsb_uv"), [(1, 1.0), (40, 0.1)])
def test_it_draws(kind: str, n_channels: int, lsb_uv: float) -> None:
    picture = draw_summary(summarize_set(MadeSet(kind, n_channels, lsb_uv)))
    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) > 20_000


def test_the_command_tells_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "dataset.toml").write_text(
        'rate_hz = 100.0\nlsb_uv = 0.5\nchannels = ["a", "b"]\nlabels = ["rest", "fist"]\nlicence = "CC0"\n'
    )
    rows = "".join(f"{k % 7},{-k % 5},{'fist' if k > 100 else 'rest'}\n" for k in range(200))
    (folder / "ann_1_1.csv").write_text("a,b,label\n" + rows)
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["data", "info", "own"])
    assert told.exit_code == 0
    for words in (
        "2 channels, 100 Hz, 0.5 uV a count, fits 4 bits",
        "CC0",
        'labels = ["rest", "fist"]',
        "picture: build/data/own.png",
    ):
        assert words in told.stdout
    assert (tmp_path / "build/data/own.png").is_file()
    found = CliRunner().invoke(app, ["data", "info", "own", "--json", "--png", "x.png"])
    content = json.loads(found.stdout)
    assert (content["persons"], content["windows"], content["picture"]) == (["ann"], [[4, 4]], "x.png")
    for words, message in (
        (["zzz"], "zzz: neither a known data set"),
        (["own", "--kind", "values"], "own: holds classes, --kind says 'values'"),
        (["emg_epn612", "--data", str(tmp_path)], "emg_epn612: no copy in"),
    ):
        failed = CliRunner().invoke(app, ["data", "info", *words])
        assert isinstance(failed.exception, DataError)
        assert message in str(failed.exception)
