"""A question as it was asked: the words of a command line, and those of the stored question that it names."""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.compare.said import KINDS, key_of, typed
from dlexp.compare.strays import refuse_strays, repeated
from dlexp.compare.study import study
from dlexp.config import words
from dlexp.config.axes import Axis, axes_of
from dlexp.config.meant import TOP
from dlexp.errors import UserError, closest, did_you_mean, listed, to_type
from dlexp.report.shown import setting

FOLD = "data.fold"
TRIALS, SEEDS = 8, list(range(1, 6))  # where nobody says how many


@dataclass(frozen=True)
class Question:
    """arms: the words of each by name. shared: those of all runs. folds: `data.fold=K` of each fold that is compared.

    ranges: by tuned key the range as it was typed; None: it follows from the arm's own value. told: what was said of
    `KINDS`, by key; a key that nobody said is not there. typed: those of its keys that the command line says, not the
    stored question. reference: the arm that the others are held against; pairs: by arm the one that it is held against,
    where that is not the same for all. read: what composing wants to know of the command line.
    """

    name: str | None
    size: str | None
    arms: dict[str, list[str]]
    shared: list[str]
    folds: list[str]
    ranges: dict[str, str | None]
    told: dict[str, Any]
    typed: frozenset[str]
    reference: str
    pairs: dict[str, str]
    command: str
    read: words.Words


def with_words(own: Sequence[str], changes: Sequence[str]) -> list[str]:
    """Returns words, of which the changes take the place of those of the same key."""
    keys = {key_of(word) for word in changes}
    return [*(word for word in own if key_of(word) not in keys), *changes]


def ask(said: Sequence[str], folders: Sequence[Path] = ()) -> Question:
    """Reads the words of `compare`, without `--config-dir` and its folders.

    Raises:
        UserError: something in them is no question, or the stored one that is named is none.
    """
    name = said[0] if said and "=" not in said[0] and said[0][0] not in "~+-" else None
    rest = list(said[1:] if name else said)
    sizes = [word.partition("=")[2] for word in rest if word.startswith("size=")]
    if sizes and name is None:
        raise UserError(f"size={sizes[-1]} chooses a size of a stored question, and none is named")
    refuse_strays(rest, name, folders)
    own, rest = _parted([word for word in rest if not word.startswith("size=")])
    stored = study(name, sizes[-1] if sizes else None, folders) if name else None
    told = {**(stored.told if stored else {}), **own}
    flags = ["-m", *(each for folder in folders for each in ("--config-dir", str(folder)))]
    ranges: dict[str, str | None] = dict(told.pop("tune", {}))
    read = words.read([*flags, *rest])
    shared = words.read([*flags, *stored.shared]).overrides if stored else []
    arms = stored.arms if stored else []
    if isinstance(arms, list):
        arms = words.read([*flags, *arms]).overrides
    else:
        arms = {each: words.read([*flags, *its]).overrides for each, its in arms.items()}
    shared = with_words(shared, read.overrides)
    named, shared, folds = _arms(arms, shared, ranges, name, folders)
    typed_words = [f"--config-dir={folder}" for folder in folders] + list(said)
    _refuse_what_is_said_twice(named, ranges, told)
    reference, pairs = held(named, told.get("against"))
    return Question(
        name=name,
        size=stored.size if stored else None,
        arms=named,
        shared=shared,
        folds=folds,
        ranges=ranges,
        told=told,
        typed=frozenset(own),
        reference=reference,
        pairs=pairs,
        command=" ".join(["python -m dlexp compare", *map(to_type, typed_words)]),
        read=read,
    )


