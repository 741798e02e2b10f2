"""Facts of a data set that its YAML cannot know, for interpolation: `${image_classes:${data.folder}}`.

Plain functions; who composes the config registers them as resolvers. Nothing here imports torch, and what
reads files is imported when it is asked.
"""

from collections.abc import Callable, Sized
from pathlib import Path
from typing import Any

MOST_NAMES = 100_000


def count(values: Sized | None) -> int:
    """Returns the length of a list; 0 for null."""
    return 0 if values is None else len(values)


def numbered(word: str, number: int) -> list[str]:
    """Returns ["arm 0", "arm 1", …]: for an absurd number only the first, since a check of the number follows."""
    return [f"{word} {index}" for index in range(min(number, MOST_NAMES))]


def fake_classes(num_outputs: int, targets: str) -> list[str] | None:
    """Returns names for generated classes, labels too, or None when values are asked for."""
    return numbered("class", num_outputs) if targets != "values" else None


def text_characters(file: str | None) -> list[str]:
    """Returns the characters of a text, each a class. Raises UserError as `text_of` does."""
    from dlexp.data.formats.characters import characters_of, text_of

    return characters_of(text_of(None if file is None else Path(file).expanduser()))


def image_classes(folder: str | None) -> list[str]:
    """Returns the classes of an image folder. Raises UserError as `image_tree` does."""
    from dlexp.data.formats.image_tree import image_tree

    return image_tree(folder).class_names


def table_shape(*settings: Any) -> list[int]:
    """Returns the shape of one sample of an NPZ or CSV. Takes what `read_table` takes, and raises UserError as it."""
    from dlexp.data.formats.array_files import read_table

    return read_table(*settings).shape


def table_classes(*settings: Any) -> list[str] | None:
    """Returns the class names in an NPZ or CSV, None for values. Takes what `read_table` takes, and raises as it."""
    from dlexp.data.formats.array_files import read_table

    return read_table(*settings).class_names


def table_outputs(*settings: Any) -> int:
    """Returns how many classes or values an NPZ or CSV asks for. Takes what `read_table` takes, and raises as it."""
    from dlexp.data.formats.array_files import read_table

    return read_table(*settings).num_outputs


RESOLVERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        count,
        numbered,
        fake_classes,
        image_classes,
        table_shape,
        table_classes,
        table_outputs,
        text_characters,
    )
}
