"""Budgets: the fastest forms that fit are chosen, what cannot be met is one line with numbers, images are checked."""

from __future__ import annotations

import json
import re
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.budget import KB, choose_forms, find_excess, predict_patch
from myo_export.buffers import list_buffers
from myo_export.emit_net import render_network
from myo_export.export import export_bundle
from myo_export.firmware_build import BuiltFirmware, build_firmware, check_budget
from myo_export.front_end import quantize_front_end
from myo_export.network_report import report_network
from myo_pipeline.board_memory import BOARD_MEMORIES
from myo_pipeline.errors import BuildError, ExportError
from myo_pipeline.spec import Budget, PatchSpec, find_templates, parse_spec
from tiny_bundle import write_trained

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_models import ModelBuilder, fill

ROOT = Path(__file__).resolve().parents[2]
SPEC = find_templates()["gestures"].read_text().replace("@NAME@", "gestures")


def make_model() -> bytes:
    """Two convolutions over time, then two dense layers: weights enough that their form matters."""
    rng, b = np.random.default_rng(4), ModelBuilder()
    shape = (1, 1, 60, 8)
    first = at = b.activation(shape, 0.05, 0)

    def weights(shape: tuple[int, ...]) -> list[int]:
        values = rng.integers(-127, 128, shape).astype(np.int8)
        return [
            b.tensor(shape, [0.01], [0], values),
            b.tensor(shape[:1], [0.0005], [0], np.zeros(shape[0], np.int32)),
        ]

    for n_outputs, stride in ((16, 1), (24, 2)):
        options = fill(
            schema.Conv2DOptionsT(),
            padding=1,
            strideH=1,
            strideW=stride,
            dilationHFactor=1,
            dilationWFactor=1,
        )
        kernel = weights((n_outputs, 1, 5, shape[3]))
        shape = (1, 1, (shape[2] - 5) // stride + 1, n_outputs)
        out = b.activation(shape, 0.05, 0)
        b.op("CONV_2D", [at, *kernel], [out], options)
        at = out
    n_inputs = shape[2] * shape[3]
    flat = b.activation((1, n_inputs), 0.05, 0)
    to = b.tensor((2,), data=np.array([1, n_inputs], np.int32))
    b.op("RESHAPE", [at, to], [flat], schema.ReshapeOptionsT())
    at = flat
    for n_outputs in (16, 4):
        out = b.activation((1, n_outputs), 0.05, 0)
        b.op(
            "FULLY_CONNECTED",
            [at, *weights((n_outputs, n_inputs))],
            [out],
            fill(schema.FullyConnectedOptionsT()),
        )
        at, n_inputs = out, n_outputs
    return b.pack(first, at)


MODEL = make_model()
FAST, SMALL = (report_network(render_network(MODEL, "", "both", way)) for way in ("speed", "size"))
FRONT_END = quantize_front_end(parse_spec(SPEC))


def spec_with(**limits: float | str) -> PatchSpec:
    table = "".join(f"{key} = {json.dumps(value)}\n" for key, value in limits.items())
    return parse_spec(SPEC + f"\n[budget]\n{table}")


def flash_of(forms: tuple[str, ...]) -> tuple[int, float]:
    layers = [w if f == "speed" else p for w, p, f in zip(FAST.layers, SMALL.layers, forms, strict=True)]
    found = predict_patch(spec_with(), layers, FAST.arena_bytes, FRONT_END)
    return found.flash_bytes, found.total_ms


def test_without_limits_all_weights_are_wide() -> None:
    choice = choose_forms(spec_with(), FAST, SMALL, FRONT_END)
    assert choice.describe() == "all weights wide"
    assert choice.prediction.is_modelled


def test_every_flash_limit_gives_nearly_the_fastest_that_fits() -> None:
    weighted = [k for k, layer in enumerate(FAST.layers) if layer.macs]
    all_forms = []
    for chosen in product(("speed", "size"), repeat=len(weighted)):
        forms = ["size"] * len(FAST.layers)
        for place, form in zip(weighted, chosen, strict=True):
            forms[place] = form
        all_forms.append(flash_of(tuple(forms)))
    smallest, largest = min(f for f, _ in all_forms), max(f for f, _ in all_forms)
    slowest, seen = max(t for _, t in all_forms), set()
    for limit in range(smallest, largest + 200, 97):
        choice = choose_forms(spec_with(flash_kb=limit / 0.985 / KB), FAST, SMALL, FRONT_END)
        assert choice.prediction.flash_bytes <= limit  # 1.5 % of the budget's own stay free
        best = min(t for f, t in all_forms if f <= limit)
        gain = slowest - min(t for _, t in all_forms)
        assert choice.prediction.total_ms - best <= 0.2 * gain  # gain by byte is no exact knapsack
        seen.add(choice.describe().split(" in layers ")[0])
    assert seen == {"all weights packed", "weights wide", "all weights wide"}


def test_rings_are_the_most_generous_that_the_ram_budget_leaves() -> None:
    offered = list_buffers(spec_with())
    assert [b.ring_frames for b in offered] == [128, 64, 32]
    for buffers in offered:
        # The link's contract: a whole credit, in messages of one frame, and one frame of the longest beside decisions.
        assert buffers.rx_bytes >= buffers.ring_frames * (8 * 2 + 16)  # the template has eight channels
        assert buffers.tx_bytes >= 660
        assert buffers.rx_bytes & (buffers.rx_bytes - 1) == buffers.tx_bytes & (buffers.tx_bytes - 1) == 0
    sizes = []
    for buffers in offered:
        found = predict_patch(spec_with(), FAST.layers, FAST.arena_bytes, FRONT_END, buffers=buffers)
        sizes.append(found.ram_bytes)
        choice = choose_forms(spec_with(ram_kb=found.ram_bytes / KB), FAST, SMALL, FRONT_END)
        assert (choice.buffers, choice.prediction.ram_bytes) == (buffers, found.ram_bytes)
    assert sizes == sorted(sizes, reverse=True)
    assert choose_forms(spec_with(), FAST, SMALL, FRONT_END).buffers == offered[0]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"flash_kb": 10}, "flash_kb is 10 and the firmware takes"),
        ({"ram_kb": 12}, "ram_kb is 12 and the firmware takes"),
        ({"latency_ms": 0.01}, "latency_ms is 0.01 and a decision takes"),
    ],
)
def test_what_cannot_be_met_is_one_line_with_numbers(limits: dict[str, float], expected: str) -> None:
    with pytest.raises(ExportError) as caught:
        choose_forms(spec_with(**limits), FAST, SMALL, FRONT_END)
    message = str(caught.value)
    assert "\n" not in message
    assert expected in message
    assert "more; the network can have: all weights wide: flash" in message
    assert "all weights packed: flash" in message


