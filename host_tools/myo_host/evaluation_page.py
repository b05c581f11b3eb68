"""What ``myopatch evaluate`` writes beside ``evaluation.json``: a page of text, a table of persons, and pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from myo_host.decision_figures import draw_decisions, save_confusion, save_figure
from myo_pipeline.bundle import replace_file, write_json, write_text

FILES = ("evaluation.json", "evaluation.md", "persons.csv", "latency.json", "latency.png", "confusion.png")
_CLASSES = (
    ("macro_accuracy", "macro (balanced) accuracy"), ("accuracy", "accuracy"), ("macro_f1", "macro F1"), ("roc_auc", "ROC-AUC"),
    ("active_error", "active error"), ("instability", "instability"),
)  # fmt: skip
_SCORE = (
    ("roc_auc", "ROC-AUC"),
    ("detection", "anomalies told"),
    ("false_alarm", "false alarms"),
    *_CLASSES[:1],
    *_CLASSES[-1:],
)
_COMPARED = {"macro_accuracy": "macro accuracy", "roc_auc": "ROC-AUC"}
_VALUES = (("mae", "MAE"), ("rmse", "RMSE"), ("r2", "R2"))


def _show(interval: dict[str, Any] | None, classes: bool) -> str:
    if interval is None or interval["mean"] is None:
        return ""
    scale, unit = (100, " %") if classes else (1, "")
    digits = ".1f" if classes else ".3g"
    text = f"{scale * interval['mean']:{digits}}{unit}"
    if interval["low"] is None:
        return text
    return f"{text} ({scale * interval['low']:{digits}} to {scale * interval['high']:{digits}})"


def list_figures(record: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield each figure's name, of windows and of decisions, of the network and of the floor."""
    metrics = record["metrics"]
    voted = metrics["network"]["voted"]
    classes = "confusion" in voted
    for key, name in _SCORE if "detection" in voted else _CLASSES if classes else _VALUES:
        cells = [
            _show(metrics[who][kind].get(key), classes)
            for kind in ("window", "voted")
            for who in ("network", "floor")
        ]
        yield (name, *cells)  # type: ignore[misc]


def describe_paired(record: dict[str, Any]) -> list[str]:
    """Say what the network gains on the floor, of windows and of decisions."""
    out = []
    for kind, name in (("window", "windows"), ("voted", "decisions")):
        paired = record["paired"][kind]
        compared = _COMPARED.get(paired["figure"])
        gain, p = paired["gain"], paired["p_value"]
        if gain["mean"] is None:
            continue
        scale, unit = (100, f" points of {compared}") if compared else (1, " of R2")
        interval = (
            "" if gain["low"] is None else f" ({scale * gain['low']:+.3g} to {scale * gain['high']:+.3g})"
        )
        test = "no test" if p is None else f"p = {p:.2g} (Wilcoxon signed rank, two-sided)"
        out.append(
            f"{name}: {scale * gain['mean']:+.3g}{interval}{unit} on the floor; better for {paired['n_better']} persons, worse "
            f"for {paired['n_worse']}, {test}"
        )
    return out


def _name_floor(record: dict[str, Any]) -> str:
    voted = record["metrics"]["network"]["voted"]
    if "detection" in voted:
        return "what six principal components of normal windows leave, the same windows, folds, percentile and decision"
    model = "shrinkage LDA" if "confusion" in voted else "ridge regression"
    return f"{model}, the same windows, folds and decision; its threshold chosen by the persons that choose the model's epoch"


def _write_text(record: dict[str, Any]) -> str:
    latency, data = record["latency"], record["data"]
    alone = latency["alone_ms"]
    n_persons = len({person for fold in record["folds"] for person, _ in fold["tests"]})
    kind = "persons never seen" if record["across"] == "persons" else "other sessions of known persons"
    out = [f"# Evaluation of {record['name']}: {kind}", ""]
    if record["simulated"]:
        out += ["> **Simulated data.** No person was measured; the figures say nothing about people.", ""]
    out += [
        f"{len(record['folds'])} folds, {n_persons} persons, each tested by a model (`{record['model']['kind']}`) that was "
        + "trained without them"
        + ("." if record["across"] == "persons" else " in that session.")
        + " Mean over persons with the 95 % interval by Student's t.",
        "",
        f"Windows are decided within {alone:g} ms of a change at the electrode, decisions within {latency['total_ms']:g} ms, "
        "at the latest, without filters and computing.",
        "",
        f"| figure | window ({alone:g} ms) | floor, window | decision ({latency['total_ms']:g} ms) | floor, decision |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in list_figures(record)),
        "",
        f"The floor: log mean absolute value, log waveform length, zero crossings and slope sign changes, {_name_floor(record)}.",
        "",
        *(f"- {line}" for line in describe_paired(record)),
    ]  # fmt: skip
    voted = record["metrics"]["network"]["voted"]
    if "confusion" in voted:
        out += ["", "| class | precision | recall | F1 |", "|---|---|---|---|"]
        for k, name in enumerate(record["outputs"]):
            cells = [_show(voted[key][k], True) for key in ("precision", "recall", "f1")]
            out.append(f"| {name} | {' | '.join(cells)} |")
        out += ["", "![decisions](confusion.png)"]
    out += [
        "", "![what a slower decision buys](latency.png)", "", "## Data", "",
        f"- {data['name']}: {data['description']}", f"- Source: {record['source']}",
        f"- Licence: {data['licence']}; citation: {data['citation']}",
        *(f"- Known fault, left in: {fault}" for fault in data["faults"]),
        "", "## Limits", "",
        "- Labels are taken as they are, transitions included; a window carries the label at its last sample.",
        "- The models are float; int8 is measured by `myopatch train` and on the board by `myopatch validate`.",
        "- A spec that was chosen by looking at these persons is measured on what it was chosen by.", "",
    ]  # fmt: skip
    return "\n".join(out)


def _write_persons(record: dict[str, Any], path: Path) -> None:
    figures: dict[str, dict[str, Any]] = {}
    for who, kinds in record["metrics"].items():
        for kind, found in kinds.items():
            for table in ("per_person", "details_per_person", "alarms_per_person"):
                for person, own in found.get(table, {}).items():
                    row = figures.setdefault(person, {"person": person})
                    row |= {f"{who}.{kind}.{key}": value for key, value in own.items()}
    columns = dict.fromkeys(key for row in figures.values() for key in row)
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows(figures[person] for person in sorted(figures))


def write_evaluation(record: dict[str, Any], folder: Path, unit: str = "") -> None:
    """Write :data:`FILES` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "evaluation.json", record)
    write_json(folder / "latency.json", record["decision_curve"])
    save_figure(draw_decisions(record["decision_curve"], unit), folder / "latency.png")
    voted = record["metrics"]["network"]["voted"]
    if "confusion" in voted:
        save_confusion(voted["confusion"], record["outputs"], folder / "confusion.png")
    _write_persons(record, folder / "persons.csv")
    write_text(folder / "evaluation.md", _write_text(record))
