"""Auxiliary streams on the boards: both laws at every stage whatever the streams' clocks do, and their messages."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commands import must, myopatch
from myo_export.firmware_build import build_firmware
from myo_host import messages as m
from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_host.patch import Patch
from myo_host.streaming import stream_segment
from myo_host.validate import validate_board
from myo_pipeline.aux_reference import time_aux
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.bundle import open_bundle
from myo_pipeline.errors import LinkError
from myo_pipeline.recording import read_recording, write_recording
from myo_pipeline.recording.aux_file import read_aux
from myo_pipeline.recording.recording import Annotation
from myo_pipeline.twin import Twin
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import load_vectors
from myo_training.datasets import resolve_dataset
from myo_training.recordings import check_fits, check_recording
from myo_training.windows import cut_recordings
from test_board import repeat_virtual_adc
from tiny_aux_bundle import SLOW_SPEC, STREAMS, write_trained_aux
from tiny_feature_bundle import CHAIN_SPEC, write_trained_features

Built = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return a function that gives a kind of bundle with its firmware built for a board."""
    root = tmp_path_factory.mktemp("aux")

    def build(kind: str, board: str) -> Path:
        for tool in ("arm-none-eabi-gcc", BOARDS[board].command[0]) if board != "native" else ("cc",):
            if shutil.which(tool) is None:
                pytest.skip(f"{tool} is not installed (make setup)")
        folder = root / kind
        if not folder.is_dir():
            if kind == "features":
                spec = CHAIN_SPEC.replace("[window]", STREAMS + "[window]")
                write_trained_features(folder, 3, spec)  # a still sensor has no mobility: no stalls
            elif kind == "slow":
                write_trained_aux(folder, 4, SLOW_SPEC)
            else:
                write_trained_aux(folder)
            must("export", folder)
        if not (folder / "firmware" / f"{board}.elf").is_file():
            must("build", folder, "--board", board)
        return folder

    return build


@pytest.fixture
def patch(built: Built, board: str) -> Iterator[Patch]:
    bundle = built("window", board)
    with (
        start_board(BOARDS[board], bundle / "firmware" / f"{board}.elf") as port,
        PatchLink(port) as link,
    ):
        yield Patch(link, open_bundle(bundle))


def check(bundle: Path, board: str) -> dict[str, dict[str, float]]:
    result = json.loads(must("validate", bundle, "--board", board, "--json"))
    assert result["passed"]
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert list(stages)[:3] == ["samples", "filtered signal", "auxiliary streams"]
    assert all(stage["words"] > 0 for stage in stages.values())
    assert 0 < stages["auxiliary streams"]["bound_share"] <= 1
    assert result["status"]["aux_held"] > 0  # the faults of the streams' clocks were seen
    assert result["status"]["aux_lost"] == 0
    return stages


def test_both_laws_hold_whatever_the_clocks_do(built: Built, board: str) -> None:
    bundle = built("window", board)
    stages = check(bundle, board)
    assert stages["auxiliary streams"]["words"] == stages["samples"]["words"] / 2 * 4
    marks = np.concatenate([segment.aux_marks for segment in load_vectors(bundle)])
    assert set(marks.tolist()) == {0, 1, 2, 3}
    if board == "virtual_m4":
        predicted = json.loads((bundle / "budget.json").read_text())["predicted"]
        image = json.loads((bundle / "firmware" / "virtual_m4.json").read_text())
        for memory in ("flash_bytes", "ram_bytes"):
            assert predicted[memory]["total"] == pytest.approx(image[memory], rel=0.03)


@pytest.mark.slow
def test_both_laws_hold_with_features_of_all_channels(built: Built) -> None:
    check(built("features", "virtual_m4"), "virtual_m4")


@pytest.mark.slow
def test_both_laws_hold_on_a_plain_core(built: Built) -> None:
    check(built("slow", "virtual_m0"), "virtual_m0")


