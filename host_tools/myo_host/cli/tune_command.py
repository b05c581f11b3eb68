"""``myopatch tune``: filters, window, hop, features and the model's kind and size, searched together under the spec's budget."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from myo_host.cli.app import app, show_progress
from myo_host.cli.commands import DataOption, JsonOption, SpecArgument, _spec_path
from myo_host.cli.select_command import (
    SELECTION,
    JudgesOption,
    describe_selection,
    find_candidates,
    move_data,
    open_search_data,
    price_features,
    say_judges,
    to_percent,
)

if TYPE_CHECKING:
    from myo_pipeline.spec import Model, PatchSpec
    from myo_training.search_data import SearchData
    from myo_training.search_space import SearchSpace
    from myo_training.tune import Cost, Found, Objective, Tried

N_CANDIDATES = (
    10  # features that a search may take: the spec's own, those of a selection, and the best by themselves
)
Progress = Callable[[str, float], None]


class Against(StrEnum):
    """What is kept low beside an accuracy kept high."""

    CORE = "core"
    FLASH = "flash"
    LATENCY = "latency"


_AXES = {
    "core": "share of the core, %, predicted",
    "flash": "flash, KB, predicted",
    "latency": "ms a decision, predicted",
}


def price_patch(spec: PatchSpec) -> Cost:
    """Price a spec for a search."""
    from myo_export.dry_model import is_dry
    from myo_export.price import price_spec
    from myo_training.tune import Cost
    from myo_training.untrained import make_untrained

    price = price_spec(spec, None if is_dry(spec) else make_untrained(spec))
    p = price.prediction
    return Cost(
        p.flash_bytes, p.ram_bytes, p.total_ms, price.core_percent, sum(p.instructions.values()), price.excess,
        price.violations,
    )  # fmt: skip


@app.command("tune", short_help="Search filters, window, features and the model under the budget.")
def tune(
    spec: SpecArgument = Path("patch.toml"),
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the search, gone on with if it is there; build/NAME-tune if not given."),
    ] = None,
    trials: Annotated[
        int, typer.Option(help="Specs to try in all, those of earlier runs included.", min=1)
    ] = 60,
    minutes: Annotated[
        float | None, typer.Option(help="Stop trying after so long; the same command goes on.")
    ] = None,
    against: Annotated[Against, typer.Option(help="What to keep low beside a high accuracy.")] = Against.CORE,
    epochs: Annotated[int, typer.Option(help="Epochs of a trial's training.", min=1)] = 3,
    finalists: Annotated[
        int, typer.Option(help="Specs to train for all of the spec's epochs at the end.", min=1)
    ] = 3,
    kinds: Annotated[
        str,
        typer.Option(help="Kinds of model to choose from beside the spec's own, such as mlp,forest,cnn."),
    ] = "",
    judges: JudgesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search filters, window, hop, features and the model together under the spec's budget, and write the best spec."""
    from myo_pipeline.bundle import render_json
    from myo_pipeline.spec import load_spec

    path = _spec_path(spec)
    loaded = load_spec(path)
    folder = out or Path("build") / f"{loaded.name}-tune"
    with show_progress("tune") as progress:
        record = run_search(
            path, folder, data, trials, minutes, against.value, epochs, finalists, progress, judges,
            [kind.strip() for kind in kinds.split(",") if kind.strip()],
        )  # fmt: skip
    if as_json:
        print(render_json(record))
        return
    _show(record)
    print(f"wrote {folder}/patch.toml, tune.html, pareto.png; next: myopatch train {folder}/patch.toml")


