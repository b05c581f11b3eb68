"""Data sets by name: which there are, and where a copy is found."""

from __future__ import annotations

import os
from pathlib import Path

from myo_pipeline.cache import find_user_cache
from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec
from myo_training import csv_folder, data_sets, myo_readings, simulation
from myo_training.csv_folder import CsvFolder
from myo_training.data_sets.bids_folder import is_bids, open_bids_folder
from myo_training.data_sets.entry import CatalogueEntry
from myo_training.data_sets.recorded_folder import SUFFIXES, open_recorded_folder
from myo_training.recordings import DataSet
from myo_training.simulation import SimulatedSet

VARIABLE = "MYOPATCH_DATA"


CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name=myo_readings.NAME,
            description="29 persons, 3 sessions, 8 wrist gestures, 8-channel armband, 200 Hz",
            licence="MIT",
            url=myo_readings.URL,
            open_folder=lambda folder, _kind: myo_readings.open_myo_readings(folder),
            can_fetch=True,
        ),
        *data_sets.ENTRIES,
    )
}


def tell_way(entry: CatalogueEntry) -> str:
    """Return in words how a set is got."""
    return f"get it with `myopatch data get {entry.name}`" if entry.can_fetch else f"get it from {entry.url}"


def find_cache() -> Path:
    """Return the user's cache, ``$XDG_CACHE_HOME/myopatch/data`` or ``~/.cache/myopatch/data``."""
    return find_user_cache() / "data"


def list_places(data_dir: Path | None = None) -> list[Path]:
    """Return the folders to look for a data set in, in order: the one given alone, else all known ones."""
    if data_dir is not None:
        return [data_dir]
    repository = Path(__file__).resolve().parents[2]
    variable = os.environ.get(VARIABLE, "")
    places = [Path(variable)] if variable else []
    return [
        *places,
        repository.parent / "shared" / "data",
        Path.cwd().parent / "shared" / "data",
        find_cache(),
    ]


def find_dataset(name: str, data_dir: Path | None = None) -> Path | None:
    """Return the folder of a known data set, or None where no copy is found.

    Parameters
    ----------
    name
        A name of :data:`CATALOGUE`.
    data_dir
        Folder of data sets, or the set's own folder (``--data``).
    """
    for place in list_places(data_dir):
        for folder in (place / name, place):
            if folder.name == name and folder.is_dir():
                return folder
    return None


def open_known(name: str, folder: Path, kind: str | None = None) -> DataSet:
    """Open a copy of a known data set.

    Parameters
    ----------
    name
        A name of :data:`CATALOGUE`.
    folder
        Where the copy is.
    kind
        What its labels shall be, ``classes`` or ``values``, where the set has both; without it, or where the set does not
        have it, what the set has first.

    Raises
    ------
    DataError
        If the folder does not hold the set.
    """
    entry = CATALOGUE[name]
    return entry.open_folder(folder, kind if kind in entry.kinds else entry.kinds[0])


def resolve_dataset(
    name: str, data_dir: Path | None = None, spec: PatchSpec | None = None, base: Path | None = None
) -> DataSet:
    """Open a data set by name, or a folder of recordings by path.

    A known set is looked for in ``--data``, else ``$MYOPATCH_DATA``, ``../shared/data`` and the user's cache.
    Where it is in none of them, simulated EMG takes its place, and ``info.source`` says so.

    Parameters
    ----------
    name
        A name of :data:`CATALOGUE`, ``simulated``, or the path of a folder, see :func:`open_folder`.
    data_dir
        Folder of data sets, or the set's own folder; then only it is looked in, and nothing is simulated
        instead.
    spec
        The patch, which simulation needs.
    base
        Folder that such a path is relative to, the spec's own; without it, the current one.

    Raises
    ------
    DataError
        If the name is unknown, the folder damaged, or nothing can be simulated.
    """
    if name == simulation.NAME:
        return _simulate(spec, "the spec asks for simulated data")
    if name in CATALOGUE:
        folder = find_dataset(name, data_dir)
        if folder is not None:
            return open_known(name, folder, spec.output.kind if spec else None)
        if data_dir is not None:
            raise DataError(
                f"{data_dir}: no data set {name!r} in it; give the folder that holds {name}, or leave --data "
                "out"
            )
        return _simulate(spec, f"{name} was not found; {tell_way(CATALOGUE[name])}")
    folders = [data_dir / name, data_dir] if data_dir is not None else [(base or Path()) / name, Path(name)]
    for folder in folders:
        found = open_folder(folder, spec.output.kind if spec else None)
        if found is not None:
            return found
    known = ", ".join([*CATALOGUE, simulation.NAME])
    raise DataError(
        f"data set {name!r} is neither known ({known}) nor a folder with a {csv_folder.DESCRIPTION} or in BIDS; "
        "correct training.data"
    )


def open_named(name: str, data_dir: Path | None = None, kind: str | None = None) -> DataSet:
    """Open a copy of a known set, or a folder of recordings by its path; nothing is simulated.

    Parameters
    ----------
    name
        A name of :data:`CATALOGUE`, or a path.
    data_dir
        Folder of data sets, or the set's own folder, as of :func:`find_dataset`.
    kind
        ``classes`` or ``values``, where a set has both.

    Raises
    ------
    DataError
        If there is no such set here, or it does not have that kind.
    """
    folder = find_dataset(name, data_dir) if name in CATALOGUE else Path(name)
    if folder is None:
        places = ", ".join(map(str, list_places(data_dir)))
        raise DataError(f"{name}: no copy in {places}; {tell_way(CATALOGUE[name])}")
    found = open_known(name, folder, kind) if name in CATALOGUE else open_folder(folder, kind)
    if found is None:
        raise DataError(
            f"{name}: neither a known data set (`myopatch data list`) nor a folder with a {csv_folder.DESCRIPTION} or in BIDS"
        )
    if kind is not None and found.info.kind != kind:
        raise DataError(f"{name}: holds {found.info.kind}, --kind says {kind!r}; leave it out")
    return found


def open_folder(folder: Path, kind: str | None = None) -> DataSet | None:
    """Open a folder of recordings: one with a ``dataset.toml``, one in BIDS, or a known set's by its name; None for others.

    Raises
    ------
    DataError
        If it is one of these, and damaged.
    """
    if (folder / csv_folder.DESCRIPTION).is_file():
        # A stream's file, NAME.wrist.csv, is no recording.
        is_csv = any("." not in path.stem for path in folder.glob("*.csv")) or not any(
            path.suffix.lower() in SUFFIXES for path in folder.iterdir()
        )
        return CsvFolder(folder) if is_csv else open_recorded_folder(folder)
    if is_bids(folder):
        return open_bids_folder(folder)
    name = folder.resolve().name
    return open_known(name, folder, kind) if name in CATALOGUE and folder.is_dir() else None


def _simulate(spec: PatchSpec | None, reason: str) -> DataSet:
    if spec is None:
        raise DataError(f"no recordings ({reason}), and simulation needs a spec")
    return SimulatedSet(spec, seed=spec.training.seed, reason=reason)
