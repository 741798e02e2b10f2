"""The plan of a comparison: what was asked, stored before the first run, and printed beside what came of it."""

import os
import re
import types
import typing
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from dlexp.records import run_json

PLAN_FILE = "compare.json"  # in the folder of a comparison, beside its ledger
MOST = 10_000  # seeds of an arm, or trials: more are a slip
RANGE = re.compile(r"(tag\(log,)?(int\()?interval\([^()]*\)+")  # numbers that can go on, as plans hold them

_T = TypeVar("_T")


@dataclass(frozen=True)
class Tuning:
    """What each arm may tune, with equal trials.

    spaces: by arm, by key: the range in Hydra's grammar, `tag(log,interval(0.001,1))`. widened: by arm, the keys whose
    range was widened once, and to what. chosen: by arm, the words found. seed: of the trials' runs, no final one.
    further: trials of each arm, besides `trials`, once a range of one of them was widened. first_trials: those planned
    before the first run, where another number was typed before anything was chosen; else 0.
    """

    keys: list[str]
    spaces: dict[str, dict[str, str]]
    trials: int
    sampler: str
    sampler_seed: int
    seed: int
    widened: dict[str, dict[str, str]]
    chosen: dict[str, list[str]]
    edges: dict[str, list[str]]  # by arm, the keys whose best value lies at an edge of the last range
    further: int = 0
    first_trials: int = 0

    @property
    def planned_trials(self) -> int:
        """The trials of each arm as planned before the first run."""
        return self.first_trials or self.trials

    @property
    def is_over(self) -> bool:
        """Whether the settings of all arms are chosen: they stay, and no trial is tried again."""
        return self.chosen.keys() >= self.spaces.keys()


@dataclass(frozen=True)
class Plan:
    """question: as typed or from the study. arms: the words of each by name. margin: in the metric's shown unit.

    runs: by arm, by seed: the run's folder, relative to the comparison's: inside it, or beside it (`../sweep-…/NAME`)
    where it was found trained. Where folds are compared the seed is followed by ` fold K`. trials: by arm, the folders
    of its tuning in order. looks: the seeds of each arm at each time that a verdict was shown; the last one is that of
    the report at hand. picture: what shows the answer: `differences`, `curves`, `lines:KEY` or `map:KEY,KEY`.
    departures: what was typed or done otherwise than planned, a sentence each. cells: by arm, the hash of its settings
    before tuning (see `config/cell.py`), by which the same comparison is known again. folds: `data.fold=K` of each fold
    that is compared. known: by arm, what of `runs` had results apart from this plan. late: seeds that were added once
    final runs had ended. first_seeds: those planned before the first run, where others were typed before a
    final one had ended. pairs: by arm, the one that it is held against, where that is not `reference` for all. lines:
    of the picture `lines:KEY`, by name the arms of each.
    """

    question: str | None
    command: str
    arms: dict[str, list[str]]
    shared: list[str]
    reference: str
    seeds: list[int]
    metric: str
    margin: float | None
    hypothesis: str | None
    size: str | None
    picture: str | None
    tuning: Tuning | None
    runs: dict[str, dict[str, str]]
    trials: dict[str, list[str]]
    looks: list[list[int]]
    departures: list[str] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)
    folds: list[str] = field(default_factory=list)
    known: dict[str, list[str]] = field(default_factory=dict)
    late: list[int] = field(default_factory=list)
    pairs: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    first_seeds: list[int] = field(default_factory=list)

    @property
    def planned_seeds(self) -> list[int]:
        """The seeds as planned before the first run."""
        return self.first_seeds or [seed for seed in self.seeds if seed not in self.late]

    @property
    def against(self) -> str:
        """What the arms are held against, in words: an arm, or pairs of them."""
        return "; ".join(f"{arm} − {other}" for arm, other in self.pairs.items()) or self.reference


