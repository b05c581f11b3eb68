"""The model card: what a model is, what it was learned from, how good it is on whom, and what it is not."""

from __future__ import annotations

from typing import Any

from myo_pipeline.aux_sensor import AuxSensor
from myo_pipeline.decision_rule import Latency, find_latency
from myo_pipeline.feature_stage import RANGE_DEVIATIONS
from myo_pipeline.filters import describe_stage
from myo_pipeline.spec import PatchSpec
from myo_training.decision_curve import describe_setting

_PARTS = {
    "validation": "persons that chose the epoch",
    "across_sessions": "known persons, electrodes donned again",
    "across_persons": "persons never seen",
}

_KINDS = {
    "cnn": "A convolutional network",
    "mlp": "A network of dense layers over features",
    "tcn": "A temporal convolutional network",
    "lstm": "A long short-term memory",
    "spectrogram": "A convolutional network over time and frequency",
    "lda": "A linear discriminant over features (one dense layer)",
    "svm": "A linear support vector machine over features (one dense layer)",
    "qda": "A quadratic discriminant over features",
    "forest": "A random forest over features",
    "boosted": "Gradient-boosted trees over features",
    "autoencoder": "An autoencoder over features",
    "attention": "A network of one convolution and self-attention",
}
_METHODS = {"post": "after training", "aware": "by training with the rounding in its way"}
_BEFORE = {  # of quantization-aware training
    "learned": "float before it learned with rounding",
    "post": "int8 of that, quantized after training",
}


def _percent(interval: dict[str, Any]) -> str:
    if interval["mean"] is None:
        return "not defined"
    text = f"{100 * interval['mean']:.1f} %"
    if interval["low"] is None:
        return text
    return f"{text} ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})"


def _number(interval: dict[str, Any]) -> str:
    if interval["mean"] is None:
        return "not defined"
    text = f"{interval['mean']:.3g}"
    return text if interval["low"] is None else f"{text} ({interval['low']:.3g} to {interval['high']:.3g})"


def _rows(figures: dict[str, Any], classes: bool) -> str:
    """Return the cells of one line: window and voted figures, and how many windows and persons."""
    keys = ("macro_accuracy", "accuracy") if classes else ("mae", "rmse", "r2")
    show = _percent if classes else _number
    window, voted = figures["window"], figures["voted"]
    cells = [show(part[key]) for part in (window, voted) for key in keys]
    return " | ".join([*cells, str(window["n_windows"]), str(window[keys[0]]["n_persons"])])


def _describe_input(record: dict[str, Any]) -> str:
    if "features" in record:
        channels = (
            " and all channels" if all(len(set(row)) == 1 for row in record["features"]["deviation"]) else ""
        )
        return (
            f"It takes {', '.join(record['features']['names'])} of each channel over the window. One unit at its input "
            f"is {RANGE_DEVIATIONS:g} standard deviations over the training persons' windows{channels}; what is "
            "further from the mean saturates."
        )
    scales = list(dict.fromkeys(record["input_scale"]))
    of_each = " (a channel each)" if len(scales) > 1 else ""
    return (
        f"One unit at its input is {', '.join(f'{x:g}' for x in scales)} filtered counts{of_each}, the "
        f"{record['input_percentile']:g}th percentile of the training persons' magnitude; larger samples saturate."
    )


def _describe_size(record: dict[str, Any]) -> str:
    model = record["model"]
    if "n_trees" in model:
        return (
            f"of {model['n_trees']} trees with {model['n_leaves']} leaves in all, at most {model['depth']} nodes deep, "
            f"thresholds in steps of the int8 words; a window meets {model['nodes_met']:g} nodes in the mean."
        )
    return (
        f"of {model['n_parameters']} parameters and {model['n_macs']} multiply-accumulates a window, quantized to int8 "
        f"{_METHODS[record['quantization']['method']]}."
    )


def _name_columns(spec: PatchSpec) -> tuple[str, str]:
    """Name what figures are of: single windows and decisions, each with its latency."""
    latency, decision = find_latency(spec), spec.decision
    alone = latency.alone_ms
    voted = "mean" if not spec.decides_classes else f"{decision.vote} voted"
    if decision.method != "majority":
        voted = f"{decision.method} of {decision.vote}" if decision.method == "average" else decision.method
    held = latency.hold_ms > 0
    return f"window ({alone:g} ms)", f"{voted}{', held' * held} ({latency.total_ms:g} ms)"


