"""Which targets a criterion takes. Those of `conf/criterion/` refuse targets that belong to another task.

torch broadcasts, reads any float targets as probabilities, or only warns; a run would then train on a number
without meaning. Shapes and dtypes are looked at, values only on the CPU: no check waits for a device.
"""

import torch
from torch import Tensor

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


def want_classes(criterion: str, outputs: Tensor, targets: Tensor) -> None:
    if outputs.ndim >= 2 and targets.shape == outputs.shape[:1] + outputs.shape[2:] and targets.dtype == torch.int64:
        return
    raise UserError(
        f"criterion={criterion} wants one score a class and class numbers (int64) as targets, but "
        f"the model gives {shape_of(outputs)} and the targets are {shape_of(targets)} of type {name_of(targets)}. "
        "It belongs to task=classification; task=regression wants criterion=mse."
    )


def at_least_float32(outputs: Tensor) -> Tensor:
    """Returns half-precision outputs as float32: sums of exponentials and squares need the digits."""
    return outputs.float() if outputs.dtype in (torch.float16, torch.bfloat16) else outputs


def shape_of(tensor: Tensor) -> str:
    """Returns a shape in words: `4×10`."""
    return "×".join(map(str, tensor.shape)) or "a single number"


def name_of(tensor: Tensor) -> str:
    """Returns the name of a tensor's type: `int64`."""
    return str(tensor.dtype).removeprefix("torch.")
