"""The commands, a file each; here stands what reads their words."""

import argparse
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

from dlexp.config.meant import piece, typed
from dlexp.config.words import SWEEP_FLAGS, read
from dlexp.errors import UserError, closest, listed


def _own_folder(name: str) -> Path:
    return read(["--config-dir", name]).folders[0]


class CommandParser(argparse.ArgumentParser):
    """Answers `--help` with what a command is for, and raises UserError for words it can't use.

    `about` begins with a line on what the command does, of which a colon and how it is typed are left out.
    """

    def __init__(self, command: str, about: str | None) -> None:
        what = (about or "").splitlines()[0].partition(": ")[0]
        super().__init__(prog=f"dlexp {command}", description=f"{what[:1].upper()}{what[1:]}.", allow_abbrev=False)
        self.own_words: Collection[str] = ()  # what the command is told as key=value besides settings
        self._typed: Sequence[str] = ()
        told = "your own folder of options; a run's config holds what it took from one"
        self.add_argument(
            "--config-dir", "-cd", metavar="DIR", type=_own_folder, action="append", default=[], help=told
        )

    def _piece(self, words: Sequence[str]) -> tuple[int, str | None]:
        """Returns how many words are one setting typed as a flag, and how it is typed (see `piece`)."""
        key, equals, value = words[0].lstrip("-").partition("=")
        if key in self.own_words:
            return (1, typed(key, value)) if equals else (2, typed(key, "".join(words[1:2]) or None))
        return piece(words, {})

    @staticmethod
    def folders(options: argparse.Namespace) -> list[str]:
        """Returns the folders of a person's own options as the words that name them."""
        return [word for folder in options.config_dir for word in ("--config-dir", str(folder))]

    def parse_overrides(self, words: Sequence[str]) -> argparse.Namespace:
        """Parses words of which most are overrides, in any order."""
        self._typed = words
        return self.parse_intermixed_args(words)

    def error(self, message: str) -> NoReturn:
        """Raises the message, which argparse would print under the usage; a setting typed as a flag gets its word."""
        command = self.prog.removeprefix("dlexp ")
        if "arguments are required" in message:
            words = re.sub(r" \[.*?\]", "", " ".join(self.format_usage().split())).removeprefix("usage: ")
            raise UserError(f"{command} wants more words: it is typed python -m {words} (see {self.prog} --help)")
        unknown = message.partition("unrecognized arguments: ")[2].split()
        if sweeps := [word for word in unknown if word in SWEEP_FLAGS]:
            raise UserError(f"{sweeps[0]} starts a sweep of trainings; {command} is typed without it")
        if unknown and not any(word.startswith("-") for word in unknown):
            words = re.sub(r" \[-.*?\]", "", " ".join(self.format_usage().split())).removeprefix("usage: ")
            raise UserError(f"{listed(unknown)} is too much: {command} is typed python -m {words}")
        own = re.findall(r"--[a-z-]+", self.format_usage())
        near = {word: meant for word in unknown if word.startswith("--") and (meant := closest(word, own))}
        if near:
            raise UserError(*(f"{word} is no flag of {self.prog}; did you mean {near[word]}?" for word in near))
        places = [place for place, word in enumerate(self._typed) if word in unknown and word.startswith("-")]
        pieces = [(place, *self._piece(self._typed[place:])) for place in places]
        if found := [f"{' '.join(self._typed[at : at + n])} is typed {right}" for at, n, right in pieces if right]:
            raise UserError(*found)
        raise UserError(f"{command}: {message} (see {self.prog} --help)")
