"""The commands, a file each; here stands what reads their words."""

import argparse
from typing import NoReturn

from dlexp.errors import UserError


class CommandParser(argparse.ArgumentParser):
    """Answers `--help` with what a command is for, and raises UserError for words it can't use.

    `about` begins with a line on what the command does, of which a colon and how it is typed are left out.
    """

    def __init__(self, command: str, about: str | None) -> None:
        what = (about or "").splitlines()[0].partition(": ")[0]
        super().__init__(prog=f"dlexp {command}", description=f"{what[:1].upper()}{what[1:]}.", allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raises the message, which argparse would print under the usage."""
        raise UserError(f"{self.prog.removeprefix('dlexp ')}: {message} (see {self.prog} --help)")
