"""The loss of the perceptron."""

from torch import Tensor, nn

from dlexp.criteria.targets import at_least_float32, mean_over_kept, sides


class Perceptron(nn.Module):
    """Mean over samples of max(0, -y · score), y being 1 for the second class and -1 for the first (Rosenblatt 1958).

    One score N×1×… against class numbers 0 and 1 (int64 N×…), of which `IGNORED` counts nowhere. Samples on the right
    side have no gradient, so with `batch_size=1` and plain SGD it is the perceptron's own rule. Raises UserError for
    other targets and for more scores.
    """

    # nn.Module's own constructor takes any keyword, so the check of config keys would find nothing to object to.
    def __init__(self) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return mean_over_kept(
            (-sides("perceptron", outputs, targets) * at_least_float32(outputs)).clamp_min(0), targets
        )
