"""`myopatch profile`: what it counts, against an image whose calls are known, m4cost, and the firmware's own counter."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from commands import MYOPATCH, must
from myo_export.emit_net import render_network
from myo_host.boards import BOARDS, start_board
from myo_host.cli.profile_command import _plan_layers
from myo_host.link import PatchLink
from myo_host.profile.calls import Trace, total_cost
from myo_host.profile.emulator import Watch, record, run_image
from myo_host.profile.image import Image, read_image
from myo_host.profile.sections import Section, find_function, match_layers
from myo_host.streaming import stream_segment
from myo_pipeline.bundle import open_bundle
from myo_pipeline.errors import ProfileError
from myo_pipeline.vectors import load_vectors
from test_bench_models import MODELS, bench

HERE = Path(__file__).resolve().parent
COMPILE = [
    "arm-none-eabi-gcc",
    *bench.CPU_FLAGS,
    "-std=c11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-nostdlib",
    "-ffreestanding",
]

pytestmark = pytest.mark.skipif(
    bool(bench.missing_tools()) or shutil.which("cc") is None,
    reason="not found: arm-none-eabi-gcc, qemu-system-arm or cc",
)


def compile_image(folder: Path, *options: str) -> Path:
    elf = folder / "known.elf"
    sources = [HERE / "profile_image.c", "-T", HERE / "profile_image.ld"]
    subprocess.run([*COMPILE, *options, *map(str, sources), "-o", str(elf)], check=True)
    return elf


def count(image: Image, timed: list[str], begin: str = "") -> Trace:
    with record(Watch(image, begin, timed)) as recording:
        assert run_image(image, recording, 60, ["-M", "mps2-an386"])
        return recording.read()


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, Trace]:
    image = read_image(compile_image(tmp_path_factory.mktemp("known")))
    return image, count(image, ["work", "network", "recurse"])


def find(known: tuple[Image, Trace], name: str) -> Section:
    section = find_function(known[0], known[1].threads, [name])
    assert section is not None
    return section


def times(known: tuple[Image, Trace], name: str) -> list[int]:
    function = known[0].find(name)
    assert function is not None
    return known[1].timed[function.begin]


def test_interrupts_are_told_apart(known: tuple[Image, Trace]) -> None:
    """Ten runs with an interrupt in the middle, and ten more with a timer's, cost what ten without do."""
    image, trace = known
    own = times(known, "work")
    assert len(own) == 30
    assert len(set(own)) == 1
    handlers = {image.name_at(call.entry): call for call in trace.interrupts.children}
    assert handlers["pendsv_handler"].n_calls == 10
    assert [image.name_at(c.entry) for c in handlers["pendsv_handler"].children] == ["inner"]
    # The function that both call: 100 times in each run, and once in each interrupt.
    calls = [c for c in trace.threads.walk() if c.entry and image.name_at(c.entry) == "inner"]
    assert sum(c.n_calls for c in calls) == 3000
    assert handlers["pendsv_handler"].children[0].n_calls == 10


