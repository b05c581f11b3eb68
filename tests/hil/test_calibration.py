"""Calibration on a board: it sums what the twin sums, decides as it decides, and finds its head again after a reset."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from commands import must
from myo_host import messages as m
from myo_host.boards import BOARDS, find_board, start_board
from myo_host.calibration import Bout, Calibrator, plan_requests, read_stored_head
from myo_host.calibration_run import guide
from myo_host.line_faults import FaultyLine
from myo_host.link import PatchLink
from myo_host.messages import CalibrationAction as Action
from myo_host.patch import Patch, open_patch
from myo_host.soak import expect_signals, read_board_head, soak
from myo_host.streaming import Capture, stream_segment
from myo_host.validate import validate_board
from myo_pipeline.bundle import open_bundle
from myo_pipeline.calibration import CalibrationTwin
from myo_pipeline.calibration_head import Tally
from myo_pipeline.errors import LinkError
from myo_pipeline.twin import Twin, WindowResult
from myo_pipeline.twin_config import TwinConfig

SPEC = """
format = 1
name = "calibrated_{kind}"
[sensor]
channels = 3
rate_hz = 500.0
lsb_uv = 1.0
adc_bits = 12
[[stage]]
kind = "bandpass"
low_hz = 20.0
high_hz = 200.0
order = 2
{parts}
[calibration]
min_windows = 3
[window]
window_ms = 64.0
hop_ms = 32.0
[output]
kind = "classes"
labels = ["rest", "open", "close"]
[decision]
vote = 3
[training]
data = "simulated"
held_out_persons = 2
validation_persons = 1
epochs = 1
hop_ms = 200.0
"""
# A network that is pushed, behind a gate that closes now and then; one over features, whose input is the embedding; one
# over those of three windows, whose embedding is what the shared layer makes of each; and one over spectra, whose embedding
# is the mean behind its convolutions.
FEATURES = """
[[features]]
kind = "mav"
log = true
[[features]]
kind = "wl"
log = true
[model]
kind = "mlp"
hidden = [6]
"""
PARTS = {
    "stream": """
[quality]
period_ms = 80.0
periods_on = 1
periods_off = 1
clip_counts = 800
mains_uv = 5.0
mains_share = 0.2
mask = ["saturated", "mains"]
max_masked = 0
[model]
filters = [4, 6]
strides = [1, 2]
kernel = 3
dense = 0
""",
    "features": FEATURES,
    "windows": FEATURES + "windows = 3\n",
    "spectrogram": """
[[features]]
kind = "stft_power"
segment_ms = 32.0
step_ms = 16.0
bands_hz = [[20.0, 70.0], [70.0, 130.0], [130.0, 210.0]]
[model]
kind = "spectrogram"
filters = [6]
kernel = 2
""",
}
TRACED = 1 << m.Stage.SCORES | 1 << m.Stage.OUTPUT
LENGTH = 500  # samples of a second


@pytest.fixture(
    scope="module",
    params=[
        "stream",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("features", "windows", "spectrogram")),
    ],
)
def calibrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Give a function from a board to a bundle with its firmware."""
    kind = request.param
    folder = tmp_path_factory.mktemp(f"calibrated_{kind}")
    (folder / "patch.toml").write_text(SPEC.format(kind=kind, parts=PARTS[kind]))
    must("train", folder, "--out", folder)
    must("export", folder)

    def build(board: str) -> Path:
        if board != "native" and shutil.which("arm-none-eabi-gcc") is None:
            pytest.skip("arm-none-eabi-gcc is not installed (make setup)")
        if not (folder / "firmware" / f"{board}.elf").is_file():
            must("build", folder, "--board", board)
        return folder

    return build


@pytest.fixture
def patch(calibrated: Callable[[str], Path], board: str) -> Iterator[Patch]:
    with open_patch(open_bundle(calibrated(board)), board) as opened:
        yield opened
        assert not opened.list_losses()