def test_a_stream_that_falls_silent_is_held_and_marked(patch: Patch) -> None:
    """What the twin says, with the streams cut off in the middle, and with none at all."""
    config = TwinConfig.load(patch.bundle.path / "twin.npz")
    segment = patch.recordings[0]
    for last in (170, 0):
        cut = [AuxSamples(s.counts[s.stamps < last], s.stamps[s.stamps < last]) for s in segment.aux]
        twin = Twin(config, (patch.bundle.path / "model.tflite").read_bytes())
        words, windows = twin.push(segment.counts, cut)
        capture = patch.stream(segment.counts, [m.Stage.FILTERED], cut if last else ())
        np.testing.assert_array_equal(capture.filtered_words, words)
        marks = [decision["aux_marks"] for decision in capture.decisions]
        assert marks == [window.aux_marks for window in windows]
        assert marks[-1] == 3  # both streams
        ends = np.array([window.end_sample for window in windows])
        assert not any(np.array(marks)[ends <= last])
        np.testing.assert_array_equal(words[-1, 2:5], words[-2, 2:5])  # held: nothing moves
    assert patch.stream(segment).status["aux_held"] == 0


def test_a_recording_replays_with_its_streams(built: Built, tmp_path: Path) -> None:
    """From CSV files, stamps and all: the decisions and marks of the golden vectors."""
    bundle = built("window", "native")
    segment = next(s for s in load_vectors(bundle) if 0 < np.count_nonzero(s.aux_marks) < s.n_windows)
    emg = "\n".join(["a,b", *(",".join(map(str, row)) for row in segment.counts)])
    (tmp_path / "emg.csv").write_text(emg)
    options: list[object] = []
    for number, stream in enumerate(segment.aux):
        rows = np.column_stack([stream.stamps, stream.counts]).tolist()
        names = ["frame", *(f"c{k}" for k in range(stream.counts.shape[1]))]
        path = tmp_path / f"{number}.csv"
        path.write_text("\n".join(",".join(map(str, row)) for row in [names, *rows]))
        options += ["--aux", path]
    command = (
        "replay",
        tmp_path / "emg.csv",
        bundle,
        "--board",
        "native",
        "--rate-hz",
        200,
        "--lsb-uv",
        1,
        "--twin",
    )
    must(*command, *options, "--out", tmp_path / "out.json")
    decisions = json.loads((tmp_path / "out.json").read_text())["decisions"]
    assert [d["aux_marks"] for d in decisions] == segment.aux_marks.tolist()
    assert [d["decided"] for d in decisions] == segment.decisions[:, 0].tolist()
    refused = myopatch(*command, *options[:2], "--out", tmp_path / "none.json")
    assert refused.returncode == 2
    assert "the bundle takes 2 (wrist, turn)" in refused.stderr


def test_the_boards_own_streams_take_the_same_path(patch: Patch) -> None:
    """From the board's own interrupts on, stamped by its own count of frames, the words are the twin's."""
    link, spec = patch.link, patch.bundle.spec
    config = TwinConfig.load(patch.bundle.path / "twin.npz")
    link.send(m.START, source=m.Source.ADC, trace_mask=1 << m.Stage.FILTERED)
    words, decisions, status = [], [], None
    while status is None:
        message, values, tail = link.receive()
        assert message is not m.FAULT, values
        if message is m.TENSOR:
            words.append(np.frombuffer(tail, "<i4"))
        elif message is m.DECISION:
            decisions.append(values)
            if len(decisions) == 12:
                link.send(m.STOP)
        elif message is m.STATUS:
            status = values
    assert (status["samples_lost"], status["aux_held"], status["aux_lost"]) == (0, 0, 0)
    n = status["samples_processed"]
    counts = repeat_virtual_adc(n * config.n_channels, 12).reshape(n, -1)
    streams = []
    for number, (stream, sensor) in enumerate(zip(config.aux, spec.aux, strict=True)):
        stamps = stream.timing.stamp_samples(stream.timing.count_samples(n))
        noise = repeat_virtual_adc(len(stamps) * sensor.channels, sensor.adc_bits, 1 + number)
        streams.append(AuxSamples(noise.reshape(len(stamps), -1), stamps))
    twin = Twin(config, (patch.bundle.path / "model.tflite").read_bytes())
    np.testing.assert_array_equal(np.concatenate(words), twin.push(counts, streams)[0].ravel())
    assert not any(decision["aux_marks"] for decision in decisions)


