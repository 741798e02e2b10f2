"""The words of stages: what a preset lists under `stages`, with what was typed for all of them and for one alone."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlexp.config import words
from dlexp.config.compose import composing, problems_of
from dlexp.errors import UserError, did_you_mean, listed, to_type
from dlexp.report.reading.arms import key_of
from dlexp.sweep.grid import Job, name_of

KEY = "stages"
ADDRESSED = re.compile(rf"{KEY}\.([^.=]+)\.(.+)", re.DOTALL)
REFERENCE = f"init_from={KEY}."
# Of what only the command line says.
NOT_THEIRS = ("experiment", "hydra", "resume", "allow", "accept_changes", KEY)


@dataclass(frozen=True)
class Link:
    """A stage of one arm. words: all that it is composed from but the weights it begins with, if it does: those of the
    stage `source`. varied: of the words that differ between arms those that this stage or one before it heard.
    is_last: whether nothing comes after it.
    """

    name: str
    words: list[str]
    source: str | None
    varied: dict[str, str]
    is_last: bool

    def job(self, places: Mapping[str, Path]) -> Job:
        """Returns the stage as a job of a ledger. places: the folders of the stages before; one that is missing is not
        begun from.
        """
        folder = None if self.source is None else places.get(self.source)
        start = [] if folder is None else [_begun_from(folder)]
        arm = name_of([f"{key}={value}" for key, value in self.varied.items()]) if self.varied else ""
        return Job(f"{arm}_{self.name}".lstrip("_"), [*self.words, *start], self.varied)


def _begun_from(folder: Path) -> str:
    word = f"init_from={folder}"
    return word if to_type(word) == word else words.quoted(word, is_sweep=False)


@dataclass(frozen=True)
class Chain:
    """The stages of one arm in their order. varied: all words that differ between arms."""

    links: list[Link]
    varied: dict[str, str]


def may_have_stages(overrides: Sequence[str]) -> bool:
    """Returns whether words may ask for stages: a preset, or what is said to one."""
    return any(key_of(word).partition(".")[0] in ("experiment", KEY) for word in overrides)


def parted(overrides: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Returns the words for all stages, and those for one by its name: `stages.NAME.epochs=5` is its `epochs=5`."""
    to_all: list[str] = []
    addressed: dict[str, list[str]] = {}
    for word in overrides:
        if (match := ADDRESSED.fullmatch(word)) is None:
            to_all.append(word)
        else:
            said = match[2] if match[2].startswith(REFERENCE) else words.quoted(match[2], is_sweep=True)
            addressed.setdefault(match[1], []).append(said)
    return to_all, addressed


def chains(jobs: Sequence[Job], read: words.Words) -> list[Chain] | None:
    """Returns the stages of each job; None where none has any.

    Raises:
        UserError: some have and some have not, or something is wrong with the stages or what is said to one.
    """
    found: list[Chain] = []
    problems: list[str] = []
    bare = []
    with composing(read.folders) as compose:
        for job in jobs:
            to_all, addressed = parted(job.overrides)
            if replaced := [word for word in to_all if key_of(word) == KEY and word != f"{KEY}=null"]:
                preset, _ = compose([word for word in to_all if word not in replaced])
                if preset is not None and preset.config[KEY] is not None:
                    problems.append(_of_the_preset(replaced[0], preset.config[KEY]))
                    continue
            first, wrong = compose(to_all)
            stages = None if first is None else first.config[KEY]
            if wrong and addressed and stages is None:  # else the stages tell, one of which may take it
                raise UserError(*problems_of(first, wrong, read))
            if stages is None:  # whoever composes it tells what is wrong
                bare.append(job)
                problems += [_to_nobody(name, its) for name, its in addressed.items()]
            else:
                problems += (own := list(_problems(stages, to_all, addressed)))
                found += [] if own else [_chain(job, stages, to_all, addressed)]
    if problems:
        raise UserError(*dict.fromkeys(problems))
    if found and bare:
        raise UserError(f"some of these jobs have stages and some have none ({bare[0].name}): start them one by one")
    return found or None


