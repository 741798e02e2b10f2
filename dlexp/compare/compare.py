"""A comparison from its words to its report: plan, what it takes, the trainings, the answer."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlexp.compare import tuning
from dlexp.compare.course import Course, Unfinished
from dlexp.compare.hypothesis import refuse_misnamed
from dlexp.compare.jobs import arm_jobs
from dlexp.compare.outcome import measured
from dlexp.compare.planning import folder_name, gone_on, new_plan, stored
from dlexp.compare.progress import Progress
from dlexp.compare.question import Question, with_words
from dlexp.compare.there import look
from dlexp.config.build import build_task
from dlexp.config.cell import essentials
from dlexp.config.check import check
from dlexp.config.compose import composing, problems_of
from dlexp.config.composed import Composed
from dlexp.errors import UserError, listed, to_type
from dlexp.metric import LOSS, Metric, another_metric, decides_the_loss
from dlexp.records.run_json import is_diverged
from dlexp.sweep.launchers.launcher import is_here
from dlexp.sweep.stage import Stage, checked

log = logging.getLogger(__name__)


def compare(question: Question) -> tuple[int, Path | None]:
    """Trains what a question needs and is not there; returns the exit code, and the folder to report of once all is.

    Raises:
        UserError: something is wrong with what was asked; nothing has started then.
    """
    begins = f"comparing {listed(list(question.arms))}: looking at what is there, and what it takes"
    stage = checked(arm_jobs(question), question.read, begins)
    from dlexp.compare.prospect import counts, tell  # imports torch

    runs = dict(zip(question.arms, stage.runs, strict=True))
    metric, facts = _metric(question, stage)
    spaces = tuning.spaces(question, runs, _problems_of(question)) if question.ranges else {}
    cells = {name: own.cell for name, own in zip(question.arms, stage.identities, strict=True)}
    plan = new_plan(question, runs, cells, metric, spaces)
    first = stage.runs[0]
    place, anew = first.sweep_place, first.config["rerun"]
    before = None if anew and place is None else stored(place, plan)
    if before is not None:
        place, plan = before[0], gone_on(*before, plan, question)
        names = {cell: name for name, cell in cells.items()}
        arms = {name: question.arms[names[cell]] for name, cell in plan.cells.items()}
        runs = {name: runs[names[cell]] for name, cell in plan.cells.items()}
        question = replace(question, arms=arms)
    if plan.hypothesis and not plan.runs and not plan.trials:  # else it is stored, and stands
        refuse_misnamed(plan.hypothesis, list(plan.arms))
    if anew and before is not None:
        log.info(f"rerun=true takes no runs from other folders; those in {place} stay as they are")
    there = look(question, plan, runs, place, anew=anew)
    expected = tell(plan, runs, facts, question.folds, there)
    if first.config["dry_run"]:
        log.info("dry run: none of these was trained, and nothing fetched or written")
        return 0, None
    progress = Progress(sum(counts(plan, len(question.folds))), there.num_of_each(), expected, _at_once(first))
    course = Course(
        question,
        plan,
        runs,
        _problems_of(question),
        progress,
        folder=place,
        name=folder_name(question, stage.runs),
        anew=anew,
    )
    try:
        ended = course.run()
    except Unfinished as unfinished:
        where = f" with {to_type(f'hydra.sweep.dir={course.folder}')}" if anew and place is None else ""
        log.info(f"{unfinished}; the same command{where} goes on")
        return unfinished.ended.exit_code, None
    course.store(measured(course.plan, ended.reports))
    if len(course.plan.seeds) > 1 and not question.folds:
        course.look()
    return int(any(_has_failed(report) for report in ended.reports)), course.folder


def _at_once(run: Composed) -> int:
    return int(run.config["n_jobs"]) if is_here(run.config) else 1


def _metric(question: Question, stage: Stage) -> tuple[str, Metric]:
    """Returns what is compared, such as `test/accuracy`, and its facts.

    Raises:
        UserError: the arms don't measure the same, or there is no validation to tune on.
    """
    tasks = [build_task(run.config) for run in stage.runs]
    names = dict.fromkeys(str(task.metric) for task in tasks)
    if len(names) > 1:
        raise UserError(f"the arms are led by different metrics ({', '.join(names)}): task.metric=… names one for all")
    if names.keys() == {"loss"} and (apart := _apart_in_loss(question, stage)):
        raise UserError(
            f"the arms are compared by their loss, and {listed(apart)} makes that another one in each;"
            f" {another_metric(tasks[0].metrics)} measures all alike"
        )
    configs: list[dict[str, Any]] = [run.config for run in stage.runs]
    if question.ranges:
        blind = [
            arm
            for arm, config in zip(question.arms, configs, strict=True)
            if config["data"]["folds"] is None and config["data"]["val_size"] == 0
        ]
        if blind:
            where = "" if len(blind) == len(configs) else f" in {listed(blind)}"
            raise UserError(
                f"tune= chooses in validation, which data.val_size=0 leaves out{where}: data.val_size=0.1 has one"
            )
        if question.folds:
            raise UserError(
                "tune= chooses on the held-out part of a fold, and folds are compared on that very part; leave"
                " data.fold= out to tune, or tune= to compare folds at the settings given"
            )
    if len({config["test"] for config in configs}) > 1:
        untested = [arm for arm, config in zip(question.arms, configs, strict=True) if not config["test"]]
        raise UserError(f"test=false in {listed(untested)} and not in the other arms: all are measured alike, or none")
    if question.ranges and not configs[0]["test"]:
        log.warning(
            "warning: with test=false the arms are compared on the validation samples that chose their settings, which"
            " flatters them; test=true compares on samples that chose nothing"
        )
    (name,) = names
    split = "test" if configs[0]["test"] and not question.folds else "val"
    return f"{split}/{name}", tasks[0].metrics.get(name, LOSS)


def _apart_in_loss(question: Question, stage: Stage) -> list[str]:
    """Returns which settings make the losses of arms, or of trials of one, different measures."""
    kept = [essentials(run.config) for run in stage.runs]
    found = {
        "criterion": [each["criterion"] for each in kept],
        "task.standardise": [each["task"].get("standardise") for each in kept],
    }
    differing = [key for key, values in found.items() if any(value != values[0] for value in values)]
    return list(dict.fromkeys([*differing, *filter(decides_the_loss, question.ranges)]))


def _problems_of(question: Question) -> tuning.Problems:
    """Returns what says what is wrong with an arm some of whose settings are changed, as the check of a stage does."""

    def problems(arm: str, changes: Sequence[str]) -> list[str]:
        with composing(question.read.folders) as compose:
            words = with_words(with_words(question.shared, question.arms[arm]), changes)
            run, found = compose([*words, *question.folds[:1]])
        told = problems_of(run, found, question.read)
        if told or run is None:
            return told
        try:
            check(run.config, is_here=is_here(run.config), made_from=run.made_from)
        except UserError as error:
            return error.problems
        return []

    return problems


def _has_failed(report: dict[str, Any]) -> bool:
    return report["status"] != "finished" and not is_diverged(report)
