"""Validation: golden vectors through a board, every stage compared word by word with the twin, and the twin with float."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host.boards import Board, identify_board
from myo_host.calibration import read_stored_head
from myo_host.comparison import Comparison, StageResult
from myo_host.diagnosis import diagnose
from myo_host.link import Hello, PatchLink
from myo_host.messages import Stage
from myo_host.metrics import Distance
from myo_host.streaming import stream_segment
from myo_pipeline.bundle import Bundle
from myo_pipeline.decision_rule import find_latency
from myo_pipeline.errors import BundleError
from myo_pipeline.twin_config import VALUES, TwinConfig
from myo_pipeline.vectors import GoldenSegment, load_vectors

TRACED = (Stage.RAW, Stage.FILTERED, Stage.FEATURES, Stage.INPUT, Stage.LAYER, Stage.OUTPUT, Stage.SCORES)
TRACE_ALL = sum(1 << s for s in TRACED)
TRACE_OUTPUT = 1 << Stage.OUTPUT | 1 << Stage.SCORES
LATENCY_WINDOWS = 20  # windows that run in lockstep to measure latency; their costs hardly differ


@dataclass
class Validation:
    """All that one validation found; what report and table are made from."""

    board: str
    description: str
    hello: dict[str, Any]
    bundle_hash: str
    stages: list[StageResult]
    output_kind: str
    names: list[str]
    n_windows: int
    n_traced: int
    n_segments: int
    persons: list[str]
    accuracy: dict[str, dict[str, float]]
    agreement: dict[str, float]
    confusion: list[list[int]]
    status: dict[str, int]
    ticks: dict[str, float]
    cost: dict[str, float]
    latency: dict[str, float]
    bytes_per_s: float
    seconds: float
    law2_broken: list[str]
    diagnosis: list[str]
    loss: dict[str, float]
    decisions_lost: dict[str, int]

    @property
    def first_stage(self) -> StageResult | None:
        """The first stage that differs; all before it are equal."""
        return next((stage for stage in self.stages if stage.differing), None)

    @property
    def differing(self) -> int:
        """Words that differ between device and twin, all stages together."""
        return sum(stage.differing for stage in self.stages)

    @property
    def passed(self) -> bool:
        """Whether both laws held."""
        return self.differing == 0 and not self.law2_broken

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        out = asdict(self)
        out["stages"] = [stage.as_dict() for stage in self.stages]
        for stage in out["stages"]:
            stage["loss_share"] = self.loss.get(stage["name"])
        del out["loss"]
        first = self.first_stage
        divergence = None
        if first is not None and first.first is not None:
            divergence = {"stage": first.name, "layer": first.layer, **first.as_dict()["first"]}
        return out | {"differing": self.differing, "passed": self.passed, "first_divergence": divergence}


def validate_board(
    bundle: Bundle, link: PatchLink, board: Board, progress: Callable[[str, float], None] | None = None
) -> Validation:
    """Run a bundle's golden vectors through a board and compare.

    Parameters
    ----------
    bundle
        An exported bundle.
    link
        An open link to a board that runs it.
    board
        What is known of the board, unless its hello names one of :data:`myo_host.boards.BOARDS`.
    progress
        Called with what is being done and the share of the whole that is done.

    Returns
    -------
    Validation
        Every stage's comparison, accuracies, cost.

    Raises
    ------
    LinkError, MismatchError
        If the line or the board fails, or the board runs another bundle.
    BundleError
        If the bundle holds too few windows.
    """
    hello = link.say_hello(bundle.bundle_hash)
    known = identify_board(hello.board, hello.tick_hz)
    board = known or board
    config = TwinConfig.load(bundle.path / "twin.npz")
    golden = load_vectors(bundle.path)
    comparison = Comparison(bundle, config, read_stored_head(link, bundle))
    n_traced = sum(segment.n_traced for segment in golden)
    n_windows = sum(segment.n_windows for segment in golden)
    if not n_traced:
        raise BundleError(
            f"{bundle.path}/vectors: no traced windows; run `myopatch export {bundle.path}` again"
        )
    decisions: list[dict[str, int]] = []
    devices: list[NDArray[np.int32]] = []
    seconds = 0.0
    status: dict[str, int] = {}
    # A traced window costs about ten times an untraced one on the line.
    work = 10 * n_traced + n_windows
    done = 0
    before = link.decoder.bytes_seen
    for segment in golden:
        if segment.n_traced:
            n = config.count_frames(segment.n_traced)
            capture = stream_segment(link, segment.counts[:n], TRACE_ALL, aux=segment.aux)
            comparison.take(segment, capture, segment.n_traced, traced=True)
            seconds += capture.seconds
            status = _add_status(status, capture.status)
        done += 10 * segment.n_traced
        if progress:
            progress(f"every stage of {segment.name}", done / work)
    for number, segment in enumerate(golden):
        capture = stream_segment(link, segment.counts, TRACE_OUTPUT, aux=segment.aux)
        comparison.take(segment, capture, segment.n_windows, traced=False)
        comparison.measure(segment)
        golden[number] = comparison.decide(segment, capture)
        decisions += capture.decisions
        devices.append(
            capture.sums
            if config.output_kind == VALUES
            else np.array([d["decided"] for d in capture.decisions], np.int32)
        )
        seconds += capture.seconds
        status = _add_status(status, capture.status)
        done += segment.n_windows
        if progress:
            progress(f"decisions of {segment.name}", done / work)
    received = link.decoder.bytes_seen - before
    first = golden[0].counts[: config.count_frames(LATENCY_WINDOWS)]
    paced = stream_segment(link, first, aux=golden[0].aux, lockstep=True)
    law2 = comparison.check_law2()
    diagnosis = diagnose(bundle, link, config, golden, comparison, TRACE_ALL)
    accuracy, agreement, confusion = _score(bundle, config, golden, devices)
    # The first window's hops come at once, and a network that streams works on each: not so at the patch's own pace.
    ticks = _ticks(decisions, paced.decisions[1:])
    cost, latency = _cost(bundle, board, hello, ticks)
    return Validation(
        board=known.name if known else hello.board,
        description=board.description,
        hello=asdict(hello),
        bundle_hash=bundle.bundle_hash,
        stages=comparison.stages,
        output_kind="classes" if bundle.spec.decides_classes else "values",
        names=bundle.spec.output_names,
        n_windows=n_windows,
        n_traced=n_traced,
        n_segments=len(golden),
        persons=sorted({segment.person for segment in golden}),
        accuracy=accuracy,
        agreement=agreement,
        confusion=confusion,
        status=status,
        ticks=ticks,
        cost=cost,
        latency=latency,
        bytes_per_s=received / seconds if seconds else 0.0,
        seconds=seconds,
        law2_broken=law2,
        diagnosis=diagnosis,
        loss={stage.name: share for stage, share in comparison.split_loss()},
        decisions_lost=_count_lost_decisions(config, golden),
    )


def _add_status(total: dict[str, int], status: dict[str, int]) -> dict[str, int]:
    """Sum the counters of two runs; what a board tells since boot, or of itself, is the later one's."""
    kept = ("stack_bytes", "stack_used_bytes", "running")
    return {key: value if key in kept else total.get(key, 0) + value for key, value in status.items()}


