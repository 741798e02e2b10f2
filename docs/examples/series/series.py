"""Classes of series by convolutions along time (after Wang, Yan and Oates 2017, arXiv:1611.06455).

cd docs/examples/series
python -m dlexp --config-dir conf allow=series model=conv1d data=arrays data.file=series.npz data.layout=series
"""

from torch import nn


def conv1d(*, shape: list[int], num_outputs: int, width: int) -> nn.Sequential:
    """Returns a net from series N×C×L of any length to N×num_outputs."""
    layers, channels = [], shape[0]
    for size in (7, 5, 3):
        layers += [nn.Conv1d(channels, width, size, padding="same"), nn.BatchNorm1d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(width, num_outputs))
