"""Write the tables of docs/gestures.md, and its picture, from benchmarks/results/gestures.json."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results" / "gestures.json"
PAGE: Final = ROOT / "docs" / "gestures.md"
PICTURE: Final = ROOT / "docs" / "gestures.png"
GESTURES: Final = ("rest", "flexion", "extension", "radial", "ulnar", "pronation", "supination", "fist")

#: Persons on whom settings were chosen, by data set: drawn once, before anything was trained.
N_DEVELOPMENT: Final = {"myo_readings": 12, "uci_lower_limb": 10, "elderly_emg_dyn": 12}
DEVELOPMENT_SEED: Final = 5


@dataclass(frozen=True)
class Line:
    """A line of the table: what, of which row, the floor's way and ours, and the goal in percent (r times 100)."""

    what: str
    row: str
    floor: str
    way: str
    goal: float


LINES: Final = (
    Line("`myo_readings`, persons never seen, 84 s of unlabelled warm-up: each movement once, in an order that nobody tells",
         "myo_unseen", "floor", "warm-up of each once", 68),
    Line("the same, nothing known of what is done in the warm-up",
         "myo_unseen", "floor", "warm-up: scale, turn, self-training", 68),
    Line("the same without a warm-up", "myo_unseen", "floor", "no warm-up", 68),
    Line("one bout a class as calibration, the rest of that session",
         "myo_calibrated", "same session: floor", "same session: calibrated", 95),
    Line("the same calibration, all sessions", "myo_calibrated", "all sessions: floor", "all sessions: calibrated", 85),
    Line("the same, later sessions begin with 84 s of unlabelled warm-up",
         "myo_calibrated", "all sessions: floor", "all sessions, the later with a warm-up: calibrated", 85),
    Line("sessions 1-2 to 3 of known persons", "myo_sessions", "floor", "pre-trained, fine-tuned", 88),
    Line("the same, session 3 begins with 84 s of unlabelled warm-up", "myo_sessions", "floor", "with a warm-up", 88),
    Line("`suguru_longterm`, within a day, 22 motions", "suguru_within_day", "floor", "pre-trained, fine-tuned", 92),
    Line("days 1-15 to days 16-30", "suguru_early_to_late", "floor", "pre-trained, fine-tuned", 85),
    Line("the same, trials 2-4, each day begins with one unlabelled trial of each motion (33 s)",
         "suguru_early_to_late", "floor, trials 2-4", "with a warm-up of each once, trials 2-4", 85),
    Line("day 1 and one calibration trial a motion on the new day", "suguru_new_day", "floor", "calibrated", 88),
    Line("`uci_lower_limb`, activity, persons never seen, no warm-up", "uci_activity", "floor", "network", 86),
    Line("`elderly_emg_dyn`, force of persons never seen, mean r times 100", "elderly_force", "floor", "network", 75),
)  # fmt: skip


def _cell(figures: dict[str, Any] | None) -> str:
    if figures is None:
        return ""
    low, high = (100 * (figures[k] if figures[k] is not None else np.nan) for k in ("low", "high"))
    return f"{100 * figures['mean']:.1f} ({low:.1f} to {high:.1f})"


def render_table(rows: dict[str, Any]) -> str:
    """Write the main table."""
    out = [
        "| set, split | goal | floor: as labelled, trimmed | reached, float: as labelled, trimmed | int8 twin: as labelled, "
        "trimmed | on the floor (paired) |",
        "|---|---|---|---|---|---|",
    ]
    for line in LINES:
        if line.row not in rows:
            continue
        summary = rows[line.row]["summary"]
        kinds = [k for k in ("as_labelled", "trimmed") if k in summary[line.floor]]
        floor, reached, twin = (
            "<br>".join(_cell(summary[way].get(kind)) for kind in kinds) if way in summary else "not run"
            for way in (line.floor, line.way, f"{line.way}, int8")
        )
        per_person = rows[line.row]["ways"]
        last = len(kinds) - 1
        gain = np.array([v[last] - per_person[line.floor][p][last] for p, v in per_person[line.way].items()])
        t = gain.mean() / (gain.std(ddof=1) / np.sqrt(len(gain)))
        out.append(
            f"| {line.what} | {line.goal:g} | {floor} | {reached} | {twin} | {100 * gain.mean():+.1f}, t = {t:.1f} |"
        )
    return "\n".join(out)


