"""``myopatch select``: features by accuracy and the time that they take on the core."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from myo_host.cli.app import app, show_progress
from myo_host.cli.commands import DataOption, JsonOption, SpecArgument, _spec_path
from myo_pipeline.errors import SpecError

if TYPE_CHECKING:
    from myo_pipeline.spec import PatchSpec
    from myo_training.feature_selection import Point, Selection, Tag
    from myo_training.search_data import SearchData

SELECTION = "selection.json"
JudgesOption = Annotated[
    int | None,
    typer.Option(
        help="Persons that judge and are not learned from; half of those not held out if not given.", min=1
    ),
]


def price_features(spec: PatchSpec) -> Tag:
    """Price a spec for a selection of features."""
    from myo_export.price import price_spec
    from myo_training.feature_selection import Tag

    prediction = price_spec(spec).prediction
    return Tag(sum(prediction.instructions.values()), 1000 * prediction.total_ms)


def open_search_data(
    path: Path, spec: PatchSpec, data: Path | None, judges: int | None
) -> tuple[SearchData, str]:
    """Read what a search may see of a spec's recordings, and say where they come from."""
    from myo_training.datasets import resolve_dataset
    from myo_training.recordings import check_fits
    from myo_training.search_data import SearchData

    found = resolve_dataset(spec.training.data, data, spec, path.parent)
    check_fits(found.info, spec)
    return SearchData(spec, found, judges), found.info.source


def move_data(spec: PatchSpec, spec_folder: Path, out: Path) -> PatchSpec:
    """Point a folder of recordings that is named relative to the spec from where the new spec will stand."""
    folder = spec_folder / spec.training.data
    if not folder.is_dir():
        return spec
    name = Path(os.path.relpath(folder.resolve(), out.resolve())).as_posix()
    return spec.model_copy(update={"training": spec.training.model_copy(update={"data": name})})


def to_percent(value: float) -> str:
    """Say a share in percent."""
    return f"{100 * value:.1f} %"


def say_judges(n: int) -> str:
    """Say who judges."""
    return f"{n} person{'s' * (n != 1)} that it did not learn from"


def find_candidates(spec: PatchSpec, data: SearchData) -> tuple[list[Any], list[str]]:
    """List the features of the registry for a spec, and those left out."""
    from myo_training.search_space import list_candidates

    return list_candidates(spec, data.measure_size(spec))


