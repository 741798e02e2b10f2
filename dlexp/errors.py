"""The one exception that becomes a sentence; every other exception is a bug and keeps its traceback."""

import difflib
from collections.abc import Iterable, Sequence


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


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Returns the candidate that was probably meant, if any.

    Of equally close ones the one with the same letters wins: `vgg61` means vgg16, not vgg19.
    """
    close = difflib.get_close_matches(word, list(candidates), n=5, cutoff=0.6)
    same_letters = [each for each in close if sorted(each) == sorted(word)]
    return next(iter(same_letters or close), None)
