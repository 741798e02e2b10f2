"""What all runs of a report share, and what mixes them: data, settings, machine, versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from dlexp.errors import listed
from dlexp.records.folder import DATA, ENVIRONMENT
from dlexp.report import statistics
from dlexp.report.answer import Arm
from dlexp.report.reading.arms import brought_along
from dlexp.report.reading.run_files import MOST, json_of
from dlexp.report.reading.runs import Run
from dlexp.report.verdicts import DATA_SEED, SPLIT

# What says most of an experiment.
TELLING = (
    "data",
    "model",
    "optimizer",
    "scheduler",
    "epochs",
    "max_steps",
    "batch_size",
    "data.limit",
    "data.train_limit",
    "overfit_batches",
)
# What has no part in it where a method sets the weights in a single step.
OF_STEPS = ("optimizer", "scheduler", "epochs", "max_steps", "batch_size")
# Metrics that are shares of right answers, so that a test set's own error follows from its size.
SHARES = ("accuracy", "top5")
SPLITS = ("train", "val", "test")
MACHINE = {
    "processor": ("cpu", "name"),
    "cores": ("cpu", "cores"),
    "gpu": ("device", "gpu"),
    "threads": ("device", "threads"),
    "precision": ("device", "precision"),
    "system": ("platform", "system"),
    "Python": ("python",),
    "dlexp": ("packages", "dlexp"),
    "torch": ("packages", "torch"),
    "NumPy": ("packages", "numpy"),
}


def constants(runs: Sequence[Run], varied: Sequence[str]) -> dict[str, Any]:
    """Returns the settings that say what was trained, as far as all runs share them."""
    telling = list(TELLING)
    if all(run.is_one_step for run in runs):
        telling = [*(key for key in TELLING if key not in OF_STEPS), "method"]
    own = {key: [run.settings.get(key) for run in runs] for key in telling if key not in varied}
    return {
        key: found[0]
        for key, found in own.items()
        if found and found[0] is not None and found.count(found[0]) == len(found)
    }


def surroundings(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Returns of each run what MACHINE names, and the sizes of its data; None where that is not known."""
    found = []
    for run in runs:
        environment, data = json_of(run.folder / ENVIRONMENT), json_of(run.folder / DATA)
        own = {name: _within(environment, *keys) for name, keys in MACHINE.items()}
        found.append(own | {f"{split} samples": _size(data, split) for split in SPLITS})
    return found


def machine(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns processor, versions and sizes of the data, as far as all `surroundings` share them."""
    first = found[0] if found else {}
    return {
        name: value for name, value in first.items() if value is not None and all(own[name] == value for own in found)
    }


def mixtures(runs: Sequence[Run], varied: Sequence[str], found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns in what the runs differ without being arms of it, a sentence each."""
    told = []
    if brought := brought_along(runs, varied):
        told.append(
            f"With the arms differ {listed(brought)} too, which nobody typed: a recipe or the data brought them along."
        )
    if len({run.entry.get("code") for run in runs} - {None}) > 1:
        told.append("Not all runs were made by the same code, so a difference may come from that.")
    if different := [name for name in MACHINE if len({own[name] for own in found} - {None}) > 1]:
        told.append(f"Not all runs were made alike: they differ in {listed(different)}.")
    return told


def error_of_the_samples(arms: Sequence[Arm], metric: str) -> tuple[int | None, float | None]:
    """Returns how many samples measured the metric, and the standard error of the best arm's mean that comes from them.

    Both None where the runs do not share the number; the error is None where the metric is no share of right answers,
    each of one sample.
    """
    split, _, name = metric.partition("/")
    data = [json_of(run.folder / DATA) for arm in arms for run in arm.finished]
    sizes = {_size(each, split) for each in data}
    size = next(iter(sizes)) if len(sizes) == 1 else None
    if not size:
        return None, None
    mean = next((arm.interval.mean for arm in arms if arm.interval.mean is not None), None)
    has_classes = all(_within(each, "class_counts", split) for each in data)
    if name not in SHARES or not has_classes or mean is None or not 0 < mean < 1:
        return size, None
    return size, statistics.error_of_a_share(mean, size)


def draws_its_samples(runs: Sequence[Run], metric: str) -> bool:
    """Whether a seed of the data draws the samples that a metric is of, so that the runs do not share them.

    `data.split_seed` draws those that a setting holds out, and which remain under `data.limit`: not the test set that a
    data set brings. Where a run does not tell what was held out, it is taken to be all.
    """

    def vary(key: str) -> bool:
        return len({str(run.settings.get(key)) for run in runs}) > 1

    if vary(DATA_SEED) or not vary(SPLIT):
        return vary(DATA_SEED)
    return any(_is_held_out(run, metric.partition("/")[0]) for run in runs if run.is_finished)


def was_seen_in_tuning(arms: Sequence[Arm], trials: Mapping[str, Sequence[Run]], metric: str) -> bool:
    """Whether trials trained and chose on samples of a final test set: another `data.split_seed` divides the same data
    otherwise, where a setting divides the test set off.
    """
    return metric.startswith("test/") and any(
        run.settings.get(SPLIT) != trial.settings.get(SPLIT)
        and run.settings.get(DATA_SEED) == trial.settings.get(DATA_SEED)
        and "data.test_size" in (_divided_by(json_of(run.folder / DATA)) or ())
        for arm in arms
        for trial in trials.get(arm.name, [])[:1]  # all have one seed
        for run in arm.finished
    )


def _divided_by(data: Any) -> list[Any] | None:
    """Returns the settings that held samples out, as a run's data file tells; None where it does not."""
    known = data.get("divided_by") if isinstance(data, Mapping) else None
    return known if isinstance(known, list) else None


def _is_held_out(run: Run, split: str) -> bool:
    data = json_of(run.folder / DATA)
    size, limit = _within(data, "sizes", split), run.settings.get("data.limit")
    known = _divided_by(data)
    if known is None or (limit is not None and size == limit):
        return True
    if split == "test":
        return "data.test_size" in known
    return bool(known) or run.settings.get("data.folds") is not None


def _size(data: Any, split: str) -> int | None:
    """Returns how many samples a split of a run's data has."""
    found = _within(data, "sizes", split)
    return found if type(found) is int and 0 <= found <= MOST else None


def _within(found: Any, *keys: str) -> Any:
    """Returns what a run's file holds under keys within each other; what is no plain value as text."""
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, str | int | float | bool | None) else str(found)
