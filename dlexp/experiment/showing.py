"""Samples of a data set drawn without a training: as they are, as their views show them, and augmented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dlexp.augment.operation import Draw, Mixing
from dlexp.augment.together import change
from dlexp.config.build import build_each, build_task, load_data, prepared
from dlexp.config.composed import Composed
from dlexp.config.problems import config_problems
from dlexp.config.viewed import build_views, fields_of_data
from dlexp.config.views_tried import try_views
from dlexp.data.fields import hold_to_classes, hold_to_fields
from dlexp.data.label_noise import SETTINGS
from dlexp.data.missing import filled
from dlexp.data.partition import some_of_each
from dlexp.data.splits import Split
from dlexp.data.units import ends
from dlexp.data.viewing import AS_THEY_ARE, SIDES, names_seen, seen
from dlexp.errors import UserError, listed
from dlexp.experiment.description import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWN = ("data", "task", "criterion", "metric", "view", "augment")
MOST_POINTS = 3000


def samples_shown(composed: Composed, split: str, count: int, *, augments: bool) -> tuple[Figure, str]:
    """Returns a picture of some samples of a split ("train", "val" or "test"), and a sentence on them.

    Of images `count` are drawn, each beside what views, and with `augments` augmentation, make of it; of points up to
    3,000, in a plane or, with one feature, over their targets.

    Raises:
        UserError: something is wrong with the settings of what is drawn, the data is missing or damaged, there is no
            such split, or its samples are neither images nor have one or two features.
    """
    config = composed.config
    if problems := config_problems(config, DRAWN):
        raise UserError(*problems)
    try_views(config)
    data, fields, task = config["data"], fields_of_data(config), build_task(config)
    splits, _ = filled(prepared(load_data(data), data, task))
    if "targets" not in fields:
        splits = splits.each(Split.without_targets)
    if split not in splits.named:
        raise UserError(f"this data has no {split} samples; there are {listed(list(splits.named))}")
    whole = splits.named[split]
    hold_to_fields(whole, fields, split)
    are_classes = config["task"]["targets"] == "classes"
    if are_classes:
        hold_to_classes(whole, data["num_outputs"], getattr(task, "ignore_index", None), split)
    field = fields[whole.first]
    is_image = len(field.shape) == 3
    if not is_image and field.shape not in ([1], [2]):
        raise UserError(
            f"show draws images, and points of one or two features; these samples have the shape {field.shape}"
        )
    few = some_of_each(whole, count if is_image else MOST_POINTS, data["split_seed"])
    unit = ends(splits.train.fields[whole.first], field.kind, data["range"]) or AS_THEY_ARE
    views, generator = build_views(config["view"], SIDES[split]), torch.Generator().manual_seed(config["seed"])
    samples, called = few.inputs[:], splits.feature_names
    panels, feature_names = {"as it is": samples}, [called]
    if views:
        shown = list(views.values())
        called = names_seen(called, shown, unit, samples)
        samples = panels[" + ".join(views)] = seen(samples, shown, unit, generator)
        feature_names.append(called)
    if augments and any(config["augment"].values()):
        panels["augmented"] = _augmented(samples, config, generator)
        feature_names.append(called)
    told = f"{len(few):,} of {len(whole):,} {split} samples of data={composed.choices['data']}"
    if replaced := splits.num_replaced.get(split):
        told += f"; {replaced:,} of these {len(whole):,} have a wrong label on purpose (data.{SETTINGS[split]})"
    if not views and (others := [name for name, node in (config["view"] or {}).items() if node]):
        told += f"; view={listed(others)} changes none of these"
    if augments and "augmented" not in panels:
        told += f"; augment={composed.choices['augment']} augments nothing"
    names = data["class_names"] if are_classes else None
    if is_image:
        return _images(panels, unit, few, names, told), told
    from dlexp.pictures import points

    targets = few.fields.get("targets")
    return points(panels, targets, names, feature_names, told), told  # type: ignore[arg-type]


def _augmented(samples: Tensor, config: Mapping[str, Any], generator: torch.Generator) -> Tensor:
    """Returns samples as the first epoch might see them. Raises UserError for what mixes samples once normalised."""
    augment = build_each(config["augment"])
    if mixing := [name for name, each in augment.items() if isinstance(each, Mixing)]:
        raise UserError(f"augment={listed(mixing)} mixes samples once they are normalised, which show does not draw")
    batch = {"inputs": samples}
    draw = Draw(generator, epoch=0, samples=torch.arange(len(samples)), seed=config["seed"])
    for operation in augment.values():
        change(batch, "inputs", {}, operation, draw)
    return batch["inputs"]


def _images(
    panels: Mapping[str, Tensor], unit: tuple[float, float], few: Split, names: list[str] | None, told: str
) -> Figure:
    from dlexp.pictures import image_grid, side_by_side

    shown = [_in_fractions(each, unit) for each in panels.values()]
    titles = None if names is None else [title(target, names) for target in few.targets]
    if len(shown) == 1:
        return image_grid(shown[0], titles, told)
    return side_by_side(dict(zip(panels, shown, strict=True)), titles, told)


def _in_fractions(images: Tensor, unit: tuple[float, float]) -> Tensor:
    """Returns images from 0 (black) to 1; floats that augmentation makes of bytes are that already."""
    low, high = unit
    are_bytes_of_floats = images.is_floating_point() and unit == (0.0, 255.0) and float(images.max()) <= 1
    return images.float() if are_bytes_of_floats else ((images.float() - low) / (high - low)).clamp(0, 1)
