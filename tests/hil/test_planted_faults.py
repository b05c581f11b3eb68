"""Faults as ports have them, planted in copies of the firmware: each is found, and named where it is.

Every case is one line of C that compiles without a warning in many a product. The unchanged copy passes, so what is found is
the fault.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_host.report import describe_verdict, explain_difference, print_validation, write_report
from myo_host.validate import Validation, validate_board
from myo_pipeline.bundle import Bundle, open_bundle
from planted import FaultyFirmware

PATCH = "firmware/core/stream/myo_patch.c"
NOTHING_KEPT = "it still differs"
STATE_KEPT = "the board keeps state that START must clear"
LATE = 50  # a window behind those whose layers the golden vectors hold


@pytest.fixture(scope="module")
def bundle(built: Callable[[str, str], Path]) -> Bundle:
    return open_bundle(built("classes", "native"))


@pytest.fixture(scope="module")
def faulty(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> FaultyFirmware:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed (make setup)")
    return FaultyFirmware(bundle.path, tmp_path_factory.mktemp("faulty"))


@contextmanager
def running(elf: Path) -> Iterator[PatchLink]:
    with start_board(BOARDS["native"], elf) as port, PatchLink(port) as link:
        yield link


def validate(bundle: Bundle, elf: Path) -> Validation:
    with running(elf) as link:
        return validate_board(bundle, link, BOARDS["native"])


def put(old: str, new: str) -> Callable[[str], str]:
    """Return a change of one place of a text."""

    def change(text: str) -> str:
        assert text.count(old) == 1, f"{text.count(old)} places, expected 1: {old}"
        return text.replace(old, new)

    return change


def bump(pattern: str, by: int) -> Callable[[str], str]:
    """Return a change of the number that follows the first match of a pattern."""
    return lambda text: re.sub(rf"({pattern})(-?\d+)", lambda m: f"{m[1]}{int(m[2]) + by}", text, count=1)


FAULTS = {
    "wrong filter coefficient": (
        "c/patch_config.c", bump(r"coefficients\[\d+\] = \{\s*", 1),
        "filtered signal", r"sample \d+ channel \d+", NOTHING_KEPT,
    ),
    "sample ring off by one": (
        "firmware/core/stream/myo_ring.c",
        put("return &self->counts[(size_t)(head & (self", "return &self->counts[(size_t)((head + 1u) & (self"),
        # A word that is read before it is written is 128 samples old: how many are depends on the line's pace.
        "samples", r"sample 0 channel 0", "the device is 1 sample late",
    ),
    "quality flags stale": (  # the mask is the period's before
        "firmware/core/stream/myo_quality_gate.c",
        put("    if (!myo_quality_push(&memory->state->quality, &counts, &n_frames)) {\n        return false;\n    }\n"
            "    update_mask(config, memory);\n    return true;\n",
            "    update_mask(config, memory);\n    return myo_quality_push(&memory->state->quality, &counts, &n_frames);\n"),
        "signal quality", r"sample \d+ (masked channels|gate)", "only words masked channels, gate",
    ),
    "mask survives START": (
        "firmware/core/stream/myo_quality_gate.c",
        put("quality);\n    memory->state->masked = 0;\n", "quality);\n"),
        "network input", r"window 0 sample 0 channel \d", STATE_KEPT,
    ),
    "gated windows vote": (
        PATCH, put("if (is_gated(self)) {", "if (is_gated(self) && self->windows > 60000u) {"),
        "decision", r"window \d+ raw", "vote",
    ),
    "swapped channels": (
        "firmware/core/dsp/myo_front_end.c",
        put("&counts[channel], config->n_channels", "&counts[channel < 2 ? 1 - channel : channel], config->n_channels"),
        "filtered signal", r"sample 0 channel [01]", "the device's channel 0 is the twin's channel 1",
    ),
    "window ring off by one": (
        PATCH, put("(self->window_row + n_rows - n_frames) % n_rows", "(self->window_row + 1u + n_rows - n_frames) % n_rows"),
        "network input", r"window 0 sample \d+ channel \d", "the device is 1 sample early",
    ),
    "filter state survives START": (
        PATCH, put("    myo_front_end_reset(&self->front_end);\n", ""),
        "filtered signal", r"sample 0 channel \d", STATE_KEPT,
    ),
    "another hop pushed to the stream": (
        PATCH, put("    const uint32_t push_begin", "    self->memory.input[0] ^= 64;\n    const uint32_t push_begin"),
        "network output", r"window \d+ output \d \(\w+\)", "the network's stream",
    ),
    "vote survives START": (
        PATCH, put("    myo_decision_reset(&self->decision);\n", ""),
        "decision", r"window 0 (decided|n_votes)", STATE_KEPT,
    ),
    "kernel without its zero point": (
        "firmware/core/nn/myo_nn_requantize.h", put("myo_fx_add(scaled, config->zero_point)", "scaled"),
        "layer 0 CONV_2D", r"window 0 sample 0 channel 0", NOTHING_KEPT,
    ),
    "wrong weight of a later layer": (
        "c/net.c", bump(r"layer_1_weights\[\d+\] = \{\s*", 5),
        "layer 1 CONV_2D", r"window \d+ sample \d+ channel 0", "only channel 0 of 6",
    ),
    "wrong only after a while": (
        PATCH, put("    memcpy(&input[n_older * n_channels], self->memory.window, (n_frames - n_older) * n_channels);\n",
                   "    memcpy(&input[n_older * n_channels], self->memory.window, (n_frames - n_older) * n_channels);\n"
                   f"    if (self->windows >= {LATE}) {{ input[4] ^= 64; }}\n"),
        "network input", rf"window {LATE} sample 1 channel 1", "only channel 1 of 3",
    ),
    "vote over one window more": (
        "c/patch_config.h", put("#define PATCH_VOTE 3", "#define PATCH_VOTE 4"),
        "decision", r"window \d+ (decided|n_votes)", NOTHING_KEPT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_and_named(bundle: Bundle, faulty: FaultyFirmware, name: str) -> None:
    file, change, stage, place, fact = FAULTS[name]
    result = validate(bundle, faulty.build(file, change))
    assert not result.passed
    assert not result.law2_broken  # a port's fault is none of quantization
    first = result.first_stage
    assert first.name == stage
    assert re.fullmatch(rf"S\d+/\d+/\d+ {place}", first.first.place)
    assert first.first.device != first.first.twin
    assert any(n.device == first.first.device and n.twin == first.first.twin for n in first.first.neighbours)
    said = explain_difference(result)
    assert any(fact in text for text in said), said
    assert f"first at {stage}, {first.first.place}" in describe_verdict(result)


def test_unchanged_copy_passes(bundle: Bundle, faulty: FaultyFirmware) -> None:
    result = validate(bundle, faulty.build(PATCH, lambda text: text + "\n"))
    assert result.passed
    assert (result.first_stage, result.diagnosis) == (None, [])


def test_fault_is_on_the_terminal_and_in_the_report(
    bundle: Bundle, faulty: FaultyFirmware, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, change, stage, *_ = FAULTS["swapped channels"]
    result = validate(bundle, faulty.build(file, change))
    print_validation(bundle, result)
    shutil.copytree(bundle.path, tmp_path / "copy")
    pages = (capsys.readouterr().out, write_report(open_bundle(tmp_path / "copy"), result).read_text())
    for page in pages:
        text = page.replace("&#39;", "'")
        assert "port fault" in text
        assert f"{stage}, {result.first_stage.first.place}" in text
        assert "the device's channel 0 is the twin's channel 1" in text
        assert str(result.first_stage.first.device) in text
