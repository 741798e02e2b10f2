"""What of a person's own would be lost in a resume: a tiny training, saved and loaded, tells before the run."""

import io
import logging
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from numpy import random as numpy_random
from torch import Tensor, nn

from dlexp.batch import Batch, mapped
from dlexp.config.attributes import values_of
from dlexp.config.build import build, build_optimizer, build_task, targets_in
from dlexp.data.fields import Field, examples
from dlexp.errors import listed
from dlexp.train.state import load_state_of, state_of, trained_parameters
from dlexp.train.step import update_of

log = logging.getLogger(__name__)

# What is looked at, and where that which changes has its place.
ADVICE = {
    "criterion": "make it a buffer (register_buffer), or do without it",
    "task": "make it a buffer (register_buffer), or do without it",
    "optimizer": "keep it in self.state[parameter], or return it from state_dict and take it back in load_state_dict",
    "scheduler": "return it from state_dict and take it back in load_state_dict, or do without it",
}
IN_PARTS = "of optimizer.parts only self.state[parameter] and the settings of groups are saved: keep it there"
NOT_TRIED = "your own {} can't be tried on made-up samples ({}), so nobody knows whether a resume is exact"
NUM_SAMPLES = 2
TOTAL_STEPS = 100


@dataclass
class _Training:
    """The parts of a tiny training by the name of their group, and what stands for the model's parameters."""

    parts: dict[str, Any]
    weights: list[nn.Parameter]

    def __post_init__(self) -> None:
        self._update = update_of(self.parts["optimizer"], torch.amp.GradScaler("cpu", enabled=False), None)

    def compute(self, outputs: Any, batch: Batch) -> None:
        self.parts["task"].loss(mapped(_with_gradient, outputs), batch).backward()
        with torch.no_grad():
            self.parts["task"].sums(outputs, batch)

    def update(self, generator: torch.Generator) -> None:
        for parameter in self.weights:
            parameter.grad = torch.rand(parameter.shape, generator=generator)
        self._update()
        self.parts["scheduler"].step()

    @torch.no_grad()
    def evaluate(self, outputs: Any, batch: Batch) -> None:
        task = self.parts["task"].eval()
        task.loss(outputs, batch)
        task.sums(outputs, batch)
        task.train()

    @torch.no_grad()
    def load(self, group: str, other: "_Training") -> None:
        """Takes a part's state over from another training, by way of a file."""
        for own, theirs in zip(self.weights, other.weights, strict=True):
            own.copy_(theirs)
        file = io.BytesIO()
        torch.save(state_of(other.parts[group]), file)
        file.seek(0)
        load_state_of(self.parts[group], torch.load(file, weights_only=True))

    def values(self, group: str) -> dict[str, Any]:
        return values_of(self.parts[group], [part for name, part in self.parts.items() if name != group])


def lost_state(
    config: Mapping[str, Any],
    named_parameters: list[tuple[str, nn.Parameter]],
    fields: Mapping[str, Field],
    outputs: Any,
) -> list[str]:
    """Returns, a sentence each, what criterion, task, optimizer and schedule change and no saved state holds.

    Only those of a person's own are looked at. A tiny training takes two steps and evaluates, and after each of the
    three a second one takes its state over. named_parameters: small ones that stand for the model's. outputs: of
    the form that the model returns.
    """
    ours = ("dlexp.", "torch.")
    own = [group for group in ADVICE if not all(path.startswith(ours) for path in targets_in(config[group]))]
    if not own:
        return []
    with generators_kept():
        first, second = _built(config, named_parameters), _built(config, named_parameters)
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


def _built(config: Mapping[str, Any], named_parameters: list[tuple[str, nn.Parameter]]) -> _Training:
    """Returns the same training each time, also where its parts draw numbers when they are made."""
    torch.default_generator.manual_seed(0)
    random.seed(0)
    numpy_random.seed(0)
    named = [(name, nn.Parameter(parameter.detach().clone())) for name, parameter in named_parameters]
    task = build_task(config)
    optimizer = build_optimizer(config["optimizer"], [*named, *trained_parameters(nn.Module(), task)])
    parts = {"criterion": task.criterion, "task": task, "optimizer": optimizer}
    return _Training(
        parts | {"scheduler": build(config["scheduler"], optimizer, TOTAL_STEPS)}, [parameter for _, parameter in named]
    )


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
    if not lost:
        return None
    advice, what = ADVICE[group], listed(lost, most=5)
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


@contextmanager
def generators_kept() -> Iterator[None]:
    """Leaves the default generators of torch, Python and NumPy as they were before the block."""
    kept = torch.get_rng_state(), random.getstate(), numpy_random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        random.setstate(kept[1])
        numpy_random.set_state(kept[2])
