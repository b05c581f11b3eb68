"""A bundle's firmware on the virtual board, golden windows streamed through it while the plugin counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from myo_host.boards import Board, start_board
from myo_host.link import PatchLink
from myo_host.profile.calls import total_cost
from myo_host.profile.cycles import Cycles
from myo_host.profile.emulator import Watch, record, with_plugin
from myo_host.profile.image import Image
from myo_host.profile.sections import (
    MeasuredLayer,
    PlannedLayer,
    Section,
    Total,
    divide,
    find_function,
    match_layers,
)
from myo_host.streaming import stream_segment
from myo_pipeline.bundle import Bundle
from myo_pipeline.errors import BundleError, ProfileError
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import load_vectors

PROCESS = "myo_patch_process"  # all that the patch computes is called from here
REPORT = "myo_link_decision"  # called once a window, at its end
NETWORK = ("net_push", "net_run_observed", "net_run")  # what a decision runs: the first that the image has

FILTERS, FRONT_END, NETWORK_STAGE, DECISION = "filters", "quantize, window", "network", "decision"
QUALITY = "signal quality"
_REPORTS = "reports and ticks"
# Which function is for what; those that are not named belong to their caller.
_GROUPS = {
    "myo_front_end_run": FILTERS,
    "myo_quality_push": QUALITY,
    PROCESS: FRONT_END,
    **dict.fromkeys(NETWORK, NETWORK_STAGE),
    "myo_decision_run": DECISION,
    **dict.fromkeys((REPORT, "myo_link_quality", "myo_link_tensor", "on_work_ticks"), _REPORTS),
}


@dataclass(frozen=True)
class PatchProfile:
    """A patch's cost; totals over all the decisions that were counted.

    Attributes
    ----------
    n_decisions
        How many were counted.
    stages
        Cost by stage: what a patch computes.
    others
        Cost of what the virtual board adds: reports, the serial link, interrupts.
    layers
        The network's.
    network
        The function that runs it, with everything below.
    calls
        Instructions of each run of the network.
    stack_used_bytes, stack_bytes
        Deepest use of the stack since boot, by painting, and its size; as the firmware reports them.
    """

    n_decisions: int
    stages: dict[str, Total]
    others: dict[str, Total]
    layers: list[MeasuredLayer]
    network: Section
    calls: list[int]
    stack_used_bytes: int
    stack_bytes: int


def profile_patch(
    bundle: Bundle, image: Image, board: Board, layers: Sequence[PlannedLayer], n_decisions: int
) -> PatchProfile:
    """Stream windows through a bundle's firmware and count what each part of it executes.

    Counting begins when the first window is decided, so that each decision that counts has one hop in front of it.

    Parameters
    ----------
    bundle
        An exported bundle.
    image
        Its firmware.
    board
        A board that runs under QEMU.
    layers
        The network's layers, in order of execution.
    n_decisions
        Decisions to count.

    Raises
    ------
    LinkError, MismatchError
        If the board or its line fails, or runs another bundle.
    ProfileError
        If the image is not the firmware of this bundle.
    """
    config = TwinConfig.load(bundle.path / "twin.npz")
    segment = max(load_vectors(bundle.path), key=lambda s: s.n_windows)
    n_windows = min(n_decisions + 1, segment.n_windows)
    if n_windows < 2:
        raise BundleError(
            f"{bundle.path}/vectors: no segment has 2 windows; run `myopatch export {bundle.path}` again"
        )
    network = next((name for name in NETWORK if image.find(name)), None)
    if network is None:
        raise ProfileError(f"{image.path}: has no function {NETWORK[-1]}; build the bundle again")
    counts = segment.counts[: config.count_frames(n_windows)]
    with record(Watch(image, REPORT, [network, PROCESS])) as recording:
        with start_board(with_plugin(board, recording), image.path) as port, PatchLink(port) as link:
            link.say_hello(bundle.bundle_hash)
            capture = stream_segment(link, counts, aux=segment.aux)
        trace = recording.read()
    process = find_function(image, trace.threads, [PROCESS])
    # The same place in the code is met at several places of its caller, some before the counts began.
    places = [s for s in process.walk() if s.name == network and s.n_calls] if process else []
    runs = max(places, key=lambda s: s.n_calls, default=None)
    if process is None or runs is None:
        raise ProfileError(f"{image.path}: {PROCESS} or {network} never ran; build the bundle again")
    groups = divide(process, lambda name: _GROUPS.get(name, ""))
    idle = _count_idle(image, board, trace.timed[_entry(image, PROCESS)])
    groups[FRONT_END] -= idle
    threads, interrupts = (total_cost(root) for root in (trace.threads, trace.interrupts))
    others = {
        _REPORTS: groups.pop(_REPORTS, Total(0, Cycles(), None)),
        "serial link, idle loop": Total(threads.instructions, threads.cycles, None) - process.total() + idle,
        "interrupts": Total(interrupts.instructions, interrupts.cycles, None),
    }
    return PatchProfile(
        n_windows - 1,
        {
            name: groups[name]
            for name in (FILTERS, QUALITY, FRONT_END, NETWORK_STAGE, DECISION)
            if name in groups
        },
        others,
        match_layers(runs, layers),
        runs,
        trace.timed[_entry(image, network)],
        capture.status["stack_used_bytes"],
        capture.status["stack_bytes"],
    )


def _count_idle(image: Image, board: Board, calls: list[int]) -> Total:
    """Return what the calls that found no sample cost; how many there are depends on how fast the line is.

    A run without samples says what such a call costs.
    """
    with record(Watch(image, timed=[PROCESS])) as recording:
        with start_board(with_plugin(board, recording), image.path) as port, PatchLink(port) as link:
            link.say_hello()
        trace = recording.read()
    found = find_function(image, trace.threads, [PROCESS])
    if found is None:
        raise ProfileError(f"{image.path}: {PROCESS} never ran; build the bundle again")
    total, samples = found.total(), trace.timed[_entry(image, PROCESS)]
    n, n_idle = len(samples), sum(instructions <= max(samples) for instructions in calls)
    cycles = Cycles(*(round(n_idle * c / n) for c in astuple(total.cycles)))
    return Total(round(n_idle * total.instructions / n), cycles, None)


def _entry(image: Image, name: str) -> int:
    found = image.find(name)
    return found.begin if found else 0
