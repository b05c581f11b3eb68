"""Random chains of stages, and the firmware's front end asked to run one."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from device_line import Harness
from myo_export.front_end import FrontEnd, quantize_front_end
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_pipeline.steps import BLOCK_FRAMES, Step

FILTERS = (
    'kind = "highpass"\ncutoff_hz = 20.0\norder = 2\n',
    'kind = "lowpass"\ncutoff_hz = 40.0\norder = 3\n',
    'kind = "notch"\nfrequency_hz = 50.0\nq = 5.0\n',
    'kind = "envelope"\ncutoff_hz = 12.0\norder = 2\n',
    'kind = "highpass"\ncutoff_hz = 2.0\norder = 2\n',
)
OTHERS = (
    'kind = "rectify"\n',
    'kind = "tkeo"\n',
    'kind = "moving_average"\nn = 2\n',
    'kind = "moving_average"\nn = 37\n',
    'kind = "fir"\nn_taps = 21\nedges_hz = [35.0]\n',
    'kind = "fir"\ntaps = [0.3]\n',
    'kind = "fir"\ntaps = [0.7, -900.0, 0.001, 4.0]\n',
    'kind = "fir"\nn_taps = 40\nedges_hz = [35.0]\n',
    'kind = "decimate"\nfactor = 2\nattenuation_db = 0\n',
    'kind = "decimate"\nfactor = 3\nattenuation_db = 0\n',
    'kind = "ecg"\nreference = 1\nbeats = 8\n',
    'kind = "spatial"\nmode = "single_differential"\nring = true\n',
    'kind = "spatial"\nmode = "double_differential"\n',
    'kind = "spatial"\nmode = "common_average"\n',
    'kind = "spatial"\nmode = "remap"\nchannels = [2, 0, 1, 1]\n',
    'kind = "spatial"\nmode = "rotate"\nby = -1\n',
    'kind = "spatial"\nmode = "matrix"\nweights = [[0.1, -0.7, 0.35], [12.5, 0.0, -3.0]]\n',
)


def make_chain(
    stages: Sequence[str], rate_hz: float = 1000.0, bits: int = 12, channels: int = 3
) -> PatchSpec:
    """Return the spec of a chain; its window is as good as any."""
    return parse_spec(
        f'format = 1\nname = "test"\n[sensor]\nchannels = {channels}\nrate_hz = {rate_hz}\nlsb_uv = 1.0\nadc_bits = {bits}\n'
        + "".join(f"[[stage]]\n{stage}" for stage in stages)
        + '[window]\nwindow_ms = 5184.0\nhop_ms = 5184.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n'
        '[training]\ndata = "none"\n'
    )


@functools.cache
def quantize_chain(stages: tuple[str, ...], bits: int = 12) -> tuple[PatchSpec, FrontEnd]:
    """Return a chain and its fixed point."""
    spec = make_chain(stages, bits=bits)
    return spec, quantize_front_end(spec)


def fits(stages: tuple[str, ...]) -> bool:
    """Whether channels fit from stage to stage, rates stay above the filters, and energies do not pile up."""
    channels, factor = 3, 1
    for stage in stages:
        wants = (
            3
            if any(name in stage for name in ("matrix", "remap", "double"))
            else 2
            if "single" in stage
            else 1
        )
        if "ecg" in stage and (channels < 2 or factor > 6):
            return False
        if ("matrix" in stage and channels != 3) or channels < max(wants, 2 if "common" in stage else 1):
            return False
        channels = 4 if "remap" in stage else 2 if '"matrix"' in stage else channels - 2 * ("double" in stage)
        factor *= int(stage.split("factor = ")[1].split()[0]) if "factor" in stage else 1
        if "_hz" in stage and factor > 6:
            return False
    return factor <= 36 and sum("tkeo" in stage for stage in stages) <= 1 and channels > 0


def chains(most: int = 5) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw chains whose stages fit together."""
    return st.lists(st.sampled_from(FILTERS + OTHERS), max_size=most).map(tuple).filter(fits)


def pack_step(step: Step) -> bytes:
    """Return a step as the harness takes it."""
    head = (
        step.kind,
        step.n_in,
        step.n_out,
        step.decimation,
        step.align,
        step.shift,
        step.count,
        len(step.words),
    )
    return struct.pack("<8i", *head) + step.words.astype("<i4").tobytes()


def run_device(
    harness: Harness,
    front_end: FrontEnd,
    counts: np.ndarray,
    blocks: Sequence[int],
    state_words: int | None = None,
) -> tuple[int, list[np.ndarray]]:
    """Run blocks (0: reset) through the firmware's front end; its status and each block's words."""
    words = front_end.state_words if state_words is None else state_words
    head = (front_end.n_channels, front_end.input_shift, words, len(front_end.steps), len(blocks))
    request = struct.pack("<5i", *head) + b"".join(map(pack_step, front_end.device_steps))
    request += struct.pack(f"<{len(blocks)}i", *blocks) + counts.astype("<i4").tobytes()
    answer = np.frombuffer(harness.ask("F", request), "<i4")
    given, at = [], 1
    for block in blocks:
        if block and answer[0] == 0:
            n = int(answer[at]) * front_end.n_out
            given.append(answer[at + 1 : at + 1 + n].reshape(-1, front_end.n_out))
            at += 1 + n
    return int(answer[0]), given


def cut_blocks(n: int, cuts: Sequence[int]) -> list[int]:
    """Return block sizes of at most BLOCK_FRAMES that end at every cut."""
    sizes = []
    for length in np.diff(sorted({0, n, *(c for c in cuts if c < n)})).tolist():
        sizes += [BLOCK_FRAMES] * (length // BLOCK_FRAMES) + [length % BLOCK_FRAMES] * (
            length % BLOCK_FRAMES > 0
        )
    return sizes
