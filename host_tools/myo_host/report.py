"""What a validation found, as a table on the terminal and as one self-contained HTML page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2
from rich.console import Console
from rich.table import Table

from myo_host.divergence import Divergence
from myo_host.validate import Validation
from myo_pipeline.bundle import Bundle, read_json, write_text
from myo_pipeline.errors import BundleError
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import GoldenSegment, load_vectors


def _number(value: float, form: str = ".3g") -> str:
    return "" if math.isnan(value) else "exact" if math.isinf(value) else format(value, form)


def read_memory(bundle: Bundle, board: str) -> dict[str, Any]:
    """Return what the build wrote of the board's firmware, or nothing if it was not built here.

    Raises
    ------
    BundleError
        If the file is damaged.
    """
    path = bundle.path / "firmware" / f"{board}.json"
    if not path.is_file():
        return {}
    again = f"run `myopatch build {bundle.path} --board {board}` again"
    memory = read_json(path, again)
    missing = [key for key in ("flash_bytes", "ram_bytes", "flash_parts", "ram_parts") if key not in memory]
    if missing:
        raise BundleError(f"{path}: lacks {', '.join(missing)}; {again}")
    return memory


def summarize(bundle: Bundle, result: Validation) -> list[tuple[str, str]]:
    """Return the figures below the stage table, as label and text."""
    rows: list[tuple[str, str]] = []
    if result.output_kind == "classes":
        shares = "  ".join(f"{k} {100 * v['macro']:.2f} %" for k, v in result.accuracy.items())
        within = f"; decided within {result.latency['worst_case_ms']:.0f} ms"
        rows.append(("accuracy, macro (streamed)", shares + within))
        plain = "  ".join(f"{k} {100 * v['plain']:.2f} %" for k, v in result.accuracy.items())
        rows.append(("accuracy, plain (streamed)", plain))
        rows.append(
            (
                "decisions that agree",
                f"device and twin {100 * result.agreement['device_twin']:.2f} %, "
                f"twin and float {100 * result.agreement['twin_float']:.2f} %",
            )
        )
        lost = result.decisions_lost
        rows.append(
            (
                "decisions, float to twin",
                f"{lost['changed_before_vote']} of {lost['windows']} changed before the vote, {lost['changed']} after it: "
                f"{lost['lost']} lost, {lost['won']} won",
            )
        )
    else:
        unit = getattr(bundle.spec.output, "unit", "")
        rows += [
            (
                f"{label} (streamed)",
                "  ".join(f"{k} {_number(v[key], '.4g')} {u}".rstrip() for k, v in result.accuracy.items()),
            )
            for key, label, u in (
                ("mae", "MAE", unit), ("rmse", "RMSE", unit), ("l2_relative", "L2, relative", ""), ("nse", "NSE", ""),
            )
        ]  # fmt: skip
    memory = read_memory(bundle, result.board)
    if memory:
        rows.append(
            (
                "memory",
                f"flash {memory['flash_bytes']:,} B, static RAM {memory['ram_bytes']:,} B, "
                f"stack {result.status['stack_used_bytes']:,} B used of {result.status['stack_bytes']:,} B",
            )
        )
    if result.cost:
        cost = result.cost
        rows.append(
            (
                "instructions a decision",
                f"front end {cost['front_end_instructions']:,.0f}, network {cost['network_instructions']:,.0f}, "
                f"decision {cost['decision_instructions']:,.0f}",
            )
        )
    if "compute_ms" in result.cost:
        rows.append(
            (
                "time a decision, estimated",
                f"{cost['compute_ms']:.2f} ms at 64 MHz, {100 * cost['core_share']:.1f} % of the core; "
                f"{cost['cycles']:,.0f} cycles, {cost['cycles_per_instruction']:.2f} an instruction by the cost model",
            )
        )
    latency = result.latency
    parts = (
        f"within {latency['worst_case_ms']:.0f} ms at the latest (filter {latency['group_delay_ms']:.1f}, window "
        f"{latency['window_ms']:.0f}"
        + f", windows before it {latency['context_ms']:.0f}" * (latency["context_ms"] > 0)
        + f", hop {latency['hop_ms']:.0f}, vote {latency['vote_ms']:.0f}"
        + f", held {latency['hold_ms']:.0f}" * (latency["hold_ms"] > 0)
    )
    if "compute_ms" in latency:
        computing = f"{latency['compute_ms']:.2f} ms"
        text = f"last sample to decision {computing}; a change is decided {parts}, compute {latency['compute_ms']:.1f})"
    else:
        text = f"a change is decided {parts}), and the time to compute, which is not estimated for this core"
    rows.append(("electrode to decision", text))
    rows.append(
        ("line", f"{result.bytes_per_s / 1000:.1f} kB/s from the board, {result.seconds:.0f} s, nothing lost")
    )
    return rows


def summarize_training(training: dict[str, Any]) -> list[str]:
    """Return the metrics of training.json that a user looks for first, a line each."""
    lines = []
    rows = [(f"float, {part.replace('_', ' ')}", m) for part, m in training["metrics"]["float"].items()]
    int8 = training["metrics"]["int8"]
    rows += [(f"int8, {int8['on']}", int8["int8"]), ("float on the same windows", int8["float"])]
    if "post" in int8:  # of quantization-aware training: what it began with
        rows += [("float before rounding was in its way", int8["learned"]), ("int8 of that", int8["post"])]
    for what, metrics in rows:
        if metrics is None:
            continue
        figures = []
        for kind, values in metrics.items():
            for name in ("macro_accuracy", "mae", "rmse", "r2"):
                value = values.get(name)
                if value is None:
                    continue
                scale, unit = (100, " %") if name == "macro_accuracy" else (1, "")
                interval = (
                    ""
                    if value["low"] is None
                    else f" ({scale * value['low']:.3g} to {scale * value['high']:.3g})"
                )
                figures.append(f"{kind} {name.replace('_', ' ')} {scale * value['mean']:.3g}{unit}{interval}")
        lines.append(f"{what}: {', '.join(figures)}")
    if "latency" in training:
        lines.append(
            f"voted: decided within {training['latency']['total_ms']:g} ms of a change at the electrode, without filters and "
            "computing"
        )
    return lines


def describe_verdict(result: Validation) -> str:
    """Return the verdict in one sentence."""
    words = sum(stage.words for stage in result.stages)
    if result.passed:
        return f"PASS: all {words:,} words of the device equal the twin, and the twin is within its bounds of float"
    reasons = []
    if (first := result.first_stage) is not None:
        reasons.append(
            f"port fault: {result.differing:,} of {words:,} words differ, first at {first.name}, {first.first_difference}"
        )
    reasons += [f"quantization outside its bound: {text}" for text in result.law2_broken]
    return f"FAIL: {'; '.join(reasons)}"


def explain_difference(result: Validation) -> list[str]:
    """Return what is known of the first difference, a line each; nothing if there is none."""
    stage = result.first_stage
    if stage is None or stage.first is None:
        return []
    ahead = [s for s in result.stages[: result.stages.index(stage)] if s.words]
    equal = f"all words up to {ahead[-1].name} are equal" if ahead else "it is the first stage"
    fault = f"the fault is in {stage.name}"
    if ahead and ahead[-1].layer is not None and stage.layer is None and stage.name == "network output":
        # The last layer's words are the output's: they can part only where the network runs as a stream beside the trace.
        fault = "the fault is in the network's stream, which the traced layers run beside, or in its memory"
    return [f"{equal}: {fault}", *stage.first.patterns, *result.diagnosis]


def _draw_neighbours(first: Divergence) -> Table:
    """Return the words around the first difference, device beside twin."""
    table = Table()
    table.add_column("sample" if first.sample is not None else "window")
    for near in first.neighbours:
        table.add_column(str(near.at), justify="right", style="bold" if near.device != near.twin else "")
    for name in ("device", "twin"):
        words = [getattr(near, name) for near in first.neighbours]
        table.add_row(name, *("-" if word is None else str(word) for word in words))
    return table


def print_validation(bundle: Bundle, result: Validation) -> None:
    """Print the stage table and the figures below it."""
    console = Console(width=None if Console().is_terminal else 110, highlight=False)
    table = Table(
        title=f"{result.board}: {result.n_windows} windows of {len(result.persons)} persons that training never saw, "
        f"{result.n_traced} with every stage",
        title_justify="left",
    )
    table.add_column("stage")
    for heading in ("words", "differing", "SNR dB", "max error", "bound", "cosine", "loss"):
        table.add_column(heading, justify="right")
    for s in result.stages:
        table.add_row(
            s.name, f"{s.words:,}", f"{s.differing:,}", _number(s.snr_db, ".1f"), _number(s.max_error),
            s.bound_text, _number(s.cosine, ".6f"), f"{100 * result.loss[s.name]:.0f} %" if s.name in result.loss else "",
        )  # fmt: skip
    console.print(table)
    if (stage := result.first_stage) is not None and stage.first is not None:
        console.print(f"the first difference: {stage.name}, {stage.first.place}", soft_wrap=True)
        console.print(_draw_neighbours(stage.first))
        for text in explain_difference(result):
            console.print(f"- {text}", soft_wrap=True)
    for label, text in summarize(bundle, result):
        console.print(f"{label:<28} {text}", soft_wrap=True)
    console.print(describe_verdict(result), soft_wrap=True)


def _count_changes(segment: GoldenSegment) -> tuple[int, int]:
    """Return how much happens in a segment: distinct targets, then targets hit; the first of equals is drawn."""
    targets = segment.targets if segment.targets.ndim == 1 else segment.targets[:, 0]
    hits = int((segment.decisions[:, 0] == targets).sum()) if segment.targets.ndim == 1 else 0
    return len(set(targets.tolist())), hits


def write_report(bundle: Bundle, result: Validation) -> Path:
    """Write ``report.html`` into the bundle and return its path."""
    from myo_host import figures
    from myo_host.decision_figures import render_decisions

    config = TwinConfig.load(bundle.path / "twin.npz")
    segments = load_vectors(bundle.path)
    shown = max(segments, key=_count_changes)
    training = bundle.read_json("training.json")
    budget = bundle.read_json("budget.json")
    sensitivity = training.get("quantization", {}).get("sensitivity")
    memory = read_memory(bundle, result.board)
    plain = result.as_dict()["stages"]
    stages = [
        {**values, "bound_text": stage.bound_text} for values, stage in zip(plain, result.stages, strict=True)
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("myo_host", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = _number
    page = environment.get_template("report.html.j2").render(
        bundle=bundle,
        result=result,
        verdict=describe_verdict(result),
        stages=stages,
        explanation=explain_difference(result),
        summary=summarize(bundle, result),
        training=training,
        training_lines=summarize_training(training),
        budget=budget,
        sensitivity=sensitivity,
        memory=memory,
        figures={
            "decisions": render_decisions(training["decision_curve"], getattr(bundle.spec.output, "unit", ""))
            if training.get("decision_curve")
            else "",
            "confusion": figures.draw_confusion(result.confusion, result.names) if result.confusion else "",
            "response": figures.draw_first_response(bundle, config),
            "segment": figures.draw_segment(bundle, config, shown),
            "stages": figures.draw_stages(stages),
            "sensitivity": figures.draw_sensitivity(sensitivity) if sensitivity else "",
            "flash": figures.draw_memory(memory["flash_parts"], "flash") if memory.get("flash_parts") else "",
            "ram": figures.draw_memory(memory["ram_parts"], "static RAM") if memory.get("ram_parts") else "",
        },
    )
    path = bundle.path / "report.html"
    write_text(path, page)
    return path
