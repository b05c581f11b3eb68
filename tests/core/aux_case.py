"""Auxiliary streams for the tests: specs, streams that jitter, stall and run fast, and how aux_harness.c is asked."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from device_line import Harness
from front_end_case import pack_step
from myo_export.aux_streams import ProvedAux, quantize_aux
from myo_export.front_end import quantize_front_end
from myo_pipeline.aux_stream import AuxConfig, AuxSamples
from myo_pipeline.spec import PatchSpec, parse_spec

STAGES = (
    "",
    '[[aux.stage]]\nkind = "dc"\ncutoff_hz = 0.5\n',
    '[[aux.stage]]\nkind = "lowpass"\ncutoff_hz = 8.0\norder = 4\n[[aux.stage]]\nkind = "decimate"\nfactor = 3\n',
    '[[aux.stage]]\nkind = "spatial"\nmode = "remap"\nchannels = [1, 0, 0, 1]\n[[aux.stage]]\nkind = "moving_average"\nn = 3\n',
    '[[aux.stage]]\nkind = "tkeo"\n',
)


def make_spec(
    streams: Sequence[tuple[float, float | None, str]], emg: str = "", rate_hz: float = 1000.0, bits: int = 12
) -> PatchSpec:
    """Return a spec of streams, each a rate, a latency and stages, of two channels each."""
    text = f'format = 1\nname = "test"\n[sensor]\nchannels = 2\nrate_hz = {rate_hz}\nlsb_uv = 1.0\nadc_bits = {bits}\n{emg}'
    for number, (own_hz, latency_ms, stages) in enumerate(streams):
        text += f'[[aux]]\nname = "s{number}"\nkind = "accelerometer"\nchannels = 2\nrate_hz = {own_hz}\nlsb = 0.001\n'
        text += f"adc_bits = {16 - 4 * number}\n"
        text += f"latency_ms = {latency_ms}\n" if latency_ms is not None else ""
        text += stages
    return parse_spec(
        text
        + '[window]\nwindow_ms = 1000.0\nhop_ms = 500.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n'
        '[training]\ndata = "none"\n'
    )


def prove(spec: PatchSpec) -> tuple[ProvedAux, ...]:
    """Return a spec's streams in fixed point."""
    return quantize_aux(spec, quantize_front_end(spec))


def make_samples(config: AuxConfig, n_frames: int, seed: int, fault: str = "") -> AuxSamples:
    """Return noise of full scale for so many frames of the EMG sensor, by a clock with a fault."""
    rng = np.random.default_rng(seed)
    timing = config.timing
    n = timing.count_samples(n_frames)
    time = np.arange(n + n // 4 + 4) * timing.unit / timing.step
    match fault:
        case "jitter":
            time += rng.uniform(0, timing.lag, len(time))
        case "fast":
            time *= 0.93
        case "slow":
            time *= 1.07
        case "stall":
            time[n // 3 :] += 20 * timing.period_frames
        case "late burst":
            first, last = n // 3, n // 3 + 12
            time[first:last] = time[min(last, len(time) - 1)]
        case "batches":
            time = np.repeat(time[7::8], 8)
        case "gaps":
            time = time[rng.random(len(time)) < 0.8]
        case "silent":
            time = time[:0]
        case _:
            pass
    stamps = np.maximum.accumulate(np.ceil(time - 1e-9).astype(np.int64))
    stamps = stamps[stamps < n_frames]
    full = config.full_scale_counts
    noise = rng.integers(-full, full, (len(stamps), config.n_channels))
    ends = np.where(noise < 0, -full, full - 1)
    counts = np.where(rng.random(noise.shape) < 0.3, ends, noise)
    return AuxSamples(counts.astype(np.int32), stamps)


FAULTS = ("", "jitter", "fast", "slow", "stall", "late burst", "batches", "gaps", "silent")


@dataclass(frozen=True)
class Run:
    """Frames of the window in one go: each stream's words, and the place of its last marked frame, from 1."""

    words: list[np.ndarray]
    marks: list[int]


def pack_config(config: AuxConfig, change: dict[str, int]) -> bytes:
    """Return a stream as the harness takes it."""
    timing, (reciprocal, bits) = config.timing, config.reciprocal
    numbers = {
        "input_shift": config.input_shift, "n_channels": config.n_channels, "rate_mhz": 100_000,
        "adc_bits": config.full_scale_counts.bit_length(), "sample_bytes": config.sample_bytes,
        "ring_samples": config.ring_samples, "unit": timing.unit, "step": timing.step * timing.frame, "first": timing.first,
        "frame": timing.frame, "max_age": timing.max_age, "reciprocal": reciprocal, "reciprocal_shift": bits,
        "shift": config.shift,
    } | change  # fmt: skip
    head = np.array([*numbers.values(), len(config.steps)], np.int64).astype(np.uint32)
    return head.tobytes() + b"".join(map(pack_step, config.steps))


def run_device(
    harness: Harness,
    configs: Sequence[AuxConfig],
    samples: Sequence[AuxSamples],
    blocks: Sequence[int],
    offset: int = 0,
    **change: int,
) -> tuple[int, list[Run], list[tuple[int, int, int]]]:
    """Run blocks of the window (0: reset) through the firmware's streams, samples put in just before the frames they precede.

    ``offset`` frames have gone by before the first.
    """
    missing = change.pop("missing_words", 0)
    frame = configs[0].timing.frame
    n_words = sum(config.memory_words for config in configs) - missing
    body = b"".join(pack_config(config, change) for config in configs)
    events, at, given = [], 0, [0] * len(configs)
    if offset:
        events.append(struct.pack("<2iI", 3, 0, offset))
    for block in blocks:
        if not block:
            events.append(struct.pack("<3i", 2, 0, 0))
            at, given = 0, [0] * len(configs)
            continue
        at += block * frame
        for number, stream in enumerate(samples):
            while given[number] < len(stream) and stream.stamps[given[number]] < at:
                stamp = (int(stream.stamps[given[number]]) + offset) & 0xFFFFFFFF
                events.append(struct.pack("<2iI", 0, number, stamp))
                events[-1] += stream.counts[given[number]].astype("<i4").tobytes()
                given[number] += 1
        events.append(struct.pack("<3i", 1, 0, block))
    head = struct.pack("<4i", len(configs), n_words, frame, len(events))
    answer = np.frombuffer(harness.ask("X", head + body + b"".join(events)), "<i4")
    if answer[0]:
        return int(answer[0]), [], []
    runs, place = [], 1
    for block in blocks:
        if block:
            words, marks = [], []
            for config in configs:
                marks.append(int(answer[place]))
                n = block * config.n_outputs
                words.append(answer[place + 1 : place + 1 + n].reshape(block, -1))
                place += 1 + n
            runs.append(Run(words, marks))
    counters = [tuple(int(x) for x in row) for row in answer[place:].reshape(-1, 3)]
    return 0, runs, counters  # type: ignore[return-value]
