"""What more a board can be asked once it differs from the twin: where exactly, whether again, and whether after a reset."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from myo_host import messages as m
from myo_host.comparison import QUALITY_STAGE, RAW_STAGE, Comparison, StageResult
from myo_host.link import PatchLink
from myo_host.streaming import stream_segment
from myo_pipeline.bundle import Bundle
from myo_pipeline.calibration_head import Tally
from myo_pipeline.errors import LinkError, MismatchError
from myo_pipeline.twin import make_network_twin
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import GoldenSegment
from myo_pipeline.word_network import read_model

RESET_WAIT_S = 0.5  # between RESET and the first hello; a board that takes longer is asked again


def diagnose(
    bundle: Bundle,
    link: PatchLink,
    config: TwinConfig,
    golden: list[GoldenSegment],
    found: Comparison,
    trace_mask: int,
) -> list[str]:
    """Replay the recording in which a board first differed, with every stage traced: again, and after a reset.

    Golden vectors hold the layers of a recording's first windows only. A difference that comes later is located here: the
    words of the layers up to it are computed with the twin, and what the board sends for them is added to ``found``.

    Parameters
    ----------
    bundle, config, golden
        What the board is compared with.
    link
        An open link that has said hello.
    found
        The comparison so far.
    trace_mask
        Stages to trace.

    Returns
    -------
    list of str
        Facts, each a sentence; empty if nothing differs.

    Raises
    ------
    LinkError
        If the line fails.
    """
    stage = found.find_first()
    if stage is None or stage.first is None:
        return []
    named = [segment for segment in golden if segment.name == stage.first.segment]
    if len(named) != 1:  # pieces of one trial share a name: which of them it was is not known
        return []
    n_windows = _count_windows(stage, config, named[0])
    segment = _extend_layers(bundle, config, named[0], n_windows)
    again = _replay(bundle, link, config, segment, n_windows, trace_mask, found.stored)
    facts = []
    first = again.find_first()
    if n_windows > named[0].n_traced:
        found.absorb(again)
    if first is None:
        facts.append(
            "replayed with every stage traced, all words are equal: it depends on what ran before, on time, or on the trace"
        )
    elif first.first_difference == stage.first_difference:
        facts.append("replayed, the same word differs in the same way")
    elif first.name != stage.name:
        facts.append(
            f"replayed with every stage traced, the first difference is at {first.name}, {first.first}"
        )
    else:
        facts.append(f"replayed, it differs otherwise: {first.first}")
    try:
        link.send(m.RESET, kind=m.ResetKind.REBOOT)
        time.sleep(RESET_WAIT_S)
        link.say_hello(bundle.bundle_hash)
        fresh = _replay(bundle, link, config, segment, n_windows, trace_mask, found.stored).find_first()
    except (LinkError, MismatchError) as error:
        facts.append(f"not asked again after a reset: {error}")
        return facts
    if fresh is None:
        facts.append(
            "replayed right after a reset, all words are equal: the board keeps state that START must clear"
        )
    else:
        facts.append(f"replayed right after a reset, it still differs, at {fresh.name}")
    return facts


def _count_windows(stage: StageResult, config: TwinConfig, segment: GoldenSegment) -> int:
    """Return how many windows must be replayed to see the first difference."""
    first = stage.first
    if first is None:
        return 0
    window = first.window
    if window is None:
        sample = first.sample or 0
        if stage.name in (RAW_STAGE, QUALITY_STAGE):  # counted before the front end
            sample //= config.decimation
        beyond = sample + 1 - config.window_samples
        window = max(0, -(-beyond // config.hop_samples))
    return min(window + 1, segment.n_windows)


def _extend_layers(
    bundle: Bundle, config: TwinConfig, segment: GoldenSegment, n_windows: int
) -> GoldenSegment:
    """Return the segment with the twin's layers of at least its first ``n_windows`` windows."""
    if n_windows <= segment.n_traced:
        return segment
    network = make_network_twin(read_model(bundle.path), config.layer_tensors)
    rows = [network.run(window) for window in segment.inputs[:n_windows]]
    return replace(segment, layers=[np.stack(layer) for layer in zip(*rows, strict=True)])


def _replay(
    bundle: Bundle,
    link: PatchLink,
    config: TwinConfig,
    segment: GoldenSegment,
    n_windows: int,
    trace_mask: int,
    stored: Tally | None,
) -> Comparison:
    """Stream the first windows of a segment, traced, and compare them alone."""
    n = config.count_frames(n_windows)
    capture = stream_segment(link, segment.counts[:n], trace_mask, aux=segment.aux)
    comparison = Comparison(bundle, config, stored)
    comparison.take(segment, capture, n_windows, traced=True)
    comparison.take_decisions(segment, capture, n_windows)
    return comparison