def test_calls_are_told_apart_by_place_and_followed_through_jumps(known: tuple[Image, Trace]) -> None:
    network = find(known, "network")
    assert network.n_calls == 10
    assert [s.name for s in network.children.values()] == ["layer_a", "last", "layer_a"]
    first, last, third = network.children.values()
    assert first.total() == third.total()
    (jump,) = first.children.values()
    assert [s.name for s in jump.children.values()] == ["last"]
    assert next(iter(jump.children.values())).instructions == last.instructions
    assert times(known, "network") == [network.total().instructions // 10] * 10


def test_recursion_and_stack(known: tuple[Image, Trace]) -> None:
    recurse = find(known, "recurse")
    assert sum(s.n_calls for s in recurse.walk()) == 9
    assert times(known, "recurse")[-1] == recurse.total().instructions
    assert len(times(known, "recurse")) == 9
    # Nine equal frames, the last one's lowest words never written.
    depths = [s.stack_bytes for s in recurse.walk()]
    steps = set(np.diff([d for d in depths if d is not None]))
    assert len(steps) == 1
    assert steps.pop() >= 48


def test_everything_is_counted_once(known: tuple[Image, Trace], tmp_path: Path) -> None:
    """The functions' own instructions, as the command prints them, sum up to all that ran."""
    elf = compile_image(tmp_path)
    found = json.loads(must("profile", "--elf", elf, "--json", "--out", tmp_path / "out"))
    assert found["unit"] == "whole run"
    assert sum(row["instructions"] for row in found["rows"]) == found["total"]["instructions"]
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["main"]["calls"] == 1
    assert rows["recurse"]["calls"] == 9
    assert rows["recurse"]["inclusive_instructions"] == rows["recurse"]["instructions"]
    assert (
        rows["main"]["instructions"] < rows["main"]["inclusive_instructions"] < found["total"]["instructions"]
    )
    assert json.loads((tmp_path / "out/profile.json").read_text()) == found
    assert (tmp_path / "out/profile.svg").read_text().startswith("<svg")


def test_counting_begins_where_it_is_told(known: tuple[Image, Trace]) -> None:
    image = known[0]
    trace = count(image, ["network"], begin="network")
    assert trace.timed[image.find("network").begin] == times(known, "network")  # type: ignore[union-attr]
    assert find_function(image, trace.threads, ["recurse"]) is None


def test_an_interrupt_leaves_no_emulator(tmp_path: Path) -> None:
    elf = compile_image(tmp_path, "-DENDLESS")
    began = time.monotonic()
    command = [str(MYOPATCH), "profile", "--elf", str(elf)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as process:
        emulator: list[Path] = []
        while not emulator and time.monotonic() - began < 20:
            time.sleep(0.1)
            emulator = [
                p
                for p in Path("/proc").glob("[0-9]*/cmdline")
                if str(elf).encode() in _read(p) and b"qemu" in _read(p)
            ]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "", "")
    assert emulator
    assert not any(path.exists() for path in emulator)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["known.elf"]
    # And in time by itself, with what was counted until then.
    found = json.loads(must("profile", "--elf", elf, "--seconds", 0.5, "--function", "network", "--json"))
    assert "did not end within 0.5 s" in found["notes"][0]
    assert found["rows"]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int | None], Path]:
    """Return a function that gives the bench image of a model, with or without a hop."""
    if MODELS is None:
        pytest.skip("bench models absent (set MYOPATCH_BENCH)")
    made: dict[tuple[str, int | None], Path] = {}

    def make(name: str, hop: int | None) -> Path:
        if (name, hop) not in made:
            made[name, hop] = bench.build_image(MODELS, name, tmp_path_factory.mktemp(name), hop=hop)[0]
        return made[name, hop]

    return make


@pytest.mark.parametrize(
    ("name", "hop"),
    [("gesture_small", None), ("gesture_ds", None), ("feat_mlp", None), ("gesture_small", 40)],
)
def test_equals_m4cost(build: Callable[[str, int | None], Path], name: str, hop: int | None) -> None:
    """Instructions of each of the first eight runs are equal but for the call's own; cycles differ by less than 1 %."""
    counter = bench.find_m4cost()
    if counter is None:
        pytest.skip("m4cost absent (set MYOPATCH_M4COST)")
    image = read_image(build(name, hop))
    done = subprocess.run(
        [sys.executable, str(counter), str(image.path)], capture_output=True, text=True, check=True
    )
    regions = [json.loads(line) for line in done.stdout.splitlines()][1:]
    function = "net_push" if hop else "net_run"
    trace = count(image, [function])
    entry = image.find(function).begin  # type: ignore[union-attr]
    # Eight calls lie in regions, at a place of their own in main.
    (counted,) = [c for c in trace.threads.walk() if c.entry == entry and c.n_calls == len(regions)]
    total = total_cost(counted)
    runs = trace.timed[entry]
    if hop is None:
        around = {region["instr"] - run for region, run in zip(regions, runs, strict=False)}
        assert len(around) == 1
    around_all = sum(region["instr"] for region in regions) - total.instructions
    assert 0 <= around_all <= len(regions) * 20  # main sets up a call, and makes it
    assert total.cycles.least < sum(region["cycles"] for region in regions) < total.cycles.most
    assert total.cycles.middle == pytest.approx(sum(region["cycles"] for region in regions), rel=0.01)


