"""What is typed of a comparison and lost on the way: words said twice, without their quotes, two questions at once."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlexp.compare.said import KINDS, TEXTS, key_of
from dlexp.config import registry
from dlexp.config.meant import is_word
from dlexp.errors import UserError, to_type


def refuse_strays(said: Sequence[str], name: str | None, folders: Sequence[Path]) -> None:
    """Raises UserError where what is said of the comparison is said twice or lost its quotes, or two are named."""
    problems = repeated([word for word in said if key_of(word) in (*KINDS, "size")])
    for word, strays in _with_strays(said):
        key, equals, value = word.partition("=")
        if equals and key in TEXTS and strays:
            problems.append(f"{' '.join([word, *strays])} is typed {key}={to_type(' '.join([value, *strays]))}")
        elif not equals and name is not None and not strays and word in registry.studies(folders):
            problems.append(f"{name} and {word} are two questions; ask one at a time")
    if problems:
        raise UserError(*problems)


def repeated(said: Sequence[str]) -> list[str]:
    """Returns a sentence for each key that words name more than once."""
    by_key: dict[str, list[str]] = {}
    for word in said:
        by_key.setdefault(key_of(word), []).append(to_type(word))
    return [
        f"{key} is typed more than once ({' '.join(its)}), and only one of them can be meant"
        for key, its in by_key.items()
        if len(its) > 1
    ]


def _with_strays(said: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yields each word, with those behind it that are no words of their own."""
    for place, word in enumerate(said):
        yield word, list(itertools.takewhile(lambda each: not is_word(each), said[place + 1 :]))
