"""Which targets a criterion takes. Those of `conf/criterion/` refuse targets that belong to another task.

torch broadcasts, reads any float targets as probabilities, or only warns; a run would then train on a number
without meaning. Shapes and dtypes are looked at, values only on the CPU: no check waits for a device.
"""

import torch
from torch import Tensor
from torch.nn import functional

from dlexp.batch import IGNORED
from dlexp.errors import UserError


def are_probabilities(outputs: Tensor, targets: Tensor) -> bool:
    """Says whether targets are N×classes floats; on the CPU also whether each row sums to 1, as a regression's do not.

    The rehearsal before every run is on the CPU.
    """
    if not targets.is_floating_point() or targets.shape != outputs.shape or targets.ndim != 2:
        return False
    if targets.device.type != "cpu" or torch.compiler.is_compiling():
        return True
    return bool(((targets.sum(dim=1) - 1).abs() < 1e-3).all())


def are_classes(outputs: Tensor, targets: Tensor) -> bool:
    """Says whether targets are class numbers N×… (int64) of scores N×classes×…."""
    return outputs.ndim >= 2 and targets.shape == outputs.shape[:1] + outputs.shape[2:] and targets.dtype == torch.int64


def want_classes(criterion: str, outputs: Tensor, targets: Tensor) -> None:
    """Raises UserError unless targets are class numbers N×… (int64) of scores N×classes×…."""
    if are_classes(outputs, targets):
        return
    instead = "; targets that are numbers want criterion=mse" * targets.is_floating_point()
    raise UserError(
        f"criterion={criterion} wants scores of classes and class numbers (int64) as targets, but "
        f"the model gives {shape_of(outputs)} and the targets are {shape_of(targets)} of type {name_of(targets)}. "
        f"It belongs to task=classification{instead}."
    )


def is_one_score(outputs: Tensor, targets: Tensor) -> bool:
    """Says whether outputs N×1×… are one score of two classes: targets are class numbers, or probabilities N×2."""
    if outputs.ndim < 2 or outputs.shape[1] != 1:
        return False
    return are_classes(outputs, targets) or (targets.is_floating_point() and targets.shape == (len(outputs), 2))


def second_of_two(outputs: Tensor, targets: Tensor) -> Tensor:
    """Returns 1 for the second of two classes and 0 for the first, or the second's probability, shaped as one score."""
    return targets[:, 1:] if targets.is_floating_point() else (targets.unsqueeze(1) == 1).to(outputs.dtype)


def sides(criterion: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Returns 1 for the second of two classes and -1 for the first, shaped as one score N×1×….

    Raises UserError where there is not one score, or targets are no class numbers.
    """
    want_classes(criterion, outputs, targets)
    if outputs.shape[1] != 1:
        raise UserError(
            f"criterion={criterion} wants one score of two classes, and the model gives {shape_of(outputs)}. It belongs"
            " to task=classification."
        )
    return 2 * second_of_two(outputs, targets) - 1


def as_numbers(criterion: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Returns targets as numbers of the outputs' shape: values (float) as they are, class numbers as 1 for the class
    and 0 for all others, of one score as 1 and -1.

    Raises UserError where targets are neither.
    """
    if is_one_score(outputs, targets):
        return 2 * second_of_two(outputs, targets) - 1
    if are_classes(outputs, targets) and outputs.shape[1] > 1:
        known = torch.where(targets == IGNORED, 0, targets)
        return functional.one_hot(known, outputs.shape[1]).movedim(-1, 1).to(outputs.dtype)
    if outputs.shape != targets.shape or not targets.is_floating_point():
        raise UserError(
            f"criterion={criterion} compares numbers of equal shape, or scores with classes, but the model gives"
            f" {shape_of(outputs)} and the targets are {shape_of(targets)} of type {name_of(targets)}. It belongs to"
            " task=regression and task=classification."
        )
    return targets


def mean_over_kept(each: Tensor, targets: Tensor) -> Tensor:
    """Returns the mean of a loss N×outputs×…, without the samples whose class is `IGNORED`; 0 where none is left."""
    if targets.is_floating_point():
        return each.mean()
    kept = targets != IGNORED
    return (each.mean(dim=1) * kept).sum() / kept.sum().clamp_min(1)


def at_least_float32(outputs: Tensor) -> Tensor:
    """Returns half-precision outputs as float32: sums of exponentials and squares need the digits."""
    return outputs.float() if outputs.dtype in (torch.float16, torch.bfloat16) else outputs


def shape_of(tensor: Tensor) -> str:
    """Returns a shape in words: `4×10`."""
    return "×".join(map(str, tensor.shape)) or "a single number"


def name_of(tensor: Tensor) -> str:
    """Returns the name of a tensor's type: `int64`."""
    return str(tensor.dtype).removeprefix("torch.")
