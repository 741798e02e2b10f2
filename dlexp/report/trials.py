"""The trials of a tuning: what each is judged by, and which one an arm took its settings from."""

from collections.abc import Iterable

from dlexp.report.answer import Answer, Arm
from dlexp.report.reading.runs import Run
from dlexp.report.shown import setting


def trial_value(run: Run, key: str) -> float | None:
    """Returns what a trial is judged by; None of one without a number."""
    return run.metrics.get(key) if run.is_finished and not run.is_diverged else None


def best_trial(runs: Iterable[Run], key: str, higher_is_better: bool) -> Run | None:
    """Returns the best trial, the first of equal ones."""
    valued = [(value, run) for run in runs if (value := trial_value(run, key)) is not None]
    if not valued:
        return None
    best = (max if higher_is_better else min)(value for value, _ in valued)
    return next(run for value, run in valued if value == best)


def chosen_trial(answer: Answer, arm: Arm, key: str) -> Run | None:
    """Returns the trial that gave the words chosen for an arm, else its best one."""
    runs = answer.trials.get(arm.name, [])
    tuning = answer.plan.tuning if answer.plan else None
    words = [word.partition("=") for word in tuning.chosen.get(arm.name, [])] if tuning else []

    def has_them(run: Run) -> bool:
        return all(setting(run.settings.get(name)) in (value, setting(_number(value))) for name, _, value in words)

    fitting = [run for run in runs if words and has_them(run)]
    return best_trial(fitting or runs, key, answer.facts.higher_is_better)


def _number(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word
