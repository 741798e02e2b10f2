"""A contextual bandit (REINFORCE, Williams 1992): an arm is drawn, and only its reward is told, 1 for the right class.

cd docs/examples/bandit
python -m dlexp --config-dir conf allow=bandit task=bandit data=spiral optimizer=adam optimizer.lr=0.01
"""

from typing import Any

import torch
from torch import Tensor

from dlexp.batch import Batch
from dlexp.metric import Metric
from dlexp.tasks.classification import Classification


class Bandit(Classification):
    """Learns from the reward alone, held against its moving mean."""

    metric = "reward"
    metrics = {"reward": Metric(unit="%", higher_is_better=True)}

    def __init__(self, *, decay: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.decay = decay
        self.register_buffer("baseline", torch.zeros(()))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Returns minus the advantage of an arm that is drawn, times its log probability."""
        arms = torch.distributions.Categorical(logits=outputs, validate_args=False)
        arm = arms.sample()
        reward = (arm == batch["targets"]).float()
        loss = -((reward - self.baseline) * arms.log_prob(arm)).mean()
        if self.training:
            self.baseline.lerp_(reward.mean(), 1 - self.decay)
        return loss

    def measure(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns the expected reward."""
        return {"reward": outputs.softmax(dim=1).gather(1, batch["targets"][:, None]).sum()}
