"""What watchers see of a run and may do there, and the moments at which they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.errors import UserError, listed
from dlexp.experiment.assemble import Assembly
from dlexp.machine import generators
from dlexp.records.tracker import Tracker
from dlexp.train.frozen import matching
from dlexp.watch.watcher import ALWAYS, Watcher

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREFIX = "watch"


class RunView:
    """The one `dlexp.watch.watcher.View` of a watcher, which it knows by `name`."""

    def __init__(self, run: Assembly, tracker: Tracker, name: str) -> None:
        self._run, self._tracker, self.name = run, tracker, name
        self.only_looks = name in run.only_look
        self.model, self.averaged, self.folder = run.state.model, run.state.average.module, tracker.folder
        self.is_within_step = self.is_at_end = False
        self.found: dict[str, float] = {}  # what was logged after an epoch

    @property
    def epoch(self) -> int:
        return self._run.state.epochs_begun

    @property
    def step(self) -> int:
        return self._run.state.step

    @property
    def feature_names(self) -> Sequence[str] | None:
        return self._run.task.feature_names

    @property
    def is_normalised(self) -> bool:
        return self._run.train.split.first in self._run.train.normalised

    def coefficients(self, model: nn.Module) -> dict[str, Any] | None:
        return self._run.coefficients(model)

    def batches(self, split: str, count: int | None = None) -> Iterator[Batch]:
        if split == "test" and not self.is_at_end:
            raise UserError(f"watch.{self.name} asks for the test samples before the end, where they choose nothing")
        batches = self._run.in_order(split, count)
        if batches is None:
            raise UserError(f"watch.{self.name} asks for the split '{split}', which this run does not have")
        return batches.epoch(0)

    @torch.no_grad()
    def loss(self, batch: Batch, model: nn.Module | None = None) -> Tensor:
        task, model = self._run.task, model or self.model
        was_training = task.training
        task.train(model.training)  # a task that adds noise in training adds none where the model is evaluated
        try:
            return task.loss(task.predict(model, batch), batch)
        finally:
            task.train(was_training)

    def log(self, name: str, value: Tensor | float) -> None:
        key = f"{PREFIX}/{self.name}/{name}"
        if self.is_within_step:
            device = self._run.plan.device
            self._run.state.watched[key] = torch.as_tensor(value, device=device).detach().reshape(())
        else:
            self.found[key] = float(value)

    def figure(self, name: str, figure: Figure) -> None:
        self._tracker.figure(name, figure)

    def freeze(self, patterns: Sequence[str], frozen: bool = True) -> None:
        if self.only_looks:
            raise UserError(f"watch.{self.name} only looks, so it freezes nothing; only_looks: false lets it")
        for pattern in patterns:
            names = matching(self.model, pattern)
            if not names:
                known = listed(list(dict(self.model.named_parameters())), 9)
                raise UserError(f"watch.{self.name}: {pattern} matches none of the parameters: {known}")
            before = self._run.state.frozen
            self._run.state.freeze(before.union(names) if frozen else before.difference(names))
        for parameter in self.model.parameters():
            if not parameter.requires_grad:
                parameter.grad = None


class Watchers:
    """All watchers of a run, called one after the other in the order in which they were chosen."""

    def __init__(self, run: Assembly, tracker: Tracker) -> None:
        self._state = run.state
        self._views = {name: RunView(run, tracker, name) for name in run.state.watchers}
        splits = [split for split, batches in (("train", run.train), ("val", run.val)) if batches is not None]
        measured = [*(f"{split}/{name}" for split in splits for name in run.measures), *ALWAYS]
        for watcher in run.state.watchers.values():
            watcher.hold_to(run.state.model, measured)

    def before_update(self) -> None:
        """Shows the gradients of a step."""
        for watcher, view in self._each("before_update"):
            view.is_within_step = True
            watcher.before_update(view)
            view.is_within_step = False

    def looks_at_steps(self) -> bool:
        """Returns whether anyone wants to see each step."""
        return any(type(each).before_update is not Watcher.before_update for each in self._state.watchers.values())

    def epoch(self, metrics: dict[str, Any]) -> None:
        """Shows an epoch's metrics, adds what is logged of it, and notes why the training should end."""
        if not self._views:
            return
        shown = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
        for watcher, view in self._each("epoch"):
            view.found = {}
            reason = watcher.epoch(view, shown)
            metrics |= view.found
            if reason and view.only_looks:
                raise UserError(f"watch.{view.name} only looks, so it ends no training; only_looks: false lets it")
            if reason:
                self._state.stopped = str(reason)

    def end(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Shows the end of a run; returns what is logged of it."""
        found: dict[str, float] = {}
        for watcher, view in self._each("end"):
            view.is_at_end, view.found = True, {}
            watcher.end(view, metrics)
            found |= view.found
        return found

    def _each(self, moment: str) -> Iterator[tuple[Watcher, RunView]]:
        for name, watcher in self._state.watchers.items():
            if getattr(type(watcher), moment) is getattr(Watcher, moment):
                continue
            view = self._views[name]
            with self._as_before() if view.only_looks else nullcontext():
                yield watcher, view

    @contextmanager
    def _as_before(self) -> Iterator[None]:
        """Puts the generators and the modes of all modules back."""
        modules = [each for part in (self._state.model, self._state.average.module) for each in part.modules()]
        modes = [each.training for each in modules]
        with generators.kept(self._state.losses.device):
            yield
        for module, training in zip(modules, modes, strict=True):
            module.training = training
