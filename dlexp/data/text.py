"""A text as rows of characters: one's own file, or the topics of Python's help."""

from pathlib import Path
from typing import Annotated

import torch

from dlexp.data.formats.characters import characters_of, text_of
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError
from dlexp.ranges import Range


def text(
    *, file: str | None, length: Annotated[int, Range(ge=2)], test_size: Annotated[float, Range(ge=0, lt=1)]
) -> Splits:
    """Returns rows of tokens N×length (int64), one after the other; the test split is the last part of it (0: none).

    A token is the number of a character in the order of their code points; the last token stands for what is hidden.
    Raises UserError where the file can't be read as UTF-8, or is too short.
    """
    words = text_of(None if file is None else Path(file).expanduser())
    number = {character: index for index, character in enumerate(characters_of(words))}
    tokens = torch.tensor([number[character] for character in words], dtype=torch.int64)
    rows = tokens[: len(tokens) // length * length].view(-1, length)
    num_test = round(test_size * len(rows))
    if test_size == 0 and len(rows):
        return Splits(train=Split(rows), test=None)
    if not 0 < num_test < len(rows):
        raise UserError(f"data=text has {len(words)} characters, too few for splits of rows of data.length={length}")
    return Splits(train=Split(rows[:-num_test].clone()), test=Split(rows[-num_test:].clone()))