def test_a_slower_clock_takes_longer() -> None:
    at_64, at_16 = (choose_forms(spec_with(clock_mhz=c), FAST, SMALL, FRONT_END).prediction for c in (64, 16))
    assert at_16.total_ms == pytest.approx(4 * at_64.total_ms)
    with pytest.raises(ExportError, match="at 16 MHz"):
        choose_forms(spec_with(clock_mhz=16, latency_ms=2 * at_64.total_ms), FAST, SMALL, FRONT_END)


def test_a_figure_at_its_limit_is_within() -> None:
    budget = Budget(flash_kb=2, ram_kb=1, latency_ms=1.5)
    assert find_excess(budget, 2048, 1024, 1.5) == ""
    assert find_excess(budget, 2049, 1024, 1.5) == "flash_kb is 2 and the firmware takes 2.0, 1 bytes more"
    assert find_excess(budget, 3000, 2000, 2.0).count(", and ") == 2
    assert find_excess(Budget(), 10**9, 10**9, 1e9) == ""


def test_a_board_that_is_named_limits_what_is_not() -> None:
    assert Budget(board="stm32f405").model_dump() == {
        "board": "stm32f405", "flash_kb": 768, "ram_kb": 128, "clock_mhz": 168, "latency_ms": None
    }  # fmt: skip
    given = Budget(board="stm32f405", flash_kb=100, clock_mhz=42)
    assert (given.flash_kb, given.ram_kb, given.clock_mhz) == (100, 128, 42)
    assert Budget.model_validate(given.model_dump()) == given
    with pytest.raises(ValueError, match="ram_kb is 129 and stm32f405 has 128"):
        Budget(board="stm32f405", ram_kb=129)


