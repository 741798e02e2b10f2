"""Short and unique names for arms, and the words that train them again."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlexp.config.cell import is_incidental
from dlexp.config.schema import GROUPS
from dlexp.console.wording import printable
from dlexp.errors import to_type
from dlexp.records.naming import unique
from dlexp.report.reading.arms import PRESET, REPEATS, key_of
from dlexp.report.reading.plan import Plan
from dlexp.report.reading.runs import Run
from dlexp.report.shown import setting

Split = tuple[Mapping[str, Any], Sequence[Run]]  # an arm of `reading.arms.split`: what varies, and its runs

ALLOW = "allow"  # lets a module of somebody's own run
COMMAND = ["python", "-m", "dlexp", "compare"]
LONGEST = 60
OPTIONS = {*GROUPS, PRESET}
START = "init_from"
VAGUE = ("none", "plain")  # options of several groups


def names_of(keys: Sequence[str], arms: Sequence[Split]) -> list[str]:
    """Returns a name for each arm of a `split`, `adam lr 0.01`, `sgd lr 0.1` and `sgd lr 0.01`: it tells all of what
    varies that the arm has, or, where one is too long so, only what sets it apart (see `unnamed`). A single one is
    called after its model, data and optimizer, or the method that did without.
    """
    if len(arms) == 1:
        run = arms[0][1][0]
        trained_by = run.settings["method" if run.is_one_step else "optimizer"]
        labels = [["{model} on {data} with ".format(**run.settings) + trained_by]]
    else:
        labels = _labels(_named(keys, arms), keys, arms)
    names: list[str] = []
    for each in labels:
        name = printable(" ".join(each))
        names.append(unique(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…", set(names)))
    return names


def unnamed(keys: Sequence[str], arms: Sequence[Split]) -> list[str]:
    """Returns the keys that arms of a `split` differ in, and that the names of some that have them do not tell."""
    told, held = _named(keys, arms), _held(keys, arms)
    left_out = {key for own, every in zip(told, held, strict=True) for key in every if key not in own}
    return [key for key in keys if key in left_out]


def _named(keys: Sequence[str], arms: Sequence[Split]) -> list[list[str]]:
    """Returns the keys that the name of each arm tells."""
    held = _held(keys, arms)
    fits = all(len(" ".join(each)) <= LONGEST for each in _labels(held, keys, arms))
    return held if fits else _told_apart(keys, [own for own, _ in arms])


def _held(keys: Sequence[str], arms: Sequence[Split]) -> list[list[str]]:
    """Returns the keys that each arm has. What was read is no setting, and which arms began from no weights is told of
    all at once: they count where they tell arms apart.
    """
    apart = _told_apart(keys, [own for own, _ in arms])
    return [
        [key for key in keys if key in told or (key in runs[0].settings and (key != START or own[key] is not None))]
        for (own, runs), told in zip(arms, apart, strict=True)
    ]


def _labels(told: Sequence[Sequence[str]], keys: Sequence[str], arms: Sequence[Split]) -> list[list[str]]:
    settings = [own for own, _ in arms]
    return [
        [_label(key, own.get(key), keys, settings) for key in each] for each, own in zip(told, settings, strict=True)
    ]


def _told_apart(keys: Sequence[str], arms: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Returns what tells each arm from the others: a key only where arms that are equal so far differ in it."""
    told: list[list[str]] = [[] for _ in arms]
    groups = [list(range(len(arms)))]
    for key in keys:
        split: list[list[int]] = []
        for group in groups:
            values: dict[str, list[int]] = {}
            for number in group:
                values.setdefault(repr(arms[number].get(key)), []).append(number)
            split += values.values()
            for number in group:
                # Where weights began tells more than what else an arm differs in.
                if len(values) > 1 or (key == START and arms[number].get(key) is not None):
                    told[number].append(key)
        groups = split
    return told


def _label(key: str, value: Any, keys: Sequence[str], arms: Sequence[Mapping[str, Any]]) -> str:
    if key in OPTIONS:
        elsewhere = {arm.get(other) for arm in arms for other in keys if other in OPTIONS and other != key}
        return f"{key} {value}" if value in (*VAGUE, None) or value in elsewhere else str(value)
    short = key.rpartition(".")[2]
    is_shared = [other.rpartition(".")[2] for other in keys].count(short) > 1 or short == "_target_"
    name = key if is_shared else short
    text = Path(value).name if key == START and isinstance(value, str) else setting(value)
    return f"no {name}" if value is None else f"{name} {text}"


def words_of(runs: Sequence[Run]) -> list[str]:
    """Returns the words that train runs of an arm again: without those that repeat a run or change no result, and with
    `…` in place of what each seed has of its own.
    """
    kept: dict[str, str] = {}
    for run in runs:
        own = {key_of(word): word for word in run.typed}
        kept |= {key: word if kept.get(key, word) == word else f"{key}=…" for key, word in own.items()}
    return [
        word
        for key, word in kept.items()
        if key not in REPEATS and not is_incidental(key) and "hydra" not in key and _is_harmless(word)
    ]


def command_of(plan: Plan) -> str | None:
    """Returns the command that goes on with a comparison; None where a stranger's plan has another one. What it ran of
    a person's own code is for the reader to allow.
    """
    try:
        words = shlex.split(plan.command)
    except ValueError:
        return None
    if words[: len(COMMAND)] != COMMAND or not plan.command.isprintable():
        return None
    return " ".join([*COMMAND, *(to_type(word) for word in words[len(COMMAND) :] if key_of(word) != ALLOW)])


def _is_harmless(word: str) -> bool:
    """Returns whether a word does nothing but set something: a person may copy it."""
    return key_of(word) != ALLOW and not word.startswith("-")
