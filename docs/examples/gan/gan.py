"""A generative adversarial net (Goodfellow et al. 2014, arXiv:1406.2661) that learns to make points of the spiral.

cd docs/examples/gan && python -m dlexp --config-dir conf allow=gan experiment=gan
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from dlexp.methods.method import Method, Outcome
from dlexp.metric import Metric
from dlexp.tasks.task import Task


class Players(nn.Module):
    """A generator from noise to points, and a discriminator of points."""

    def __init__(self, *, shape: list[int], width: int, noise: int) -> None:
        super().__init__()
        self.noise = noise
        self.generator = _net(noise, width, shape[0])
        self.discriminator = _net(shape[0], width, 1)

    def forward(self, points: Tensor) -> Tensor:
        """Returns as many made points as it is shown."""
        return self.generator(torch.randn(len(points), self.noise, device=points.device))


def _net(num_inputs: int, width: int, num_outputs: int) -> nn.Module:
    hidden = [nn.Linear(num_inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(width, num_outputs))


class TwoUpdates(Method):
    """One update of the discriminator, then one of the generator, each by its own part of the optimizer."""

    def step(self, loop, batch, moment) -> Outcome:
        """Makes both."""
        real, model = batch["inputs"], loop.model
        made = model(real)
        real_or_made = softplus(-model.discriminator(real)) + softplus(model.discriminator(made.detach()))
        loop.gradients(real_or_made.mean())
        loop.update("discriminator")
        loss = softplus(-model.discriminator(made)).mean()
        loop.gradients(loss)
        loop.update("generator")
        return Outcome(loss, made)


class Likeness(Task):
    """How far mean and spread of the made points are from those of real ones."""

    metric, targets = "apart", "none"
    metrics = {"apart": Metric(unit="", higher_is_better=False)}
    keeps_outputs = False

    def loss(self, outputs, batch) -> Tensor:
        """Returns what is shown in validation: the distance of the means."""
        return (outputs.mean(0) - batch["inputs"].mean(0)).norm()

    def measure(self, outputs, batch) -> dict[str, Tensor]:
        """Returns sums of the points and of their squares."""
        both = torch.stack([outputs, batch["inputs"]]).double()
        return {"sums": both.sum(1), "squares": both.square().sum(1)}

    def conclude(self, sums, count) -> dict[str, float]:
        """Compares the first two moments over all samples."""
        mean = sums["sums"] / count
        spread = (sums["squares"] / count - mean**2).clamp_min(0).sqrt()
        return {"apart": float((mean[0] - mean[1]).norm() + (spread[0] - spread[1]).norm())}