@pytest.fixture
def twin(patch: Patch) -> Twin:
    path = patch.bundle.path
    return Twin(TwinConfig.load(path / "twin.npz"), (path / "model.tflite").read_bytes())


def hold(label: int, seed: int) -> np.ndarray:
    """Return a second of noise as loud as its class, and loud enough for the gate now and then."""
    rng = np.random.default_rng((seed, label))
    return np.clip(rng.normal(0, 60 * 2**label, (LENGTH, 3)), -2048, 2047).astype(np.int32)


def run(
    patch: Patch, twin: Twin, counts: np.ndarray, bouts: list[Bout]
) -> tuple[Capture, list[WindowResult]]:
    """Stream counts and collect bouts, on the patch and in the twin."""
    requests = plan_requests(bouts)
    capture = stream_segment(patch.link, counts, TRACED, requests=requests)
    calibration, sent = twin.calibration, 0
    assert calibration is not None
    twin.reset()
    windows = []
    for request in requests:
        windows += twin.push(counts[sent : request.sample])[1]
        sent = request.sample
        if request.action is Action.COLLECT:
            calibration.collect(request.label, sent)
        else:
            calibration.end()
    windows += twin.push(counts[sent:])[1]
    last = capture.answers[-1] if requests else None
    if last is not None:
        np.testing.assert_array_equal(last["windows"][:, 0], calibration.tally.counts)
        np.testing.assert_array_equal(last["windows"][:, 1], calibration.fresh)
        assert last["left_out"] == calibration.left_out
    return capture, windows


def compare(capture: Capture, windows: list[WindowResult]) -> None:
    """Every window decided by the head, if there is one, as the twin decided it."""
    scores = [w.scores for w in windows if w.scores is not None]
    expected = np.stack(scores) if scores else np.zeros((0, 0), np.int8)
    np.testing.assert_array_equal(capture.scores, expected)
    np.testing.assert_array_equal(capture.outputs, np.stack([w.output for w in windows]))
    found = [(d["decided"], d["raw"], d["confidence"], d["n_votes"]) for d in capture.decisions]
    twins = [w.decision for w in windows]
    assert found == [(d.decided, d.raw, d.confidence, d.n_votes) for d in twins]


def collect_all(patch: Patch, twin: Twin, seed: int) -> None:
    """Hold each class in a run of its own; the last two in one run, cut at odd samples."""
    run(patch, twin, hold(0, seed), [Bout(0, 0, LENGTH)])
    both = np.concatenate([hold(1, seed), hold(2, seed)])
    run(patch, twin, both, [Bout(1, 33, LENGTH - 7), Bout(2, LENGTH + 61, 2 * LENGTH)])


def test_calibrated_patch_is_its_twin_and_outlives_a_reset(patch: Patch, twin: Twin) -> None:
    calibrator, calibration = Calibrator(patch.link, patch.bundle), twin.calibration
    assert calibration is not None
    signal = np.concatenate([hold(label, 99) for label in (2, 0, 1)])
    compare(*run(patch, twin, signal, []))  # before any head: the network decides
    with pytest.raises(LinkError, match="no head was made, windows: rest 0"):
        calibrator.ask(Action.COMMIT)

    collect_all(patch, twin, 1)
    assert calibrator.ask(Action.COMMIT).sequence == 1
    calibration.commit()
    first = run(patch, twin, signal, [])
    assert len(first[0].scores) == len(first[1]) > 20
    assert (first[0].scores != first[0].outputs).any()
    compare(*first)

    run(patch, twin, hold(0, 2), [Bout(0, 0, LENGTH)])  # one class anew: memory carries the others
    assert calibrator.ask(Action.COMMIT).sequence == 2
    calibration.commit()
    second = run(patch, twin, signal, [])
    compare(*second)
    assert (second[0].scores != first[0].scores).any()
    stored = calibrator.read_head()
    assert stored is not None
    np.testing.assert_array_equal(
        stored.sums, CalibrationTwin(twin.config.calibration, stored)._records[0].tally.sums
    )

    patch.link.send(m.RESET, kind=m.ResetKind.REBOOT)
    time.sleep(0.5)
    patch.link.say_hello(patch.bundle.bundle_hash)
    assert calibrator.ask(Action.STATUS).sequence == 2
    compare(*run(patch, twin, signal, []))

    assert calibrator.ask(Action.UNDO).sequence == 1
    calibration.undo()
    np.testing.assert_array_equal(run(patch, twin, signal, [])[0].scores, first[0].scores)
    assert calibrator.ask(Action.FACTORY).sequence == 0
    calibration.factory()
    compare(*run(patch, twin, signal, []))
    with pytest.raises(LinkError, match="there is nothing to undo"):
        calibrator.ask(Action.UNDO)