def list_untouched(row: dict[str, Any]) -> list[str]:
    """Return the persons of a row on whom nothing was chosen."""
    persons = sorted(next(iter(row["ways"].values())))
    if row["data"] == "suguru_longterm":
        return persons[2:]
    order = np.random.default_rng(DEVELOPMENT_SEED).permutation(persons)
    return sorted(order[N_DEVELOPMENT[row["data"]] :].tolist())


def render_untouched(rows: dict[str, Any]) -> str:
    """Write the means over the persons on whom settings were chosen, and over the others."""
    out = ["| row | persons | chosen on | never looked at | floor of the same |", "|---|---|---|---|---|"]
    for line in LINES:
        if line.row not in rows:
            continue
        row = rows[line.row]
        way, floor = (row["ways"][w] for w in (line.way, line.floor))
        others = list_untouched(row)
        means = [
            100 * float(np.mean([table[p][-1] for p in table if (p in others) == is_other]))
            for table, is_other in ((way, False), (way, True), (floor, False), (floor, True))
        ]
        out.append(
            f"| {line.row}: {line.way} | {len(way) - len(others)} + {len(others)} | {means[0]:.1f} | {means[1]:.1f} | "
            f"{means[2]:.1f}, {means[3]:.1f} |"
        )
    return "\n".join(out)


def render_ways(rows: dict[str, Any]) -> str:
    """Write every way of every row."""
    out = ["| row | way | as labelled | trimmed |", "|---|---|---|---|"]
    for name, row in rows.items():
        for way, figures in row["summary"].items():
            out.append(
                f"| {name} | {way} | {_cell(figures.get('as_labelled'))} | {_cell(figures.get('trimmed'))} |"
            )
    return "\n".join(out)


def draw_confusion(rows: dict[str, Any]) -> Figure:
    """Draw what is taken for what, of two rows on ``myo_readings``."""
    mpl.rcParams["svg.hashsalt"] = "gestures"
    figure = Figure(figsize=(11.5, 5.2), layout="constrained")
    shown = [
        ("myo_unseen", "never seen, unlabelled warm-up"),
        ("myo_calibrated", "one bout a class, same session"),
    ]
    axes = figure.subplots(1, 2)
    for ax, (name, title) in zip(axes, shown, strict=True):
        table = np.array(rows[name]["confusion"], float)[:, :-1]
        share = 100 * table / table.sum(axis=1, keepdims=True)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for i, j in np.ndindex(share.shape):
            if share[i, j] >= 0.5:
                colour = "white" if share[i, j] > 55 else "black"
                ax.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", color=colour, fontsize=9)
        ax.set_xticks(range(8), GESTURES, rotation=40, ha="right")
        ax.set_yticks(range(8), GESTURES)
        ax.set_xlabel("decided")
        ax.set_title(f"{title}\nint8, trimmed, % of each row", fontsize=11)
    axes[0].set_ylabel("made")
    return figure


def replace_between(text: str, name: str, content: str) -> str:
    """Put content between a page's ``<!-- name -->`` and ``<!-- /name -->``."""
    head, _, rest = text.partition(f"<!-- {name} -->\n")
    _, _, tail = rest.partition(f"<!-- /{name} -->")
    return f"{head}<!-- {name} -->\n{content}\n<!-- /{name} -->{tail}"


def main() -> int:
    """Write the page's tables and the picture."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    page = PAGE.read_text(encoding="utf-8")
    for name, render in (("table", render_table), ("untouched", render_untouched), ("ways", render_ways)):
        page = replace_between(page, name, render(rows))
    PAGE.write_text(page, encoding="utf-8")
    if {"myo_unseen", "myo_calibrated"} <= set(rows):
        draw_confusion(rows).savefig(PICTURE, dpi=110, metadata={"Software": None})
    return 0


if __name__ == "__main__":
    sys.exit(main())
