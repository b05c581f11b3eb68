"""What a slower decision buys: error and instability of every way to decide, from outputs that are there already."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.decision_rule import find_latency
from myo_pipeline.reference import mean_values
from myo_pipeline.spec import Decision, PatchSpec
from myo_training.class_metrics import measure_instability
from myo_training.evaluation import Judged
from myo_training.metrics import count_confusion, estimate_mean, measure_macro, summarize_values

VOTES = (1, 3, 5, 7, 9, 13, 17, 25, 31)
STAYS = (0.5, 0.7, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
DEBOUNCES = (1, 2, 3, 4, 6, 8)


def list_decisions(own: Decision, classes: bool) -> list[tuple[str, Decision]]:
    """Return what is compared, series by series, the spec's own decision first.

    All reject as the spec's decision does. Of values there is one series, the mean.
    """
    if not classes:
        votes = dict.fromkeys([own.vote, *VOTES])
        return [("own", own), *(("mean", Decision(vote=vote)) for vote in votes)]
    reject = own.reject_below
    return [
        ("own", own),
        *(("majority", Decision(vote=vote, reject_below=reject)) for vote in VOTES),
        *(("average", Decision(method="average", vote=vote, reject_below=reject)) for vote in VOTES),
        *(
            ("bayes", Decision(method="bayes", vote=own.vote, stay=stay, reject_below=reject))
            for stay in STAYS
        ),
        *(("debounce", Decision(debounce=debounce, reject_below=reject)) for debounce in DEBOUNCES),
    ]


def trace_decisions(judged: Judged, spec: PatchSpec) -> list[dict[str, Any]]:
    """Measure every way to decide on the same outputs.

    Parameters
    ----------
    judged
        Outputs of persons that the network did not learn from.
    spec
        The patch.

    Returns
    -------
    list of dict
        A row each: ``series``; ``setting``, what the spec's ``[decision]`` would say; ``latency_ms``, from electrode to decision
        at the latest without filters and computing (:func:`~myo_pipeline.decision_rule.find_latency`); ``error``, 1 less macro
        accuracy (of values the RMSE); ``instability``, both with intervals over persons; and ``measured_ms``, the latency with
        the median wait of :func:`measure_wait` in place of the derived one, None where it is infinite and of values.
    """
    classes = spec.decides_classes
    rows = []
    for series, decision in list_decisions(spec.decision, classes):
        row: dict[str, Any] = {
            "series": series,
            "setting": decision.model_dump(mode="json", exclude_defaults=True),
            "latency_ms": find_latency(spec, decision).total_ms,
        }
        rows.append(row | (_judge_classes if classes else _judge_values)(judged, decision, spec))
    return rows


def _judge_classes(judged: Judged, decision: Decision, spec: PatchSpec) -> dict[str, Any]:
    truth, persons, starts = judged.labels.astype(np.int64), judged.owners, judged.starts
    decided = judged.decide(decision)
    n_classes = len(spec.output_names)
    errors, changes = [], []
    for person in np.unique(persons):
        own = persons == person
        errors.append(1 - measure_macro(count_confusion(truth[own], decided[own], n_classes)))
        changes.append(measure_instability(truth[own], decided[own], starts[own]))
    wait = measure_wait(truth, decided, judged.outputs.argmax(axis=1), starts)
    return {
        "error": asdict(estimate_mean(errors, 0.0, 1.0)),
        "instability": asdict(estimate_mean(changes, 0.0, 1.0)),
        "measured_ms": None if wait is None else find_latency(spec).alone_ms + wait * spec.window.hop_ms,
    }


def _judge_values(judged: Judged, decision: Decision, _spec: PatchSpec) -> dict[str, Any]:
    means = np.concatenate([mean_values(judged.outputs[part], decision.vote) for part in judged.parts()])
    summary = summarize_values(judged.labels.astype(np.float64), means, judged.owners)
    return {"error": summary["rmse"], "instability": None, "measured_ms": None}


def measure_wait(
    truth: NDArray[np.int64], decided: NDArray[np.int64], alone: NDArray[np.int64], starts: NDArray[np.bool_]
) -> float | None:
    """Return how many windows later than single windows decisions follow a change of label; the median over changes.

    Of each change the first window that is decided as the new label counts, while the label lasts. Changes that single windows
    never follow are left out; one that decisions alone never follow waits for ever. None where the median does, or there is no
    change. What persons themselves are late by is in both, and so in neither.
    """
    changes = np.flatnonzero(~starts[1:] & (truth[1:] != truth[:-1])) + 1
    ends = np.flatnonzero(np.concatenate([(truth[1:] != truth[:-1]) | starts[1:], [True]])) + 1
    waits = []
    for change in changes.tolist():
        end = int(ends[np.searchsorted(ends, change, side="right")])
        first, then = (np.flatnonzero(x[change:end] == truth[change]) for x in (alone, decided))
        if len(first):
            waits.append(float(then[0] - first[0]) if len(then) else float("inf"))
    found = float(np.median(waits)) if waits else float("inf")
    return found if np.isfinite(found) else None


def describe_setting(row: dict[str, Any]) -> str:
    """Say in a few words what a row's decision is."""
    setting = row["setting"]
    method, vote = setting.get("method", "majority"), setting.get("vote", 1)
    text = f"bayes, stay {setting.get('stay', 0.9):g}" if method == "bayes" else f"{method} of {vote}"
    if row["series"] == "mean":
        text = f"mean of {vote}"
    text += f", debounce {setting['debounce']}" if "debounce" in setting else ""
    return text + (f", dwell {setting['dwell']}" if "dwell" in setting else "")
