"""What the patch's models are worth on real EMG: every row of docs/gestures.md, on splits by whole recordings.

``python benchmarks/study_gestures.py`` makes the rows that ``benchmarks/results/gestures.json`` has not, or has of other code or
settings, and keeps each as soon as it is done: stop it where you like. ``--row`` makes some, ``--list`` says which stand.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import gesture_legs as legs
import gesture_limits as limits
import gesture_myo as myo
import gesture_suguru as suguru
from gesture_scores import summarize
from gesture_sets import SPECS, Table, open_table
from myo_pipeline.errors import DataError
from myo_training.datasets import find_dataset
from myo_training.dense_net import DenseNet

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = ROOT / "benchmarks" / "results" / "gestures.json"
WORK: Final = ROOT / "build" / "study_gestures"

#: Code that decides every row, and that of each set beside it.
SHARED_CODE: Final = (
    "benchmarks/gesture_sets.py", "benchmarks/gesture_scores.py", "training/myo_training/dense_net.py",
    "training/myo_training/adaptation.py", "training/myo_training/armband.py", "training/myo_training/bouts.py",
    "pipeline/myo_pipeline/ring.py",
)  # fmt: skip

Result = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A row of the study.

    Attributes
    ----------
    data
        Name of the set.
    code
        Its module, beside :data:`SHARED_CODE`.
    settings
        What it is made with.
    floor
        Way that the others are tested against.
    run
        Makes it from what is read, the set's table, and the settings.
    """

    data: str
    code: str
    settings: Any
    floor: str
    run: Callable[[Any, Any], Result]


