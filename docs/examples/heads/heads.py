"""Two heads on one trunk, a class and a value, weighted by their noise (Kendall et al. 2018, arXiv:1705.07115).

cd docs/examples/heads
python -m dlexp --config-dir conf allow=heads task=both data=both model=heads optimizer=adam optimizer.lr=0.01
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.batch import Batch
from dlexp.data.splits import Split, Splits, drawn_twice
from dlexp.metric import Metric
from dlexp.tasks.task import Task


def both(*, count: int, data_seed: int) -> Splits:
    """Returns numbers whose first two say a class, and whose others a value."""

    def draw(generator: torch.Generator) -> Split:
        x = torch.randn(count, 4, generator=generator)
        kinds, values = (x[:, 0] * x[:, 1] > 0).long(), x[:, 2:].square().sum(dim=1, keepdim=True)
        return Split(inputs=x, targets=kinds, value=values)

    return drawn_twice(draw, data_seed)


class Heads(nn.Module):
    """A trunk, and a linear layer for each answer."""

    def __init__(self, *, num_inputs: int, num_outputs: int, width: int) -> None:
        super().__init__()
        layers = [nn.Linear(num_inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
        self.trunk, self.kind, self.value = nn.Sequential(*layers), nn.Linear(width, num_outputs), nn.Linear(width, 1)

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Returns the answers by name."""
        hidden = self.trunk(inputs)
        return {"kind": self.kind(hidden), "value": self.value(hidden)}


class Both(Task):
    """Learns a class and a value; the value is a field that the model does not see."""

    metric = "accuracy"
    metrics = {"accuracy": Metric(unit="%", higher_is_better=True), "error": Metric(unit="", higher_is_better=False)}

    def __init__(self, *, targets: str) -> None:
        super().__init__()
        self.targets, self.log_noise = targets, nn.Parameter(torch.zeros(2))

    def forward(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Asks the model with the inputs alone."""
        return model(batch["inputs"])

    def loss(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Returns the sum of both losses, each weighted by its noise."""
        kind = functional.cross_entropy(outputs["kind"], batch["targets"])
        value = functional.mse_loss(outputs["value"], batch["value"])
        return (torch.stack([kind, value]) * torch.exp(-2 * self.log_noise) + self.log_noise).sum()

    def measure(self, outputs: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Counts right classes, and sums the values' errors."""
        right = outputs["kind"].argmax(dim=1) == batch["targets"]
        return {"accuracy": right.sum(), "error": (outputs["value"] - batch["value"]).abs().sum()}