def _describe_latency(latency: Latency) -> str:
    parts = [f"window {latency.window_ms:g}"]
    parts += [f"windows before it {latency.context_ms:g}"] if latency.context_ms else []
    parts += [f"hop {latency.hop_ms:g}", f"vote {latency.vote_ms:g}"]
    parts += [f"held {latency.hold_ms:g}"] if latency.hold_ms else []
    return (
        f"In parentheses behind the name: electrode to decision at the latest, {' + '.join(parts)} ms for decisions; filters "
        "and computing come on top (`myopatch validate`)."
    )


def _describe_aux(stream: AuxSensor) -> str:
    stages = ", ".join(describe_stage(stage) for stage in stream.stage) or "no filter"
    return (
        f"Beside them stand {stream.n_outputs} channels of {stream.kind} {stream.name!r}, {stream.rate_hz:g} Hz, after {stages}, "
        "resampled onto the window, each with a scale of its own."
    )


def _describe_score(record: dict[str, Any]) -> list[str]:
    """Return what an anomaly is and how well scores tell it; nothing of other outputs."""
    if "score" not in record:
        return []
    found, areas = record["score"], record["metrics"]["int8"]
    shown = [
        f"{name} {_number(areas[name]['window']['roc_auc'])}" for name in ("float", "int8") if name in areas
    ]
    return [
        "",
        f"An anomaly is a window that scores more than {found['threshold']:.3g}, the {found['percentile']:g}th percentile of the "
        f"training persons' normal windows (median {found['median']:.3g}). Area under the receiver operating characteristic, by "
        f"person: {', '.join(shown)}.",
    ]


def _describe_sensitivity(found: dict[str, Any] | None) -> list[str]:
    """Return the section on each layer's rounding; nothing where it was not measured."""
    if found is None:
        return []

    def show(value: float) -> str:
        return f"{100 * value:.1f} %" if found["metric"] == "macro_accuracy" else f"{value:.3g}"

    return [
        "## Rounding, layer by layer",
        "",
        "A layer's weights and words rounded to int8 by themselves, and those of all layers but it; "
        f"{found['n_windows']} windows of the {found['on'].replace('_', ' ')} persons, {found['metric'].replace('_', ' ')} "
        f"by window: {show(found['float'])} in float, {show(found['all'])} and {found['all_snr_db']:.1f} dB with all rounded.",
        "",
        "| layer | alone: SNR dB | figure | all but it: SNR dB | figure |",
        "|---|---|---|---|---|",
        *(
            f"| {x['layer']} | {x['alone_snr_db']:.1f} | {show(x['alone'])} | {x['without_snr_db']:.1f} | {show(x['without'])} |"
            for x in found["layers"]
        ),
        "",
    ]


def _write_details(metrics: dict[str, Any], spec: PatchSpec) -> list[str]:
    """Return the table of what else is measured of decisions, and of each class."""
    found = {
        role: figures
        for role, figures in metrics["float"].items()
        if figures and "macro_f1" in figures["voted"]
    }
    if not found:
        return []
    keys = ("macro_f1", "active_error", "instability")
    out = [
        "", "| decisions of | macro F1 | active error | instability | ROC-AUC of windows |", "|---|---|---|---|---|"
    ]  # fmt: skip
    for role, figures in found.items():
        cells = [*(_percent(figures["voted"][key]) for key in keys), _number(figures["window"]["roc_auc"])]
        out.append(f"| float, {_PARTS[role]} | {' | '.join(cells)} |")
    role, figures = list(found.items())[-1]
    out += [
        "",
        f"Each class, decisions, {_PARTS[role]}:",
        "",
        "| class | precision | recall |",
        "|---|---|---|",
    ]
    for name, precision, recall in zip(
        spec.output_names, figures["voted"]["precision"], figures["voted"]["recall"], strict=True
    ):
        out.append(f"| {name} | {_percent(precision)} | {_percent(recall)} |")
    return out


