"""How the tests talk to the harnesses: to one by operations, to the device harness over its serial line."""

from __future__ import annotations

import struct
import subprocess
import zlib
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from cobs import cobs

from myo_host import messages as m
from myo_pipeline.feature_config import FeatureConfig
from myo_pipeline.feature_stage import FeatureStage
from myo_pipeline.quality_gate import QualityGate
from myo_pipeline.wavelet import WaveletConfig


class Harness:
    """A harness process: send it an operation with its data, get its answer."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def ask(self, operation: str, data: bytes = b"") -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        try:
            self.process.stdin.write(operation.encode() + struct.pack("<I", len(data)) + data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        head = self.process.stdout.read(4)
        if len(head) < 4:
            raise AssertionError(
                f"the harness died: {self.process.stderr.read().decode(errors='replace')[:2000]}"
            )
        return self.process.stdout.read(struct.unpack("<I", head)[0])

    def close(self) -> None:
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, errors.decode(errors="replace")[:2000]


def line_frame(kind: int, sequence: int, payload: bytes, version: int = m.PROTOCOL_VERSION) -> bytes:
    body = m.HEADER.pack(version, kind, sequence) + payload
    return cobs.encode(body + m.CRC.pack(zlib.crc32(body))) + b"\0"


@dataclass
class Settings:
    """As settings_t in device_harness.c, in its order."""

    n_channels: int = 3
    window_samples: int = 12
    hop_samples: int = 5
    n_outputs: int = 4
    sample_bytes: int = 2
    adc_bits: int = 10
    output_kind: int = 0
    vote: int = 3
    reject_below: int = -128
    input_shift: int = 18
    post_shift: int = 1
    multiplier: int = 1 << 24
    shift: int = 45
    zero_point: int = -3
    ring_frames: int = 32
    rx_bytes: int = 4096
    tx_bytes: int = 1024
    streams: int = 0
    n_filtered: int = 0  # 0: as many as n_channels
    factor: int = 1
    has_features: int = 0
    has_quality: int = 0
    sections: list[list[int]] = field(default_factory=list)
    gate: bytes = b""  # as pack_gate gives it
    stage: bytes = b""  # as pack_stage gives it

    def pack(self) -> bytes:
        *numbers, sections, gate, stage = astuple(
            replace(self, n_filtered=self.n_filtered or self.n_channels)
        )
        numbers.append(len(sections))
        flat = [c for section in sections for c in section]
        return struct.pack(f"<{len(numbers) + len(flat)}i", *numbers, *flat) + gate + stage


def pack_stage(stage: FeatureStage, missing_sums: int = 0, missing_words: int = 0) -> bytes:
    """Pack a feature stage, of sums and perhaps of a wavelet, as device_harness.c takes it."""
    n, (config, *others) = stage.normalization, stage.config.parts
    assert isinstance(config, FeatureConfig)
    wavelet = next((part for part in others if isinstance(part, WaveletConfig)), None)
    assert len(others) == (wavelet is not None)
    head = struct.pack(
        "<25i", config.n_channels, config.window, config.hop, len(config.block_lengths), config.n_blocks,
        config.first_middle_block, config.end_middle_block, len(config.rows), config.n_components, config.needs,
        config.n_lags, config.order, config.n_bins, config.bin_range, config.bin_multiplier, config.bin_shift, *config.thresholds,
        stage.filtered_shift, n.zero_point, missing_sums, missing_words,
        stage.config.n_components, stage.n_windows,
    )  # fmt: skip
    body = head + struct.pack(f"<{len(config.block_lengths)}H", *config.block_lengths)
    body += b"".join(bytes([row.value, row.transform, row.shift, 0]) for row in config.rows)
    body += np.stack([n.mean, n.fraction, n.multiplier, n.shift], axis=-1).astype("<i4").tobytes()
    if wavelet is None:
        return body + struct.pack("<6i", 0, 0, 0, 0, 0, 0)
    body += struct.pack(
        "<6i",
        len(wavelet.taps),
        len(wavelet.splits),
        wavelet.spec.levels,
        wavelet.up,
        wavelet.n_components,
        wavelet.hop,
    )
    body += wavelet.taps.astype("<i4").tobytes()
    return body + b"".join(bytes([s.parent % 256, s.level, s.low, s.high]) for s in wavelet.splits)


QUALITY_FIELDS = (
    "n_channels", "adc_bits", "block_frames", "group_blocks", "n_groups", "period_looks", "stride",
    "cosine_sum", "sine_sum", "mains_shift", "mains_down", "mains_up", "mains_q16", "clip_level", "clip_count",
    "flat_energy", "off_energy", "mains_energy", "motion_energy",
    "off_q16", "mains_share_q16", "motion_q16", "duplicated_q16", "snr_q16",
    "settle_periods", "periods_on", "periods_off", "checks",
)  # fmt: skip


def pack_gate(gate: QualityGate, missing_channels: int = 0) -> bytes:
    """Pack a quality gate as device_harness.c takes it."""
    config = gate.config
    head = [getattr(config, name) for name in QUALITY_FIELDS]
    body = struct.pack("<31q", *head, gate.mask_flags, gate.max_masked, missing_channels)
    body += np.array([*config.cosines, *config.sines], "<i2").tobytes()
    reach = [sum(1 << int(k) for k in np.flatnonzero(row)) for row in gate.reach]
    return body + np.array(reach, "<u8").tobytes()


@dataclass
class Said:
    """One message from the device."""

    name: str
    fields: dict[str, Any]
    tail: bytes

    def elements(self) -> np.ndarray:
        return np.frombuffer(self.tail, {0: "<i1", 1: "<i2", 2: "<i4"}[self.fields["dtype"]]).astype(np.int64)


class Device:
    """The host's side of the device harness: checks every frame's CRC, version and sequence number."""

    def __init__(self, harness: Harness, settings: Settings) -> None:
        self.harness, self.settings = harness, settings
        self.status = struct.unpack("<I", harness.ask("I", settings.pack()))[0]
        self.sequence = 0
        self.expected = 0
        self.sent_samples = 0
        self.rest = b""  # of a frame that the line cut

    def raw(self, data: bytes) -> list[Said]:
        return self._parse(self.harness.ask("R", data))

    def service(self) -> list[Said]:
        return self._parse(self.harness.ask("S"))

    def send(self, message: m.Message, tail: bytes = b"", **values: int) -> list[Said]:
        frame = line_frame(message.type, self.sequence, message.pack(tail, **values))
        self.sequence = (self.sequence + 1) & 0xFFFF
        return self.raw(frame)

    def start(self, source: m.Source = m.Source.HOST, trace_mask: int = 0) -> list[Said]:
        self.sent_samples = 0
        return self.send(m.START, source=source, trace_mask=trace_mask)

    def samples(self, counts: np.ndarray) -> list[Said]:
        dtype = "<i2" if self.settings.sample_bytes == 2 else "<i4"
        first = self.sent_samples
        self.sent_samples += len(counts)
        return self.send(m.SAMPLES, counts.astype(dtype).tobytes(), first_sample=first, n_frames=len(counts))

    def interrupt(self, counts: np.ndarray) -> None:
        self.harness.ask("A", counts.astype("<i4").tobytes())

    def stall(self, budget: int = 0) -> None:
        self.harness.ask("B", struct.pack("<I", budget))

    def counters(self) -> dict[str, int]:
        return dict(zip(("resets", "waits", "adc"), struct.unpack("<3I", self.harness.ask("Q")), strict=True))

    def _parse(self, line: bytes) -> list[Said]:
        said = []
        *frames, self.rest = (self.rest + line).split(b"\0")
        for encoded in frames:
            body = cobs.decode(encoded)
            assert zlib.crc32(body[:-4]) == m.CRC.unpack(body[-4:])[0]
            version, kind, sequence = m.HEADER.unpack(body[:4])
            message = m.BY_TYPE[kind]
            if message is m.HELLO:
                self.expected = 0
            assert (version, sequence) == (m.PROTOCOL_VERSION, self.expected), message.name
            self.expected = (sequence + 1) & 0xFFFF
            assert len(body) - 8 <= m.MAX_PAYLOAD
            said.append(Said(message.name, *message.unpack(body[4:-4])))
        return said
