"""A search over specs: optuna proposes, the compiler's cost model prices, a short training is judged by other persons.

Two objectives: the decision's accuracy on those persons, and what it takes (share of the core, flash or latency). What
exceeds the budget is priced and not trained. Persons held out for the test are never read. Every trial stands in a journal
on disk; the sampler is seeded anew from the seed and the number of trials told, so a search that was stopped goes on as if it
had not been.

References
----------
Ozaki et al. 2022, J. Artif. Intell. Res. 73, doi:10.1613/jair.1.13188 (multi-objective TPE).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from myo_pipeline.errors import DataError, ExportError, SpecError
from myo_pipeline.spec import PatchSpec
from myo_training.evaluation import judge_windows, summarize_outputs
from myo_training.float_model import learn_float
from myo_training.model_axes import describe_model
from myo_training.search_data import SearchData
from myo_training.search_space import Params, SearchSpace

if TYPE_CHECKING:
    import optuna

Progress = Callable[[str, float], None]
Objective = Literal["core", "flash", "latency"]
JOURNAL: Final = "journal.log"
N_STARTUP: Final = 12  # trials at random before the sampler has anything to go by
_UNTRIED: Final = (
    -1.0
)  # accuracy told of what exceeds the budget or cannot be, and what it costs where nobody can say
_DEAREST: Final = 1e9


@dataclass(frozen=True)
class Cost:
    """What a spec's patch is predicted to take.

    Attributes
    ----------
    flash_bytes, ram_bytes, latency_ms, core_percent, instructions
        Of the whole patch; the last three of a decision, ``core_percent`` at the rate of decisions.
    excess
        What it exceeds the budget by, in words; empty where it is within.
    violations
        Figures over limits, less 1, of flash, RAM and latency.
    """

    flash_bytes: int
    ram_bytes: int
    latency_ms: float
    core_percent: float
    instructions: float
    excess: str
    violations: tuple[float, float, float]

    def objective(self, of: Objective) -> float:
        """Return the figure that a search keeps low."""
        return {"core": self.core_percent, "flash": self.flash_bytes / 1024, "latency": self.latency_ms}[of]


Price = Callable[[PatchSpec], Cost]


@dataclass(frozen=True)
class Tried:
    """A spec that was trained.

    Attributes
    ----------
    number
        Of the trial, from 0.
    params, spec
        Its place in the space, and what it makes.
    accuracy
        Of decisions: macro accuracy (of values R2), mean over the persons that judge.
    persons
        The same by person.
    cost
        Predicted.
    """

    number: int
    params: Params
    spec: PatchSpec
    accuracy: float
    persons: dict[str, float]
    cost: Cost

    def describe(self) -> str:
        """Say in a line what it is."""
        features = ", ".join(
            ("log " if getattr(f, "log", False) else "") + f.kind for f in self.spec.features
        )
        window = self.spec.window
        what = f"{features}; " if features else ""
        return f"{what}{describe_model(self.spec.model)}; window {window.window_ms:g} ms, hop {window.hop_ms:g} ms"


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    tried
        All trials that were trained, in their order.
    front
        Those that no other beats in both objectives, the cheapest first.
    finalists
        The best of the front and the spec itself, trained for all of the spec's epochs.
    chosen
        The best of them.
    n_refused
        Trials that the budget or the spec's own rules refused.
    """

    tried: tuple[Tried, ...]
    front: tuple[Tried, ...]
    finalists: tuple[Tried, ...]
    chosen: Tried
    n_refused: int


