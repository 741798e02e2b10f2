"""The commands, a file each; here stands what reads their words."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from dlexp.config.meant import piece
from dlexp.errors import UserError


class CommandParser(argparse.ArgumentParser):
    """Answers `--help` with what a command is for, and raises UserError for words it can't use.

    `about` begins with a line on what the command does, of which a colon and how it is typed are left out.
    """

    def __init__(self, command: str, about: str | None) -> None:
        what = (about or "").splitlines()[0].partition(": ")[0]
        super().__init__(prog=f"dlexp {command}", description=f"{what[:1].upper()}{what[1:]}.", allow_abbrev=False)

        self._typed: Sequence[str] = ()

    def parse_overrides(self, words: Sequence[str]) -> argparse.Namespace:
        """Parses words of which most are overrides, in any order."""
        self._typed = words
        return self.parse_intermixed_args(words)

    def error(self, message: str) -> NoReturn:
        """Raises the message, which argparse would print under the usage; a setting typed as a flag gets its word."""
        unknown = message.partition("unrecognized arguments: ")[2].split()
        places = [place for place, word in enumerate(self._typed) if word in unknown and word.startswith("-")]
        pieces = [(place, *piece(self._typed[place:], {})) for place in places]
        if found := [f"{' '.join(self._typed[at : at + n])} is typed {typed}" for at, n, typed in pieces if typed]:
            raise UserError(*found)
        raise UserError(f"{self.prog.removeprefix('dlexp ')}: {message} (see {self.prog} --help)")
