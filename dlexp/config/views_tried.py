"""The views of a config, tried before a run: what they would change, and what would stay behind."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dlexp.config.lost_state import NUM_SAMPLES
from dlexp.config.steps import refused
from dlexp.config.viewed import build_views, fields_of_data, shape_seen
from dlexp.data.fields import MOVED, NORMALISED
from dlexp.errors import UserError, as_typed, listed, to_type
from dlexp.machine.memory import available_bytes


def try_views(config: Mapping[str, Any]) -> None:
    """Tries the views on samples of zeros. Raises UserError where one can't take them, or returns another shape than it
    states, and where a field would have to move with the samples and can't.
    """
    fields, names = fields_of_data(config), [name for name, node in (config["view"] or {}).items() if node]
    first = next((name for name in fields if name != "targets"), "targets")
    field, told = fields[first], f"view={listed(names)}"
    if not names:
        return
    if field.kind not in NORMALISED:
        instead = f", and data.fields.{first}.kind=normalised normalises them, which a view may change too"
        raise UserError(
            f"{told} changes images and quantities, and the {first} of this data go into the model as they are:"
            f" view=none leaves them so{instead * field.dtype.is_floating_point}"
        )
    if None in field.shape:
        raise UserError(f"{told} changes samples of one size, and these differ in theirs: data.shape={field.shape}")
    samples, moves = torch.zeros(NUM_SAMPLES, *field.sizes), False
    has_ends = field.kind == "image" or len(field.shape) != 3 or config["data"]["range"] is not None
    for name in names:
        stated = shape_seen({name: config["view"][name]}, list(samples.shape[1:]))
        _hold_to_memory(name, [size or 1 for size in stated])
        with refused(f"view.{name}", RuntimeError, IndexError):
            (view,) = build_views({name: config["view"][name]}).values()
            try:
                shown = view(samples, torch.Generator())
            except UserError as error:
                raise UserError(f"view.{name}: {error}") from error
        if not has_ends and getattr(view, "has_black_and_white", False):
            what = f"view={name} changes images from 0 (black) to 1 (white), and {first} are none (kind: {field.kind})"
            raise UserError(f"{what}: {to_type('data.range=[LOW,HIGH]')} says what counts as 0 and 1 of them")
        if not isinstance(shown, Tensor) or list(shown.shape) != [NUM_SAMPLES, *stated]:
            found = list(shown.shape[1:]) if isinstance(shown, Tensor) else type(shown).__name__
            raise UserError(
                f"view.{name} returns {found} of samples {list(samples.shape[1:])}; a line shape: in its YAML file says"
                " what comes out, null being a size that stays"
            )
        moves |= getattr(view, "moves", False) or shown.shape[2:] != samples.shape[2:]
        samples = shown
    others = [name for name, each in fields.items() if name != first and each.kind in MOVED]
    if moves and others:
        raise UserError(f"{told} moves what {first} show, and {listed(others)} would stay: leave the view out")


def _hold_to_memory(name: str, shape: list[int]) -> None:
    """Raises UserError where not even the samples that a view is tried on fit in the memory that is free."""
    each, free = math.prod(shape) * 4, available_bytes()
    if NUM_SAMPLES * each > free:
        raise UserError(
            f"view.{name} makes samples of the shape {as_typed(shape)}, {each / 1e9:,.1f} GB each, which does not fit"
            f" in the {free / 1e9:.1f} GB of memory that are free"
        )
