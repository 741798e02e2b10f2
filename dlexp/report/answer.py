"""What a report says, as plain data: every output (terminal, page, Markdown, LaTeX, JSON) is drawn from this alone."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dlexp.console.wording import beside, gap
from dlexp.metric import Metric
from dlexp.report.reading.plan import Plan
from dlexp.report.reading.runs import Run, Trouble

Verdict = Literal["better", "worse", "no_difference", "not_decided"]
Choice = Literal["chosen", "first", "moved"]


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its interval; all None but the mean with one value, and all None without any."""

    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Arm:
    """What differs besides the seed, and its runs by seed.

    settings: what varies, with this arm's values; name: those in words, unique in the report. values: of the metric, of
    the runs that finished with a number, in the order of `finished`. interval: uncorrected, 95 %. words: what trains
    it again, without seed.
    """

    name: str
    settings: dict[str, Any]
    words: list[str]
    runs: list[Run]
    finished: list[Run]
    values: list[float]
    num_failed: int
    num_diverged: int
    interval: Interval
    std: float | None
    seconds: float | None  # median of a run's
    parameters: int | None
    others: dict[str, Interval] = field(default_factory=dict)  # further metrics by name
    reached: list[dict[str, float] | None] = field(default_factory=list)  # --reach: epochs, steps, seconds

    @property
    def is_whole(self) -> bool:
        """Whether all of its runs gave a number: else it has no verdict, and ranks behind those that are."""
        return not self.num_failed and not self.num_diverged

    @property
    def num_ended(self) -> int:
        """Runs that are over."""
        return len(self.values) + self.num_failed + self.num_diverged

    @property
    def lost(self) -> list[str]:
        """What became of the runs without a number: `["1 diverged", "2 failed"]`."""
        counts = [(self.num_diverged, "diverged"), (self.num_failed, "failed")]
        return [f"{count} {word}" for count, word in counts if count]


@dataclass(frozen=True)
class Difference:
    """An arm minus the other one, in the metric's own values, corrected; None where nothing is claimed (`why_not`).

    test: "Welch" or "paired t". p and interval are corrected for all comparisons of the report. visible: the smallest
    difference found in 80 of 100 repetitions with this many seeds and this scatter. needed: seeds an arm for the
    difference measured. ahead: in how many of the paired seeds the arm is better. paired_by: the settings that draw
    data or start by the seed, the same in both arms, for which pairs of a seed were compared.
    """

    arm: str
    reference: str
    value: float | None
    low: float | None
    high: float | None
    p: float | None
    test: str | None
    degrees: float | None
    verdict: Verdict | None
    below_margin: bool
    visible: float | None
    needed: int | None
    ahead: int | None
    why_not: str | None
    paired_by: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """A whole report.

    metric: the key compared, such as `test/accuracy`, chosen on validation. arms: best first; those with failed or
    diverged runs last. reference: None: all pairs are compared, or those of `pairs`, where a plan has some: by arm, the
    one that it is held against. comparisons: how many the correction is for.
    varied: the keys that differ between arms. folds: these are folds, not seeds: no interval and no verdict.
    sentences: the answer, the verdict first; method: test, correction, seeds; scope: what is not said.
    test_error: of the split the metric is of, √(p(1−p)/N) of the best arm, None where it has no meaning.
    margin: in the shown unit, points for a share. decimals: of the metric's values and differences as they are shown
    (`console/wording.fixed`, `signed`): two significant digits of the intervals.
    paired_by: those of all differences. is_drawn: whether a seed drew the samples that the metric is of, so that they
    differ between runs.
    """

    title: str
    command: str | None
    metric: str
    facts: Metric
    varied: list[str]
    constant: dict[str, Any]  # what all runs share and says what they are: model, data, epochs, …
    arms: list[Arm]
    reference: str | None
    differences: list[Difference]
    comparisons: int
    margin: float | None
    decimals: int
    paired_by: list[str]
    folds: bool
    test_error: float | None
    is_drawn: bool
    num_test: int | None
    exploratory: str | None  # why it is, None where it is as planned
    plan: Plan | None
    trials: dict[str, list[Run]]  # of a comparison's tuning, by arm
    troubles: list[Trouble]
    machine: dict[str, Any]  # processor, versions, data: what all runs share
    mixtures: list[str]  # in what the runs differ besides, a sentence each: machines, versions, what a recipe brought
    num_unfinished: int  # runs that are not at their end, and whose like has not finished either
    rows: str | None = None  # --rows, --columns: keys of a table of means
    columns: str | None = None
    reach: float | None = None  # --reach, in the shown unit
    sentences: list[str] = field(default_factory=list)
    method: list[str] = field(default_factory=list)
    scope: list[str] = field(default_factory=list)
    # By folder, how many runs are of a comparison whose plan is not `plan`, and that.
    elsewhere: dict[Path, tuple[int, Plan]] = field(default_factory=dict)
    reference_is: Choice = "chosen"  # moved: the first arm has failed or diverged runs
    pairs: dict[str, str] = field(default_factory=dict)
    was_seen: bool = False  # tuning trained or chose on samples that the metric is of

    def decimals_of(self, low: float | None, high: float | None) -> int:
        """Returns with how many decimals a number with this interval is shown."""
        return self.decimals if low is None or high is None else beside(low, high, self.facts, self.decimals)

    def gap(self, arm: Arm) -> float | None:
        """Returns by how much the metric is better on the training samples, a mean over an arm's runs; None where one
        of them did not evaluate these.
        """
        name = self.metric.partition("/")[2]
        found = [gap(run.metrics, name, self.facts) for run in arm.finished]
        known = [each for each in found if each is not None]
        return sum(known) / len(known) if known and len(known) == len(found) else None
