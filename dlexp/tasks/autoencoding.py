"""What are the inputs themselves: squared error in the unit of pictures, reconstructions, codes, walks between two."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor, nn

from dlexp.augment.seeds import mixed_bits
from dlexp.batch import Batch, first_of
from dlexp.console.wording import number
from dlexp.criteria.bce import BCE
from dlexp.data.normalisation import Normalisation
from dlexp.errors import UserError, listed, to_type
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure
from dlexp.metrics.values import MSE
from dlexp.ranges import Choice, Range
from dlexp.tasks.task import Task, shape_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlexp.data.splits import Split

UNCHANGED = "unchanged"
"""The field of a training batch that has its inputs as they were before augmentation, with `task.target=clean`."""
FRACTIONS, NORMALISED = "values between 0 and 1", "normalised values"


class Autoencoding(Task):
    """The one input of the data is its own target: outputs have its shape, N×….

    Outputs are normalised values; with criterion=bce logits of shares between 0 and 1. What is measured, drawn and
    returned by `dlexp.load` is between 0 and 1 for images and all that has a unit, else normalised as the model sees
    it. Labels of the data colour the codes, and nothing else sees them.

    noise: standard deviation of normal noise, in the same unit, and hidden: part of the values that are set to 0 (to
    the mean where there is no unit), in what the model is shown and not in the target (Vincent et al. 2008, ICML,
    section 2.3). In training both are drawn anew; in evaluation they follow from the sample's values, the same in every
    epoch. target: "augmented", the input as augmentation leaves it, or "clean", as it was before.
    """

    metric = "mse"
    own: Mapping[str, Measure] = {"mse": MSE()}
    metrics: Mapping[str, Metric] = {"mse": MSE.facts}
    keeps_outputs = False  # those of a split of images may be larger than the memory

    def __init__(
        self,
        *,
        class_names: list[str] | None,
        targets: Annotated[str, Choice("none")],
        noise: Annotated[float, Range(ge=0)],
        hidden: Annotated[float, Range(ge=0, lt=1)],
        target: Annotated[str, Choice("augmented", "clean")],
    ) -> None:
        super().__init__()
        self.class_names, self.targets = class_names, targets
        self.noise, self.hidden = noise, hidden
        self.unchanged = UNCHANGED if target == "clean" else None
        self.zero, self.spread = torch.zeros(()), torch.ones(())

    @property
    def learns(self) -> str:
        """Values, which is what inputs are to a metric."""
        return "values"

    @property
    def spoils(self) -> bool:
        """Whether the model is shown something else than the data."""
        return bool(self.noise or self.hidden) and not self.is_asked

    def forward(self, model: nn.Module, batch: Batch) -> Any:
        """Returns what the model makes of the inputs, of which noise may have spoiled something."""
        return model(self.spoiled(first_of(batch)))

    def misfit(self, outputs: Any, batch: Batch) -> str | None:
        """Returns what is wrong with outputs that have another shape than the inputs."""
        if len(inputs := [name for name in batch if name not in ("targets", UNCHANGED)]) > 1:
            return f"one reconstruction of task=autoencoding, and the data has several inputs: {listed(inputs)}"
        if not (wanted := first_of(batch)).is_floating_point():
            kind = str(wanted.dtype).removeprefix("torch.")
            return f"numbers, and task=autoencoding can't compare them with inputs of type {kind}, such as tokens"
        if isinstance(outputs, Tensor) and outputs.shape == wanted.shape:
            return None
        shape = shape_in_words(wanted).rpartition(" ")[2]
        return f"{shape_in_words(outputs)}, but task=autoencoding asks for the inputs again, {shape}: model=autoencoder"

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Returns the criterion of outputs and inputs, a mean over samples and values."""
        target = self._target(batch)
        return self.mean_loss(outputs, self.in_unit(target) if self.learns_shares else target, None)

    def judged(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
        """Returns reconstructions, and the inputs as targets, in the unit of pictures."""
        return self.answer(outputs), {"targets": self.in_unit(self._target(batch))}

    def answer(self, outputs: Tensor) -> Tensor:
        """Returns reconstructions in the unit of pictures."""
        return outputs.sigmoid() if self.learns_shares else self.in_unit(outputs)

    def in_unit(self, values: Tensor) -> Tensor:
        """Returns normalised values in the unit of pictures: between 0 and 1 where there is one, else as they are."""
        normalised = self._normalisation
        has_unit = normalised is not None and normalised.range is not None
        return normalised.shown(normalised.undone(values)) if normalised is not None and has_unit else values

    def spoiled(self, inputs: Tensor) -> Tensor:
        """Returns normalised inputs with what `noise` and `hidden` do to them."""
        if not self.spoils or not inputs.is_floating_point():
            return inputs
        if self.noise:
            drawn = torch.randn_like(inputs) if self.training else math.sqrt(2) * (2 * _draws(inputs, 1) - 1).erfinv()
            inputs = inputs + self.noise / self.spread * drawn
        if self.hidden:
            drawn = torch.rand_like(inputs) if self.training else _draws(inputs, 2)
            inputs = torch.where(drawn < self.hidden, self.zero, inputs)
        return inputs

    def prepare(self, some: Batch) -> None:
        """Takes over the unit of the data, and what guessing the mean of some training samples (normalised) gives.

        Raises UserError where the criterion wants shares between 0 and 1, and the data has no unit.
        """
        inputs, normalised = first_of(some), self._normalisation
        if normalised is not None and normalised.range is not None:
            shape = [1, -1, *[1] * (inputs.ndim - 2)]
            mean, std = (torch.tensor(each).to(inputs).view(shape) for each in (normalised.mean, normalised.std))
            self.zero, self.spread = -mean / std, std
        elif self.learns_shares:
            raise UserError(
                "criterion=bce compares values between 0 and 1, and nobody says which of these inputs count as 0 and 1:"
                f" {to_type('data.range=[LOW,HIGH]')} does, and criterion=mse takes any values"
            )
        mean = inputs.mean(dim=0, keepdim=True)
        guess = (self.in_unit(mean).logit(eps=1e-6) if self.learns_shares else mean).expand_as(inputs)
        self.chance = {"mse": float((self.answer(guess) - self.in_unit(inputs)).square().mean())}

    def summary(self, outputs: None, split: Split) -> dict[str, Any]:
        """Returns the unit of errors, and the squared one of guessing the mean of training samples."""
        has_unit = (normalised := self._normalisation) is not None and normalised.range is not None
        return {"unit": FRACTIONS if has_unit else NORMALISED, "baseline": dict(self.chance)}

    def remarks(self, summary: Mapping[str, Any]) -> list[str]:
        """Returns in which unit errors are, and what guessing gives."""
        guessed = number(summary["baseline"].get("mse"), MSE.facts)
        return [f"mse is of {summary['unit']}; guessing the mean of the training samples gives {guessed}"]

    def figures(self, outputs: None, split: Split, predict: Callable[..., Any]) -> dict[str, Figure]:
        """Returns pictures of reconstructions, of codes where the model has `encode`, and of walks between codes where
        it has `decode` as well.
        """
        from dlexp.tasks.reconstructions import figures

        return figures(self, split, predict)

    @property
    def learns_shares(self) -> bool:
        """Whether outputs are logits of shares between 0 and 1."""
        return isinstance(self.criterion, (BCE, nn.BCEWithLogitsLoss))

    @property
    def _normalisation(self) -> Normalisation | None:
        return next((each for name, each in self.normalised.items() if name != "targets"), None)

    def _target(self, batch: Batch) -> Tensor:
        return batch[UNCHANGED] if UNCHANGED in batch else first_of(batch)


def _draws(inputs: Tensor, key: int) -> Tensor:
    """Returns a number between 0 and 1 for each value of N×…, which follows from the values of its sample."""
    bits = inputs.float().flatten(1).contiguous().view(torch.int32).long()
    places = torch.arange(1, bits.shape[1] + 1, device=bits.device)
    rows = mixed_bits(bits * places, 0).sum(dim=1, keepdim=True)
    # 23 bits and a half, which float32 holds exactly: neither 0 nor 1.
    mixed = mixed_bits(mixed_bits(rows, key) + places, key) >> 9
    return ((mixed.float() + 0.5) / 2**23).view(inputs.shape)
