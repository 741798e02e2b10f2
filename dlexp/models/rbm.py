"""Restricted Boltzmann machines, one on the other: Bernoulli units, weights that go both ways."""

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.errors import UserError
from dlexp.models.parts import MOST_LAYERS, WIDEST
from dlexp.models.stacks import Stack, as_they_are
from dlexp.ranges import Range


class RBM(Stack):
    """Of a machine with visible units v and hidden units h the energy is -v·a - h·b - h·Wv (Hinton 2010, "A practical
    guide to training restricted Boltzmann machines", section 2); b and W are those of `linear1`, a is `visible1`.

    The machine of a layer sees the probabilities of the hidden units below. Weights begin normal with a deviation of
    0.01 and biases at 0, those of the first visible units at log(p / (1 - p)), p the mean of training samples
    (section 8). Inputs lie between 0 and 1 and count as probabilities. Raises UserError as `Stack`.
    """

    takes_fractions: ClassVar[bool] = True

    def __init__(
        self,
        *,
        shape: list[int],
        depth: Annotated[int, Range(ge=1, le=MOST_LAYERS)],
        width: Annotated[int, Range(ge=1, le=WIDEST)] | list[int],
    ) -> None:
        super().__init__(shape, depth, width)
        for number in range(1, depth + 1):
            nn.init.normal_(self.layer(number).weight, std=0.01)
            nn.init.zeros_(self.layer(number).bias)
            self.register_parameter(f"visible{number}", nn.Parameter(torch.zeros(self.sizes[number - 1])))
        self.train_top()

    @torch.no_grad()
    def init_from_data(self, samples: Tensor) -> None:
        """Lets the first visible units be on as often as they are in samples N×shape. Raises UserError for values that
        are no probabilities.
        """
        super().init_from_data(samples)
        low, high = float(samples.min()), float(samples.max())
        if low < 0 or high > 1:
            raise UserError(
                f"model=rbm takes inputs between 0 and 1, and here they go from {low:.3g} to {high:.3g}:"
                + (
                    " features must lie there in the data itself, and model=autoencoder takes any"
                    if samples.ndim == 2
                    else f" {as_they_are(samples.shape[1])} leaves images as they are"
                )
            )
        # Of a pixel that is always black log p / (1 - p) has no end: 4.6 is once in a hundred.
        self.get_parameter("visible1").copy_(samples.flatten(1).mean(dim=0).logit(eps=0.01))

    def down(self, values: Tensor, number: int) -> Tensor:
        """Returns the logits of a machine's visible units for its hidden ones, N×visible."""
        return functional.linear(values, self.layer(number).weight.T, self.get_parameter(f"visible{number}"))

    def free_energy(self, visible: Tensor) -> Tensor:
        """Returns the free energy of the top machine's visible units, N for N×visible (section 16.1)."""
        bias = self.get_parameter(f"visible{self.depth}")
        return -(visible @ bias) - functional.softplus(self.layer(self.depth)(visible)).sum(dim=1)

    @torch.no_grad()
    def chain(self, visible: Tensor, steps: int) -> Tensor:
        """Returns the top machine's visible units as probabilities, N×visible, after so many steps of Gibbs sampling.

        Hidden units are drawn, visible ones are probabilities (section 3.2), from torch's default generator.
        """
        for _ in range(steps):
            visible = torch.sigmoid(self.down(torch.bernoulli(self.up(visible, self.depth)), self.depth))
        return visible
