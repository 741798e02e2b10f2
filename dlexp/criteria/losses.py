"""The losses of `conf/criterion/`: torch's own, which also refuse targets that belong to another task.

torch broadcasts, reads any float targets as probabilities, or only warns; a run would then train on a number
without meaning. Shapes and dtypes are looked at, values only on the CPU: no check waits for a device.
"""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.errors import UserError
from dlexp.ranges import Range


class CrossEntropy(nn.Module):
    """Mean cross entropy of logits N×classes against class numbers N (int64) or probabilities N×classes (float),
    smoothed as by Szegedy et al. 2016, §7.
    """

    def __init__(self, *, label_smoothing: Annotated[float, Range(ge=0, lt=1)]) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if not _are_probabilities(outputs, targets):
            _want_classes("cross_entropy", outputs, targets)
        return functional.cross_entropy(_at_least_float32(outputs), targets, label_smoothing=self.label_smoothing)


class NLL(nn.Module):
    """Mean negative log likelihood of class numbers N (int64) under logits N×classes.

    Applies log-softmax itself, since all models here return logits: the same number as cross entropy, in two
    steps.
    """

    # nn.Module's own constructor takes any keyword, so the check of config keys would find nothing to object to.
    def __init__(self) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        _want_classes("nll", outputs, targets)
        return functional.nll_loss(functional.log_softmax(_at_least_float32(outputs), dim=1), targets)


class Hinge(nn.Module):
    """Mean over samples and classes of max(0, margin - right score + other score)^p, scores N×classes,
    targets N (int64).

    The multi-class hinge loss of Weston and Watkins 1999, divided by the number of classes as torch's
    MultiMarginLoss; written out because that one lacks bfloat16 and some devices.
    """

    def __init__(self, *, margin: Annotated[float, Range(gt=0)], p: Annotated[int, Range(ge=1, le=2)]) -> None:
        super().__init__()
        self.margin = margin
        self.p = p

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        _want_classes("hinge", outputs, targets)
        scores, right = _at_least_float32(outputs), targets[:, None]
        violations = (self.margin - scores.gather(1, right) + scores).clamp_min(0) ** self.p
        return violations.scatter(1, right, 0.0).mean()


class MeanSquaredError(nn.Module):
    """Mean squared difference of outputs and targets, both N×outputs floats."""

    # nn.Module's own constructor takes any keyword, so the check of config keys would find nothing to object to.
    def __init__(self) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.shape != targets.shape or not targets.is_floating_point():
            raise UserError(
                f"criterion=mse compares numbers of equal shape, but the model gives {_shape(outputs)} and "
                f"the targets are {_shape(targets)} of type {_name(targets)}. "
                "It belongs to task=regression; task=classification wants criterion=cross_entropy."
            )
        return functional.mse_loss(_at_least_float32(outputs), targets)


def _are_probabilities(outputs: Tensor, targets: Tensor) -> bool:
    """Says whether targets are N×classes floats; on the CPU also whether each row sums to 1, as a regression's do not.

    The rehearsal before every run is on the CPU.
    """
    if not targets.is_floating_point() or targets.shape != outputs.shape or targets.ndim != 2:
        return False
    if targets.device.type != "cpu" or torch.compiler.is_compiling():
        return True
    return bool(((targets.sum(dim=1) - 1).abs() < 1e-3).all())


def _want_classes(criterion: str, outputs: Tensor, targets: Tensor) -> None:
    if outputs.ndim == 2 and targets.shape == outputs.shape[:1] and targets.dtype == torch.int64:
        return
    raise UserError(
        f"criterion={criterion} wants one score a class and class numbers (int64) as targets, but "
        f"the model gives {_shape(outputs)} and the targets are {_shape(targets)} of type {_name(targets)}. "
        "It belongs to task=classification; task=regression wants criterion=mse."
    )


def _at_least_float32(outputs: Tensor) -> Tensor:
    """Returns half-precision outputs as float32: sums of exponentials and squares need the digits."""
    return outputs.float() if outputs.dtype in (torch.float16, torch.bfloat16) else outputs


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
