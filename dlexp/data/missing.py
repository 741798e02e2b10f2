"""Values that nobody knows, NaN until here: each becomes its feature's mean over the training samples."""

import torch
from torch import Tensor

from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError, listed


def filled(splits: Splits) -> tuple[Splits, list[float] | None]:
    """Returns splits without NaN among their inputs, and what stands there, a number per channel or feature.

    splits: as they train, so that no sample that validates or tests enters a mean; where they don't say that NaN is to
    be filled, nothing is done. Raises UserError where a feature has no value in training.
    """
    if not splits.fills_missing:
        return splits, None
    inputs = splits.train.inputs
    assert isinstance(inputs, Tensor)
    means = inputs.double().nanmean(dim=[axis for axis in range(inputs.ndim) if axis != 1])
    unknown = means.isnan().nonzero()[:, 0].tolist()
    if unknown:
        names = [splits.feature_names[i] if splits.feature_names else f"feature {i + 1}" for i in unknown]
        raise UserError(f"no training sample has a value of {listed(names)}, so there is no mean to put there")
    return splits.each(lambda split: _without_gaps(split, means)), means.tolist()


def put_in(inputs: Tensor, means: Tensor) -> Tensor:
    """Returns inputs N×channels×… with the channel's mean in the place of NaN."""
    own = means.to(inputs).view(1, -1, *[1] * (inputs.ndim - 2))
    return torch.where(inputs.isnan(), own, inputs)


def _without_gaps(split: Split, means: Tensor) -> Split:
    return split.changed(**{split.first: put_in(split.inputs, means)})  # type: ignore[arg-type]