class _Cache:
    """What rows of one set share, made once a run: the set's view and the networks."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}

    def get(self, name: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401
        if name not in self._held:
            began = time.monotonic()
            self._held[name] = make()
            print(f"  {name}: {time.monotonic() - began:.0f} s", flush=True)
        return self._held[name]


CACHE: Final = _Cache()


def _myo(table: Table, settings: myo.Settings) -> tuple[myo.Myo, list[DenseNet]]:
    data = CACHE.get("myo_readings, view", lambda: myo.Myo(table))
    nets = CACHE.get(
        "myo_readings, a network a fold",
        lambda: [myo.train_fold(data, f, settings) for f in myo.list_folds(data)],
    )
    return data, nets


def _suguru(
    table: Table, settings: suguru.Settings, *, by_day: bool
) -> tuple[suguru.Suguru, dict[str, DenseNet]]:
    data = CACHE.get("suguru_longterm, view", lambda: suguru.Suguru(table))
    nets = CACHE.get(
        f"suguru_longterm, a network a person{', days scaled' if by_day else ''}",
        lambda: {p: suguru.train_source(data, p, settings, by_day=by_day) for p in data.persons},
    )
    return data, nets


def _early_to_late(table: Table, settings: suguru.Settings) -> Result:
    data, nets = _suguru(table, settings, by_day=False)
    return suguru.run_early_to_late(data, nets, _suguru(table, settings, by_day=True)[1], settings)


_MYO, _SUGURU, _LEGS, _LIMITS = (
    f"benchmarks/gesture_{name}.py" for name in ("myo", "suguru", "legs", "limits")
)
ROWS: Final[dict[str, Row]] = {
    "suguru_within_day": Row("suguru_longterm", _SUGURU, suguru.Settings(), "floor",
                             lambda t, s: suguru.run_within_day(*_suguru(t, s, by_day=True), s)),
    "suguru_early_to_late": Row("suguru_longterm", _SUGURU, suguru.Settings(), "floor", _early_to_late),
    "suguru_new_day": Row("suguru_longterm", _SUGURU, suguru.Settings(), "floor",
                          lambda t, s: suguru.run_new_day(*_suguru(t, s, by_day=True), s)),
    "uci_activity": Row("uci_lower_limb", _LEGS, legs.ActivitySettings(), "floor", legs.run_activity),
    "elderly_force": Row("elderly_emg_dyn", _LEGS, legs.ForceSettings(), "floor", legs.run_force),
    "myo_calibrated": Row("myo_readings", _MYO, myo.Settings(), "same session: floor",
                          lambda t, s: myo.run_calibrated(*_myo(t, s), s)),
    "myo_sessions": Row("myo_readings", _MYO, myo.Settings(), "floor",
                        lambda t, s: myo.run_sessions(*_myo(t, s), s)),
    "myo_unseen": Row("myo_readings", _MYO, myo.Settings(), "floor",
                      lambda t, s: myo.run_unseen(*_myo(t, s), s)),
    "myo_limits": Row("myo_readings", _LIMITS, limits.LimitSettings(), "", limits.run_bouts),
    "uci_limits": Row("uci_lower_limb", _LIMITS, limits.LimitSettings(), "", limits.run_legs),
}  # fmt: skip


def digest_code(text: str) -> str:
    """Digest what Python code does: neither comments nor docstrings nor layout change it."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def make_key(row: Row) -> str:
    """Digest what decides a row: its settings, and the code that makes it."""
    code = [digest_code((ROOT / path).read_text(encoding="utf-8")) for path in (*SHARED_CODE, row.code)]
    decides = [
        asdict(row.settings),
        row.data,
        code,
        SPECS[row.data]().model_dump(mode="json", exclude_unset=True),
    ]
    content = json.dumps(decides, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def read_results(path: Path) -> dict[str, Result]:
    """Return the rows that a file holds, none where there is no file."""
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else {}


def keep_row(path: Path, name: str, result: Result) -> None:
    """Add a row to the file, whole or not at all."""
    rows = read_results(path) | {name: result}
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"how": "benchmarks/study_gestures.py", "rows": dict(sorted(rows.items()))}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def run_rows(
    rows: dict[str, Row], path: Path, read_table: Callable[[Row], Any], *, again: bool = False
) -> list[str]:
    """Make the rows that ``path`` does not hold by their present key; return which were made."""
    made = []
    keys = {
        name: make_key(row) for name, row in rows.items()
    }  # of the code that runs, whatever is edited meanwhile
    for name, row in rows.items():
        key = keys[name]
        if not again and read_results(path).get(name, {}).get("key") == key:
            print(f"{name}: stands", flush=True)
            continue
        began = time.monotonic()
        found = row.run(read_table(row), row.settings)
        result = {
            "key": key,
            "data": row.data,
            "settings": asdict(row.settings),
            "seconds": round(time.monotonic() - began, 1),
            "summary": summarize(found["ways"], row.floor),
            **found,
        }
        keep_row(path, name, result)
        made.append(name)
        print(f"{name}: {result['seconds']:.0f} s", flush=True)
        for way, figures in result["summary"].items():
            print(f"  {way:<64} {format_figures(figures)}", flush=True)
    return made


def find_folder(given: Path | None) -> Path:
    """Return the folder that holds the sets.

    Raises
    ------
    DataError
        If there is none with ``myo_readings`` in it.
    """
    found = find_dataset("myo_readings", given)
    if found is None:
        raise DataError("no folder of data sets with myo_readings in it; name one with --data")
    return found.parent


def format_figures(figures: dict[str, Any]) -> str:
    """Write mean and interval of each kind of a way."""
    return "; ".join(
        f"{kind} {100 * f['mean']:.1f} ({100 * (f['low'] or 0):.1f} to {100 * (f['high'] or 0):.1f})"
        for kind, f in figures.items()
    )


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--row", action="append", choices=list(ROWS), help="make this one; may stand several times"
    )
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--work", type=Path, default=WORK, help="folder of the tables of features")
    parser.add_argument("--again", action="store_true", help="make rows that stand, too")
    parser.add_argument("--list", action="store_true", help="say which rows stand")
    options = parser.parse_args(arguments)
    rows = {name: row for name, row in ROWS.items() if not options.row or name in options.row}
    if options.list:
        kept = read_results(options.out)
        for name, row in rows.items():
            print(
                f"{name:<24} {'stands' if kept.get(name, {}).get('key') == make_key(row) else 'to be made'}"
            )
        return 0
    folder = find_folder(options.data)
    run_rows(rows, options.out, lambda row: open_table(folder, row.data, options.work), again=options.again)
    return 0


if __name__ == "__main__":
    sys.exit(main())
