"""A picture and a row of numbers, of which neither alone tells the class.

cd docs/examples/two_inputs
python -m dlexp --config-dir conf allow=two_inputs data=pairs model=two_inputs optimizer=adam
"""

import torch
from torch import Tensor, nn

from dlexp.data.splits import Split, Splits, drawn_twice


def pairs(*, count: int, size: int, data_seed: int) -> Splits:
    """Returns noise, bright or not, beside numbers, high or not: is it one of both?"""

    def draw(generator: torch.Generator) -> Split:
        bright, high = torch.randint(2, (2, count), generator=generator)
        image = torch.randn(count, 1, size, size, generator=generator) + bright[:, None, None, None]
        numbers = torch.randn(count, 3, generator=generator) + 3 * high[:, None]
        return Split(image=image, numbers=numbers, targets=bright ^ high)

    return drawn_twice(draw, data_seed)


class TwoInputs(nn.Module):
    """An encoder for each input, and a net of both."""

    def __init__(self, *, num_outputs: int, width: int) -> None:
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.numbers = nn.Sequential(nn.Linear(3, width), nn.ReLU())
        self.both = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, num_outputs))

    def forward(self, image: Tensor, numbers: Tensor) -> Tensor:
        """Takes the fields of the data by their names."""
        return self.both(torch.cat([self.image(image), self.numbers(numbers)], dim=1))
