"""What of a person's own would be lost in a resume: a tiny training, saved and loaded, tells before the run."""

import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch, joined, mapped
from dlexp.config.attributes import values_of
from dlexp.config.build import build, build_each, build_optimizer, build_schedule, build_task, targets_in
from dlexp.config.stand_ins import TOTAL_STEPS, LoopStandIn, ViewStandIn, start_of
from dlexp.data.fields import Field, examples
from dlexp.errors import listed
from dlexp.machine import generators
from dlexp.methods.method import Method, Moment, overrides
from dlexp.models.layers import shadow
from dlexp.tasks.task import measures_of
from dlexp.train.frozen import trained_parameters
from dlexp.train.state import load_state_of, state_of
from dlexp.train.step import update_of

log = logging.getLogger(__name__)

# What is looked at, and where that which changes has its place.
ADVICE = {
    "criterion": "make it a buffer (register_buffer), or do without it",
    "task": "make it a buffer (register_buffer), or do without it",
    "optimizer": "keep it in self.state[parameter], or return it from state_dict and take it back in load_state_dict",
    "scheduler": "return it from state_dict and take it back in load_state_dict, or do without it",
    "method": "make it a buffer (register_buffer), or do without it",
    "watch": "return it from state_dict and take it back in load_state_dict, or do without it",
    "metric": "return it from sums, or do without it",
}
BY_NAME = ("watch", "metric")  # of which there may be several
IN_PARTS = "of optimizer.parts only self.state[parameter] and the settings of groups are saved: keep it there"
NOT_TRIED = "your own {} can't be tried on made-up samples ({}), so nobody knows whether a resume is exact"
NUM_SAMPLES = 2


@dataclass
class _Training:
    """The parts of a tiny training by the name of their group (and of a watcher), what stands for the model's
    parameters, and a model of zeros, which methods and watchers look at.
    """

    parts: dict[str, Any]
    weights: list[nn.Parameter]
    model: nn.Module
    names: list[str]  # of the metrics
    folder: Path  # for what watchers write
    step = 0

    def __post_init__(self) -> None:
        self._update = update_of(self.parts["optimizer"], torch.amp.GradScaler("cpu", enabled=False), None)
        self._watchers = [each for name, each in self.parts.items() if name.startswith("watch.")]

    def compute(self, outputs: Any, batch: Batch) -> None:
        task, method = self.parts["task"], self.parts["method"]
        moment = Moment.beginning()
        moment.move(step=self.step, epoch=0, progress=self.step / TOTAL_STEPS)
        views = joined([batch] * method.views)
        if overrides(method, Method, "step"):
            method.step(LoopStandIn(self.model, task), views, moment)
        elif overrides(method, Method, "loss"):
            method.loss(task, self.model.train(), views, moment).loss.backward()
        else:
            task.loss(mapped(_with_gradient, outputs), batch).backward()
        with torch.no_grad():
            task.sums(outputs, batch)
        for watcher in self._watchers:
            watcher.before_update(ViewStandIn(self.model, self.step, batch, self.folder))

    def update(self, generator: torch.Generator) -> None:
        for parameter in self.weights:
            parameter.grad = torch.rand(parameter.shape, generator=generator)
        self._update()
        self.parts["scheduler"].step()
        self.step += 1
        with torch.no_grad():
            self.parts["method"].after_step(self.model, self.step)

    @torch.no_grad()
    def evaluate(self, outputs: Any, batch: Batch) -> None:
        task = self.parts["task"].eval()
        task.loss(outputs, batch)
        task.sums(outputs, batch)
        task.train()
        if overrides(self.parts["method"], Method, "evaluate"):
            self.parts["method"].evaluate(task, self.model.eval(), batch, lambda task, *args: task(*args))
        for watcher in self._watchers:
            watcher.epoch(
                ViewStandIn(self.model, self.step, batch, self.folder), {f"val/{name}": 0.5 for name in self.names}
            )

    @torch.no_grad()
    def load(self, group: str, other: "_Training") -> None:
        """Takes a part's state over from another training, by way of a file."""
        for own, theirs in zip(self.weights, other.weights, strict=True):
            own.copy_(theirs)
        if not hasattr(self.parts[group], "state_dict"):
            return  # a metric has none
        file = io.BytesIO()
        torch.save(state_of(other.parts[group]), file)
        file.seek(0)
        load_state_of(self.parts[group], torch.load(file, weights_only=True))

    def values(self, group: str) -> dict[str, Any]:
        return values_of(self.parts[group], [self.model, *(part for name, part in self.parts.items() if name != group)])


