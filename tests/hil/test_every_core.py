"""One bundle on a board of every core: its own kernels, its own timers, the same words."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from myo_host import validate
from myo_host.boards import BOARDS, NS_PER_INSTRUCTION, start_board
from myo_host.link import PatchLink
from myo_pipeline.bundle import open_bundle
from myo_pipeline.vectors import load_vectors

Built = Callable[[str, str], Path]
N_SEGMENTS = 2  # of the golden vectors; virtual_m4 and native run them all in test_validate.py
OTHERS = ["virtual_m0", "virtual_m3", "virtual_m7", "virtual_m33", "virtual_m55", "virtual_stm32f405"]


@pytest.fixture(scope="module")
def validated(built: Built) -> Callable[[str], validate.Validation]:
    """Return a function that validates a board on a few windows, once."""

    @cache
    def run(name: str) -> validate.Validation:
        bundle = open_bundle(built("classes", name))
        elf = bundle.path / "firmware" / f"{name}.elf"
        with pytest.MonkeyPatch.context() as patch, start_board(BOARDS[name], elf) as port:
            patch.setattr(validate, "load_vectors", lambda path: load_vectors(path)[:N_SEGMENTS])
            with PatchLink(port) as link:
                return validate.validate_board(bundle, link, BOARDS[name])

    return run


@pytest.mark.parametrize("name", OTHERS)
def test_device_equals_twin_at_every_stage(
    validated: Callable[[str], validate.Validation], name: str
) -> None:
    result = validated(name)
    assert result.board == name
    assert result.passed
    assert all(stage.words > 0 for stage in result.stages)
    assert result.n_traced >= 10
    assert not any(result.status[key] for key in ("samples_lost", "rx_bytes_lost", "rx_frames_bad", "faults"))
    assert (
        0 < result.status["stack_used_bytes"] < result.status["stack_bytes"] * 2 / 3
    )  # with the deepest interrupt on top
    assert result.hello["tick_hz"] * BOARDS[name].instructions_per_tick * NS_PER_INSTRUCTION == 1e9
    assert result.cost["network_instructions"] > 1000
    assert "compute_ms" not in result.cost  # cycles are counted for the Cortex-M4 alone


def test_counters_run_at_the_rates_that_are_claimed(
    validated: Callable[[str], validate.Validation],
) -> None:
    """Code that is the same, or as good as, takes as many instructions on every core with that instruction set."""
    counts = {name: validated(name).cost for name in ["virtual_m4", *OTHERS]}
    usual = counts["virtual_m4"]
    for name in ("virtual_m7", "virtual_m33", "virtual_stm32f405"):
        for key in ("front_end_instructions", "network_instructions"):
            assert counts[name][key] == pytest.approx(usual[key], rel=0.05)
    for name in ("virtual_m3", "virtual_m55"):  # the filters are plain C there; GCC schedules for the M55
        assert counts[name]["front_end_instructions"] == pytest.approx(
            usual["front_end_instructions"], rel=0.2
        )
    order = ("virtual_m55", "virtual_m4", "virtual_m3", "virtual_m0")
    network = [counts[name]["network_instructions"] for name in order]
    assert network == sorted(network)
    assert network[0] < network[1] / 2 < network[2] / 4
