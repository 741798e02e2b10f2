"""What a sample holds, field by field, as the data set's YAML states it before anything is read."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dlexp.data.splits import Split
from dlexp.errors import UserError, did_you_mean, listed

log = logging.getLogger(__name__)

KINDS = {
    "image": "normalised by channel; augmentation moves it",
    "normalised": "normalised by channel or feature",
    "mask": "moved with the image, its values untouched",
    "plain": "untouched",
}
NORMALISED, MOVED = ("image", "normalised"), ("image", "mask")
# What a free size is in the rehearsal and in the model's summary.
SOME_SIZE = 8
# Stored samples that are looked at before a training.
FEW = 16
KEYS = ("shape", "dtype", "kind", "fill", "example")


@dataclass(frozen=True)
class Field:
    """shape: of one sample, None where sizes differ and a batch is padded. kind: one of `KINDS`. fill: of a mask, its
    value where augmentation shows nothing. made_up: what samples hold with which a model is tried before a run.
    """

    shape: list[int | None]
    dtype: torch.dtype
    kind: str
    fill: int = 0
    made_up: float = 0

    @property
    def sizes(self) -> list[int]:
        """The shape of a sample, with some size where it is free."""
        return [SOME_SIZE if size is None else size for size in self.shape]

    def example(self, count: int) -> Tensor:
        """Returns `count` made-up samples, as a batch holds them: normalised."""
        dtype = torch.float32 if self.kind in NORMALISED else self.dtype
        return torch.full((count, *self.sizes), self.made_up, dtype=dtype)


def fields_of(
    stated: Mapping[str, Any] | None, shape: list[int | None], num_outputs: int, targets: str
) -> dict[str, Field]:
    """Returns the fields by name, the first input first; what `data.fields` does not state follows from the rest.

    stated: `data.fields`. shape: of the first input. targets: `task.targets`.

    Raises:
        UserError: a shape is missing, or a kind, type or key is none.
    """
    given = {name: {} if each is None else each for name, each in (stated or {}).items()}
    names = [name for name in given if name != "targets"] or ["inputs"]
    fields = {name: _field(name, given.get(name, {}), shape if name == names[0] else None) for name in names}
    default = _targets(targets, shape, num_outputs)
    if default is not None or "shape" in given.get("targets", {}):
        fields["targets"] = _field("targets", given.get("targets", {}), None, default)
    is_padded = any(None in field.shape for field in fields.values())
    return {name: _made_up(name, field, given.get(name, {}), is_padded) for name, field in fields.items()}


def left_behind(fields: Mapping[str, Field]) -> list[str]:
    """Returns the fields of the first one's height and width that do not move with it, which is mostly a mistake."""
    first, *others = [name for name in fields if name != "targets"] or ["targets"]
    others += ["targets"] * ("targets" in fields and first != "targets")
    size = fields[first].shape[-2:]
    alike = [name for name in others if len(fields[name].shape) > 1 and fields[name].shape[-2:] == size]
    return [name for name in alike if fields[name].kind not in MOVED] if fields[first].kind == "image" else []


def examples(fields: Mapping[str, Field], count: int) -> dict[str, Tensor]:
    """Returns a batch of `count` made-up samples."""
    return {name: field.example(count) for name, field in fields.items()}


def hold_to_fields(split: Split, fields: Mapping[str, Field], what: str) -> None:
    """Raises UserError where the samples of a split are not what the data set's YAML states of them."""
    for name, column in split.fields.items():
        if name not in fields:
            shape = list(column.shape[1:])
            raise UserError(
                f"the {what} split has a field {name}, which nobody stated: 'data.fields={{{name}: {{shape:"
                f" {shape}, dtype: {_name(column.dtype)}, kind: plain}}}}' does (kinds: {', '.join(KINDS)})"
            )
    for name, field in fields.items():
        if name not in split.fields:
            raise UserError(f"the {what} split has no field {name}; it has {listed(list(split.fields))}")
        column, key = split.fields[name], "shape" if name == split.first else f"fields.{name}.shape"
        found = list(column.shape[1:])
        if [None if size is None else each for each, size in zip(found, field.shape, strict=False)] != field.shape:
            raise UserError(
                f"data.{key}={field.shape}, but the samples of the {what} split have the shape {found}; the"
                " setting says what samples are, and changes none of them"
            )
        as_floats = field.kind in NORMALISED and (column.dtype == torch.uint8 or column.dtype.is_floating_point)
        as_floats |= name == "targets" and (column.dtype, field.dtype) == (torch.float64, torch.float32)
        if column.dtype != field.dtype and not as_floats:
            kind = "" if field.kind in ("plain", "mask") else ", kind: plain"
            raise UserError(
                f"the {what} split's {name} are {_name(column.dtype)} and would have to be {_name(field.dtype)};"
                f" 'data.fields={{{name}: {{dtype: {_name(column.dtype)}{kind}}}}}' hands them on as they are"
            )


