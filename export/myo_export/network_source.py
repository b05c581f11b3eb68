"""A network as text: what was generated, and what it was made from."""

from dataclasses import dataclass

from myo_export.embedding import Embedding
from myo_export.emit_lstm import NetworkState
from myo_export.emit_net_layers import LayerText
from myo_export.fold_mve import Form
from myo_export.lowered import Network
from myo_export.memory_plan import ALIGNMENT, MemoryPlan
from myo_export.stream_plan import StreamPlan


def arena_bytes(plan: MemoryPlan, stream: StreamPlan | None, state_bytes: int) -> int:
    """Return ``NET_ARENA_SIZE``: what a run needs with what lives from run to run, and a push, where there is one."""
    if stream is not None:
        return max(stream.state_bytes + plan.arena_size, stream.push_bytes)
    return max(state_bytes + plan.arena_size, ALIGNMENT)  # C has no array of no elements


@dataclass(frozen=True)
class NetworkSource:
    """Generated text of a network, before any file is written.

    Attributes
    ----------
    header, source : str
        ``net.h`` and ``net.c``.
    network : Network
        What was compiled.
    plan : MemoryPlan
        Where activations lie.
    texts, packed : tuple
        Of each step: its text, and how its kernel holds it, or why the plain one runs.
    stream : StreamPlan or None
        How it is pushed, where a hop was asked for.
    embedding : Embedding or None
        What outlives a run, where that was asked for.
    """

    header: str
    source: str
    network: Network
    plan: MemoryPlan
    texts: tuple[LayerText, ...]
    packed: tuple[Form, ...]
    stream: StreamPlan | None = None
    embedding: Embedding | None = None

    @property
    def arena_bytes(self) -> int:
        """``NET_ARENA_SIZE``."""
        return arena_bytes(self.plan, self.stream, NetworkState(self.network).n_bytes)