def _write_curve(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table of what a slower decision buys; the report draws it."""
    if not rows:
        return []
    classes = rows[0]["instability"] is not None
    show = _percent if classes else _number
    out = [
        "", "What a slower decision buys, on the same outputs (float, tested part):", "",
        f"| decision | electrode to decision, ms | {'macro error' if classes else 'RMSE'} | instability |", "|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        name = describe_setting(row) + " (the spec's)" * (row["series"] == "own")
        calm = show(row["instability"]) if classes else ""
        out.append(f"| {name} | {row['latency_ms']:g} | {show(row['error'])} | {calm} |")
    return [*out, ""]


def write_card(record: dict[str, Any], spec: PatchSpec) -> str:
    """Return the model card of a training run as Markdown.

    Parameters
    ----------
    record
        Content of ``training.json``.
    spec
        The patch.
    """
    classes, data, metrics = spec.decides_classes, record["data"], record["metrics"]
    what = _KINDS[spec.model.kind]
    own = spec.model.kind in ("qda", "forest", "boosted")
    runtime = "the integer twin" if own else "the `tflite_micro` runtime"
    names = ("macro accuracy", "accuracy") if classes else ("MAE", "RMSE", "R2")
    head = [f"{kind}, {name}" for kind in _name_columns(spec) for name in names]
    out = [f"# Model card: {spec.name}", ""]
    if record["simulated"]:
        out += [
            "> **Simulated data.** No person was measured. The figures below show that the path works; they "
            "say nothing",
            f"> about people. {record['source']}.",
            "",
        ]
    out += [
        "## What it is",
        "",
        f"{what} {_describe_size(record)} It takes "
        f"{spec.window.window_ms:g} ms of "
        f"{spec.sensor.channels} channels at {spec.sensor.rate_hz:g} Hz every {spec.window.hop_ms:g} ms"
        + f", and the features of the {spec.context_windows - 1} windows before it"
        * (spec.context_windows > 1)
        + ", "
        "after " + (", ".join(describe_stage(stage) for stage in spec.stage) or "no filter") + ".",
        *(_describe_aux(stream) for stream in spec.aux),
        "",
        f"Ops: {', '.join(record['model']['ops'])}. Outputs: {', '.join(spec.output_names)}.",
        "",
        _describe_input(record),
        "",
        "## Data",
        "",
        f"- {data['name']}: {data['description']}",
        f"- Source: {record['source']}",
        f"- Licence: {data['licence']}; citation: {data['citation']}",
        f"- {data['n_recordings']} recordings used, content SHA-256 `{data['digest']}`",
        *[f"- Known fault, left in: {fault}" for fault in data["faults"]],
        "",
        "## Split",
        "",
        "By person and session; no recording lies on two sides.",
        "",
        "| part | sessions | persons |",
        "|---|---|---|",
    ]
    for role, sessions in record["split"].items():
        persons = sorted({person for person, _ in sessions})
        out.append(f"| {role.replace('_', ' ')} | {len(sessions)} | {', '.join(persons) or 'none'} |")
    out += [
        "",
        "Within a session no figure is given: the parts of one session are on one side of the split.",
        "",
        "## Figures",
        "",
        "Mean over persons, with the 95 % interval by Student's t over persons where there are two or more. "
        + _describe_latency(find_latency(spec)),
        "",
        f"| on | {' | '.join(head)} | windows | persons |",
        f"|---|{'---|' * (len(head) + 2)}",
    ]
    for role, figures in metrics["float"].items():
        if figures:
            out.append(f"| float, {_PARTS[role]} | {_rows(figures, classes)} |")
    int8 = metrics["int8"]
    if int8:
        out.append(f"| int8, {int8['on'].replace('_', ' ')} | {_rows(int8['int8'], classes)} |")
        out.append(f"| float, the same windows | {_rows(int8['float'], classes)} |")
        for key, said in _BEFORE.items():
            if key in int8:
                out.append(f"| {said}, the same windows | {_rows(int8[key], classes)} |")
    out += [
        *_describe_score(record),
        "",
        "Macro accuracy is the mean over classes of the share decided rightly." if classes else "",
        *_write_details(metrics, spec),
        *_write_curve(record.get("decision_curve", [])),
        f"int8 ran through {runtime}, on windows quantized from the float filters.",
        "",
        *_describe_sensitivity(record["quantization"].get("sensitivity")),
        "## Limits",
        "",
        "- Labels are taken as they are, transitions included; a window carries the label at its last "
        "sample.",
        "- Persons and electrode placements unlike those above may be decided much worse: see the spread "
        "over persons in",
        "  `training.json`.",
        "- No medical device: not for diagnosis, treatment, or anything that may harm when it errs.",
        "",
    ]
    return "\n".join(out)
