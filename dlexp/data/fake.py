"""Generated samples of any shape: for trying a model, for tests, for measuring speed."""

from typing import Annotated

import torch
from torch import Tensor

from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits
from dlexp.data.statistics import chunks
from dlexp.ranges import Choice, Range


@tells_content(lambda: GENERATED)
def fake(
    *,
    shape: list[int],
    num_outputs: Annotated[int, Range(ge=1)],
    num_samples: Annotated[int, Range(ge=1)],
    num_test_samples: Annotated[int, Range(ge=1)],
    noise: Annotated[float, Range(ge=0)],
    targets: Annotated[str, Choice("classes", "values")],
    data_seed: Annotated[int, Range(ge=0)],
) -> Splits:
    """Returns samples that can be learnt: one random pattern per output plus normal noise.

    shape: three numbers give uint8 images C×H×W, any other count float32. targets: "classes" = the pattern's
    number; "values" = how much of each pattern (standard normal, N×num_outputs) is in the sample.
    noise: standard deviation, in units of the pattern's.
    """
    generator = torch.Generator().manual_seed(data_seed)
    patterns = torch.randn(num_outputs, *shape, generator=generator)

    def split(count: int) -> Split:
        if targets == "classes":
            # Every class appears, also in a tiny set: counted off, then shuffled.
            labels = torch.arange(count)[torch.randperm(count, generator=generator)] % num_outputs
            answers, amounts = labels, torch.nn.functional.one_hot(labels, num_outputs).float()
        else:
            answers = amounts = torch.randn(count, num_outputs, generator=generator)
        inputs = torch.cat([_mixed(part, patterns, noise, generator) for part in chunks(amounts)])
        return Split(inputs, answers)

    return Splits(train=split(num_samples), test=split(num_test_samples))


def _mixed(amounts: Tensor, patterns: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    samples = torch.einsum("no,o...->n...", amounts, patterns)
    samples += noise * torch.randn(samples.shape, generator=generator)
    if samples.ndim != 4:
        return samples
    return samples.mul_(40).add_(128).clamp_(0, 255).to(torch.uint8)