def _macro_accuracy(targets: NDArray[Any], decided: NDArray[Any]) -> float:
    """Mean over the classes present of the share that was decided right."""
    return float(np.mean([(decided[targets == c] == c).mean() for c in np.unique(targets)]))


def _measure_values(values: NDArray[np.float64], targets: NDArray[np.float64]) -> dict[str, float]:
    """Return the errors of values against their targets, all outputs together."""
    distance = Distance()
    distance.add(values.astype(np.float64).ravel(), targets.astype(np.float64).ravel())
    return {name: getattr(distance, name) for name in ("mae", "rmse", "l2_relative", "nse")}


def _score(
    bundle: Bundle, config: TwinConfig, golden: list[GoldenSegment], devices: list[NDArray[np.int32]]
) -> tuple[dict[str, dict[str, float]], dict[str, float], list[list[int]]]:
    """Return accuracy (or errors) of float, twin and device, their agreement, and the device's confusion matrix."""
    if config.output_kind == VALUES:
        scale, zero_point = config.output_scale, config.output_zero_point

        def mean(sums: NDArray[np.int32], n_votes: NDArray[np.int32]) -> NDArray[np.float64]:
            with np.errstate(invalid="ignore"):  # where signal quality let no window vote, there is no value
                return np.asarray((sums / n_votes[: len(sums), None] - zero_point) * scale, dtype=np.float64)

        targets = np.concatenate([segment.targets for segment in golden])
        votes = [segment.decisions[:, 3] for segment in golden]
        values = {
            "float": np.concatenate([segment.float_decided for segment in golden]),
            "twin": np.concatenate([mean(segment.sums, n) for segment, n in zip(golden, votes, strict=True)]),
            "device": np.concatenate([mean(sums, n) for sums, n in zip(devices, votes, strict=True)]),
        }
        voted = np.concatenate(votes) > 0
        accuracy = {name: _measure_values(v[voted], targets[voted]) for name, v in values.items()}
        same = np.equal(values["device"], values["twin"])[voted]
        return accuracy, {"device_twin": float(same.mean())}, []
    targets = np.concatenate([segment.targets for segment in golden])
    decided = {
        "float": np.concatenate([segment.float_decided for segment in golden]),
        "twin": np.concatenate([segment.decisions[:, 0] for segment in golden]),
        "device": np.concatenate(devices),
    }
    accuracy = {
        name: {"macro": _macro_accuracy(targets, d), "plain": float((d == targets).mean())}
        for name, d in decided.items()
    }
    agreement = {
        "device_twin": float((decided["device"] == decided["twin"]).mean()),
        "twin_float": float((decided["twin"] == decided["float"]).mean()),
    }
    n = len(bundle.spec.output_names)
    confusion = np.zeros((n, n + 1), np.int64)  # the last column: no decision
    np.add.at(confusion, (targets, np.where(decided["device"] < 0, n, decided["device"])), 1)
    return accuracy, agreement, confusion.tolist()


