"""Motion removal for the tests: specs, words that move together, and how motion_harness.c is asked."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence

import numpy as np

from device_line import Harness
from front_end_case import pack_step
from myo_export.aux_streams import quantize_aux
from myo_export.front_end import quantize_front_end
from myo_export.motion import ProvedMotion, quantize_motion
from myo_pipeline.motion_twin import MotionConfig
from myo_pipeline.spec import PatchSpec, parse_spec


def make_spec(
    rate_hz: float = 1000.0,
    own_hz: float = 200.0,
    channels: int = 2,
    motion: str = "",
    stages: str = "",
    bits: int = 16,
) -> PatchSpec:
    """Return a spec whose EMG is a band-pass and whose accelerometer's motion is removed."""
    return parse_spec(
        f'format = 1\nname = "test"\n[sensor]\nchannels = {channels}\nrate_hz = {rate_hz}\nlsb_uv = 1.0\nadc_bits = {bits}\n'
        f'{stages or BAND}[[aux]]\nname = "wrist"\nkind = "accelerometer"\nchannels = 3\nrate_hz = {own_hz}\nlsb = 0.0005\n'
        f'adc_bits = 16\n[motion]\nreference = "wrist"\n{motion}'
        '[window]\nwindow_ms = 1000.0\nhop_ms = 500.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n'
        '[training]\ndata = "none"\n'
    )


BAND = '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 90.0\n'


@functools.cache
def prove(**keys: float | int | str) -> tuple[PatchSpec, ProvedMotion]:
    """Return a spec and its removal in fixed point."""
    spec = make_spec(**keys)  # type: ignore[arg-type]
    front_end = quantize_front_end(spec)
    motion = quantize_motion(spec, front_end, quantize_aux(spec, front_end))
    assert motion is not None
    return spec, motion


def make_words(
    config: MotionConfig, n_frames: int, seed: int, loud: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return words of a block's channels, EMG that holds some of what the reference does, and marks, (n_frames,)."""
    rng = np.random.default_rng(seed)
    most = config.limit * loud
    reference = np.cumsum(rng.standard_normal((n_frames, config.n_reference)), axis=0) * 0.02
    reference = (
        np.sin(reference * rng.uniform(1, 30))
        * rng.choice([0.001, 0.1, 0.95], (n_frames // 97 + 1, 1)).repeat(97, 0)[:n_frames]
    )
    emg = rng.standard_normal((n_frames, config.n_emg)) * 0.05 + reference @ rng.normal(
        0, 0.5, (config.n_reference, config.n_emg)
    )
    emg = np.where(rng.random(emg.shape) < 0.02, np.sign(emg), emg)
    x = np.concatenate([emg, reference], axis=1)
    marks = rng.random(n_frames) < 0.003
    return np.round(np.clip(x, -1, 1) * most).astype(np.int32), marks


def run_device(
    harness: Harness,
    config: MotionConfig,
    words: np.ndarray,
    marks: np.ndarray,
    blocks: Sequence[int],
    **change: int,
) -> tuple[int, np.ndarray]:
    """Run blocks (0: reset) through the firmware's removal; its status and the words."""
    numbers = {
        "n_emg": config.n_emg, "first": config.first, "every": config.every, "delay": config.delay, "stream": config.stream,
        "taps": config.taps, "slowness": config.slowness, "limit": config.limit, "quiet": config.quiet & 0xFFFFFFFF,
        "quiet_high": config.quiet >> 32, "input_shift": config.input_shift, "n_reference": config.n_reference,
        "n_steps": len(config.steps), "n_channels": words.shape[1], "n_words": config.memory_words, "n_blocks": len(blocks),
    } | change  # fmt: skip
    request = np.array(list(numbers.values()), np.int64).astype(np.uint32).tobytes()
    request += b"".join(map(pack_step, config.steps)) + struct.pack(f"<{len(blocks)}i", *blocks)
    request += np.concatenate([marks[:, None].astype("<i4"), words.astype("<i4")], axis=1).tobytes()
    answer = np.frombuffer(harness.ask("M", request), "<i4")
    return int(answer[0]), answer[1:].reshape(-1, words.shape[1])
