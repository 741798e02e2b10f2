"""The runs of a comparison as jobs: one an arm to look at, the trials of its tuning, and the final ones."""

import re
from collections.abc import Iterable, Mapping, Sequence

from dlexp.compare import tuning
from dlexp.compare.question import FOLD, Question, with_words
from dlexp.compare.said import key_of
from dlexp.records.naming import plain_name, unique
from dlexp.report.reading.plan import Plan
from dlexp.search.space import Proposal
from dlexp.sweep.grid import Job

# A trial is looked at once, by its validation metric: no pictures, weights and states, where nobody asks for them.
OF_TRIALS = ["pictures=false", "checkpoint.keep=metrics"]


def arm_jobs(question: Question) -> list[Job]:
    """Returns a job for each arm before tuning, by which all is checked, and the same comparison is known again."""
    seed = [f"seed={tuning.SEED}", *question.folds[:1]]
    folders = _folder_names(question.arms)
    return _jobs((folders[name], [*its, *seed], {"arm": name}) for name, its in _own(question).items())


def trial_jobs(question: Question, tried: Mapping[str, Sequence[Proposal]]) -> list[Job]:
    """Returns the trials of all arms, each arm's in order: on validation alone, with a seed of their own."""
    typed = {key_of(word) for word in question.shared}
    sealed = [f"seed={tuning.SEED}", *question.folds[:1], "test=false"]
    sealed += [word for word in OF_TRIALS if key_of(word) not in typed]
    folders = _folder_names(question.arms)
    return _jobs(
        (
            f"{folders[name]}_trial-{number}",
            with_words(its, [*sealed, *(f"{key}={value}" for key, value in proposal.items())]),
            {"arm": name, "trial": str(number)},
        )
        for name, its in _own(question).items()
        for number, proposal in enumerate(tried[name], start=1)
    )


def final_jobs(question: Question, plan: Plan) -> list[Job]:
    """Returns a job for each arm with what it has chosen and each seed, or each fold."""
    chosen = plan.tuning.chosen if plan.tuning is not None else {}
    folders = _folder_names(question.arms)
    jobs = []
    for name, its in _own(question).items():
        for seed in plan.seeds:
            for fold in [[word] for word in question.folds] or [[]]:
                number = "".join(fold).partition("=")[2]
                words = with_words(its, [*chosen.get(name, []), f"seed={seed}", *fold])
                varied = {"arm": name, "seed": str(seed)} | ({FOLD: number} if fold else {})
                jobs.append((f"{folders[name]}_seed-{seed}{f'_fold-{number}' if fold else ''}", words, varied))
    return _jobs(jobs)


def seed_of(job: Job) -> str:
    """Returns under what a plan holds the run of a final job."""
    return job.varied["seed"] + (f" fold {job.varied[FOLD]}" if FOLD in job.varied else "")


def _own(question: Question) -> dict[str, list[str]]:
    return {name: with_words(question.shared, its) for name, its in question.arms.items()}


def _folder_names(arms: Iterable[str]) -> dict[str, str]:
    """Returns what the folders of each arm begin with: its name, or `arm-2` where one of its letters has no place there
    (so that no two arms begin alike).
    """
    found: dict[str, str] = {}
    for number, name in enumerate(arms, start=1):
        has_letters = any(each.isalnum() and not each.isascii() for each in name) or not re.search("[A-Za-z0-9]", name)
        found[name] = unique(f"arm-{number}" if has_letters else plain_name(name), set(found.values()))
    return found


def _jobs(described: Iterable[tuple[str, list[str], dict[str, str]]]) -> list[Job]:
    jobs: list[Job] = []
    names: set[str] = set()
    for name, words, varied in described:
        folder = unique(plain_name(name), names)
        names.add(folder)
        jobs.append(Job(folder, words, varied))
    return jobs
