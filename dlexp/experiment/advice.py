"""What a training curve says in plain words: stuck at chance, diverging, or able to learn a few batches by heart."""

from collections.abc import Callable, Mapping
from typing import Any

from dlexp.console.wording import describe, named, number
from dlexp.metric import LOSS, Metric
from dlexp.tasks.task import Task, measures_of

# Twenty full steps are no training yet; every recipe of conf/recipe has left chance by here.
FEWEST_STEPS = 200
LEARNT_SHARE = 0.999
LEARNT_LOSS = 0.01
# Where criteria lie whose least value is 0, which a model can come close to. One of a person's own may be negative.
LEAST_IS_ZERO = (
    "dlexp.criteria.",
    *(f"torch.nn.modules.loss.{name}" for name in "MSE L1 SmoothL1 Huber CrossEn BCE".split()),
)

# A loss so many times that of guessing, and that of the first batch, is none of a training that goes anywhere; where
# nobody knows what guessing gives, so many times that of the first batch.
DIVERGED, DIVERGED_BY_ITSELF = 10.0, 1000.0
# Nothing begins with a larger learning rate.
LARGEST_RATE = 0.1


def lower_rate(optimizer: Mapping[str, Any], recipe: Mapping[str, Any] | None = None) -> str:
    """Returns what to type, or to do, for a lower learning rate: that of the recipe of model and data, or a tenth."""
    if optimizer.get("parts") or not optimizer.get("lr"):  # parts have rates of their own
        return "a tenth of the learning rates"
    rate, name = optimizer["lr"], str(optimizer.get("_target_")).rpartition(".")[2].lower()
    usual = ((recipe or {}).get("lr") or {}).get(name)
    if usual is not None and 2 * usual <= rate:
        return f"optimizer.lr={usual:g} (the rate of this model and data)"
    return f"optimizer.lr={rate / 10:g} (a tenth)" if rate / 10 <= LARGEST_RATE else f"optimizer.lr={LARGEST_RATE:g}"


def diverging(loss: float, start: float, task: Task, rate: str) -> str | None:
    """Returns advice when the loss of an epoch's last steps is far above what guessing gives and what it began with.

    start: the loss of the first batch, or the mean of the first epoch. rate: what to type for a lower learning rate.
    """
    chance = task.chance.get("loss")
    is_far = loss > DIVERGED * max(chance, start) if chance is not None else 0 < DIVERGED_BY_ITSELF * start < loss
    if not is_far:
        return None
    guessing = "" if chance is None else f", and guessing gives {number(chance, LOSS)}"
    return (
        f"warning: the training diverges: it began with a loss of {number(start, LOSS)} and has come to"
        f" {number(loss, LOSS)}{guessing}. Try {rate} or grad_clip=1; python -m dlexp find lr finds a rate by trying"
    )


def stuck_at_chance(
    record: Mapping[str, Any],
    task: Task,
    optimizer: Mapping[str, Any],
    recipe: Mapping[str, Any] | None = None,
    likeliest: Callable[[], str | None] = lambda: None,
) -> str | None:
    """Returns advice when an epoch's training still does what guessing does by every metric of `chance`, else None.

    Guessing among C classes has the loss ln C (2.303 for ten) and the accuracy 1/C. A loss that stays there after a few
    hundred steps does not recover in practice: the updates are too large, or the signal dies on its way back, if
    nothing else is the `likeliest`, which looks.
    """
    measures = measures_of(task)
    # A class with metrics of its own may have inherited what guessing reaches by others.
    chance = {name: level for name, level in task.chance.items() if name in measures}
    if not chance or record["step"] < FEWEST_STEPS:
        return None
    if any(_beats(record[f"train/{name}"], level, measures[name]) for name, level in chance.items()):
        return None
    values = {f"train/{name}": record[f"train/{name}"] for name in chance}
    guessing = ", ".join(named(name, level, measures, digits=1) for name, level in chance.items())
    advice = likeliest() or f"Try {lower_rate(optimizer, recipe)}, grad_clip=1, or a model with batch norm"
    return f"warning: nothing is being learnt: {describe(values, measures)}, and guessing gives {guessing}. {advice}"


def _beats(value: float, level: float, metric: Metric) -> bool:
    """Returns whether a value is better than guessing, by more than it scatters there."""
    return value > 1.5 * level if metric.higher_is_better else value < 0.985 * level


def is_learnt_by_heart(record: Mapping[str, Any], task: Task) -> bool | None:
    """Returns whether the few batches that a training is about are learnt by heart after an epoch.

    They are when the task's metric, if that is a share, is within 0.1 % of its best, else when the loss is ≤ 0.01: of
    other metrics nobody knows what is enough, nor (None) of a loss whose least value need not be 0.
    """
    name, value = _judged(record, task)
    metric = measures_of(task)[name]
    if metric.unit != "%":
        return value <= LEARNT_LOSS if _least_is_zero(task) else None
    return value >= LEARNT_SHARE if metric.higher_is_better else value <= 1 - LEARNT_SHARE


def _least_is_zero(task: Task) -> bool:
    """Returns whether the loss is a criterion's, and that one whose least value is 0."""
    kind = type(task.criterion)
    smoothed = getattr(task.criterion, "label_smoothing", 0) > 0
    is_criterions = type(task).loss.__module__.startswith("dlexp.tasks.")
    return is_criterions and f"{kind.__module__}.{kind.__name__}".startswith(LEAST_IS_ZERO) and not smoothed


def _judged(record: Mapping[str, Any], task: Task) -> tuple[str, float]:
    """Returns the name and the value of what tells whether the batches are learnt."""
    metric = task.metrics.get(task.metric)  # what only a method measures is not measured in training
    name = task.metric if metric is not None and metric.unit == "%" else "loss"
    return name, record[f"val/{name}" if f"val/{name}" in record else f"train/{name}"]


def overfit_verdict(record: Mapping[str, Any], task: Task, num_batches: int) -> str:
    """Returns PASS when the batches are learnt by heart, else FAIL and advice, or that nobody can tell."""
    batches = f"{num_batches} batch{'es' * (num_batches != 1)}"
    shown = f"{named(*_judged(record, task), measures_of(task), digits=1)} after {record['step']} steps"
    is_learnt = is_learnt_by_heart(record, task)
    if is_learnt:
        return f"PASS: {batches} learnt by heart ({shown})"
    if is_learnt is None:
        return (
            f"no verdict on {batches} ({shown}): nobody knows how small this loss can be; look whether it still falls,"
            " or let a metric lead that is a share, such as task.metric=accuracy"
        )
    return (
        f"FAIL: {batches} not learnt by heart ({shown}), as a working model would;"
        " try another optimizer.lr, less regularisation (dropout, weight decay, smoothing), more epochs"
    )