def read_plan(folder: Path) -> Plan | None:
    """Returns the plan in a folder, None where there is none that can be read.

    The file may be a stranger's: types are held to those of `Plan`, and runs lie in the folder or beside it.
    """
    version, data = (run_json.recorded(folder / PLAN_FILE, key) for key in ("format_version", "plan"))
    if version != run_json.FORMAT_VERSION:
        return None
    try:
        plan = _read(data, Plan)
    except ValueError:
        return None
    named = [*(name for runs in plan.runs.values() for name in runs.values()), *sum(plan.trials.values(), [])]
    return plan if _agrees(plan) and all(map(_is_near, named)) else None


def why_unread(folder: Path) -> str | None:
    """Returns why the plan in a folder can't be read, in words that follow the folder's name; None where it can, or
    where there is none.
    """
    path = folder / PLAN_FILE
    if not os.path.lexists(path) or read_plan(folder) is not None:
        return None
    version = run_json.recorded(path, "format_version")
    is_other = type(version) is int and version != run_json.FORMAT_VERSION
    return f"has a {PLAN_FILE} that {'another version of dlexp wrote' if is_other else 'is damaged'}"


def _agrees(plan: Plan) -> bool:
    """Returns whether the parts of a plan speak of the same arms and keys, and only ranges of numbers have grown."""
    named = {plan.reference, *plan.pairs, *plan.pairs.values(), *sum(plan.lines.values(), [])}
    if not named <= plan.arms.keys() or (plan.cells and plan.cells.keys() != plan.arms.keys()):
        return False
    tuning = plan.tuning
    if tuning is None:
        return True
    grown = {(arm, key): text for arm, its in tuning.widened.items() for key, text in its.items()}
    spaces = {(arm, key): text for arm, its in tuning.spaces.items() for key, text in its.items()}
    return (
        1 <= tuning.trials <= MOST
        and 0 <= tuning.further <= MOST
        and 0 <= tuning.first_trials <= MOST
        and tuning.spaces.keys() <= plan.arms.keys()
        and all(RANGE.fullmatch(each) for place, text in grown.items() for each in (text, spaces.get(place, "")))
    )


def write_plan(folder: Path, plan: Plan) -> None:
    """Writes the plan into the folder of a comparison."""
    run_json.write_json(folder / PLAN_FILE, {"format_version": run_json.FORMAT_VERSION, "plan": as_data(plan)})


def as_data(plan: Plan) -> dict[str, Any]:
    """Returns the plan as JSON holds it."""
    return asdict(plan)


def _is_near(name: str) -> bool:
    """Returns whether a folder is named relative to another, and lies in it or beside it."""
    parts = PurePosixPath(name).parts
    inside = parts[1:] if parts[:1] == ("..",) else parts
    is_plain = not any(each in ("..", "/") or set(each) & set(":\\\0") for each in inside)
    return bool(inside) and is_plain and not name.startswith("/")


def _read(value: Any, hint: Any) -> Any:
    """Returns what JSON holds as the type it was written from.

    Raises:
        ValueError: it is another one.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        (kind,) = (each for each in arguments if each is not types.NoneType)
        return None if value is None else _read(value, kind)
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, dict):
        return _dataclass(value, hint)
    if origin is list and isinstance(value, list):
        return [_read(each, arguments[0]) for each in value]
    if origin is dict and isinstance(value, dict):
        return {str(key): _read(each, arguments[1]) for key, each in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{value!r} is no {hint}")
    return value


def _dataclass(value: dict[str, Any], kind: type[_T]) -> _T:
    hints = typing.get_type_hints(kind)
    known = fields(kind)  # type: ignore[arg-type]
    needed = {each.name for each in known if each.default is MISSING and each.default_factory is MISSING}
    if not needed <= value.keys() <= hints.keys():
        raise ValueError(f"a {kind.__name__} has {', '.join(hints)}")
    return kind(**{key: _read(each, hints[key]) for key, each in value.items()})