def lost_state(
    config: Mapping[str, Any],
    model: nn.Module,
    named_parameters: list[tuple[str, nn.Parameter]],
    fields: Mapping[str, Field],
    outputs: Any,
) -> list[str]:
    """Returns, a sentence each, what the parts in `ADVICE` change and no saved state holds.

    Only those of a person's own are looked at. A tiny training takes two steps and evaluates, and after each of the
    three a second one takes its state over. named_parameters: small ones that stand for the model's. outputs: of
    the form that the model returns.
    """
    ours = ("dlexp.", "torch.")
    nodes = {group: config[group] for group in ADVICE if group not in BY_NAME}
    for group in BY_NAME:
        nodes |= {f"{group}.{name}": node for name, node in config[group].items() if node is not None}
    own = [group for group, node in nodes.items() if not all(path.startswith(ours) for path in targets_in(node))]
    if not own:
        return []
    with generators.kept(), TemporaryDirectory() as place:
        first, second = (_built(config, model, named_parameters, fields, Path(place)) for _ in range(2))
        before, generator = {group: first.values(group) for group in own}, torch.Generator().manual_seed(0)
        for act in ("train", "train", "evaluate"):
            answers, batch = _samples(config, fields, outputs, generator)
            try:
                (first.evaluate if act == "evaluate" else first.compute)(answers, batch)
            except Exception as error:  # not at home with such samples: what the run itself would say is said there
                log.info(NOT_TRIED.format(listed(own), error))
                return []
            if act == "train":
                try:
                    first.update(generator)
                except Exception as error:  # nor is every optimizer with so small parameters
                    left_out = [group for group in own if group in ("optimizer", "scheduler")]
                    log.info(NOT_TRIED.format(listed(left_out), error))
                    own = [group for group in own if group not in left_out]
            problems = [problem for group in own if (problem := _problem(group, before[group], first, second))]
            if problems:
                return problems
    return []


def _built(
    config: Mapping[str, Any],
    model: nn.Module,
    named_parameters: list[tuple[str, nn.Parameter]],
    fields: Mapping[str, Field],
    folder: Path,
) -> _Training:
    """Returns the same training each time, also where its parts draw numbers when they are made."""
    generators.seed(0)
    named = [(name, nn.Parameter(parameter.detach().clone())) for name, parameter in named_parameters]
    task = build_task(config)
    optimizer = build_optimizer(config["optimizer"], [*named, *trained_parameters(nn.Module(), task)])
    parts = {"criterion": task.criterion, "task": task, "optimizer": optimizer, "method": build(config["method"])}
    parts["scheduler"] = build_schedule(config["scheduler"], optimizer, TOTAL_STEPS)
    parts |= {f"watch.{name}": watcher for name, watcher in build_each(config["watch"], ("only_looks",)).items()}
    parts |= {f"metric.{name}": metric for name, metric in task.chosen.items()}
    is_looked_at = type(parts["method"]) is not Method or any(config["watch"].values())
    copied = shadow(model) if is_looked_at else model
    if type(parts["method"]) is not Method:
        parts["method"].setup(start_of(copied, task, fields, config["view"]))
    return _Training(parts, [parameter for _, parameter in named], copied, list(measures_of(task)), folder)


def _samples(
    config: Mapping[str, Any], fields: Mapping[str, Field], outputs: Any, generator: torch.Generator
) -> tuple[Any, dict[str, Tensor]]:
    """Returns outputs and a batch; of classes all answers but one are right, so that counts of either kind grow."""

    def drawn(each: Tensor) -> Tensor:
        if not each.is_floating_point():
            return each.clone()
        return torch.rand(each.shape, generator=generator, dtype=each.dtype)

    answers = mapped(drawn, outputs)
    batch = {name: drawn(each) for name, each in examples(fields, NUM_SAMPLES).items()}
    if config["task"]["targets"] == "classes" and isinstance(answers, Tensor) and answers.ndim == 2:
        batch["targets"] = answers.argmax(dim=1)
        batch["targets"][0] = (batch["targets"][0] + 1) % config["data"]["num_outputs"]
    return answers, batch


def _with_gradient(each: Tensor) -> Tensor:
    return each.requires_grad_() if each.is_floating_point() else each


def _problem(group: str, before: dict[str, Any], first: _Training, second: _Training) -> str | None:
    """Returns what of a part has changed and is not there when its state is loaded, or that it can't be."""
    name = f"{group} {_name_of(first.parts[group])}"
    try:
        second.load(group, first)
    except Exception as error:  # of the person's own, or of torch about what it holds
        reason = " ".join(str(error).split())[:200]
        return f"the state of {name} can't be saved and loaded again ({type(error).__name__}: {reason})"
    now, loaded = first.values(group), second.values(group)
    changed = [path for path in before | now if before.get(path) != now.get(path)]
    lost = list(dict.fromkeys(_shown(path) for path in changed if now.get(path) != loaded.get(path)))
    lost = [each for each in lost if each] or lost  # the whole differs too where something is added to it
    if not lost:
        return None
    advice, what = ADVICE[group.partition(".")[0]], listed(lost, most=5)
    if part := re.match(r"parts\[(\d+)\]", lost[0]):
        name, advice = f"{group} {_name_of(first.parts[group].parts[int(part[1])])}", IN_PARTS
    return (
        f"{name} changes {what} while it trains, and no saved state holds it, so that a resume would lose it; {advice}"
    )


def _name_of(part: Any) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _shown(path: str) -> str:
    """Returns an attribute as a person would look for it: not which item of it."""
    found = re.match(r"\.((param_groups|parts)\[[^]]*\](\[[^]]*\]|[\w.]+)?|[\w.]+)", path)
    return found[1] if found else path
