"""The one exception that becomes a sentence; every other exception is a bug and keeps its traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A person's mistake: what is wrong, where, and what would work. Takes one message, so it crosses processes."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?` for the closest candidate, or an empty string."""
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
