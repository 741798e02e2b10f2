"""Series of unequal length, padded by the collate_fn of a DataLoader of one's own.

cd docs/examples/loader
python -m dlexp --config-dir conf allow=loader data=walks model=masked optimizer=adam
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from dlexp.data.splits import Split, Splits


def padded(samples: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
    """Returns a batch of series, and a mask of what is there."""
    found, targets = zip(*samples, strict=True)
    masks = [torch.ones(len(each)) for each in found]
    series, mask = (pad_sequence(list(each), batch_first=True) for each in (found, masks))
    return {"inputs": series, "mask": mask, "targets": torch.tensor(targets)}


def walks(*, count: int, drift: float, data_seed: int) -> Splits:
    """Returns random walks of 5 to 30 steps, half of them with a drift."""
    generator = torch.Generator().manual_seed(data_seed)

    def walk(number: int) -> tuple[Tensor, int]:
        length, label = int(torch.randint(5, 31, (), generator=generator)), number % 2
        return (torch.randn(length, 1, generator=generator) + drift * label).cumsum(0), label

    parts = ([walk(number) for number in range(count)] for _ in range(2))
    return Splits(*(Split(DataLoader(part, collate_fn=padded)) for part in parts))


class Masked(nn.Module):
    """A layer for each step, and the mean over those that are there."""

    def __init__(self, *, num_outputs: int, width: int) -> None:
        super().__init__()
        self.steps, self.output = nn.Linear(1, width), nn.Linear(width, num_outputs)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Takes series N×L×1 and masks N×L."""
        seen = self.steps(inputs).relu() * mask[..., None]
        return self.output(seen.sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
