"""Metrics of the library torchmetrics, where they are made of sums as ours are."""

import copy
import inspect
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import torch
from torch import Tensor

from dlexp.batch import Batch
from dlexp.errors import UserError, did_you_mean
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure, Sums, classes_of
from dlexp.ranges import Choice

# Where its classes are looked for; those of others load networks, or keep all they have seen.
PLACES = ("classification", "regression", "segmentation")


class Torchmetrics(Measure):
    """A class of torchmetrics by its name, its states that are added up being our sums.

    name: such as MulticlassMatthewsCorrCoef. arguments: of its constructor. of: which kind of answers it measures.
    unit: "%" for a share. Raises UserError where it is not installed, or the class keeps more than sums.
    """

    def __init__(
        self,
        *,
        name: str,
        arguments: Mapping[str, Any] | None,
        of: Annotated[str, Choice("classes", "values", "labels")],
        unit: Annotated[str, Choice("%", "")],
    ) -> None:
        kind, given = _class_named(name), dict(arguments or {})
        if "validate_args" in inspect.signature(kind).parameters:  # looks at values, and so waits for the device
            given = {"validate_args": False} | given
        try:
            self.metric = kind(**given, compute_with_cache=False, sync_on_compute=False)
        except (TypeError, ValueError) as error:
            raise UserError(f"torchmetrics' {name} does not take arguments={dict(arguments or {})}: {error}") from error
        kept = [state for state, how in self.metric._reductions.items() if how is not torch.sum and not _is_sum(how)]
        if kept or not self.metric.metric_state:
            what = f"{', '.join(kept)}, which can't be added up" if kept else "no sums"
            raise UserError(f"torchmetrics' {name} keeps {what}; with thresholds=… some of its classes count instead")
        self.of = (of,)
        self.facts = Metric(unit=unit, higher_is_better=self.metric.higher_is_better is True, title=name)

    def sums(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        targets = batch["targets"]
        if self.of != ("values",):
            targets = targets.long() if targets.dtype == torch.bool else classes_of(targets)
        self.metric.to(outputs.device).update(outputs, targets)
        found = dict(self.metric.metric_state)
        self.metric.reset()
        return found

    def conclude(self, sums: Sums, count: int) -> float:
        metric = copy.deepcopy(self.metric).cpu()
        for name, total in sums.items():
            setattr(metric, name, total.to(metric.metric_state[name].dtype))
        with warnings.catch_warnings():  # of states that no `update` has made
            warnings.simplefilter("ignore")
            return float(metric.compute())


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
