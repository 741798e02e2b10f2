"""What varies between runs, found by itself: arms are what differs besides the seed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from dlexp.config.cell import is_incidental
from dlexp.config.schema import GROUPS, Settings
from dlexp.report.reading.runs import Run, Trouble

FOLD = "data.fold"
PRESET = "experiment"  # chooses other options, and is no setting itself
REPEATS = ("seed", FOLD)  # what repeats a run and makes no arm
# What stands in no config, by the key of run.json, and the settings that mostly decide it.
DATA_CONTENT = "content of the data"
CONTENTS = {DATA_CONTENT: ("data", "data"), "weights of init_from": ("initial_weights", "init_from")}
# The value of what goes with the seed one to one, where other runs have none.
OF_EACH_SEED = "of each seed"


def each_once(runs: Sequence[Run]) -> tuple[list[Run], list[Trouble]]:
    """Returns the runs that are over, each experiment once, and which others are the same experiment.

    Of several with the same settings, seed and data the finished one counts, of those the one that saw the test set, of
    those the newest: repeats (`-2`), reruns, a single run that a sweep has trained too. Never as a second seed.
    """
    ended = [run for run in runs if run.is_ended]
    rows = _rows(ended)
    groups: dict[Any, list[Run]] = {}
    for run, row in zip(ended, rows, strict=True):
        groups.setdefault(tuple(map(_hashable, row.values())), []).append(run)
    best = {id(max(group, key=_rank)) for group in groups.values()}
    others = [
        Trouble(run.folder, f"is the same run as {max(group, key=_rank).folder}, which counts")
        for group in groups.values()
        for run in group
        if id(run) not in best
    ]
    return [run for run in ended if id(run) in best], sorted(others, key=lambda each: each.folder)


def _rank(run: Run) -> tuple[Any, ...]:
    is_tested = any(key.startswith("test/") for key in run.metrics)
    return run.is_finished, is_tested, run.started, str(run.folder)


def split(
    runs: Sequence[Run], ignoring: Collection[str] = REPEATS
) -> tuple[list[str], list[tuple[dict[str, Any], list[Run]]]]:
    """Returns the keys that vary, and for each arm its settings of those and its runs by seed and fold.

    A key varies where it changes a result, is not `ignoring`, and is no consequence of others: a group's option stands
    for the settings that come with it, those of a recipe or a data set too, as long as nobody typed one of them, and a
    preset for all that it chooses (`brought_along` tells them). What follows another setting is no key, nor is what
    goes with the seed one to one (`init_from`, `data.split_seed`). Groups come first, then as typed; arms in the order
    of the jobs of their sweep.
    """
    rows = _rows(runs, presets=True)
    keys = _keys(runs, rows, ignoring)
    arms: dict[Any, list[int]] = {}
    for number in sorted(range(len(runs)), key=lambda number: (runs[number].folder.parent, runs[number].turn, number)):
        arms.setdefault(tuple(_hashable(rows[number][key]) for key in keys), []).append(number)
    return keys, [
        (
            {key: rows[numbers[0]][key] for key in keys},
            sorted((runs[number] for number in numbers), key=lambda run: (run.seed, str(run.settings.get(FOLD)))),
        )
        for numbers in arms.values()
    ]


def brought_along(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """Returns what differs between arms though nobody typed it and no option of its own group varies: such as the
    epochs that a model's recipe brings along. An option stands for its settings here too.
    """
    follow = _following(runs)
    found = [key for key in _differing(_rows(runs)) if key not in (*keys, *REPEATS, *CONTENTS) and key not in follow]
    groups = {*keys, *(key for key in found if key in GROUPS)}
    return [key for key in found if key in GROUPS or key.partition(".")[0] not in groups]


def is_folded(runs: Sequence[Run]) -> bool:
    """Returns whether the runs are of several folds, which are no seeds: they share training samples."""
    return len({run.settings.get(FOLD) for run in runs}) > 1


def _keys(runs: Sequence[Run], rows: Sequence[Mapping[str, Any]], ignoring: Collection[str]) -> list[str]:
    """Returns the keys that make arms: what was typed, and what does not follow from that."""
    typed, follow = _typed(runs), _following(runs)
    differing = [key for key in _differing(rows) if key not in ignoring and key not in follow]
    options = [key for key in differing if key in GROUPS or key == PRESET]
    chosen = sorted((key for key in options if key in typed), key=lambda key: typed[key])
    chosen += [key for key in options if key not in typed and not _follows_from(chosen, key, rows)]
    others = sorted((key for key in differing if key in typed and key not in options), key=lambda key: typed[key])
    for key in differing:
        if key not in options and key not in typed:
            group = CONTENTS.get(key, ("", key))[1].partition(".")[0]
            near = [other for other in others if other.partition(".")[0] == group]
            if not _follows_from([*chosen, *near], key, rows):
                others.append(key)
    return [*chosen, *others]


def _follows_from(keys: Sequence[str], key: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Returns whether the other keys decide the value of one: wherever they are equal, so is it."""
    found: dict[Any, Any] = {}
    return all(found.setdefault(tuple(_hashable(row[other]) for other in keys), row[key]) == row[key] for row in rows)


