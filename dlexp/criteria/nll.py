"""Negative log likelihood of class numbers."""

from torch import Tensor, nn
from torch.nn import functional

from dlexp.criteria.targets import at_least_float32, want_classes


class NLL(nn.Module):
    """Mean negative log likelihood of class numbers N×… (int64), but `IGNORED`, under logits N×classes×….

    Applies log-softmax itself, since all models here return logits: the same number as cross entropy, in two
    steps. Raises UserError for other targets.
    """

    gives_probabilities = True  # to pictures, which draw other outputs as scores

    # nn.Module's own constructor takes any keyword, so the check of config keys would find nothing to object to.
    def __init__(self) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        want_classes("nll", outputs, targets)
        return functional.nll_loss(functional.log_softmax(at_least_float32(outputs), dim=1), targets)
