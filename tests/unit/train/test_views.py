"""Evaluation: the views a model is asked for, and what their mean is."""

import pytest
import torch
from torch import Tensor, nn

from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.tasks.task import Task
from dlexp.train.views import Plain, Views


class Corner(nn.Module):
    """Gives the pixel at the top left, so that the outputs tell what was seen."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :, 0, 0]


class Asks(Task):
    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        return model(batch["inputs"])


def seen(views: Plain | Views, model: nn.Module, images: Tensor) -> Tensor:
    return views(Asks(), model, {"inputs": images})


def image() -> Tensor:
    return torch.arange(20.0).view(1, 1, 4, 5)


def test_plain_is_the_model_itself() -> None:
    assert seen(Plain(), Corner(), image()).item() == 0


def test_mirror_is_the_mean_of_both_sides() -> None:
    assert seen(Views(shift=0), Corner(), image()).item() == (0 + 4) / 2


def test_shifted_copies_weigh_as_much_as_the_image() -> None:
    # Shifted down and right by one the corner shows the mirrored edge, pixel (1, 1), and mirrored (1, 3); up and left
    # it shows pixel (1, 1) itself and, mirrored, what came in at the right: the edge's neighbour (1, 3).
    shifted = [(6 + 8) / 2, (6 + 8) / 2]
    assert seen(Views(shift=1), Corner(), image()).item() == ((0 + 4) / 2 + sum(shifted) / 2) / 2


def test_other_data_than_images_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"a sample here has the shape \[3\]; evaluation=plain takes it"):
        seen(Views(shift=1), nn.Identity(), torch.zeros(2, 3))
    with pytest.raises(UserError, match=r"the shape \[1, 1, 1\]"):
        seen(Views(shift=1), nn.Identity(), torch.zeros(2, 1, 1, 1))
