"""Facts of a data set that its YAML cannot know, for interpolation: `${image_classes:${data.folder}}`.

Plain functions; who composes the config registers them as resolvers, and gives the node that asks to what has a
parameter `_parent_`. Nothing here imports torch, and what reads files is imported when it is asked.
"""

from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

from dlexp.errors import UserError

MOST_NAMES = 100_000


def count(values: Any) -> int:
    """Returns the length of a list; 0 for null, and for what is no list, since a check of it follows."""
    return len(values) if isinstance(values, Sized) else 0


def count_of_first(values: Any) -> int:
    """Returns the length of the first list of several; 0 where there is none, since a check of them follows."""
    return count(values[0]) if isinstance(values, Sequence) and values else 0


def numbered(word: str, number: int) -> list[str]:
    """Returns ["arm 0", "arm 1", …]: for an absurd number only the first, since a check of the number follows."""
    return [f"{word} {index}" for index in range(min(number, MOST_NAMES))]


def fake_classes(num_outputs: int, targets: str) -> list[str] | None:
    """Returns names for generated classes, labels too, or None when values are asked for."""
    return numbered("class", num_outputs) if targets != "values" else None


def gate_inputs(gate: Any) -> int:
    """Returns how many inputs a gate of logic has; what is no word is told by a check that follows."""
    return 1 if gate == "not" else 2


def medmnist_shape(name: Any) -> list[int]:
    """Returns the shape of a MedMNIST set's images. Raises UserError as `facts_of` does."""
    from dlexp.data.formats.medmnist_facts import SIDE, facts_of

    return [facts_of(str(name)).channels, SIDE, SIDE]


def medmnist_classes(name: Any) -> list[str]:
    """Returns the classes, or labels, of a MedMNIST set. Raises UserError as `facts_of` does."""
    from dlexp.data.formats.medmnist_facts import facts_of

    return facts_of(str(name)).class_names


def text_characters(file: str | None) -> list[str]:
    """Returns the characters of a text, each a class. Raises UserError as `text_of` does."""
    from dlexp.data.formats.characters import characters_of, text_of

    return characters_of(text_of(None if file is None else Path(file).expanduser()))


def image_classes(folder: str | None) -> list[str]:
    """Returns the classes of an image folder. Raises UserError as `image_tree` does."""
    from dlexp.data.formats.image_tree import image_tree

    return image_tree(folder).class_names


def table_shape(_parent_: Mapping[str, Any]) -> list[int]:
    """Returns the shape of one sample of an NPZ or CSV. Takes the data's node, and raises UserError as `read_table`."""
    return list(_table(_parent_).shape)


def table_classes(_parent_: Mapping[str, Any]) -> list[str] | None:
    """Returns the class names in an NPZ or CSV, None for values. Takes the data's node, and raises as `read_table`."""
    names = _table(_parent_).class_names
    return None if names is None else list(names)


def table_outputs(_parent_: Mapping[str, Any]) -> int:
    """Returns how many classes or values an NPZ or CSV asks for. Takes the data's node, and raises as `read_table`."""
    table = _table(_parent_)
    shape = table.answer
    if len(shape) > 1 and not (_parent_["fields"] or {}).get("targets"):
        raise UserError(
            f"y has the shape {shape} a sample, and models answer with N×outputs; for one of yours that answers so"
            f" 'data.fields={{targets: {{shape: {shape}, dtype: float32, kind: plain}}}}' states it"
        )
    return int(table.num_outputs)


def _table(node: Mapping[str, Any]) -> Any:
    from dlexp.data.formats.array_files import read_table
    from dlexp.data.formats.reading import reading

    return read_table(node["file"], reading(node))


RESOLVERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        count,
        count_of_first,
        numbered,
        fake_classes,
        gate_inputs,
        image_classes,
        medmnist_classes,
        medmnist_shape,
        table_shape,
        table_classes,
        table_outputs,
        text_characters,
    )
}
