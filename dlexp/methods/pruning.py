"""Pruning: the smallest weights are removed round by round, and the others go on or back to where they began."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from dlexp.batch import Batch, size_of
from dlexp.errors import UserError
from dlexp.methods.method import Method, Outcome, Start
from dlexp.metric import Metric
from dlexp.ranges import Range
from dlexp.tasks.task import Task


class Pruning(Method):
    """Removes the smallest weights of layers and filters together, in equal shares of what is left.

    The training is cut into `rounds` + 1 equal parts, and after each but the last the smallest weights are set to 0 and
    stay there, so that `sparsity` of them are gone in the end. With `rewind` the others go back to their values after
    `rewind_steps` steps: iterative magnitude pruning (Frankle and Carbin 2019, arXiv:1803.03635, section 2; rewinding
    to an early step: Frankle et al. 2020, arXiv:1912.05671); without, they go on (Han et al. 2015, arXiv:1506.02626).
    Only epochs after the last round are chosen from, and `sparsity`, the share that is gone, is measured with each
    validation. The schedule of the learning rate is that of the whole training: scheduler=constant gives every round
    the same. Weights with one axis (biases, norms) are kept.
    """

    metrics: Mapping[str, Metric] = {"sparsity": Metric(unit="%", higher_is_better=True)}
    goes_with_average = False

    def __init__(
        self,
        *,
        sparsity: Annotated[float, Range(ge=0, lt=1)],
        rounds: Annotated[int, Range(ge=1)],
        rewind: bool,
        rewind_steps: Annotated[int, Range(ge=0)],
    ) -> None:
        super().__init__()
        self.sparsity, self.rounds, self.rewind, self.rewind_steps = sparsity, rounds, rewind, rewind_steps

    def setup(self, start: Start) -> None:
        """Keeps the weights there are; a mask for each says which are left."""
        self.names = [name for name, each in start.model.named_parameters() if each.ndim > 1 and each.requires_grad]
        if start.steps <= self.rounds:
            raise UserError(f"method=pruning has {self.rounds} rounds, and the training only {start.steps} steps")
        self.ends = [round(start.steps * number / (self.rounds + 1)) for number in range(1, self.rounds + 1)]
        weights = dict(start.model.named_parameters())
        for name in self.names:
            self.register_buffer(f"mask {name}".replace(".", "/"), torch.ones_like(weights[name], dtype=torch.bool))
            if self.rewind:
                self.register_buffer(f"kept {name}".replace(".", "/"), weights[name].detach().clone())

    def may_choose(self, step: int) -> bool:
        """Returns whether the last round has removed what it should."""
        return step >= self.ends[-1]

    def evaluate(
        self, task: Task, model: nn.Module, batch: Batch, ask: Callable[..., Any]
    ) -> tuple[Outcome, Mapping[str, Tensor]]:
        """Measures besides what share of the weights is gone."""
        outcome, _ = super().evaluate(task, model, batch, ask)
        masks = [self._buffer("mask", name) for name in self.names]
        gone = 1 - torch.stack([each.sum() for each in masks]).sum() / sum(each.numel() for each in masks)
        return outcome, {"sparsity": gone * size_of(batch)}

    def after_step(self, model: nn.Module, step: int) -> None:
        """Keeps removed weights at 0, and removes more at the end of a round."""
        weights = dict(model.named_parameters())
        if self.rewind and step == self.rewind_steps:
            for name in self.names:
                self._buffer("kept", name).copy_(weights[name])
        if step in self.ends:
            left = (1 - self.sparsity) ** ((self.ends.index(step) + 1) / self.rounds)
            self._remove(weights, left)
            for name in self.names if self.rewind else ():
                weights[name].copy_(self._buffer("kept", name))
        for name in self.names:
            weights[name].mul_(self._buffer("mask", name))

    def _remove(self, weights: dict[str, nn.Parameter], left: float) -> None:
        sizes = torch.cat([(weights[name].abs() * self._buffer("mask", name)).flatten().float() for name in self.names])
        num_gone = sizes.numel() - round(left * sizes.numel())
        gone = torch.zeros_like(sizes, dtype=torch.bool)
        gone[sizes.argsort(stable=True)[:num_gone]] = True
        for name, part in zip(
            self.names, torch.split(gone, [weights[name].numel() for name in self.names]), strict=True
        ):
            self._buffer("mask", name).copy_(~part.view_as(weights[name]))

    def _buffer(self, kind: str, name: str) -> Tensor:
        return self.get_buffer(f"{kind} {name}".replace(".", "/"))