def test_boards_have_the_memories_that_their_linker_has() -> None:
    for name, memory in BOARD_MEMORIES.items():
        text = (ROOT / f"firmware/ports/{name}/memory.ld").read_text()
        found = dict(re.findall(r"(FLASH|RAM) \(\w+\)\s*: .*LENGTH = (\d+)K", text))
        assert found == {"FLASH": str(memory.flash_kb), "RAM": str(memory.ram_kb)}


def test_a_port_that_takes_more_is_predicted_to() -> None:
    plain, port = (
        choose_forms(spec_with(**limits), FAST, SMALL, FRONT_END).prediction
        for limits in ({}, {"board": "stm32f405"})
    )
    assert port.flash_bytes - plain.flash_bytes > 1000
    assert port.ram_bytes - plain.ram_bytes >= 256  # the words of sixteen scans of eight channels


def test_an_image_over_the_budget_is_one_line() -> None:
    built = BuiltFirmware(Path("firmware.elf"), 20_000, 18_000, 8192, {})
    check_budget(Budget(flash_kb=20, ram_kb=18), built)
    with pytest.raises(
        BuildError, match=r"over the budget: ram_kb is 17 and the firmware takes 17\.6, 592 bytes more"
    ):
        check_budget(Budget(flash_kb=20, ram_kb=17), built)


def test_an_export_holds_the_budget_and_says_what_it_predicts(tmp_path: Path) -> None:
    trained = write_trained(tmp_path / "patch")
    spec = (trained / "patch.toml").read_text()
    (trained / "patch.toml").write_text(spec + "[budget]\nflash_kb = 18\n")
    exported = export_bundle(trained)
    budget = json.loads((trained / "budget.json").read_text())
    assert budget["limits"] == {"flash_kb": 18.0, "ram_kb": None, "latency_ms": None, "clock_mhz": 64.0}
    for part in ("flash_bytes", "ram_bytes", "instructions", "cycles"):
        figures = dict(budget["predicted"][part])
        assert figures.pop("total") == pytest.approx(sum(figures.values()), abs=2)
    assert budget["predicted"]["flash_bytes"]["total"] == exported.choice.prediction.flash_bytes <= 18 * KB
    (trained / "patch.toml").write_text(spec + "[budget]\nflash_kb = 11\n")
    with pytest.raises(ExportError, match="flash_kb is 11 and the firmware takes"):
        export_bundle(trained)


def test_the_forms_that_the_budget_chose_are_those_in_c() -> None:
    limit = (flash_of(("speed",) * len(FAST.layers))[0] - 1) / KB
    choice = choose_forms(spec_with(flash_kb=limit), FAST, SMALL, FRONT_END)
    source = render_network(MODEL, "", "both", choice.forms).source
    assert source.count("&myo_nn_wide_weights") == sum(
        form == "speed" and layer.macs > 0 for form, layer in zip(choice.forms, FAST.layers, strict=True)
    )
    assert "&myo_nn_packed_weights" in source


@pytest.mark.parametrize(("region", "key"), [("RAM", "ram_kb"), ("FLASH", "flash_kb")])
def test_what_the_linker_cannot_place_is_told_with_the_remedy(
    region: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linker = tmp_path / "python"
    linker.write_text(f'#!/bin/sh\necho "ld: region \\`{region}\' overflowed by 1424 bytes"\nexit 1\n')
    linker.chmod(0o755)
    write_trained(tmp_path / "b", 1)
    export_bundle(tmp_path / "b")
    monkeypatch.setattr("sys.executable", str(linker))
    with pytest.raises(BuildError) as error:
        build_firmware(tmp_path / "b", "virtual_m0")
    message = str(error.value)
    assert f"does not fit virtual_m0: 1424 bytes too many for its {region}; set [budget] {key} to" in message
    assert "\n" not in message
