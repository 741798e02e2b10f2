"""An autoencoder of sigmoid layers that are trained one after the other."""

from typing import Annotated

from torch import Tensor, nn

from dlexp.models.parts import MOST_LAYERS, WIDEST
from dlexp.models.stacks import Stack
from dlexp.ranges import Range


class StackedAutoencoder(Stack):
    """Each layer has one that goes back, `back1`, …, with weights of its own; only those of the top layer are trained,
    through all that are below (greedy layer-wise pre-training, Bengio et al. 2007, NIPS 19, section 3, where the error
    is that of a layer's own inputs; here it is that of the samples).

    Raises UserError as `Stack`.
    """

    def __init__(
        self,
        *,
        shape: list[int],
        depth: Annotated[int, Range(ge=1, le=MOST_LAYERS)],
        width: Annotated[int, Range(ge=1, le=WIDEST)] | list[int],
    ) -> None:
        super().__init__(shape, depth, width)
        for number in range(1, depth + 1):
            self.add_module(f"back{number}", nn.Linear(self.sizes[number], self.sizes[number - 1]))
        self.train_top()

    def down(self, values: Tensor, number: int) -> Tensor:
        """Returns the logits of a layer's inputs."""
        logits: Tensor = getattr(self, f"back{number}")(values)
        return logits
