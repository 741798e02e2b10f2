"""The jobs of a sweep: every combination of the values of its overrides, each with a name of its own."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.records.naming import in_a_name, plain_name, unique


@dataclass(frozen=True)
class Job:
    """One combination: its name (a folder's), all its overrides, and those that differ between jobs."""

    name: str
    overrides: list[str]
    varied: dict[str, str]


def grid(axes: Sequence[Sequence[str]]) -> list[Job]:
    """Returns a job for every combination of the axes' overrides.

    Raises:
        UserError: several axes are values of the same key, of which the last would win without a word, or a value is
            named twice.
    """
    if repeated := [axis[0].partition("=")[0] for axis in axes if len(set(axis)) < len(axis)]:
        raise UserError(*(f"{key} names a value twice, and each is one job" for key in repeated))
    keys = [axis[0].partition("=")[0].lstrip("+") for axis in axes]
    if twice := {key: None for key, axis in zip(keys, axes, strict=True) if len(axis) > 1 and keys.count(key) > 1}:
        raise UserError(*(f"{key} is named more than once; a sweep takes its values as {key}=a,b,c" for key in twice))
    jobs: list[Job] = []
    names: set[str] = set()
    for number, words in enumerate(itertools.product(*axes)):
        varied = [word for word, axis in zip(words, axes, strict=True) if len(axis) > 1]
        name = unique(name_of(varied) if varied else f"job-{number}", names)
        names.add(name)
        jobs.append(Job(name, list(words), dict(word.partition("=")[::2] for word in varied)))
    return jobs


def name_of(varied: Sequence[str]) -> str:
    """Returns what the folder of a job is called, from the words that differ between jobs."""
    lasts = [word.partition("=")[0].lstrip("+").rpartition(".")[2] for word in varied]
    return plain_name("_".join(in_a_name(_shortened(word, lasts)) for word in varied))


def _shortened(word: str, lasts: Sequence[str]) -> str:
    """Returns a word with the last name of its key, `lr=0.1`, where no other key that varies ends in the same."""
    key, _, value = word.partition("=")
    last = key.rpartition(".")[2]
    return f"{last}={value}" if lasts.count(last) == 1 else word


def sweep_name(jobs: Sequence[Job], first: Composed) -> str:
    """Returns `sweep-`, what all jobs share (the preset, or model and data set) and what is compared, seeds aside."""
    varied = [key for key in jobs[0].varied if key != "seed"]
    shared = ["experiment"] if "experiment" in first.choices else ["model", "data"]
    fixed = [first.choices[group] for group in shared if group not in varied]
    return plain_name("-".join(["sweep", *fixed, *(key.rpartition(".")[2] for key in varied)]))
