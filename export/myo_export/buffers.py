"""Memory between the serial line or the converter and the patch: as much as the RAM budget leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from myo_export.aux_cost import count_credit_bytes
from myo_export.aux_streams import ProvedAux
from myo_pipeline.aux_stream import RING_FRAMES
from myo_pipeline.spec import PatchSpec

_AROUND_FRAME: Final = 16  # bytes of a message around one frame
_MOST_LINE_BYTES: Final = 131072  # beyond it, a host's credit fits in full messages only
_FRAME_BYTES: Final = (
    1024  # the longest frame of the link and what tensors leave to decisions, a power of two
)


@dataclass(frozen=True)
class Buffers:
    """Rings of a patch.

    Attributes
    ----------
    ring_frames
        Frames of the sample ring: what a host may have under way, and how long a converter can wait for the core.
    rx_bytes, tx_bytes
        Of the line's rings; in ``rx_bytes`` fits what a host with all its credit sends, in any sizes of messages.
    """

    ring_frames: int
    rx_bytes: int
    tx_bytes: int

    @property
    def line_bytes(self) -> int:
        """Bytes of both rings of the line."""
        return self.rx_bytes + self.tx_bytes


def list_buffers(spec: PatchSpec, aux: Sequence[ProvedAux] = ()) -> list[Buffers]:
    """Return the rings that a patch can have, the most generous first.

    The shortest hold one block of the front end; shorter ones would make every block smaller. A shorter ring makes a host
    wait for the line more often, and leaves a converter less time: 32 frames are 16 ms at 2 kHz.
    """
    found = []
    for ring_frames in (RING_FRAMES, RING_FRAMES // 2, RING_FRAMES // 4):
        frame_bytes = spec.sensor.channels * spec.sensor.sample_bytes + _AROUND_FRAME
        credit = ring_frames * frame_bytes + count_credit_bytes(aux)
        rx_bytes = min(max(_FRAME_BYTES, 1 << (credit - 1).bit_length()), _MOST_LINE_BYTES)
        found.append(Buffers(ring_frames, rx_bytes, min(2, ring_frames // 32) * _FRAME_BYTES))
    return found
