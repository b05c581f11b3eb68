"""What the report says that auxiliary streams cost, against m4cost's counts in the benchmarks' results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench_aux as bench
from myo_export.aux_cost import predict_aux_instructions, predict_aux_ram
from myo_export.aux_streams import quantize_aux
from myo_export.front_end import quantize_front_end
from myo_export.front_end_cost import predict_front_end, predict_steps
from myo_pipeline.steps import Kind, Step

RESULTS: dict[str, Any] = json.loads((Path(bench.__file__).parent / "results/front_end.json").read_text())
CASES = list(zip(bench.CASES, RESULTS["auxiliary streams"]["cases"], strict=True))


@pytest.mark.parametrize(("case", "counted"), CASES, ids=[case.name for case in bench.CASES])
def test_streams_cost_what_is_predicted(case: bench.Case, counted: dict[str, Any]) -> None:
    assert case.name == counted["name"]
    spec = bench.make_spec(case)
    streams = quantize_aux(spec, quantize_front_end(spec))
    assert predict_aux_instructions(streams, bench.HOP) == pytest.approx(counted["instructions"], rel=0.05)
    # A virtual board's own streams are not in the bench.
    assert predict_aux_ram(streams) - predict_aux_ram(()) == pytest.approx(
        counted["memory_bytes"] + 112, abs=8 * len(streams)
    )


def test_a_window_that_takes_their_words_costs_more() -> None:
    spec = bench.make_spec(bench.CASES[0])
    streams = quantize_aux(spec, quantize_front_end(spec))
    more = predict_aux_instructions(streams, 50, 200) - predict_aux_instructions(streams, 50)
    assert more > 3 * (50 * 7 + 200 * 0.5)


def test_steps_behind_a_decimation_run_for_the_frames_that_stay() -> None:
    """A front end is its chain and what stands around it; blocks of one frame leave nothing three times of four."""
    none = np.zeros(0, np.int32)
    sections, thin = Step(Kind.SOS, 2, 2, 0, 1, 3, none), Step(Kind.DECIMATE, 2, 2, 0, 0, 0, none, 4)
    around = predict_front_end([], 2, 40, 0) - predict_steps([], 2, 40, 2)
    assert predict_front_end([sections], 2, 40, 0) == pytest.approx(
        around + predict_steps([sections], 2, 40, 2)
    )
    before, behind = predict_steps([sections, thin], 2, 40, 40), predict_steps([thin, sections], 2, 40, 40)
    chain = predict_steps([sections], 2, 40, 40) - predict_steps([], 2, 40, 40)
    assert before - behind == pytest.approx(0.75 * chain)
