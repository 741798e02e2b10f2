"""What the words of a search ask for: the space, how it is searched, and the words of each trial."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlexp.config import words
from dlexp.config.axes import Axis, axes_of, held_to
from dlexp.config.build import allowed_modules, build, build_task
from dlexp.config.cell import is_incidental
from dlexp.config.compose import composing, problems_of
from dlexp.config.composed import Composed
from dlexp.config.problems import group_problems, settings_problems
from dlexp.errors import UserError, to_type
from dlexp.metric import another_metric, decides_the_loss
from dlexp.records.run_json import is_diverged
from dlexp.search.settings import Search, refuse_unknown
from dlexp.search.space import Proposal, Space
from dlexp.sweep.grid import Job, name_of
from dlexp.sweep.table import FOLD

# Of these several values are no choice: a trial is trained with each, and counts as their mean.
REPEATED = ("seed", FOLD)
# What decides by which figure a trial is judged: with other values of it the figures can't be compared.
JUDGES = set(
    "data task metric test task.metric data.val_size data.test_size data.split_seed data.folds data.limit"
    " overfit_batches".split()
)
# What settings go with.
PRUNES = {
    "search.prune_from": ("asha", "median"),
    "search.prune_keep": ("asha",),
    "search.prune_least": ("median",),
}


@dataclass(frozen=True)
class Asked:
    """A search as it was typed. first: what the words compose to with the first value of each key."""

    read: words.Words
    axes: list[Axis]
    space: Space
    search: Search
    trials: int
    first: Composed

    @property
    def repeats(self) -> int:
        """How many runs a trial has: one for each of the seeds or folds typed."""
        return math.prod(len(axis.words) for axis in self._repeated())

    @property
    def is_sealed(self) -> bool:
        """Whether trials leave the test set alone: unless somebody typed otherwise."""
        return not any(axis.key.lstrip("+") == "test" for axis in self.axes)

    def is_done(self, entry: Mapping[str, Any] | None) -> bool:
        """Returns whether a run is not to be trained (again): one that diverged would once more."""
        done = ("finished", "pruned") if self.search.prune != "none" else ("finished",)
        return entry is not None and (entry["status"] in done or is_diverged(entry))

    def jobs(self, proposal: Proposal, epochs: int | None = None) -> list[Job]:
        """Returns the jobs of a trial, for so many `epochs` in place of all."""
        short = [] if epochs is None else [f"epochs={epochs}"]
        found = []
        for repeat in itertools.product(*(axis.words for axis in self._repeated())):
            own = [f"{key}={value}" for key, value in proposal.items()]
            given = {word.partition("=")[0]: word for word in (*own, *repeat)}
            overrides = [given.get(axis.key, axis.word) for axis in self.axes if not short or axis.key != "epochs"]
            sealed = ["test=false"] if self.is_sealed else []
            varied = dict(word.partition("=")[::2] for word in given.values())
            found.append(Job(name_of([*given.values(), *short]), [*overrides, *sealed, *short], varied))
        return found

    def proposal_of(self, overrides: Sequence[str], epochs: int | None) -> Proposal | None:
        """Returns what a run of these words tried; None where it is no trial of this search."""
        repeated = [axis.key for axis in self._repeated()]
        own, fixed = {}, set()
        for word in overrides:
            key, _, value = word.partition("=")
            if key in self.space:
                own[key] = value
            elif key not in repeated and not is_incidental(key.lstrip("+")):
                fixed.add(word)
        job = self.jobs(dict.fromkeys(self.space, ""), epochs)[0]
        wanted = {
            word
            for word in job.overrides
            for key in [word.partition("=")[0]]
            if key not in self.space and key not in repeated and not is_incidental(key.lstrip("+"))
        }
        is_own = fixed == wanted and list(own) and own.keys() == self.space.keys()
        return {key: own[key] for key in self.space} if is_own else None

    def train_it(self, proposal: Proposal) -> str:
        """Returns the command that trains at these settings, with all epochs and the test."""
        return self._command(proposal, [])

    def on_new_seeds(self, proposal: Proposal) -> str:
        """Returns the command that does so on three seeds that no trial had."""
        typed = [word.partition("=")[2] for axis in self.axes if axis.key == "seed" for word in axis.words]
        tried = {*typed, str(self.first.config["seed"])}
        seeds = itertools.islice((seed for seed in map(str, itertools.count()) if seed not in tried), 3)
        return self._command(proposal, [f"seed={','.join(seeds)}"])

    def _command(self, proposal: Proposal, seeds: list[str]) -> str:
        """Returns a command as it is typed in a shell: a run, or with `seeds` a sweep over them."""
        left_out = [axis.key for axis in self._repeated()] + ["seed"] * bool(seeds)
        left_out += ["data.folds"] * (FOLD in left_out)  # the one is refused without the other
        kept = []
        for axis in self.axes:
            group = axis.key.lstrip("+").partition(".")[0]
            of_sweeps = group in words.OF_SWEEPS or axis.key in (*words.PLACES, "dry_run") or group == "launcher"
            if axis.key in proposal:
                kept.append(f"{axis.key}={proposal[axis.key]}")
            elif axis.key not in left_out and not of_sweeps:
                kept.append(axis.word)
        folders = [word for folder in self.read.folders for word in ("--config-dir", str(folder))]
        allowed = [f"allow={name}" for name in allowed_modules()]
        return " ".join(map(to_type, [*(["-m"] if seeds else []), *folders, *allowed, *kept, *seeds]))

    def _repeated(self) -> list[Axis]:
        return [axis for axis in self.axes if axis.key in REPEATED and len(axis.words) > 1]


def asked(read: words.Words) -> Asked:
    """Reads the words of a search.

    Raises:
        UserError: lists what is wrong with them; says that no job was started.
    """
    try:
        found = axes_of(read.overrides, read.folders)
        said = {_first_word(axis): axis.word for axis in found}
        with composing(read.folders, said) as compose:
            first, wrong = compose(list(said))
        if problems := problems_of(first, wrong, read):
            raise UserError(*problems)
        assert first is not None
        problems = [*settings_problems(first.config), *group_problems("search", first.config["search"])]
        if problems := [*problems, *_lacks_trials(first)]:  # below torch is loaded
            raise UserError(*problems)
        search = refuse_unknown(build(first.config["search"]))
        several = [axis for axis in found if axis.interval is not None or len(axis.words) > 1]
        space = {axis.key: _part(axis, first) for axis in several if axis.key not in REPEATED or axis.interval}
        result = Asked(read, found, space, search, first.config["trials"], first)
        if problems := [*_problems_of_words(several, result), *_problems(result)]:
            raise UserError(*problems)
    except UserError as error:
        raise UserError(f"{error}\nno job was started") from None
    return result


def _lacks_trials(first: Composed) -> list[str]:
    told = f"search={first.choices['search']} takes trials=N, how many points are tried; trials=16 is a start"
    return [] if first.config["trials"] else [told]


def _first_word(axis: Axis) -> str:
    """Returns a word with the first of its values."""
    if axis.interval is None:
        return axis.words[0]
    low = math.ceil(axis.interval.low)  # of a setting of whole numbers
    return f"{axis.key}={low if low <= axis.interval.high else axis.interval.low}"


def _part(axis: Axis, first: Composed) -> Any:
    if axis.interval is not None:
        return held_to(axis.interval, axis.key, first.config)
    return tuple(word.partition("=")[2] for word in axis.words)


def _problems_of_words(several: Sequence[Axis], found: Asked) -> Iterator[str]:
    """Yields what is wrong with the keys that have several values."""
    keys = [axis.key.lstrip("+") for axis in found.axes]
    for axis in several:
        key = axis.key.lstrip("+")
        if keys.count(key) > 1:
            yield f"{key} is named more than once; a search takes its values as {key}=a,b,c"
        elif len(set(axis.words)) < len(axis.words):
            yield f"{key} names a value twice"
        elif is_incidental(key):
            yield f"{axis.word}: {key} changes no result, so there is nothing to search in it; it takes one value"
        elif key in REPEATED and axis.interval is not None:
            yield f"{axis.word}: {key} is no setting to choose; {key}=0,1,2 takes the mean over these"
        elif key in JUDGES:
            yield f"{axis.word}: trials that differ in {key} are judged by figures that can't be compared"
        elif decides_the_loss(key) and (task := build_task(found.first.config)).metric == "loss":
            yield (
                f"{axis.word}: trials that differ in {key} are judged by losses that can't be compared;"
                f" {another_metric(task.metrics)} judges all alike"
            )
        elif key == "epochs" and found.search.epochs is not None:
            yield f"{axis.word} and search.epochs={found.search.epochs} both say how long a trial is; leave one out"


def _problems(found: Asked) -> Iterator[str]:
    """Yields what is wrong with a search as a whole."""
    config, name, search = found.first.config, found.first.choices["search"], found.search
    if not found.space:
        yield (
            f"search={name} has nothing to choose: type a range, such as 'optimizer.lr=tag(log,interval(1e-4,1))', or"
            " several values, such as model=cnn,resnet18"
        )
    if config["data"].get("val_size") == 0 and not config["data"].get("folds") and config["overfit_batches"] is None:
        yield f"search={name} chooses by validation, which data.val_size=0 leaves out"
    if search.epochs is not None and config["max_steps"] is not None:
        yield f"max_steps={config['max_steps']} ends short trials and whole ones alike; leave it or search.epochs out"
    for axis in found.axes:
        if search.prune not in PRUNES.get(axis.key, (search.prune,)):
            yield f"{axis.word} has no effect with search.prune={search.prune}"
    if search.prune != "none" and found.repeats > 1:
        yield f"search.prune={search.prune} compares single runs; leave it out, or name one seed and one fold"
    yield from search.problems(config["epochs"], found.trials)