@app.command("select", short_help="Choose features by accuracy for the time they take.")
def select(
    spec: SpecArgument = Path("patch.toml"),
    data: DataOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; build/NAME-select if not given.")] = None,
    worth: Annotated[
        float,
        typer.Option(help="Points of accuracy that a doubling of the time has to bring.", min=0, max=100),
    ] = 1.0,
    judges: JudgesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank all features of the registry and choose a set: by persons that it does not learn from, and by the core's time."""
    from myo_pipeline.bundle import render_json, write_json, write_text
    from myo_pipeline.spec import load_spec
    from myo_pipeline.spec_text import render_spec
    from myo_training.feature_selection import select_features
    from myo_training.search_space import CHOOSING

    path = _spec_path(spec)
    loaded = load_spec(path)
    if not loaded.features:
        raise SpecError(
            f"{path}: model.kind {loaded.model.kind!r} takes the window itself, expected one that takes features; "
            "start from `myopatch new --template features`"
        )
    if loaded.model.kind not in CHOOSING:
        raise SpecError(
            f"{path}: features cannot be chosen for model.kind {loaded.model.kind!r}, expected one of "
            f"{', '.join(sorted(CHOOSING))}; choose with one of these, then change the kind"
        )
    folder = out or Path("build") / f"{loaded.name}-select"
    with show_progress("select") as progress:
        progress("reading recordings", 0.0)
        recordings, source = open_search_data(path, loaded, data, judges)
        candidates, left_out = find_candidates(loaded, recordings)
        found = select_features(loaded, recordings, candidates, price_features, worth / 100, progress)
    head = [
        f"Features chosen by `myopatch select`: {found.metric} {to_percent(found.chosen.accuracy)} of a linear model, each "
        f"window by itself, {found.chosen.tag.microseconds:.0f} us a decision; the spec given: {to_percent(found.own.accuracy)}, "
        f"{found.own.tag.microseconds:.0f} us.",
        f"Measured on {say_judges(recordings.n_judges)}; persons held out for the test were not read.",
    ]  # fmt: skip
    text = render_spec(move_data(found.spec, path.parent, folder), head)
    write_text(folder / "patch.toml", text)
    record = {"source": source, "worth": worth, "left_out": left_out} | describe_selection(found)
    write_json(folder / SELECTION, record)
    _draw_selection(found, folder, loaded.name, text)
    if as_json:
        print(render_json(record))
        return
    _show_selection(found, left_out)
    print(f"data: {source}")
    print(f"wrote {folder}/patch.toml, select.html, select.png; next: myopatch train {folder}/patch.toml")


def describe_selection(found: Selection) -> dict[str, Any]:
    """Return a selection as plain values."""
    described = asdict(found)
    described["spec"] = found.spec.model_dump(mode="json", exclude_unset=True)
    return described


def _selection_rows(found: Selection) -> list[list[str]]:
    order = {point.moved: number for number, point in enumerate(found.forward, 1)}
    return [
        [
            f"{'* ' * (r.name in found.chosen.names)}{r.name}", str(r.n_components), f"{r.information_bits:.3f}",
            to_percent(r.accuracy), f"{r.tag.instructions:,.0f}", f"{r.tag.microseconds:.0f}",
            f"{100 * r.accuracy / r.tag.microseconds:.3f}", str(order.get(r.name, "")),
        ]
        for r in found.ranked
    ]  # fmt: skip


def _path_rows(found: Selection) -> list[list[str]]:
    sets = [("given", found.own), *(("+", p) for p in found.forward), *(("-", p) for p in found.backward)]
    sets.append(("chosen", found.chosen))
    return [
        [
            f"{sign} {p.moved if sign in '+-' else ''}", ", ".join(p.names), to_percent(p.accuracy),
            f"{p.tag.instructions:,.0f}", f"{p.tag.microseconds:.0f}",
        ]
        for sign, p in sets
    ]  # fmt: skip


ONE_COLUMNS = ("by itself", "words", "MI, bits", "accuracy", "instructions", "us", "points a us", "came")
PATH_COLUMNS = ("moved", "features", "accuracy", "instructions", "us")
PCA_NOTE = (
    "Principal components are sums of features, and so is the network's first dense layer: their product is one matrix of "
    "the same size, so the patch has no stage for them. What they keep of the accuracy says how many units that layer needs."
)


def _pca_rows(found: Selection) -> list[list[str]]:
    return [[str(p.n_components), to_percent(p.variance), to_percent(p.accuracy)] for p in found.projections]


def _draw_selection(found: Selection, folder: Path, name: str, text: str) -> None:
    from myo_host.search_figures import Mark, draw_paths, to_svg, write_png
    from myo_host.search_page import Table, render_search_page
    from myo_pipeline.bundle import write_text

    def mark(accuracy: float, tag: Tag, said: str = "") -> Mark:
        return Mark(tag.microseconds, accuracy, said)

    def say(point: Point) -> str:
        return f"{', '.join(point.names)}: {to_percent(point.accuracy)}, {point.tag.microseconds:.0f} us"

    figure = draw_paths(
        [mark(r.accuracy, r.tag) for r in found.ranked],
        [mark(p.accuracy, p.tag, f"+ {p.moved}") for p in found.forward],
        [mark(found.forward[-1].accuracy, found.forward[-1].tag), *(mark(p.accuracy, p.tag) for p in found.backward)],
        mark(found.own.accuracy, found.own.tag), mark(found.chosen.accuracy, found.chosen.tag), found.metric,
    )  # fmt: skip
    write_png(figure, folder / "select.png")
    tables = [
        Table("Sets, in the order in which they were found", PATH_COLUMNS, _path_rows(found)),
        Table("Features by themselves", ONE_COLUMNS, _selection_rows(found), "Instructions and microseconds are the whole "
              "patch's with this feature, predicted; an asterisk marks what was chosen; 'came' is the place on the way forward."),
        Table("Principal components of the chosen features", ("components", "variance", "accuracy"), _pca_rows(found), PCA_NOTE),
    ]  # fmt: skip
    summary = [
        ("chosen", f"{say(found.chosen)}, of {found.metric}"),
        ("given", say(found.own)),
        ("measured by", "a linear model on persons that it did not learn from, each window by itself; costs are predicted"),
    ]  # fmt: skip
    page = render_search_page(f"{name}: features", summary, to_svg(figure), tables, text)
    write_text(folder / "select.html", page)


def _show_selection(found: Selection, left_out: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for title, columns, rows in (
        (f"features by {found.metric} for a microsecond", ONE_COLUMNS, _selection_rows(found)),
        ("sets", PATH_COLUMNS, _path_rows(found)),
        ("principal components of the chosen", ("components", "variance", "accuracy"), _pca_rows(found)),
    ):
        table = Table(title=title, title_justify="left")
        for column in columns:
            table.add_column(
                column, justify="left" if column in ("by itself", "moved", "features") else "right"
            )
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if left_out:
        console.print(f"left out: {', '.join(left_out)}")
