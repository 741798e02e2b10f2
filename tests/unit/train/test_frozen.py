"""What rests of a model while the rest is trained."""

import torch
from torch import nn

from dlexp.train.frozen import frozen_names, matching, set_frozen


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(3))
        self.norm, self.drop, self.head = nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 2)

    def train(self, mode: bool = True) -> nn.Module:
        """As torchvision's detectors do, one of its own keeps a layer out of training."""
        super().train(mode)
        self.head.eval()
        return self


def modes_of(net: nn.Module) -> dict[str, bool]:
    return {name: each.training for name, each in net.named_modules()}


def test_only_the_layer_rests_whose_buffer_is_frozen_and_not_what_is_within() -> None:
    net = Net().train()
    set_frozen(net, set(matching(net, "mask")))
    for _ in range(2):
        assert modes_of(net) == {"": False, "norm": True, "drop": True, "head": False}
        net.eval()
        assert not any(modes_of(net).values())
        net.train()
    assert frozen_names(net) == {"mask"}
    set_frozen(net, set())
    assert modes_of(net.train()) == {"": True, "norm": True, "drop": True, "head": False}


def test_a_layer_within_may_rest_too() -> None:
    net = Net()
    set_frozen(net, {*matching(net, "mask"), *matching(net, "norm.*")})
    assert modes_of(net.train()) == {"": False, "norm": False, "drop": True, "head": False}
