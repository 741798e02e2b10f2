"""What a task owes: the one protocol between what is learnt and all that trains, chooses, records and draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch, mapped
from dlexp.metric import LOSS, Metric, facts_of
from dlexp.metrics.measure import Measure
from dlexp.models.auxiliary import Auxiliary, main

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlexp.data.normalisation import Normalisation
    from dlexp.data.splits import Split


class Task(nn.Module):
    """What is learnt. A class that inherits from this one owes `metric`, `metrics`, `targets`, and `measure` or `own`.

    Its parameters are trained with the model's, and its buffers are saved with them. The module of the group criterion
    becomes its `criterion`. Outputs are whatever the model returns: a tensor, or tensors in a tuple, list or dict.
    """

    metric: str
    """The metric that chooses the epoch and is a sweep's objective: "loss", or a key of `metrics`."""
    metrics: Mapping[str, Metric]
    """What `conclude` gives, by name; the loss is measured besides."""
    besides: Mapping[str, Metric] = {}
    """What the method measures besides, and at the end `last_look`, by name; set by the engine."""
    targets: str
    """The field `targets`: "classes" (int64 N), "values" (float32 N×outputs), "labels" (float32 N×outputs, 0 or 1),
    "mask" (int64 N×H×W) or "none"; `data.fields.targets` may say otherwise."""
    own: Mapping[str, Measure] = {}
    """Metrics of `dlexp.metrics` that the default `measure` and `conclude` are made of, by name."""
    chosen: Mapping[str, Measure] = {}
    """Those of the group `metric`, which stand in place of all that the task measures; set by the engine."""
    chance: Mapping[str, float] = {}
    """What guessing reaches, by metric; empty where nobody knows. That of the loss is added by the engine, from
    `undecided`."""
    units: Normalisation | None = None
    """How the targets that `loss` sees are standardised, and the outputs with them; all other functions see both in the
    data's own units. Set by the engine; None: they are as the data has them."""
    keeps_outputs: bool = True
    """Whether `summary` and `figures` want the outputs of the whole split, which lie in memory then."""
    criterion: nn.Module
    one_score: bool = False
    """Whether the criterion wants one score of two classes, how far the second is ahead; set by the engine."""
    autocast: AbstractContextManager[Any] = nullcontext()
    """The precision of the run, set by the engine."""
    normalised: Mapping[str, Normalisation] = {}
    """How the data's fields are, set by the engine for pictures."""
    moment: Any = None
    """Where the training is (`dlexp.methods.method.Moment`), set by the engine for a criterion or task that looks."""
    feature_names: Sequence[str] | None = None
    """What the features of the inputs are called, where the data set says so; set by the engine."""
    tells_moment: bool = False
    """Whether the criterion asks for it, or (set by a class) the task itself looks."""
    unchanged: str | None = None
    """The field in which training batches have the first one as it was before augmentation; None: in none."""
    is_asked: bool = False
    """Whether a person asks a trained model of inputs as they are; set by `dlexp.load`."""

    def __init__(self) -> None:  # nn.Module's own takes any keyword
        super().__init__()

    @property
    def learns(self) -> str:
        """The kind of answers that `judged` returns: "classes", "values", "labels", or what only the task knows."""
        return "classes" if self.targets == "mask" else self.targets

    def forward(self, model: nn.Module, batch: Batch) -> Any:
        """Returns what the model says of a batch: of its one input, of several by their names as keywords."""
        inputs = {name: field for name, field in batch.items() if name != "targets"}
        return model(*inputs.values()) if len(inputs) == 1 else model(**inputs)

    def predict(self, model: nn.Module, batch: Batch, ask: Callable[..., Any] | None = None) -> Any:
        """Returns `forward` in the run's precision, in float32 at least. ask: how (an option of evaluation).

        In evaluation mode a model's auxiliary outputs are left out.
        """
        with self.autocast:
            outputs = self(model, batch) if ask is None else ask(self, model, batch)
        return mapped(_at_least_float32, outputs if getattr(model, "training", False) else main(outputs))

    def in_own_units(self, values: Any) -> Any:
        """Returns outputs or targets as `loss` sees them in the units of the data, far from 0 in float64."""
        return values if self.units is None else mapped(self.units.undone, values)

    def answer(self, outputs: Any) -> Any:
        """Returns what `dlexp.load` gives of outputs, by default all of them."""
        return outputs

    def misfit(self, outputs: Any, batch: Batch) -> str | None:
        """Returns, before a run, what is wrong with what the model returns, as in "model NAME returns …", else None."""
        return None

    def judged(self, outputs: Any, batch: Batch) -> tuple[Any, Batch]:
        """Returns outputs and a batch whose `targets` metrics of `dlexp.metrics` can compare (see their `Measure`)."""
        return outputs, batch

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns the loss, a mean over the samples. A criterion whose `forward` has a parameter `moment` gets it."""
        return self.mean_loss(outputs, batch["targets"], self.weight(outputs, batch))

    def mean_loss(self, outputs: Any, targets: Tensor, weight: Tensor | int | None) -> Tensor:
        """Returns what the criterion gives, 0 without gradients where the weight is: a mean of nothing is no number.

        With auxiliary outputs it is the weighted sum of what it gives of each.
        """
        if isinstance(outputs, Auxiliary):
            return outputs.loss(lambda each: self.mean_loss(each, targets, weight))
        more = {"moment": self.moment} if self.tells_moment else {}
        if not isinstance(weight, Tensor):
            loss: Tensor = self.criterion(outputs, targets, **more)
            return loss
        counts = weight > 0
        # What a criterion divides by 0 has infinite gradients, and they times 0 are no numbers either.
        outputs = mapped(lambda each: torch.where(counts, each, each.detach()), outputs)
        return torch.where(counts, self.criterion(outputs, targets, **more), 0.0)

    @property
    def weighs(self) -> bool:
        """Whether `weight` says anything."""
        return type(self).weight is not Task.weight

    def weight(self, outputs: Any, batch: Batch) -> Tensor | int | None:
        """Returns what `loss` is a mean over, such as the tokens that count; None: the rows of the batch."""
        return None

    def measure(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Returns sums over the samples of the batch, of any fixed shapes, on its device; counts as int64.

        Called with every batch, without gradients, so it never waits for the device. Where augmentation mixes,
        targets of classes are probabilities N×classes (float) while training. By default the sums of `own`.
        """
        outputs, batch = self.judged(outputs, batch)
        return {
            f"{name}/{key}": value
            for name, each in self._measures.items()
            for key, value in each.sums(outputs, batch).items()
        }

    def conclude(self, sums: Mapping[str, Tensor], count: int) -> dict[str, float]:
        """Returns the value of each of `metrics` over `count` samples from their sums, which lie on the CPU.

        By default what `own` makes of its sums; of the others each metric is the mean of the sum of its name.
        """
        found = {name: float(total) / count for name, total in sums.items() if "/" not in name}
        for name, each in self._measures.items():
            parts = {key.removeprefix(f"{name}/"): sums[key] for key in sums if key.startswith(f"{name}/")}
            if parts:
                found[name] = each.conclude(parts, count)
        return found

    @property
    def _measures(self) -> Mapping[str, Measure]:
        return self.chosen or self.own

    def sums(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Returns what is added up over batches: of the chosen metrics, else what `measure` returns."""
        outputs = main(outputs)
        if self.units is not None:
            outputs, batch = self.in_own_units(outputs), {**batch, "targets": self.in_own_units(batch["targets"])}
        return Task.measure(self, outputs, batch) if self.chosen else self.measure(outputs, batch)

    def results(self, sums: Mapping[str, Tensor], count: int) -> dict[str, float]:
        """Returns all metrics by name from the sums over `count` samples, which lie on the CPU."""
        return Task.conclude(self, sums, count) if self.chosen else self.conclude(sums, count)

    def undecided(self, batch: Batch) -> Any:
        """Returns outputs that say the same of each of `num_outputs` classes, whose loss is that of guessing; None of a
        task that learns no classes.
        """
        return None

    def summary(self, outputs: Any, split: Split) -> dict[str, Any]:
        """Returns what `results.json` says of the chosen weights, outputs (None: not kept) and split on the CPU."""
        return {}

    def remarks(self, summary: Mapping[str, Any]) -> list[str]:
        """Returns what a person is told of the summary at the end of a run, a line each."""
        return []

    def last_look(self, outputs: Any, split: Split) -> Mapping[str, tuple[float, Metric]]:
        """Returns what is measured of the chosen weights alone, by name, from the same as `summary` sees."""
        return {}

    def coefficients(
        self, model: nn.Module, mean: Sequence[float] = (), std: Sequence[float] = ()
    ) -> dict[str, Any] | None:
        """Returns `w` and `b` of a model that is y = Xw + b in the units of the data, else None."""
        return None

    def line_figures(self, coefficients: Mapping[str, Any], trained: Split) -> dict[str, Figure]:
        """Returns pictures, by file name, of what `coefficients` found and the samples that were trained on.

        Both are in the units of the data, the samples on the CPU.
        """
        return {}

    def prepare(self, some: Batch) -> None:
        """Called once before a training with some of its samples, normalised. Raises UserError."""

    def figures(self, outputs: Any, split: Split, predict: Callable[..., Any]) -> dict[str, Figure]:
        """Returns the pictures of the end of a run, by file name.

        `outputs` are those of the whole `split`, both on the CPU, its fields as they came (not normalised); `predict`
        takes fields like these and returns outputs, or what its second argument makes of task, model and batch.
        """
        return {}

    def shown(self, name: str, images: Tensor) -> Tensor:
        """Returns images of a field as they came as pictures show them: bytes, or in [0, 1] by the data's unit."""
        return self.normalised[name].shown(images) if name in self.normalised else images


def is_measure(each: Any) -> bool:
    """Returns whether something is a metric as `dlexp.metrics` has them."""
    return isinstance(each, Measure) and isinstance(getattr(each, "facts", None), Metric)


def measures_of(task: Task) -> dict[str, Metric]:
    """Returns all that is measured, by name: the loss, the task's own metrics and the method's."""
    return {"loss": LOSS, **task.metrics, **task.besides}


def measured(task: Task) -> dict[str, Any]:
    """Returns what `run.json` says of a task: the value that sweeps compare, and all that is measured."""
    return {"metric": f"val/{task.metric}", "measures": facts_of(measures_of(task))}


def shape_in_words(outputs: Any) -> str:
    """Returns the form of what a model returns: `outputs of shape N×10`, `a tuple`."""
    if isinstance(outputs, Auxiliary):
        return "auxiliary outputs"
    if not isinstance(outputs, Tensor):
        return f"a {type(outputs).__name__}"
    return f"outputs of shape {'×'.join(['N', *map(str, outputs.shape[1:])])}"


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
