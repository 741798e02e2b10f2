"""Growing images: small in the first epochs, their own size from then on."""

import pytest
import torch

from dlexp.augment.growing import Growing
from dlexp.augment.operation import Draw
from dlexp.errors import UserError


def draw(epoch: int) -> Draw:
    return Draw(torch.Generator(), epoch, torch.arange(2), seed=0)


def test_each_stage_has_its_part_of_the_run() -> None:
    growing = Growing(sizes=[8, 12], parts=[0.25, 0.5], epochs=8)
    images = torch.randint(0, 256, (2, 3, 16, 20), dtype=torch.uint8)
    shapes = [tuple(growing(images, draw(epoch)).shape[2:]) for epoch in range(8)]
    assert shapes == [(8, 10)] * 2 + [(12, 15)] * 4 + [(16, 20)] * 2
    assert growing(images, draw(7)) is images
    assert growing(images, draw(0)).dtype == torch.uint8


def test_a_plain_area_keeps_its_value_and_means_are_kept() -> None:
    growing = Growing(sizes=[4], parts=[1.0], epochs=1)
    assert (growing(torch.full((2, 1, 8, 8), 77, dtype=torch.uint8), draw(0)) == 77).all()
    noise = torch.rand(2, 3, 32, 32)
    assert growing(noise, draw(0)).mean().item() == pytest.approx(noise.mean().item(), abs=0.02)


@pytest.mark.parametrize(("sizes", "parts"), [([8], []), ([8, 9], [0.8, 0.3]), ([0], [0.5]), ([8], [0.0])])
def test_stages_that_do_not_fit_are_a_sentence(sizes: list[int], parts: list[float]) -> None:
    with pytest.raises(UserError, match=r"augment\.growing\.sizes=.* as many sizes as parts"):
        Growing(sizes=sizes, parts=parts, epochs=8)


def test_sizes_that_shrink_and_a_last_one_too_large_are_sentences_at_once() -> None:
    with pytest.raises(UserError, match=r"augment\.growing\.sizes=\[12, 8\] must grow"):
        Growing(sizes=[12, 8], parts=[0.2, 0.2], epochs=8)
    with pytest.raises(UserError, match="ends with 40, larger than the images, which are 32×32"):
        Growing(sizes=[24, 40], parts=[0.4, 0.4], epochs=8)(torch.zeros(2, 3, 32, 32), draw(0))


def test_images_that_are_smaller_already_and_no_images_are_sentences() -> None:
    growing = Growing(sizes=[24], parts=[1.0], epochs=1)
    with pytest.raises(UserError, match="larger than the images, which are 16×20"):
        growing(torch.zeros(2, 3, 16, 20), draw(0))
    with pytest.raises(UserError, match="augment=none"):
        growing(torch.zeros(2, 3), draw(0))