def test_samples_are_told_as_they_came(patch: Patch) -> None:
    """Whatever the clocks do: every sample that leaves its ring, the left out ones as well, stamps and all."""
    n_dropped = 0
    for segment in patch.recordings[:6]:
        capture = patch.stream(segment.counts, [m.Stage.AUX], segment.aux)
        n_dropped += capture.status["aux_dropped"]
        for stream, told in zip(segment.aux, capture.aux, strict=True):
            assert len(told) >= 0.9 * len(stream) - 8  # the last ones are not due yet
            np.testing.assert_array_equal(told[:, 0], stream.stamps[: len(told)])
            np.testing.assert_array_equal(told[:, 1:], stream.counts[: len(told)])
    assert n_dropped > 0


def test_a_recording_by_the_patch_replays_and_trains(built: Built, board: str, tmp_path: Path) -> None:
    """`myopatch record`, then the same decisions from the files alone, and a data set of them."""
    bundle = built("window", board)
    path = tmp_path / "monday.bdf"
    said = must("record", bundle, "--board", board, "--seconds", 4, "--out", path)
    recording = read_recording(path)
    spec = open_bundle(bundle).spec
    told = recording.meta["aux"]
    for number, sensor in enumerate(spec.aux):
        file = tmp_path / f"monday.{sensor.name}.csv"
        samples = read_aux(file, sensor.channels, sensor.rate_hz, spec.sensor.rate_hz)
        noise = repeat_virtual_adc(samples.counts.size, sensor.adc_bits, 1 + number)
        np.testing.assert_array_equal(samples.counts.ravel(), noise)
        timing = time_aux(spec, sensor)
        np.testing.assert_array_equal(samples.stamps, timing.stamp_samples(len(samples)))
        assert told[sensor.name] == {"file": file.name, "n_samples": len(samples), "samples_missing": 0}
        assert f"{file}: {len(samples)} samples of {sensor.name}" in said
    out = tmp_path / "out.json"
    must("replay", path, bundle, "--board", board, "--twin", "--out", out)  # streams are found beside it
    decisions = json.loads(out.read_text())["decisions"]
    assert not any(row["aux_marks"] for row in decisions)
    recorded = [note.text for note in recording.annotations if note.text.startswith("decision ")]
    assert len(recorded) > 20
    assert [f"decision {row['window']}: {row['label'] or 'none'}" for row in decisions][
        : len(recorded)
    ] == recorded
    # What was done is annotated, as a person would: then it is a data set.
    folder = tmp_path / "set"
    folder.mkdir()
    labels = spec.output_names
    notes = tuple(Annotation(k * recording.n_samples / 800, None, label) for k, label in enumerate(labels))
    write_recording(folder / "anna_1_1.bdf", replace(recording, annotations=notes))
    described = [
        f'rate_hz = {spec.sensor.rate_hz}\nlsb_uv = {spec.sensor.lsb_uv}\nchannels = ["EMG1", "EMG2"]\nlabels = {labels}'
    ]
    for sensor in spec.aux:
        shutil.copy(tmp_path / f"monday.{sensor.name}.csv", folder / f"anna_1_1.{sensor.name}.csv")
        columns = [f"ch{k + 1}" for k in range(sensor.channels)]
        described.append(
            f'[[aux]]\nname = "{sensor.name}"\nkind = "{sensor.kind}"\nrate_hz = {sensor.rate_hz}\nlsb = {sensor.lsb}\n'
            f"channels = {columns}"
        )
    (folder / "dataset.toml").write_text("\n".join(described))
    data = resolve_dataset(str(folder))
    check_fits(data.info, spec)
    (trained,) = data.recordings()
    check_recording(trained, spec)
    np.testing.assert_array_equal(trained.emg, recording.read())
    windows = cut_recordings([trained], spec, spec.hop_samples)
    assert len(windows.counts) == (recording.n_samples - spec.window_samples) // spec.hop_samples + 1