@pytest.mark.parametrize(
    ("name", "hop"),
    [("gesture_small", None), ("gesture_ds", None), ("gesture_small", 40), ("gesture_ds", 40)],
)
def test_layers_sum_up(build: Callable[[str, int | None], Path], name: str, hop: int | None) -> None:
    elf, model = build(name, hop), MODELS / f"{name}.tflite"
    found = json.loads(
        must("profile", "--elf", elf, "--model", model, *(["--hop", hop] if hop else []), "--json")
    )
    text = render_network(model.read_bytes(), "", hop=hop)
    rows = found["rows"]
    assert sum(row["instructions"] for row in rows) == pytest.approx(
        found["total"]["instructions"], rel=1e-12
    )
    assert sum(row["cycles"] for row in rows) == pytest.approx(found["total"]["cycles"], rel=1e-12)
    names = [f"{step.index} {step.op_names}" for step in text.network.steps]
    shown = [row["name"] for row in rows]
    if hop is None:
        assert shown == [*names, "between layers"]
    else:  # what streams comes first; a layer without work of its own is not in a push
        assert set(shown) <= {*names, "between layers"}
    macs = text.stream.macs_push if text.stream else sum(step.macs for step in text.network.steps)
    assert found["total"]["macs"] == macs
    assert rows[-1]["name"] == "between layers"
    assert rows[-1]["instructions"] < (0.06 if hop else 0.001) * found["total"]["instructions"]
    assert all(row["instructions"] > 0 for row in rows if row.get("macs"))


def test_another_model_is_refused(build: Callable[[str, int | None], Path]) -> None:
    image = read_image(build("gesture_small", None))
    trace = count(image, [])
    root = find_function(image, trace.threads, ["net_run"])
    assert root is not None
    with pytest.raises(ProfileError, match="give the model that the image was compiled from"):
        match_layers(root, _plan_layers(MODELS / "gesture_ds.tflite", None))
    with pytest.raises(
        ProfileError,
        match=r"layer 0 \(FULLY_CONNECTED\) calls myo_fully_connected\w+ in this model, the image myo_conv",
    ):
        match_layers(root, _plan_layers(MODELS / "feat_mlp.tflite", None))


def test_patch_against_the_firmwares_own_counter(built: Callable[[str, str], Path]) -> None:
    """Under -icount the firmware measures itself; its figures hold its own readings of the timer, the profile's do not."""
    bundle = built("classes", "virtual_m4")
    found = json.loads(must("profile", bundle, "--windows", 10, "--json"))
    again = json.loads(must("profile", bundle, "--windows", 10, "--json"))
    assert found["calls"] == again["calls"]
    for one, other in zip(found["rows"], again["rows"], strict=True):  # samples come in blocks of other sizes
        in_front_end = one["name"] in ("filters", "quantize, window")
        assert one["instructions"] == pytest.approx(other["instructions"], rel=0.2 if in_front_end else 1e-12)
    opened = open_bundle(bundle)
    segment = max(load_vectors(bundle), key=lambda s: s.n_windows)
    board = BOARDS["virtual_m4"]
    with start_board(board, bundle / "firmware/virtual_m4.elf") as port, PatchLink(port) as link:
        link.say_hello(opened.bundle_hash)
        capture = stream_segment(link, segment.counts)
    n = len(found["calls"])
    assert n >= 2

    def measured(key: str) -> np.ndarray:
        per_tick = board.instructions_per_tick or 0
        return np.array([d[key] for d in capture.decisions[1 : n + 1]]) * per_tick

    network = measured("network_ticks") - np.array(found["calls"])
    # The two readings of the timer, and a few instructions of each interrupt on the way.
    assert (network > 0).all()
    assert network.min() < 60
    assert (network < 200).all()
    rows = {row["name"]: row for row in found["rows"]}
    assert 0 < measured("decision_ticks").mean() - rows["decision"]["instructions"] < 100
    front_end = rows["filters"]["instructions"] + rows["quantize, window"]["instructions"]
    # Each block of samples has a cost of its own, and how many there are depends on the line.
    assert front_end == pytest.approx(measured("front_end_ticks").mean(), rel=0.5)
    # Validation's cycles are the cost model's share of the instructions; the profile counts them one by one.
    predicted = json.loads((bundle / "budget.json").read_text())["predicted"]
    in_network = [row for name, row in rows.items() if name[0].isdigit() or name == "between layers"]
    counted = sum(row["cycles"] for row in in_network) / sum(row["instructions"] for row in in_network)
    modelled = predicted["cycles"]["network"] / predicted["instructions"]["network"]
    assert modelled == pytest.approx(counted, rel=0.03)
    # The sum of the layers is the network; the stack is what the firmware painted.
    layers = [
        row["instructions"] for name, row in rows.items() if name[0].isdigit() or name == "between layers"
    ]
    assert sum(layers) == pytest.approx(np.mean(found["calls"]), rel=1e-12)
    assert found["memory"]["stack_used_bytes"] >= found["total"]["stack_bytes"]
    assert found["duty"] == pytest.approx(found["total"]["ms"] / opened.spec.window.hop_ms)
