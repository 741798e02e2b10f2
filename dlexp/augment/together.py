"""Augmentation of samples that hold more than one field: what moves with the first, and what is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from dlexp.augment.operation import Draw, Mixing, Operation
from dlexp.augment.rearrange import Rearrangement, taken
from dlexp.errors import UserError, listed


def refuse_what_would_not_fit(
    augment: Sequence[Operation | Mixing], moved: Mapping[str, int], others: list[str], stay: list[str]
) -> None:
    """Raises UserError where an operation would change the first field and leave one behind that belongs to it.

    moved: the fields that move with the first. others: all but the first and `targets`. stay: those that look like the
    first and do not move.
    """
    for each in augment:
        name = type(each).__name__
        if isinstance(each, Mixing):
            left = [*others, *(["targets"] if "targets" in moved else [])]
            if left:
                raise UserError(f"augment: {name} mixes samples and can't mix their {listed(left)}; leave it out")
        elif stay and not getattr(each, "keeps_place", False):
            field = f"'data.fields={{{stay[0]}: {{kind: mask}}}}'"
            raise UserError(f"augment: {name} would move the images and not their {stay[0]}; {field} moves both")
        elif moved and not isinstance(each, Rearrangement) and not getattr(each, "keeps_place", False):
            raise UserError(
                f"augment: {name} would change the images and leave their {listed(list(moved))} behind; crop and flip"
                " move both, and an operation of your own that moves no pixel says so with keeps_place = True"
            )


def change(batch: dict[str, Tensor], first: str, moved: Mapping[str, int], operation: Operation, draw: Draw) -> None:
    """Changes the first field of a batch, and moves what moves with it: by name, with what stands for nothing there."""
    if not moved or not isinstance(operation, Rearrangement):
        batch[first] = operation(batch[first], draw)
        return
    positions = operation.positions(batch[first].shape, draw)
    batch[first] = taken(batch[first], positions)
    for name, fill in moved.items():
        field = batch[name]
        as_images = field if field.ndim == 4 else field.unsqueeze(1)
        batch[name] = taken(as_images, positions, fill).view(field.shape[0], *field.shape[1:])


def mix(batch: dict[str, Tensor], first: str, mixing: Mixing, draw: Draw) -> None:
    """Mixes the samples of a batch, the first field and the targets."""
    found: Any = mixing.mix(batch[first], batch["targets"], draw)
    batch[first], batch["targets"] = found