def expect_fault(link: PatchLink, code: m.Fault) -> tuple[int, int]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        message, values, _ = link.receive()
        if message is m.FAULT:
            assert values["code"] == code
            return values["argument0"], values["argument1"]
    raise AssertionError("no fault came")


def send(link: PatchLink, first: int, stamps: list[int], stream: int = 1, counts: bytes = b"\0" * 4) -> None:
    tail = b"".join(stamp.to_bytes(4, "little") + counts for stamp in stamps)
    link.send(m.AUX_SAMPLES, tail, stream=stream, first_sample=first, n_samples=len(stamps))


def test_what_does_not_fit_is_told_and_refused(patch: Patch) -> None:
    link = patch.link
    send(link, 0, [0])
    assert expect_fault(link, m.Fault.NOT_STARTED) == (m.AUX_SAMPLES.type, 0)
    link.send(m.START, source=m.Source.HOST, trace_mask=0)
    send(link, 0, [0, 2, 2])
    send(link, 5, [9])
    assert expect_fault(link, m.Fault.AUX_GAP) == (3, 5)
    send(link, 3, [1])
    assert expect_fault(link, m.Fault.AUX_LATE) == (1, 2)
    send(link, 3, [7, 6])
    assert expect_fault(link, m.Fault.AUX_LATE) == (6, 7)
    link.send(m.SAMPLES, np.zeros(20, "<i2").tobytes(), first_sample=0, n_frames=10)
    send(link, 3, [9])  # frame 9 has come: its sample is too late
    assert expect_fault(link, m.Fault.AUX_LATE) == (9, 10)
    send(link, 3, [10], stream=2)
    assert expect_fault(link, m.Fault.BAD_MESSAGE)[0] == m.AUX_SAMPLES.type
    send(link, 3, [10], counts=b"\0" * 3)
    assert expect_fault(link, m.Fault.BAD_MESSAGE) == (m.AUX_SAMPLES.type, 7)
    for first in range(3, 4000, 40):
        send(link, first, [10] * 40)
        if first > 400:
            break
    assert expect_fault(link, m.Fault.RING_OVERFLOW)[0] == 40
    link.send(m.STATUS_REQUEST)
    while (received := link.receive())[0] is not m.STATUS:
        pass
    assert received[1]["aux_lost"] > 40
    with pytest.raises(LinkError, match="1 auxiliary streams, the board takes 2"):
        stream_segment(link, np.zeros((10, 2), np.int32), aux=[patch.recordings[0].aux[0]])


def test_planted_fault_is_named(built: Built, tmp_path: Path) -> None:
    """A phase that is off by one, in the second stream alone: the first stage that differs, its channel and sample."""
    bundle = built("window", "native")
    copy = tmp_path / "planted"
    shutil.copytree(bundle, copy)
    path = copy / "c/patch_config.c"
    head, middle, rest = path.read_text().rpartition(".first = ")
    path.write_text(head + middle + "1 + " + rest)
    elf = build_firmware(copy, "native").elf
    with start_board(BOARDS["native"], elf) as port, PatchLink(port) as link:
        result = validate_board(open_bundle(bundle), link, BOARDS["native"])
    assert not result.passed
    first = next(stage for stage in result.stages if stage.differing)
    assert first.name == "auxiliary streams"
    assert "channel 3" in first.first_difference