def _typed(runs: Sequence[Run]) -> dict[str, int]:
    """Returns the keys of all words that were typed, also when a run was resumed, and when they came first."""
    words = [*(word for run in runs for word in run.words), *(word for run in runs for word in run.typed)]
    return {key: place for place, key in enumerate(dict.fromkeys(map(key_of, words)))}


def key_of(word: str) -> str:
    """Returns the key that a typed word sets."""
    return word.partition("=")[0].lstrip("+~")


def _following(runs: Sequence[Run]) -> set[str]:
    """Returns the settings that take the value of another one in every run."""
    return set.intersection(*(set(run.entry["follows"]) for run in runs)) if runs else set()


def _rows(runs: Sequence[Run], presets: bool = False) -> list[dict[str, Any]]:
    """Returns for each run the value of all that differs and changes a result; what it lacks is None.

    presets: with the preset that was chosen, where all runs have one.
    """
    presets = presets and all(run.settings.get(PRESET) for run in runs)
    found = [run.settings | contents for run, contents in zip(runs, _contents(runs), strict=True)]
    names = list(dict.fromkeys(key for settings in found for key in settings))
    without_targets = all(settings.get("task.targets") != "values" for settings in found)
    looks = {key.rpartition(".")[0] for key in names if key.startswith("watch.") and key.endswith(".only_looks")}
    names = [
        key
        for key in names
        if (_counts(key) or (presets and key == PRESET))
        and not (without_targets and key == "task.standardise")
        and not (key.rpartition(".")[0] in looks and _only_looks(key.rpartition(".")[0], found))
    ]
    rows = [{key: settings.get(key) for key in names} for settings in found]
    keys = _differing(rows)
    rows = [{key: row[key] for key in keys} for row in rows]
    for key in keys:
        if key in ("init_from", *CONTENTS) or (key.endswith("seed") and key != "seed"):
            _take_as_seeds(key, rows, runs)
    return rows


def _counts(key: str) -> bool:
    """Returns whether a setting can make an arm: it changes what is trained. Of `watch` its nodes tell."""
    is_known = key.partition(".")[0] in Settings.__dataclass_fields__ or key in CONTENTS
    return is_known and not is_incidental(key) and key not in ("test", "watch")


def _only_looks(node: str, found: Sequence[Mapping[str, Any]]) -> bool:
    return all(settings.get(f"{node}.only_looks") in (True, None) for settings in found)


def _contents(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Returns what a run's result depends on besides its settings: a run that ended before it read its data is taken
    to have the data of others with such settings.
    """
    found: list[dict[str, Any]] = [{} for _ in runs]
    for name, (field, source) in CONTENTS.items():
        if source == "init_from" and all(str(run.settings.get(source)).startswith("stages.") for run in runs):
            continue  # which tells what made the weights
        if len({run.entry.get(field) for run in runs} - {None}) < 2:
            continue
        keys = [key for key in runs[0].settings if key == source or key.startswith(f"{source}.")]
        settings = [tuple(_hashable(run.settings.get(key)) for key in keys) for run in runs]
        known = {own: run.entry[field] for own, run in zip(settings, runs, strict=True) if run.entry.get(field)}
        for each, own, run in zip(found, settings, runs, strict=True):
            each[name] = run.entry.get(field) or known.get(own)
    return found


def is_one_to_one(pairs: Iterable[tuple[int, Any]]) -> bool:
    """Returns whether several seeds have a value of their own each, and each value its seed."""
    found = {(seed, _hashable(value)) for seed, value in pairs}
    return 1 < len(found) == len({seed for seed, _ in found}) == len({value for _, value in found})


def _take_as_seeds(key: str, rows: Sequence[dict[str, Any]], runs: Sequence[Run]) -> None:
    """Makes one value of those that go with the seed one to one."""
    if is_one_to_one([(run.seed, row[key]) for run, row in zip(runs, rows, strict=True) if row[key] is not None]):
        for row in rows:
            row[key] = None if row[key] is None else OF_EACH_SEED


def _differing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the keys of rows whose values are not all the same."""
    return [key for key in rows[0] if any(row[key] != rows[0][key] for row in rows)] if rows else []


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    return tuple((key, _hashable(inner)) for key, inner in value.items()) if isinstance(value, dict) else value
