"""A variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114) of images.

cd docs/examples/vae && python -m dlexp --config-dir conf allow=vae experiment=vae data=mnist
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.metric import Metric
from dlexp.tasks.task import Task


class Autoencoder(nn.Module):
    """Returns logits of the pixels, and mean and logarithm of the variance of the code they were decoded from."""

    def __init__(self, *, shape: list[int], width: int, code: int) -> None:
        super().__init__()
        pixels = math.prod(shape)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, 2 * code))
        self.decoder = nn.Sequential(
            nn.Linear(code, width), nn.ReLU(), nn.Linear(width, pixels), nn.Unflatten(1, shape)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draws a code while training; takes its mean in evaluation."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        drawn = mean + torch.randn_like(mean) * (log_variance / 2).exp() if self.training else mean
        return self.decoder(drawn), mean, log_variance


class Bound(Task):
    """The negative evidence lower bound, in nats an image; pixels are shares of white."""

    metric, targets = "loss", "none"
    metrics = {"divergence": Metric(unit="", higher_is_better=False)}
    keeps_outputs = False

    def loss(self, outputs, batch) -> Tensor:
        """Returns the mean over the images of reconstruction and divergence."""
        logits, pixels = outputs[0].flatten(1), batch["inputs"].flatten(1)
        wrong = functional.binary_cross_entropy_with_logits(logits, pixels, reduction="none").sum(1)
        return (wrong + _divergence(outputs)).mean()

    def measure(self, outputs, batch) -> dict[str, Tensor]:
        """Returns the sum of the divergences of the codes from a normal distribution."""
        return {"divergence": _divergence(outputs).sum()}


def _divergence(outputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    _, mean, log_variance = outputs
    return (mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2