def run_search(
    path: Path, folder: Path, data: Path | None, n_trials: int, minutes: float | None, against: Objective, epochs: int,
    n_finalists: int, progress: Progress, judges: int | None = None, kinds: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Search from a spec, write ``patch.toml``, ``tune.json``, ``tune.html`` and ``pareto.png``; return what the second holds.

    Parameters
    ----------
    path, folder, data
        The spec, the search's folder, and where data sets are.
    n_trials, minutes, against, epochs, n_finalists
        As the command's options.
    progress
        Called with a phrase and a fraction of 0 .. 1.
    judges, kinds
        As the command's options.
    """
    from myo_pipeline.bundle import write_json, write_text
    from myo_pipeline.spec import load_spec
    from myo_pipeline.spec_text import render_spec
    from myo_training.model_axes import make_models
    from myo_training.search_space import make_space
    from myo_training.tune import Search, compare_persons

    spec = load_spec(path)
    models = make_models(spec, kinds)
    make_space(spec, [], models)  # what cannot be searched is said before anything is read
    progress("reading recordings", 0.0)
    recordings, source = open_search_data(path, spec, data, judges)
    space, first = _make_space(
        spec, models, recordings, folder, lambda text, share: progress(text, 0.2 * share)
    )
    search = Search(space, recordings, price_patch, folder, against, epochs)
    search.run(n_trials, first, minutes, lambda text, share: progress(text, 0.2 + 0.7 * share))
    found = search.conclude(n_finalists, lambda text, share: progress(text, 0.9 + 0.1 * share))
    start = next((t for t in found.finalists if t.params == space.start), None)
    moved = move_data(found.chosen.spec, path.parent, folder)
    text = render_spec(moved, _write_head(found, start, spec, search.n_told), _write_notes(spec, moved))
    write_text(folder / "patch.toml", text)
    record = {
        "name": spec.name, "source": source, "against": against, "seed": spec.training.seed, "epochs": epochs,
        "n_trials": search.n_told, "n_refused": found.n_refused, "n_places": _count_places(space),
        "metric": "macro accuracy" if spec.output.kind == "classes" else "R2",
        "judges": sorted(found.chosen.persons), "seconds_read": list(recordings.seconds),
        "decision_delay_ms": space.delay_ms,
        "chosen": _describe(found.chosen), "start": _describe(start) if start else None,
        "gain_on_judges": compare_persons(found.chosen, start) if start else None,
        "finalists": [_describe(t) for t in found.finalists], "front": [_describe(t) for t in found.front],
        "tried": [_describe(t) for t in found.tried],
    }  # fmt: skip
    write_json(folder / "tune.json", record)
    _draw(record, folder, text)
    return record


def _make_space(
    spec: PatchSpec, models: Sequence[Model], data: SearchData, folder: Path, progress: Progress
) -> tuple[SearchSpace, list[dict[str, Any]]]:
    """Lay out the space and the places to begin with; of features, after a selection, which is kept in the folder."""
    from myo_training.search_space import CHOOSING, make_space, name_feature

    choosing = [model for model in models if model.kind in CHOOSING]
    if not choosing:
        space = make_space(spec, [], models)
        return space, [*space.starts]
    candidates, _ = find_candidates(spec, data)
    named = {name_feature(f): f for f in candidates}
    selecting = spec if spec.model in choosing else spec.model_copy(update={"model": choosing[0]})
    selection = _read_selection(selecting, data, folder, candidates, progress)
    sets = [point["names"] for point in selection["forward"]]
    names = [name_feature(f) for f in spec.features] + sets[-1]
    names += [r["name"] for r in sorted(selection["ranked"], key=lambda r: -r["accuracy"])]
    kept = list(dict.fromkeys(names))[: max(N_CANDIDATES, len(spec.features))]
    space = make_space(spec, [named[name] for name in kept if name in named], models)
    axes = [name_feature(f) for f in space.candidates]
    start = space.starts[models.index(choosing[0])]
    first = [*space.starts] + [
        start | {f"feature {name}": name in chosen for name in axes}
        for chosen in sets[1:]
        if set(chosen) <= set(axes)
    ]
    return space, first


def _read_selection(
    spec: PatchSpec, data: SearchData, folder: Path, candidates: list[Any], progress: Progress
) -> Any:  # noqa: ANN401 - JSON
    from myo_pipeline.bundle import write_json
    from myo_training.feature_selection import select_features

    said = json.dumps([spec.model_dump(mode="json"), data.sessions, [f.model_dump() for f in candidates]])
    identity = hashlib.sha256(said.encode()).hexdigest()
    path = folder / SELECTION
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["identity"] == identity:
            return kept
    except (OSError, ValueError, KeyError, TypeError):
        pass  # made again
    selection = describe_selection(select_features(spec, data, candidates, price_features, progress=progress))
    write_json(path, {"identity": identity} | selection)
    return json.loads(path.read_text(encoding="utf-8"))


def _count_places(space: SearchSpace) -> int:
    count = 1
    for values in space.axes.values():
        count *= len(values)
    return count


def _describe(tried: Tried) -> dict[str, Any]:
    return {
        "what": tried.describe(), "trial": tried.number, "accuracy": tried.accuracy, "persons": tried.persons,
        "cost": {k: v for k, v in asdict(tried.cost).items() if k not in ("excess", "violations")}, "params": tried.params,
    }  # fmt: skip


def _say_cost(cost: dict[str, Any]) -> str:
    return (
        f"{cost['core_percent']:.2f} % of the core, {cost['latency_ms']:.3g} ms a decision, flash "
        f"{cost['flash_bytes'] / 1024:.1f} KB, RAM {cost['ram_bytes'] / 1024:.1f} KB"
    )


def _write_head(found: Found, start: Tried | None, old: PatchSpec, n_trials: int) -> list[str]:
    chosen, metric = found.chosen, "R2" if found.chosen.spec.output.kind == "values" else "macro accuracy"
    lines = [
        f"Found by `myopatch tune`: {n_trials} specs, {n_trials - found.n_refused} of them within the budget and trained.",
        f"On {say_judges(len(chosen.persons))}: {metric} of decisions {to_percent(chosen.accuracy)}; "
        f"{_say_cost(asdict(chosen.cost))} (predicted).",
    ]  # fmt: skip
    if start is not None:
        lines.append(
            f"The spec that it began with: {to_percent(start.accuracy)}; {_say_cost(asdict(start.cost))}."
        )
    kinds = [stage.kind for stage in chosen.spec.stage]
    gone = [stage.kind for stage in old.stage if stage.kind not in kinds]
    if gone:
        lines.append(f"Stages left out: {', '.join(gone)}.")
    return [
        *lines,
        "Persons held out for the test were not read: `myopatch train` measures what this is worth on them.",
    ]


def _write_notes(old: PatchSpec, new: PatchSpec) -> dict[str, str]:
    """Say beside each table what it was."""
    from myo_training.model_axes import describe_model

    notes = {}
    if old.window != new.window:
        notes["window"] = f"was {old.window.window_ms:g} ms, hop {old.window.hop_ms:g} ms"
    if old.decision.vote != new.decision.vote:
        notes["decision"] = f"was {old.decision.vote}: as many votes as the same delay has room for"
    if old.model != new.model:
        notes["model"] = f"was {describe_model(old.model)}"
    before = {f.model_dump_json() for f in old.features}
    for number, feature in enumerate(new.features):
        if feature.model_dump_json() not in before:
            notes[f"features[{number}]"] = "new"
    gone = [f for f in old.features if f.model_dump_json() not in {n.model_dump_json() for n in new.features}]
    if gone and new.features:
        names = ", ".join(f.kind for f in gone)
        first = notes.get("features[0]")
        notes["features[0]"] = f"{first}; left out: {names}" if first else f"left out: {names}"
    for number, stage in enumerate(new.stage):
        if stage in old.stage:
            continue
        was = next((s.model_dump() for s in old.stage if s.kind == stage.kind), None)
        changed = [f"{k} {was[k]}" for k, v in stage.model_dump().items() if v != was[k]] if was else []
        notes[f"stage[{number}]"] = f"was {', '.join(changed)}" if was else "new"
    return notes


COLUMNS = ("what", "accuracy", "core, %", "ms", "instructions", "flash, KB", "RAM, KB")


def _row(one: dict[str, Any]) -> list[str]:
    cost = one["cost"]
    return [
        one["what"], to_percent(one["accuracy"]), f"{cost['core_percent']:.2f}", f"{cost['latency_ms']:.3g}",
        f"{cost['instructions']:,.0f}", f"{cost['flash_bytes'] / 1024:.1f}", f"{cost['ram_bytes'] / 1024:.1f}",
    ]  # fmt: skip


def _summarize(record: dict[str, Any]) -> list[tuple[str, str]]:
    chosen, start = record["chosen"], record["start"]
    rows = [
        ("chosen", f"{chosen['what']}"),
        ("", f"{record['metric']} of decisions {to_percent(chosen['accuracy'])} on "
             f"{say_judges(len(record['judges']))}; {_say_cost(chosen['cost'])}"),
    ]  # fmt: skip
    if start is not None:
        rows += [
            ("the spec given", start["what"]),
            ("", f"{to_percent(start['accuracy'])}; {_say_cost(start['cost'])}"),
        ]
    rows += [
        ("searched", f"{record['n_trials']} of {record['n_places']:,} places, {record['n_refused']} refused by the budget or the "
         f"spec's rules; a decision is {record['decision_delay_ms']:g} ms long at all of them"),
        ("data", f"{record['source']}; persons held out for the test were not read"),
    ]  # fmt: skip
    return rows


def _draw(record: dict[str, Any], folder: Path, text: str) -> None:
    from myo_host.search_figures import Cloud, Mark, draw_clouds, to_svg, write_png
    from myo_host.search_page import Table, render_search_page
    from myo_pipeline.bundle import write_text

    def figure_of(cost: dict[str, Any], key: str) -> float:
        return float(
            {
                "core": cost["core_percent"],
                "flash": cost["flash_bytes"] / 1024,
                "latency": cost["latency_ms"],
            }[key]
        )

    # Marks stand where the trial's short training put them: what was trained in full is no neighbour of what was not.
    by_trial = {one["trial"]: one for one in record["tried"]}

    def mark(one: dict[str, Any] | None, key: str) -> Mark | None:
        found = None if one is None else by_trial[one["trial"]]
        return Mark(figure_of(found["cost"], key), found["accuracy"]) if found else None

    clouds = [
        Cloud(
            _AXES[key],
            [Mark(figure_of(t["cost"], key), t["accuracy"]) for t in record["tried"]],
            [Mark(figure_of(t["cost"], key), t["accuracy"]) for t in record["front"]] if key == record["against"] else [],
            mark(record["start"], key), mark(record["chosen"], key),
        )
        for key in (record["against"], "flash" if record["against"] != "flash" else "core")
    ]  # fmt: skip
    figure = draw_clouds(clouds, record["metric"])
    write_png(figure, folder / "pareto.png")
    tables = [
        Table("Finalists, trained in full", COLUMNS, [_row(t) for t in record["finalists"]]),
        Table("Pareto front", COLUMNS, [_row(t) for t in record["front"]],
              f"After {record['epochs']} epochs a trial. Costs are predicted by the compiler's model for a Cortex-M4F."),
    ]  # fmt: skip
    page = render_search_page(f"{record['name']}: search", _summarize(record), to_svg(figure), tables, text)
    write_text(folder / "tune.html", page)


def _show(record: dict[str, Any]) -> None:
    for title, key in (
        (f"Pareto front, {record['epochs']} epochs a trial", "front"),
        ("finalists, trained in full", "finalists"),
    ):
        print(title)
        for row in [COLUMNS, *map(_row, record[key])]:
            print("".join(f"{cell:>14}" for cell in row[1:]) + f"  {row[0]}")
    for label, text in _summarize(record):
        print(f"{label:<16} {text}")