def _parted(said: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Returns what words say of the comparison itself, and the words of its runs.

    Raises:
        UserError: lists what is no value of its kind.
    """
    told: dict[str, Any] = {}
    rest: list[str] = []
    problems: list[str] = []
    for word in said:
        key = word.partition("=")[0]
        if key in KINDS and "=" in word:
            try:
                told |= [typed(word)]
            except UserError as error:
                problems += error.problems
        elif key == "seed":
            problems.append(
                f"{word}: a comparison trains every arm with the same seeds, typed as seeds=5 or seeds=1,2,3"
            )
        elif key == "search":
            problems.append(f"{word} searches with -m; compare gives each arm trials of its own: tune=KEY trials=8")
        elif key in KINDS:
            problems.append(f"{word} is typed with = and what it says: {key}= is {KINDS[key][1]}")
        elif key not in TOP and "." not in key and (near := closest(key, KINDS)) and len(key) > 3:
            problems.append(f"there is no setting '{key}'. Did you mean '{near}'?")
        else:
            rest.append(word)
    if problems:
        raise UserError(*problems)
    return told, rest


def _arms(
    arms: Mapping[str, list[str]] | list[str],
    shared: Sequence[str],
    ranges: dict[str, str | None],
    name: str | None,
    folders: Sequence[Path],
) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Returns the arms by name, the words of all runs, and those of the folds that were named; puts the ranges that
    were typed of tuned keys to `ranges`.

    arms: those of a stored question, named or as words with several values, of which what is typed takes the place.
    """
    named = dict(arms) if isinstance(arms, Mapping) else {}
    said = {key_of(word) for word in shared}
    own = [] if isinstance(arms, Mapping) else [word for word in arms if key_of(word) not in said]
    several, fixed, folds = [], [], []
    axes = axes_of([*own, *shared], folders)
    with_values = {axis.key for axis in axes if len(axis.words) != 1}
    if problems := repeated([axis.word for axis in axes if axis.key in with_values]):
        raise UserError(*problems)  # of single values the last one counts, as in a run
    for axis, word in zip(axes, [*own, *shared], strict=True):
        is_one = axis.interval is None and len(axis.words) == 1
        if axis.key in ranges and not is_one:
            ranges[axis.key] = word.partition("=")[2]
        elif axis.interval is not None:
            raise UserError(f"{word} is a range of numbers, which each arm can tune: add tune={axis.key}")
        elif axis.key == FOLD and not is_one:
            folds = axis.words
        elif is_one:
            fixed += axis.words
        else:
            several.append(axis)
    differ = {key_of(word) for its in named.values() for word in its}
    if changed := [*(axis.key for axis in several if named), *(key for key in map(key_of, fixed) if key in differ)]:
        raise UserError(f"the arms of {name} are {', '.join(named)}, and {changed[0]}= would change what they are")
    named = named or named_arms(several)
    if len(named) < 2:
        tuned = [f"{key}={text}" for key, text in ranges.items() if text is not None]
        but = f"; {' '.join(tuned)} is what tune= tries, and makes no arms" if tuned else ""
        raise UserError(
            "a comparison wants two arms or more: give a key several values, such as"
            f" {'model=cnn,mlp' if 'optimizer' in ranges else 'optimizer=sgd,adam'}, or name a stored question"
            f" (python -m dlexp compare lists them){but}"
        )
    return named, fixed, folds


def named_arms(axes: Sequence[Axis]) -> dict[str, list[str]]:
    """Returns every combination of the values of some keys by a name: `adam`, `adam lr 0.1`.

    Raises:
        UserError: a value is named more than once.
    """
    if repeated := [axis.key for axis in axes if len(set(axis.words)) < len(axis.words)]:
        raise UserError(*(f"{key} names a value twice, and each is one arm" for key in repeated))
    found = [list(its) for its in itertools.product(*(axis.words for axis in axes))] if axes else []
    names = [" ".join(map(_in_words, its)) for its in found]
    if len(set(names)) < len(names):
        names = [" ".join(its) for its in found]
    return dict(zip(names, found, strict=True))


def _in_words(word: str) -> str:
    """Returns an arm's value by itself where it is a name, with its key where it is a number or a truth."""
    key, _, value = word.partition("=")
    is_name = value[:1].isalpha() and value.lower() not in ("true", "false", "null")
    if "." in value or "e" in value:
        with suppress(ValueError):  # 1e6 arrives as 1000000.0
            value = setting(float(value))
    return value if is_name else f"{key.rpartition('.')[2]} {value}"


def _refuse_what_is_said_twice(
    arms: Mapping[str, list[str]], ranges: Mapping[str, str | None], told: Mapping[str, Any]
) -> None:
    differ = {key_of(word) for its in arms.values() for word in its}
    problems = [
        f"tune={key} is what the arms differ in; it can be tuned or compared" for key in ranges if key in differ
    ]
    if not ranges and "trials" in told:
        problems.append(
            f"trials={told['trials']} is how many settings each arm tries, and tune= names what it tries:"
            f" tune=optimizer.lr trials={told['trials']}"
        )
    for each in dict.fromkeys(sum(told.get("lines", {}).values(), [])):
        problems += _unknown(each, arms)
    if problems:
        raise UserError(*problems)


def held(arms: Mapping[str, list[str]], against: str | dict[str, str] | None) -> tuple[str, dict[str, str]]:
    """Returns the arm that others are held against, and by arm the one that it is held against, where these differ.

    against: an arm (None: the first), such pairs, or a word `key=value`: an arm is held against the one that has this
    value and all else the same.

    Raises:
        UserError: it names no arm, or an arm has no such other one.
    """
    pairs: dict[str, str] = {}
    if isinstance(against, dict):
        pairs = against
    elif against is not None and against not in arms and "=" in against:
        pairs = _otherwise_alike(arms, against)
    reference = next(iter(pairs.values())) if pairs else str(against or next(iter(arms)))
    if problems := [
        each for name in dict.fromkeys([*pairs, *pairs.values(), reference]) for each in _unknown(name, arms)
    ]:
        raise UserError(*problems)
    if itself := [name for name, other in pairs.items() if name == other]:
        raise UserError(f"against: {itself[0]} can't be compared with itself")
    is_same_for_all = set(pairs) == set(arms) - {reference} and set(pairs.values()) == {reference}
    return reference, {} if is_same_for_all else dict(pairs)


def _otherwise_alike(arms: Mapping[str, list[str]], word: str) -> dict[str, str]:
    others = {frozenset(with_words(its, [word])): name for name, its in arms.items() if word in its}
    if not others:
        raise UserError(f"against={word} is no arm, and none has this word. Arms: {', '.join(arms)}")
    pairs = {name: others.get(frozenset(with_words(its, [word]))) for name, its in arms.items() if word not in its}
    if alone := [name for name, other in pairs.items() if other is None]:
        raise UserError(f"against={word}: no arm has this word and is else like {listed(alone)}")
    return {name: other for name, other in pairs.items() if other is not None}


def _unknown(name: str, arms: Mapping[str, list[str]]) -> list[str]:
    return [] if name in arms else [f"there is no arm '{name}'.{did_you_mean(name, arms)} Arms: {', '.join(arms)}"]
