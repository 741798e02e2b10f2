"""The one exception that becomes a sentence; every other exception is a bug and keeps its traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A person's mistake: what is wrong, where, and what would work. Takes one message, so it crosses processes."""


class UnreadableError(UserError):
    """Samples that can't be read any more while a model trains: what was trained until then is worth saving."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?` for the closest candidate, or an empty string.

    Of equally close ones the one with the same letters wins: `vgg61` means vgg16, not vgg19.
    """
    close = difflib.get_close_matches(word, list(candidates), n=5, cutoff=0.6)
    same_letters = [each for each in close if sorted(each) == sorted(word)]
    return f" Did you mean '{(same_letters or close)[0]}'?" if close else ""
