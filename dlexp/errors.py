"""The one exception that becomes a sentence; every other exception is a bug and keeps its traceback."""

import difflib
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class UserError(Exception):
    """A person's mistake: what is wrong, where, and what would work. Each of several problems is an argument."""

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, a sentence each."""
        return [str(problem) for problem in self.args]

    def __str__(self) -> str:
        if len(self.args) == 1:
            return self.problems[0]
        return "\n  - ".join([f"{len(self.args)} things are wrong:", *self.problems])


class RefusedError(UserError):
    """A mistake that shows when a run begins, before anything was trained: nothing of such a run is worth keeping."""


class UnreadableError(UserError):
    """Samples that can't be read any more while a model trains: what was trained until then is worth saving."""


def listed(words: Sequence[object], most: int = 8) -> str:
    """Returns the first words, and `…` for the others."""
    return ", ".join(map(str, words[:most])) + ", …" * (len(words) > most)


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?` for the closest candidate, or an empty string."""
    meant = closest(word, candidates)
    return f" Did you mean '{meant}'?" if meant else ""


def near_path(missing: Path, beside: Iterable[Path]) -> str:
    """Returns ` Did you mean 'outputs/mlp'?` for the path beside one that is missing whose name is closest, if any."""
    meant = closest(missing.name, [each.name for each in beside])
    return f" Did you mean '{missing.parent / meant}'?" if meant else ""


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Returns the candidate that was probably meant, if any.

    The same but for capitals and strokes (`VGG16`, `cifar-10`), else the only one that begins so (`acc`), else the most
    similar, else one that it is part of (`f1`). Of equally close ones the one with the same letters wins: `vgg61` means
    vgg16, not vgg19, and `rl` lr.
    """
    names = {plain(each): each for each in candidates}
    own = plain(word)
    begun = [each for each in names if own and each.startswith(own)]
    if own in names or len(begun) == 1:
        return names[own if own in names else begun[0]]
    close = difflib.get_close_matches(own, names, n=5, cutoff=0.6)
    same_letters = [each for each in close or names if sorted(each) == sorted(own)]
    within = [each for each in names if len(own) > 1 and own in each]
    found = next(iter(same_letters or close or within), None)
    return None if found is None else names[found]


def plain(word: str) -> str:
    """Returns a word without capitals and strokes, which people remember worst."""
    return re.sub(r"[-_ ]", "", word).lower()


def as_typed(value: Any) -> str:
    """Returns a value as it is typed: true, null, [3,64,64]."""
    if isinstance(value, list):
        return f"[{','.join(map(as_typed, value))}]"
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def to_type(word: str) -> str:
    """Returns a word as it is typed in a shell: in quotes where that would change it, `'data.shape=[3,64,64]'`."""
    if re.fullmatch(r"[\w@%+=:,./-]+", word):
        return word
    quotes = "'" if "'" not in word else None if re.search(r'["$`!]|\\$', word) else '"'
    return shlex.quote(word) if quotes is None else f"{quotes}{word}{quotes}"
