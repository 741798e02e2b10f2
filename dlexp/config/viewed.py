"""Samples as their views show them: the shape, which the model follows, known without importing torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlexp.config.schema import ViewSettings

if TYPE_CHECKING:
    from dlexp.data.fields import Field
    from dlexp.views.view import View


def shape_seen(views: Any, shape: Sequence[int | None]) -> list[int | None]:
    """Returns what `data.shape` is after all views of a config: each may state what comes out, null being as before.

    What is no view or fits no such shape changes nothing; the check of the config tells of it.
    """
    found = list(shape)
    for node in views.values() if isinstance(views, Mapping) else ():
        stated = node.get("shape") if isinstance(node, Mapping) else None
        if isinstance(stated, list) and len(stated) == len(found):
            found = [before if after is None else after for before, after in zip(found, stated, strict=True)]
    return found


def view_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yields what is wrong with views of samples of `data.shape`, a sentence each."""
    data, views = config["data"], config["view"]
    shape = data.get("shape") if isinstance(data, Mapping) else None
    if not isinstance(shape, list) or not isinstance(views, Mapping):
        return
    for name, node in views.items():
        stated = node.get("shape") if isinstance(node, Mapping) else None
        if not isinstance(stated, list):
            continue
        if len(stated) != len(shape):
            yield f"view={name} changes samples of {len(stated)} axes, and those of this data have the shape {shape}"
            return
        after = shape_seen({name: node}, shape)
        if after != shape and (split := node.get("split")) != "both":
            yield (
                f"view.{name}.split={split} would give some samples the shape {after} and others {shape}, and a model"
                f" takes one: view.{name}.split=both"
            )
        shape = after


def fields_of_data(config: Mapping[str, Any]) -> "dict[str, Field]":
    """Returns what a sample of the data set holds, before its views. Raises UserError as `fields_of` does."""
    from dlexp.data.fields import fields_of

    data = config["data"]
    return fields_of(data["fields"], data["shape"], data["num_outputs"], config["task"]["targets"])


def fields_seen(config: Mapping[str, Any]) -> "dict[str, Field]":
    """Returns what a sample holds as its views show it. Raises UserError as `fields_of` does."""
    fields = fields_of_data(config)
    first = next((name for name in fields if name != "targets"), "targets")
    return {**fields, first: replace(fields[first], shape=shape_seen(config["view"], fields[first].shape))}


def build_views(views: Any, split: str | None = None) -> "dict[str, View]":
    """Makes the views of a config by name, in order; with `split`, "train" or "test", those that it is seen with."""
    from dlexp.config.build import build_each

    nodes = {name: node for name, node in (views or {}).items() if node and (not split or is_of(node, split))}
    return build_each(nodes, tuple(ViewSettings.__dataclass_fields__))


def changing_figures(config: Mapping[str, Any], kind: str) -> list[str]:
    """Returns the views whose training samples have another mean and deviation than the data, which are computed then.

    kind: of the field. Noise leaves features in their units, and their scale as it was stated.
    """
    keeps = "keeps_colours" if kind == "image" else "draws"
    views = build_views(config["view"], "train")
    return [name for name, view in views.items() if not getattr(view, keeps, False)]


def is_of(node: Mapping[str, Any], split: str) -> bool:
    """Returns whether a view changes the samples of "train" (those that validate among them) or "test"."""
    return node["split"] in ("both", split)
