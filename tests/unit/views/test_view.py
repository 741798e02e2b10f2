"""Views: every file of the group does what it says to images, and each what it is for."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from omegaconf import OmegaConf
from PIL import Image
from torch import Tensor

from dlexp.config.viewed import build_views, shape_seen
from dlexp.errors import UserError

FILES = sorted((ROOT / "conf" / "view").glob("*.yaml"))
NODES: dict[str, Any] = {}
for file in FILES:
    NODES |= OmegaConf.to_container(OmegaConf.load(file), resolve=True)


def shown(images: Tensor, name: str, draws: int = 0, **changes: Any) -> Tensor:
    """Returns images as a view of conf/ shows them."""
    (view,) = build_views({name: NODES[name] | changes}).values()
    return view(images, torch.Generator().manual_seed(draws))


def images(channels: int = 3) -> Tensor:
    return torch.rand(4, channels, 20, 18, generator=torch.Generator().manual_seed(1))


def test_every_file_is_collected() -> None:
    assert len(FILES) == len(NODES) + 1 >= 9 and all(file.stem in {*NODES, "none"} for file in FILES)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_view_gives_the_shape_it_states_and_leaves_the_data_alone(name: str, channels: int) -> None:
    before = images(channels)
    found = shown(before, name)
    assert list(found.shape[1:]) == shape_seen({name: NODES[name]}, [channels, 20, 18]) and len(found) == 4
    assert torch.equal(before, images(channels)) and found.dtype == torch.float32
    assert 0 <= float(found.min()) <= float(found.max()) <= 1 + 1e-6
    assert torch.equal(found, shown(before, name)), "the same again"


def test_grey_is_pillows() -> None:
    pixels = (images() * 255).round().to(torch.uint8)
    pillow = [np.asarray(Image.fromarray(each.permute(1, 2, 0).numpy()).convert("L")) for each in pixels]
    found = (shown(pixels / 255, "grey")[:, 0] * 255).round()
    assert (found - torch.from_numpy(np.stack(pillow)).float()).abs().max() <= 1


def test_a_block_and_rows_are_white_and_nothing_else_changes() -> None:
    found = shown(images(), "block", place=[2, 3], size=[4, None])
    assert (found[:, :, 2:6, 3:] == 1).all()
    found[:, :, 2:6, 3:] = images()[:, :, 2:6, 3:]
    assert torch.equal(found, images())
    rows = shown(images(), "rows")
    assert (rows[:, :, :10] == 1).all() and torch.equal(rows[:, :, 10:], images()[:, :, 10:])
    with pytest.raises(UserError, match=r"at place \[15, 0\] of size \[8, 8\] is not within images of 20×18"):
        shown(images(), "block", place=[15, 0])


def test_bright_pixels_are_red() -> None:
    before = torch.tensor([[0.2, 0.9], [0.81, 0.8]]).view(1, 1, 2, 2)
    found = shown(before, "bright")
    is_bright = torch.tensor([[False, True], [True, False]])
    assert torch.equal(found[0, :, is_bright], torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
    assert torch.equal(found[0, :, ~is_bright], before[0, :, ~is_bright].expand(3, -1))


def test_a_permutation_moves_places_alike_in_all_images_and_channels() -> None:
    places = torch.arange(360.0).view(1, 1, 20, 18).expand(2, 3, -1, -1)
    found = shown(places, "permutation")
    order = found[0, 0].flatten()
    assert torch.equal(order.sort().values, torch.arange(360.0)) and not torch.equal(order, torch.arange(360.0))
    assert torch.equal(found, order.view(1, 1, 20, 18).expand(2, 3, -1, -1))
    assert torch.equal(shown(places, "permutation", draws=7), found), "whatever is drawn besides"
    assert not torch.equal(shown(places, "permutation", seed=1), found)
    features = torch.arange(5.0).expand(3, 5)
    assert sorted(shown(features, "permutation")[0].tolist()) == [0, 1, 2, 3, 4]


def test_resized_is_pillows_bicubic() -> None:
    for height, width in ((40, 36), (10, 9), (20, 30)):
        found = shown(images(), "resized", height=height, width=width)
        assert found.shape == (4, 3, height, width)
        for channel, before in zip(found.flatten(0, 1), images().flatten(0, 1), strict=True):
            pillow = np.asarray(Image.fromarray(before.numpy()).resize((width, height), Image.Resampling.BICUBIC))
            assert torch.allclose(channel, torch.from_numpy(pillow.copy()).clamp(0, 1), atol=1e-5)
    assert shown(images(), "resized", width=9).shape == (4, 3, 40, 9)


def test_noise_has_its_deviation_and_cuts_images_alone() -> None:
    points = torch.zeros(4000, 2)
    found = shown(points, "noise", std=0.5)
    assert abs(float(found.std()) - 0.5) < 0.02 and not torch.equal(found, shown(points, "noise", draws=1, std=0.5))
    grey = torch.full((4, 1, 30, 30), 0.5)
    assert shown(grey, "noise", std=2.0).unique().numel() > 2 and shown(grey, "noise", std=2.0).aminmax() == (0, 1)


def test_salt_and_pepper_take_their_share() -> None:
    grey = torch.full((4, 3, 100, 100), 0.5)
    found = shown(grey, "salt_and_pepper", share=0.2)
    assert torch.equal(found[:, 0], found[:, 2])
    for value in (0, 1):
        assert abs(float((found == value).float().mean()) - 0.1) < 0.01