def _count_lost_decisions(config: TwinConfig, golden: list[GoldenSegment]) -> dict[str, int]:
    """Return what quantization, without any board, does to the decisions: twin against float."""
    if config.output_kind == VALUES:
        return {}
    out = dict.fromkeys(("windows", "changed_before_vote", "changed", "lost", "won"), 0)
    for segment in golden:
        twin, exact = segment.decisions[:, 0], segment.float_decided
        out["windows"] += len(twin)
        before = segment.outputs.argmax(axis=1) != segment.float_outputs.argmax(axis=1)
        out["changed_before_vote"] += int(before.sum())
        out["changed"] += int((twin != exact).sum())
        out["lost"] += int(((exact == segment.targets) & (twin != segment.targets)).sum())
        out["won"] += int(((exact != segment.targets) & (twin == segment.targets)).sum())
    return out


def _ticks(decisions: list[dict[str, int]], paced: list[dict[str, int]]) -> dict[str, float]:
    """Return mean and maximum of each counter over the decisions, in ticks; latency from the windows in lockstep."""
    out: dict[str, float] = {}
    for key in ("front_end_ticks", "network_ticks", "decision_ticks", "latency_ticks"):
        values = np.array([d[key] for d in (paced if key == "latency_ticks" else decisions)], np.float64)
        out |= {f"{key}_mean": float(values.mean()), f"{key}_max": float(values.max())} if len(values) else {}
    return out


# What the board counts by itself, and the parts of the export's prediction that it stands for.
_PARTS = {
    "front_end": ("front end", "signal quality", "features"),
    "network": ("network",),
    "decision": ("decision",),
}


def cycles_each(bundle: Bundle, part: str) -> float:
    """Return the cycles of an instruction of a part, as the export's cost model predicts them for this bundle."""
    predicted = bundle.read_json("budget.json").get("predicted", {})
    if "cycles" not in predicted:
        raise BundleError(
            f"{bundle.path}/budget.json: predicts no cycles; run `myopatch export {bundle.path}` again"
        )
    cycles, instructions = (
        sum(predicted[what].get(name, 0) for name in _PARTS[part]) for what in ("cycles", "instructions")
    )
    return float(cycles / instructions)


def _cost(
    bundle: Bundle, board: Board, hello: Hello, ticks: dict[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return cost per decision and the latency from electrode to decision, without computing where time is unknown."""
    spec = bundle.spec
    budget = bundle.read_json("budget.json")
    cost: dict[str, float] = {}
    per_tick = board.instructions_per_tick
    told = find_latency(spec)
    latency = {
        "group_delay_ms": float(budget["front_end"]["group_delay_ms"]),
        "window_ms": told.window_ms,
        "context_ms": told.context_ms,
        "hop_ms": told.hop_ms,
        "vote_ms": told.vote_ms,
        "hold_ms": told.hold_ms,
    }
    if per_tick is None:
        latency["compute_ms"] = ticks["latency_ticks_max"] / hello.tick_hz * 1000
    else:
        counts = {part: ticks[f"{part}_ticks_mean"] * per_tick for part in _PARTS}
        cost |= {f"{part}_instructions": count for part, count in counts.items()}
        cost["instructions"] = sum(counts.values())
        if board.has_cycles:
            cycles = {part: count * cycles_each(bundle, part) for part, count in counts.items()}
            cost |= {f"{part}_cycles": count for part, count in cycles.items()}
            cost["cycles"] = sum(cycles.values())
            cost["cycles_per_instruction"] = cost["cycles"] / cost["instructions"]
            cost["compute_ms"] = cost["cycles"] / board.clock_hz * 1000
            cost["core_share"] = cost["compute_ms"] / spec.window.hop_ms
            slowest = ticks["latency_ticks_max"] * per_tick * cost["cycles_per_instruction"]
            latency["compute_ms"] = slowest / board.clock_hz * 1000
    latency["worst_case_ms"] = sum(latency.values())
    return cost, latency
