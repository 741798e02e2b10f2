"""Metrics of the library torchmetrics, where they are made of sums as ours are."""

import copy
import inspect
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import torch
from torch import Tensor

from dlexp.batch import IGNORED, Batch
from dlexp.errors import UserError, did_you_mean
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure, Sums, classes_of, exact, is_kept
from dlexp.ranges import Choice

# Where its classes are looked for; those of others load networks, or keep all they have seen.
PLACES = ("classification", "regression", "segmentation")


class Torchmetrics(Measure):
    """A class of torchmetrics by its name, its states that are added up being our sums.

    name: such as MulticlassMatthewsCorrCoef. arguments: of its constructor. of: which kind of answers it measures.
    unit: "%" for a share. It is shown probabilities, since of other scores it guesses batch by batch what they are, or
    class numbers where it measures whole images; and only what counts. Raises UserError where it is not installed, or
    the class keeps more than sums.
    """

    def __init__(
        self,
        *,
        name: str,
        arguments: Mapping[str, Any] | None,
        of: Annotated[str, Choice("classes", "values", "labels")],
        unit: Annotated[str, Choice("%", "")],
    ) -> None:
        kind = _class_named(name)
        taken = inspect.signature(kind).parameters
        self.is_of_whole = "input_format" in taken or name == "MulticlassExactMatch"
        # Checks of arguments look at values, and so wait for the device.
        ours = {"validate_args": False, "input_format": "index"} | (
            {"ignore_index": IGNORED} if self.is_of_whole else {}
        )
        given = {key: value for key, value in ours.items() if key in taken} | dict(arguments or {})
        self.ignored = given.get("ignore_index")
        try:
            self.metric = kind(**given, compute_with_cache=False, sync_on_compute=False)
        except (TypeError, ValueError) as error:
            told = f"metric.torchmetrics.arguments={dict(arguments or {})} (and of={of})"
            raise UserError(f"torchmetrics' {name} does not take {told}: {error}") from error
        kept = [state for state, how in self.metric._reductions.items() if how is not torch.sum and not _is_sum(how)]
        if kept or not self.metric.metric_state:
            what = f"{', '.join(kept)}, which can't be added up" if kept else "no sums"
            raise UserError(f"torchmetrics' {name} keeps {what}; with thresholds=… some of its classes count instead")
        self.of = (of,)
        self.facts = Metric(unit=unit, higher_is_better=self.metric.higher_is_better is True, title=name)

    def sums(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Returns the states that the class makes of a batch. Raises UserError where it can't leave out a place."""
        metric, targets = self.metric.to(outputs.device), batch["targets"]
        if self.of == ("classes",):
            outputs, targets = self._of_classes(outputs, classes_of(targets))
        elif self.of == ("labels",):
            outputs, targets = exact(outputs).sigmoid(), targets.long()
        if len(targets):
            metric.update(outputs, targets)
        found = {name: exact(each) if each.is_floating_point() else each for name, each in metric.metric_state.items()}
        metric.reset()
        return found

    def _of_classes(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Returns class numbers N×… of answers and targets, else probabilities rows×classes and the rows' targets."""
        name, size, kept = type(self.metric).__name__, outputs.shape[1], is_kept(targets)
        if self.is_of_whole:
            if self.ignored != IGNORED and not bool(kept.all()):
                raise UserError(f"torchmetrics' {name} can't leave out places, and task.ignore_index names some")
            counts = kept.reshape(len(kept), -1).any(dim=1)
            return outputs.argmax(dim=1)[counts], targets[counts]
        rows = exact(outputs).softmax(dim=1).movedim(1, -1)[kept]
        if name.startswith("Binary"):
            if size != 2:
                raise UserError(f"torchmetrics' {name} is of two classes, and here are {size}")
            rows = rows[:, 1]
        return rows, targets[kept]

    def conclude(self, sums: Sums, count: int) -> float:
        metric = copy.deepcopy(self.metric).cpu()
        for name, total in sums.items():
            setattr(metric, name, total.to(metric.metric_state[name].dtype))
        with warnings.catch_warnings():  # of states that no `update` has made
            warnings.simplefilter("ignore")
            found = metric.compute()
        if not isinstance(found, Tensor) or found.numel() != 1:
            raise UserError(f"torchmetrics' {self.facts.title} gives several numbers, and a metric is one")
        return float(found)


def _is_sum(how: Any) -> bool:
    return getattr(how, "__name__", "") == "dim_zero_sum"


def _class_named(name: str) -> Any:
    try:
        places = [import_module(f"torchmetrics.{place}") for place in PLACES]
        base = import_module("torchmetrics").Metric
    except ImportError as error:
        raise UserError("metric=torchmetrics needs torchmetrics: pip install 'dlexp[torchmetrics]'") from error
    classes = {word: getattr(place, word) for place in places for word in place.__all__}
    found = classes.get(name)
    if not inspect.isclass(found) or not issubclass(found, base):
        raise UserError(f"torchmetrics has no metric {name}.{did_you_mean(name, list(classes))}")
    return found
