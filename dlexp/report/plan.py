"""The plan of a comparison: what was asked, stored before the first run, and printed beside what came of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLAN_FILE = "compare.json"  # in the folder of a comparison, beside its ledger


@dataclass(frozen=True)
class Tuning:
    """What each arm may tune, with equal trials.

    spaces: by arm, by key: the range in Hydra's grammar, `tag(log,interval(0.001,1))`. widened: by arm, the keys whose
    range was widened once, and to what. chosen: by arm, the words found. seed: of the trials' runs, no final one.
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


@dataclass(frozen=True)
class Plan:
    """question: as typed or from the study. arms: the words of each by name. margin: in the metric's shown unit.

    runs: by arm, by seed: the run's folder, relative to the comparison's. trials: by arm, the folders of its tuning in
    order. looks: the seeds of each arm at each time that a verdict was shown. picture: what shows the answer:
    `differences`, `curves`, `lines:KEY` or `map:KEY,KEY`.
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


def read_plan(folder: Path) -> Plan | None:
    """Returns the plan in a folder, None where there is none that can be read."""
    raise NotImplementedError


def write_plan(folder: Path, plan: Plan) -> None:
    """Writes the plan into the folder of a comparison."""
    raise NotImplementedError


def as_data(plan: Plan) -> dict[str, Any]:
    """Returns the plan as JSON holds it."""
    raise NotImplementedError