def _to_nobody(name: str, its: Sequence[str]) -> str:
    return f"{KEY}.{name}.{its[0]} is said to a stage, and this command has none: a preset lists them under {KEY}"


def _of_the_preset(word: str, stages: Any) -> str:
    one = next(iter(stages), "NAME")
    return f"{word}: a preset's stages are changed one by one, {KEY}.{one}.epochs=5; {KEY}=null leaves them out"


def _problems(stages: Any, to_all: Sequence[str], addressed: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if not isinstance(stages, dict) or not stages:
        yield f"{KEY} must name at least one stage, each with a list of words: {KEY}: {{first: [epochs=5], second: []}}"
        return
    for name, its in stages.items():
        if not re.fullmatch(r"[A-Za-z][\w-]*", str(name)):
            yield f"{KEY}: '{name}' is no name for a stage, since a folder is called so: letters, digits, _ and -"
        if not isinstance(its, list) or not all(isinstance(word, str) and "=" in word for word in its):
            yield f"{KEY}.{name} must be a list of words as they are typed, such as [model.depth=2, epochs=5]"
            return
    for name in addressed.keys() - stages.keys():
        yield f"there is no stage '{name}'.{did_you_mean(name, stages)} There are: {listed(list(stages))}"
    for name, word in ((name, word) for name, its in addressed.items() for word in its if key_of(word) == "init_from"):
        source = word.partition("=")[2].strip("'")
        if source in stages and not Path(source).exists():
            yield f"{KEY}.{name}.init_from={source} names no run; the stage is {KEY}.{name}.{REFERENCE}{source}"
    if any(key_of(word) == "init_from" for word in to_all):
        one = f"{KEY}.{next(iter(stages))}.init_from="
        yield f"init_from= said to all stages would begin each of them anew; {one} says it to one"
    for word in to_all:
        own = {name: each for name, its in stages.items() for each in its if key_of(each) == key_of(word)}
        if key_of(word).partition(".")[0] == "model" and len(set(own.values())) > 1:
            told = ", ".join(f"{name} with {each}" for name, each in own.items())
            yield (
                f"{word} said to all stages would leave none of them its own, and each builds on the one before"
                f" ({told}); {KEY}.{next(iter(own))}.{word} says it to one"
            )
    before: list[str] = []
    for name, its in stages.items():
        for word in [*its, *addressed.get(name, [])]:
            if key_of(word) in words.PLACES:
                yield f"{KEY}.{name} has no folder of its own to choose: all stages stand in one"
            elif key_of(word).partition(".")[0] in NOT_THEIRS:
                yield f"{KEY}.{name}: {word} can't be said to one stage alone"
            elif word.startswith(REFERENCE) and (source := word.removeprefix(REFERENCE)) not in before:
                earlier = f"one of {listed(before)}" if before else "none, being the first"
                near = did_you_mean(source, before)
                yield f"{KEY}.{name}: {word} must name a stage before it, {earlier}{'.' * bool(near)}{near}"
        before.append(name)


def _chain(job: Job, stages: Mapping[str, list[str]], to_all: list[str], addressed: Mapping[str, list[str]]) -> Chain:
    links: list[Link] = []
    heard: list[str] = [key for key in job.varied if not ADDRESSED.fullmatch(f"{key}=")]
    for name, its in stages.items():
        said = addressed.get(name, [])
        own = [*to_all, *_without(its, to_all)]
        own = [*_without(own, said), *said]
        start = next((word for word in own if word.startswith(REFERENCE)), None)
        heard += [key for key in job.varied if key.startswith(f"{KEY}.{name}.")]
        varied = {key: job.varied[key] for key in job.varied if key in heard}
        kept = [word for word in own if word != start]
        source = None if start is None else start.removeprefix(REFERENCE)
        links.append(Link(name, [*kept, f"{KEY}=null"], source, varied, is_last=len(links) == len(stages) - 1))
    return Chain(links, job.varied)


def _without(own: Sequence[str], changes: Sequence[str]) -> list[str]:
    """Returns the words of other keys than those of the changes, which hold in their place."""
    keys = {key_of(word) for word in changes}
    return [word for word in own if key_of(word) not in keys]