def judge_spec(spec: PatchSpec, data: SearchData, epochs: int) -> tuple[float, dict[str, float]]:
    """Train a spec's model on the persons to learn from and measure decisions on those that judge, in float.

    Returns
    -------
    tuple
        Macro accuracy (of values R2), mean over persons and by person. The same spec and recordings give the same figures.

    Raises
    ------
    DataError
        If a feature is no number or never changes, or a person has nothing to be measured by.
    """
    sides = data.cut(spec)
    settings = spec.training.model_copy(update={"epochs": epochs})
    short = spec.model_copy(update={"training": settings})
    model = learn_float(short, lambda: sides.train, None, lambda _t, _f: None)
    judged = judge_windows(sides.validation, model.predict(sides.validation))
    figures = summarize_outputs(judged, spec)["voted"]
    key = "macro_accuracy" if spec.output.kind == "classes" else "r2"
    if not np.isfinite(figures[key]["mean"]):
        raise DataError(
            f"persons that judge: {key} is {figures[key]['mean']}; record every class, or name other persons"
        )
    return figures[key]["mean"], {person: own[key] for person, own in figures["per_person"].items()}


class Search:
    """A search in a folder, new or gone on with.

    Parameters
    ----------
    space, data, price
        What may change, what judges, and what it costs.
    folder
        Holds the journal.
    objective
        What is kept low beside the accuracy kept high.
    epochs
        Of a trial's training.

    Raises
    ------
    DataError
        If the folder holds a search of another spec or of other settings.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: SearchData,
        price: Price,
        folder: Path,
        objective: Objective,
        epochs: int,
    ) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._data, self._price = space, data, price
        self._objective, self._epochs = objective, epochs
        folder.mkdir(parents=True, exist_ok=True)
        said = json.dumps(
            [
                space.spec.model_dump(mode="json", exclude={"name"}),
                dict(space.axes),
                objective,
                epochs,
                data.sessions,
            ]
        )
        identity = hashlib.sha256(said.encode()).hexdigest()
        try:
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
                study_name="tune",
                directions=["maximize", "minimize"],
                load_if_exists=True,
            )
        except (ValueError, KeyError, json.JSONDecodeError) as error:
            raise DataError(
                f"{folder / JOURNAL}: cannot be read ({type(error).__name__}); remove it, or give another --out"
            ) from None
        known = self._study.user_attrs.get("identity", identity)
        if known != identity:
            raise DataError(
                f"{folder}: holds a search of another spec, data or settings; give another --out, or remove {folder / JOURNAL}"
            )
        if "identity" not in self._study.user_attrs:
            self._study.set_user_attr("identity", identity)

    @property
    def n_told(self) -> int:
        """Trials that are over."""
        return len(self._list_told())

    def run(
        self,
        n_trials: int,
        first: Sequence[Params],
        minutes: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Try specs until so many trials are told in all.

        Parameters
        ----------
        n_trials
            In all, those of earlier runs included.
        first
            Places to begin with.
        minutes
            Stop after so long; the next run goes on.
        progress
            Called with a phrase and a fraction of 0 .. 1.
        """
        tell = progress or (lambda _text, _fraction: None)
        began = time.monotonic()
        while (n_told := self.n_told) < n_trials:
            if minutes is not None and time.monotonic() - began > 60 * minutes:
                break
            self._study.sampler = self._make_sampler(n_told)
            if n_told < len(first) and not any(t.state.name == "WAITING" for t in self._study.trials):
                self._study.enqueue_trial(first[n_told])
            trial = self._study.ask()
            params: Params = {}
            for name, values in self._space.axes.items():
                if self._space.asks(name, params):
                    params[name] = trial.suggest_categorical(name, values)
            accuracy = self._try(trial, params)
            best = max((t.values[0] for t in self._trained()), default=0.0)
            what = f"{accuracy:.3f}" if accuracy != _UNTRIED else "not trained"
            tell(f"trial {n_told + 1} of {n_trials}: {what}, best {best:.3f}", (n_told + 1) / n_trials)

    def _make_sampler(self, n_told: int) -> optuna.samplers.BaseSampler:
        import optuna

        seed = (self._space.spec.training.seed * 100_003 + n_told) % 2**31
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=N_STARTUP)

    def _try(self, trial: optuna.Trial, params: Params) -> float:
        accuracy, kept_low, violations = _UNTRIED, _DEAREST, (0.0, 0.0, 0.0)
        try:
            spec = self._space.build(params)
            cost = self._price(spec)
            kept_low, violations = cost.objective(self._objective), cost.violations
            trial.set_user_attr("cost", asdict(cost))
            if cost.excess:
                raise SpecError(cost.excess)
            key = spec.model_dump_json()
            same = [t for t in self._trained() if t.user_attrs["spec"] == key]
            if same:
                accuracy, persons = same[0].values[0], same[0].user_attrs["persons"]
            else:
                accuracy, persons = judge_spec(spec, self._data, self._epochs)
            trial.set_user_attr("spec", key)
            trial.set_user_attr("persons", persons)
        except (SpecError, ExportError, DataError) as error:
            trial.set_user_attr("refused", str(error))
        for name, excess in zip(("flash", "ram", "latency"), violations, strict=True):
            trial.set_constraint(name, excess)
        trial.set_constraint("spec", 1.0 if accuracy == _UNTRIED and max(violations) <= 0 else -1.0)
        self._study.tell(trial, [accuracy, kept_low])
        return accuracy

    def _list_told(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials that are over; one that a killed search left is not."""
        return [t for t in self._study.trials if t.state.name == "COMPLETE"]

    def _trained(self) -> list[optuna.trial.FrozenTrial]:
        return [t for t in self._list_told() if "spec" in t.user_attrs]

    def list_tried(self) -> tuple[Tried, ...]:
        """Return every spec that was trained, each once."""
        tried: dict[str, Tried] = {}
        for number, trial in enumerate(self._list_told()):
            attrs = trial.user_attrs
            if "spec" not in attrs:
                continue
            cost = Cost(**attrs["cost"] | {"violations": tuple(attrs["cost"]["violations"])})
            spec = self._space.build(trial.params)
            tried.setdefault(
                attrs["spec"],
                Tried(number, dict(trial.params), spec, trial.values[0], attrs["persons"], cost),
            )
        return tuple(tried.values())

    def conclude(self, n_finalists: int, progress: Progress | None = None) -> Found:
        """Train the best of the front, and the spec itself, for all of its epochs, and choose.

        Raises
        ------
        DataError
            If no trial was within the budget.
        """
        tell = progress or (lambda _text, _fraction: None)
        tried = self.list_tried()
        n_refused = self.n_told - len(self._trained())
        if not tried:
            raise DataError(
                f"none of {n_refused} trials is within the budget; raise a limit of [budget], or search longer with --trials"
            )
        front = find_front(tried, self._objective)
        best = sorted(front, key=lambda t: -t.accuracy)[:n_finalists]
        known = self._study.user_attrs.get("finalists", {})
        finalists: list[Tried] = []
        for place, one in enumerate([*best, *self._find_start(tried)]):
            tell(f"finalist {place + 1}: {one.describe()}", place / (len(best) + 1))
            key = one.spec.model_dump_json()
            if key not in known:
                known = known | {key: judge_spec(one.spec, self._data, one.spec.training.epochs)}
                self._study.set_user_attr("finalists", known)
            accuracy, persons = known[key]
            final = Tried(one.number, one.params, one.spec, accuracy, persons, one.cost)
            finalists += [final] * all(final.spec != other.spec for other in finalists)
        chosen = max(finalists, key=lambda t: (t.accuracy, -t.cost.objective(self._objective)))
        return Found(tried, front, tuple(finalists), chosen, n_refused)

    def _find_start(self, tried: Sequence[Tried]) -> list[Tried]:
        """Return the spec that the search began with, where its budget allows it."""
        return [t for t in tried if t.params == self._space.start]


def find_front(tried: Sequence[Tried], objective: Objective) -> tuple[Tried, ...]:
    """Return those that no other is as good as in both objectives and better in one, the cheapest first."""
    front: list[Tried] = []
    for one in sorted(tried, key=lambda t: (t.cost.objective(objective), -t.accuracy)):
        if not front or one.accuracy > front[-1].accuracy:
            front.append(one)
    return tuple(front)


def compare_persons(one: Tried, other: Tried) -> float:
    """Return the mean over persons of what one gains on another."""
    return float(np.mean([one.persons[p] - other.persons[p] for p in one.persons]))
