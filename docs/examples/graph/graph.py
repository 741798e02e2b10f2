"""A graph net (Kipf and Welling 2017, arXiv:1609.02907) answers for each node; some nodes have no label.

cd docs/examples/graph
python -m dlexp --config-dir conf allow=graph data=graphs model=gcn task.ignore_index=unknown optimizer=adam
"""

import torch
from torch import Tensor, nn

from dlexp.data.splits import Split, Splits, drawn_twice


def graphs(*, count: int, nodes: int, data_seed: int) -> Splits:
    """Returns random graphs: is the sum of the neighbours' first number above 0?"""

    def draw(generator: torch.Generator) -> Split:
        half = (torch.rand(count, nodes, nodes, generator=generator) < 0.15).float()
        adjacency = (half + half.transpose(1, 2)).clamp(max=1)
        x = torch.randn(count, nodes, 3, generator=generator)
        labels = ((adjacency @ x)[..., 0] > 0).long()
        labels[torch.rand(count, nodes, generator=generator) < 0.2] = 2
        return Split(inputs=x, adjacency=adjacency, targets=labels)

    return drawn_twice(draw, data_seed)


class GCN(nn.Module):
    """Two layers, each a linear one and a sum over neighbours."""

    def __init__(self, *, num_inputs: int, num_outputs: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(num_inputs, width), nn.Linear(width, num_outputs)

    def forward(self, inputs: Tensor, adjacency: Tensor) -> Tensor:
        """Returns logits N×classes×nodes."""
        hidden = (adjacency @ self.first(inputs)).relu()
        return self.second(hidden).transpose(1, 2)
