"""A text as characters. Imports nothing heavy: facts of a data set are asked for before a run."""

from functools import lru_cache
from pathlib import Path

from dlexp.errors import UserError

MASK = "[MASK]"


@lru_cache(maxsize=2)
def text_of(file: Path | None) -> str:
    """Returns the text of a file in UTF-8; None: the topics of Python's help, about 460,000 characters of English.

    Raises UserError where the file is not there, or no text.
    """
    if file is None:
        from pydoc_data.topics import topics

        return "\n".join(topics[name] for name in sorted(topics))
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"data.file={file} can't be read as text in UTF-8: {error}") from error


def characters_of(text: str) -> list[str]:
    """Returns the characters of a text in the order of their code points, and what stands for a hidden one."""
    return [*sorted(set(text)), MASK]
