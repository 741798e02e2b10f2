"""LeNet-5 (LeCun et al., "Gradient-based learning applied to document recognition", 1998, section II.B)."""

from typing import Annotated

from torch import nn

from dlexp.models.parts import ACTIVATIONS, POOLS, Activation, Pool, image_size, sequence
from dlexp.ranges import Range

PAPER_SIDE = 32


def lenet(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    activation: Activation,
    pool: Pool,
    batch_norm: bool,
    dropout: Annotated[float, Range(ge=0, lt=1)],
) -> nn.Sequential:
    """Returns LeNet-5 from N×channels×height×width to N×num_outputs.

    Smaller images get the border that brings them to the paper's 32×32 (28×28: 2 pixels); larger ones enlarge the
    first fully connected layer. Unlike the paper's: every map of C3 sees all of S2, pooling has no weights, the output
    is linear. Every weight starts Glorot-uniform, so tanh and sigmoid leave the start too.

    Raises:
        UserError: samples are no images.
    """
    channels, *sides = image_size(shape, "lenet")
    padding = [max(0, -(-(PAPER_SIDE - side) // 2)) for side in sides]
    height, width = (((side + 2 * pad - 4) // 2 - 4) // 2 for side, pad in zip(sides, padding, strict=True))
    blocks: list[tuple[str, nn.Module, nn.Module]] = [
        ("conv1", nn.Conv2d(channels, 6, 5, padding=(padding[0], padding[1])), nn.BatchNorm2d(6)),
        ("conv2", nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16)),
        ("linear3", nn.Linear(16 * height * width, 120), nn.BatchNorm1d(120)),
        ("linear4", nn.Linear(120, 84), nn.BatchNorm1d(84)),
    ]
    layers: dict[str, nn.Module] = {}
    for name, weighted, norm in blocks:
        if name == "linear3":
            layers["flatten"] = nn.Flatten()
        layers[name] = weighted
        if batch_norm:
            layers[f"norm{name[-1]}"] = norm
        layers[f"activation{name[-1]}"] = ACTIVATIONS[activation]()
        if isinstance(weighted, nn.Conv2d):
            layers[f"pool{name[-1]}"] = POOLS[pool](2)
        elif dropout:
            layers[f"dropout{name[-1]}"] = nn.Dropout(dropout)
    layers["output"] = nn.Linear(84, num_outputs)
    for layer in layers.values():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return sequence(layers)