def hold_to_classes(split: Split, num_outputs: int, ignored: int | None, what: str) -> None:
    """Raises UserError where a class number is none: on CUDA one too many would abort the process.

    What is stored is looked at whenever it is read, a few samples of it now.
    """
    if not len(split) or (column := split.fields["targets"]).dtype.is_floating_point:
        return

    def hold(targets: Tensor) -> None:
        known = targets[targets != ignored]
        least, most = (int(known.min()), int(known.max())) if known.numel() else (0, 0)
        if not 0 <= least <= most < num_outputs:
            raise UserError(
                f"data.num_outputs={num_outputs}, but the classes of the {what} split are numbered {least} to {most}"
            )

    if isinstance(column, Tensor):
        hold(column)
        if ignored is not None and bool((column == ignored).all()):
            raise UserError(f"no answer of the {what} split counts: all of them are what task.ignore_index names")
        if ignored is not None and what == "train" and not bool((column == ignored).any()):
            log.warning(f"warning: task.ignore_index names {ignored}, and no answer of the {what} split is that")
        return
    column.hold = hold
    if column.source.chooses:
        rows = torch.arange(0, len(column), -(-len(column) // FEW))
        for _ in column.stream(torch.split(rows, 1)):  # one by one, since they may differ in size
            pass


def _targets(word: str, shape: list[int | None], num_outputs: int) -> Field | None:
    by_word = {
        "classes": Field([], torch.int64, "plain"),
        "values": Field([num_outputs], torch.float32, "plain"),
        "labels": Field([num_outputs], torch.float32, "plain"),
        "mask": Field(shape[1:], torch.int64, "mask"),
        "none": None,
    }
    return by_word.get(word, by_word["classes"])


def _field(name: str, given: Any, shape: list[int | None] | None, default: Field | None = None) -> Field:
    where = f"data.fields.{name}"
    if not isinstance(given, Mapping):
        of = "inputs" if name in KEYS else name
        keys = ", ".join(KEYS)
        raise UserError(
            f"{where}={given} must be a mapping with {keys}, such as 'data.fields={{{of}: {{kind: plain}}}}'"
        )
    unknown = next((key for key in given if key not in KEYS), None)
    if unknown is not None:
        raise UserError(f"{where}.{unknown} is no key of a field.{did_you_mean(unknown, KEYS)} It has {listed(KEYS)}")
    found = given.get("shape", default.shape if default else shape)
    if not isinstance(found, list) or not all(size is None or type(size) is int and size > 0 for size in found):
        raise UserError(
            f"{where}.shape must be a list of sizes, such as [3, 32, 32]; [] is one number a sample, and null a size"
            " that differs"
        )
    kind = given.get("kind", default.kind if default else "image" if len(found) == 3 else "normalised")
    if kind not in KINDS:
        told = "; ".join(f"{kind}: {what}" for kind, what in KINDS.items())
        raise UserError(f"{where}.kind={kind} is none.{did_you_mean(str(kind), list(KINDS))} There are {told}")
    by_kind = {"image": torch.uint8, "normalised": torch.float32}.get(kind, torch.int64)
    dtype = by_kind if default is None else default.dtype
    if "dtype" in given:
        dtype = getattr(torch, str(given["dtype"]), dtype)
        if str(dtype) != f"torch.{given['dtype']}":
            raise UserError(f"{where}.dtype={given['dtype']} is no type of torch, such as int64 or float32")
    if kind == "image" and len(found) != 3 or kind == "normalised" and not found:
        raise UserError(f"{where}.shape={found} is no shape of kind {kind}: {KINDS[kind]}; kind: plain hands it on")
    if kind in NORMALISED and found[0] is None:
        raise UserError(
            f"{where}.shape={found} has no fixed first size, by which {kind} is normalised; kind: plain is not"
        )
    fill = given.get("fill", 0)
    if type(fill) is not int:
        raise UserError(f"{where}.fill={fill} must be a whole number")
    return Field(found, dtype, kind, fill)


def _made_up(name: str, field: Field, given: Mapping[str, Any], is_padded: bool) -> Field:
    """Returns a field with what its made-up samples hold.

    Numbers that are normalised are 0, and so are class numbers; a mask lets all be seen, and a length is at least 1
    (of samples that are padded, the size they are made up with): packing and means over a mask fail with zeros.
    """
    is_number = not field.shape and not field.dtype.is_floating_point and field.dtype != torch.bool
    usual = 0 if field.kind in NORMALISED or name == "targets" else SOME_SIZE if is_number and is_padded else 1
    value = given.get("example", usual)
    if type(value) not in (int, float):
        raise UserError(f"data.fields.{name}.example={value} must be a number")
    return replace(field, made_up=value)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