def test_a_span_ends_with_start_and_refuses_what_cannot_be(patch: Patch, twin: Twin) -> None:
    calibrator = Calibrator(patch.link, patch.bundle)
    calibrator.ask(Action.FACTORY)
    calibrator.ask(Action.COLLECT, 1)
    with pytest.raises(LinkError, match="still being collected"):
        calibrator.ask(Action.COMMIT)
    stream_segment(patch.link, hold(1, 3))  # START ends the span
    assert not calibrator.ask(Action.STATUS).known.any()
    with pytest.raises(LinkError, match="fewer classes"):
        calibrator.ask(Action.COLLECT, 3)
    run(patch, twin, hold(0, 4), [Bout(0, 0, LENGTH)])
    assert calibrator.ask(Action.DISCARD).fresh.sum() == 0


def test_validation_compares_a_calibrated_board(
    patch: Patch, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores against the twin's head of the record that the board holds; another record is found out."""
    collect_all(patch, twin, 5)
    Calibrator(patch.link, patch.bundle).ask(Action.COMMIT)
    board = find_board(patch.board)
    result = validate_board(patch.bundle, patch.link, board)
    scores = next(stage for stage in result.stages if stage.name == "calibrated scores")
    assert scores.words > 0
    assert result.passed, [
        f"{stage.name}: {stage.first_difference}" for stage in result.stages if stage.differing
    ]
    assert not patch.compare(patch.recordings[0])

    stored = read_stored_head(patch.link, patch.bundle)
    assert stored is not None
    other = Tally(stored.counts, stored.sums[::-1])  # the classes' means exchanged
    monkeypatch.setattr("myo_host.patch.read_stored_head", lambda link, bundle: other)
    assert any(line.startswith("calibrated scores: ") for line in patch.compare(patch.recordings[0]))


def test_a_person_is_guided_through_every_class(patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the board's own converter, whose noise is full scale: a gate leaves it out, and the person is told."""
    monkeypatch.setattr("myo_host.calibration_run.SETTLE_S", 0.05)
    calibrator = Calibrator(patch.link, patch.bundle)
    calibrator.ask(Action.FACTORY)
    said: list[str] = []
    if patch.bundle.spec.quality is not None:
        with pytest.raises(
            LinkError, match=r"no head was made, windows: .* windows were left out for their quality"
        ):
            guide(calibrator, 1, 0.6, 0.05, said.append)
        assert any("left out: check the electrodes" in line for line in said)
    else:
        assert guide(calibrator, 1, 0.6, 0.05, said.append).sequence == 1
        with pytest.raises(LinkError, match="no head was made, nothing was collected"):
            guide(calibrator, 1, 0.01, 0.0, said.append)
    assert [line for line in said if line.startswith("hold")][:3] == ["hold rest", "hold open", "hold close"]
    assert any("windows" in line for line in said)


def test_a_head_outlives_the_process(calibrated: Callable[[str], Path], tmp_path: Path) -> None:
    """The native board with a file: its head is there after the end, decides as before, and one process has the file."""
    bundle, store = open_bundle(calibrated("native")), tmp_path / "heads"
    firmware = bundle.path / "firmware/native.elf"
    signal = np.concatenate([hold(label, 99) for label in (2, 0, 1)])

    @contextmanager
    def boot(keep: Path | None = store) -> Iterator[tuple[Patch, Calibrator]]:
        with start_board(find_board("native"), firmware, keep) as name, PatchLink(name) as link:
            patch = Patch(link, bundle)
            yield patch, Calibrator(link, bundle)
            assert not patch.list_losses()

    with boot() as (patch, calibrator):
        twin = Twin(TwinConfig.load(bundle.path / "twin.npz"), (bundle.path / "model.tflite").read_bytes())
        collect_all(patch, twin, 1)
        assert calibrator.ask(Action.COMMIT).sequence == 1
        assert twin.calibration is not None
        twin.calibration.commit()
        first = stream_segment(patch.link, signal, TRACED)
        with pytest.raises(LinkError, match="another board has it"), boot():
            pytest.fail("two boards on one file")
        run(patch, twin, hold(0, 2), [Bout(0, 0, LENGTH)])
        assert calibrator.ask(Action.COMMIT).sequence == 2
        second = stream_segment(patch.link, signal, TRACED)
        patch.link.send(m.RESET, kind=m.ResetKind.REBOOT)  # which keeps the file
        time.sleep(0.5)
        patch.link.say_hello(bundle.bundle_hash)
        assert calibrator.ask(Action.STATUS).sequence == 2
    with boot() as (patch, calibrator):
        standing = calibrator.ask(Action.STATUS)
        assert (standing.sequence, standing.outlives_power, standing.foreign) == (2, True, False)
        np.testing.assert_array_equal(stream_segment(patch.link, signal, TRACED).scores, second.scores)
        assert calibrator.ask(Action.UNDO).sequence == 1
    with boot() as (patch, calibrator):
        assert calibrator.ask(Action.STATUS).sequence == 1
        np.testing.assert_array_equal(stream_segment(patch.link, signal, TRACED).scores, first.scores)
    with boot(None) as (_, calibrator):  # a fresh board, as every command but calibrate starts
        standing = calibrator.ask(Action.STATUS)
        assert (standing.sequence, standing.outlives_power) == (0, False)
    with (
        pytest.raises(LinkError, match="virtual_m4: keeps no heads when it is stopped"),
        start_board(find_board("virtual_m4"), firmware, store),
    ):
        pytest.fail("a store where there is none")


def test_calibrate_keeps_a_native_boards_heads_in_the_bundle(calibrated: Callable[[str], Path]) -> None:
    folder = calibrated("native")
    said = must("calibrate", folder, "--board", "native", "--factory")
    assert said == "native: no head, the network decides; heads outlive power\n"
    assert (folder / "firmware/native.store").is_file()


def test_a_soak_follows_the_head_that_the_board_decides_with(calibrated: Callable[[str], Path]) -> None:
    bundle = open_bundle(calibrated("native"))
    with start_board(BOARDS["native"], bundle.path / "firmware" / "native.elf") as port:
        assert read_board_head(port, bundle) is None
        link = PatchLink(port)
        link.say_hello(bundle.bundle_hash)
        for label in range(3):
            requests = plan_requests([Bout(label, 0, LENGTH)])
            stream_segment(link, hold(label, 1), TRACED, requests=requests)
        Calibrator(link, bundle).ask(Action.COMMIT)
        link.close()
        stored = read_board_head(port, bundle)
        assert stored is not None
        factory, signals = expect_signals(bundle, 2.0, 2), expect_signals(bundle, 2.0, 2, stored)
        differing = [(a.decisions != b.decisions).any() for a, b in zip(factory, signals, strict=True)]
        assert all(differing)
        with FaultyLine(port, 0.02, seed=1) as line:
            result = soak(line, signals, 16.0, bundle_hash=bundle.bundle_hash, seed=2)
    assert result["passed"], result["problems"]
    assert result["runs"]["reset"] >= 1  # the head outlives it
    assert result["decisions"]["equal to the twin's"] > 100
