"""Generated samples of any shape: for trying a model, for tests, for measuring speed."""

from typing import Annotated

import torch
from torch import Tensor

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits
from dlexp.data.statistics import chunks
from dlexp.errors import UserError
from dlexp.ranges import Choice, Range

SQUARE = 4  # pixels of a side


@tells_content(lambda: GENERATED)
def fake(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    num_samples: Annotated[int, Range(ge=1)],
    num_test_samples: Annotated[int, Range(ge=1)],
    noise: Annotated[float, Range(ge=0)],
    targets: Annotated[str, Choice("classes", "values", "labels", "mask", "none")],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns samples that can be learnt: one random pattern per output plus normal noise.

    shape: three numbers give uint8 images C×H×W, any other count float32. targets: "classes" = the pattern's
    number, which a task that wants none ("none") does not see; "values" = how much of each pattern (standard normal,
    N×num_outputs) is in the sample; "labels" = which patterns are in it, each of them in half of the samples; "mask" =
    whose pattern each pixel is of, in squares.
    noise: standard deviation, in units of the pattern's.
    """
    generator = torch.Generator().manual_seed(data_seed)
    patterns = torch.randn(num_outputs, *shape, generator=generator)

    def split(count: int) -> Split:
        if targets in ("classes", "none"):
            # Every class appears, also in a tiny set: counted off, then shuffled.
            labels = torch.arange(count)[torch.randperm(count, generator=generator)] % num_outputs
            answers, amounts = labels, torch.nn.functional.one_hot(labels, num_outputs).float()
        elif targets == "labels":
            answers = amounts = (torch.rand(count, num_outputs, generator=generator) < 0.5).float()
        elif targets == "mask":
            answers = _squares(count, num_outputs, shape, generator)
            inputs = torch.cat([_coloured(part, patterns, noise, generator) for part in chunks(answers)])
            return Split(inputs, answers)
        else:
            answers = amounts = torch.randn(count, num_outputs, generator=generator)
        inputs = torch.cat([_mixed(part, patterns, noise, generator) for part in chunks(amounts)])
        return Split(inputs, answers)

    return Splits(train=split(num_samples), test=split(num_test_samples), stratified=False)


def _squares(count: int, num_classes: int, shape: list[int], generator: torch.Generator) -> Tensor:
    """Returns masks of squares. Raises UserError where samples are no images."""
    if len(shape) != 3:
        raise UserError(f"data=fake draws masks for images, and data.shape={shape} has no height and width")
    height, width = shape[1:]
    coarse = torch.randint(num_classes, (count, -(-height // SQUARE), -(-width // SQUARE)), generator=generator)
    return coarse.repeat_interleave(SQUARE, 1).repeat_interleave(SQUARE, 2)[:, :height, :width].contiguous()


def _coloured(masks: Tensor, patterns: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Returns images whose pixels have their class's colour, that of the first pixel of its pattern."""
    samples = patterns[:, :, 0, 0][masks].movedim(-1, 1)
    return _as_images(samples + noise * torch.randn(samples.shape, generator=generator))


def _mixed(amounts: Tensor, patterns: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    samples = torch.einsum("no,o...->n...", amounts, patterns)
    samples += noise * torch.randn(samples.shape, generator=generator)
    return _as_images(samples) if samples.ndim == 4 else samples


def _as_images(samples: Tensor) -> Tensor:
    return samples.mul_(40).add_(128).clamp_(0, 255).to(torch.uint8)
