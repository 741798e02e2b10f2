"""The entry point: `python -m dlexp` answers --help or runs a command; without a name that is `train`."""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from dlexp.config import registry
from dlexp.config.words import FOLDER_FLAGS
from dlexp.console.exit_code import answering
from dlexp.errors import UserError, did_you_mean


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code: 0, 1 (a mistake or a failed run), 128 + a signal."""
    words = list(sys.argv[1:] if argv is None else argv)
    return answering(lambda: dispatch(words))


def dispatch(words: list[str]) -> int:
    """Runs the command that a word names, dlexp/commands/NAME.py; `train` where none does."""
    name, words = take_command(take_allow(words))
    names = registry.commands()
    if name not in names and {"--help", "-h"} & set(words):
        name, words = "train", ["--help", name]
    if name not in names:
        from dlexp.config import meant
        from dlexp.config.words import read

        if meant.piece([name, *words], registry.groups())[1] is not None:
            read([name, *words])  # raises, with all that is typed so
        raise UserError(
            f"there is no command '{name}'.{did_you_mean(name, names)} Commands: {', '.join(names)};"
            " a training run takes key=value, such as model=vgg16 (see --help)"
        )
    from importlib import import_module

    return int(import_module(f"dlexp.commands.{name}").main(words))


def take_command(words: list[str]) -> tuple[str, list[str]]:
    """Returns the command and the other words: its options may stand before it.

    Without the name of one it is what begins the line, folders of options aside, if that is a plain word, else `train`.
    """
    begins = 0
    while begins < len(words) and words[begins].partition("=")[0] in FOLDER_FLAGS:
        begins += 1 if "=" in words[begins] else 2
    plain = [i for i, word in enumerate(words) if word and "=" not in word and word[0] not in "-~"]  # ~ removes a key
    plain = [i for i in plain if i == 0 or words[i - 1] not in FOLDER_FLAGS]
    names = registry.commands()
    place = next((i for i in plain if words[i] in names), begins if begins in plain else None)
    return ("train", words) if place is None else (words[place], [*words[:place], *words[place + 1 :]])


def take_allow(words: list[str]) -> list[str]:
    """Takes `allow=module` out of the words into the environment, which child processes inherit.

    It is no config key, so that no file can grant it.
    """
    names = [word.removeprefix("allow=") for word in words if word.startswith("allow=")]
    if "" in names:
        raise UserError("allow= names no module: allow=MODULE")
    if names:
        os.environ["DLEXP_ALLOW"] = ",".join([*names, *filter(None, [os.environ.get("DLEXP_ALLOW")])])
    if os.environ.get("DLEXP_ALLOW") and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # `python -m dlexp` has it, the console script has not
    for name in filter(None, ",".join(names).split(",")):
        if find_spec(name.partition(".")[0]) is None:
            raise UserError(f"allow={name}: there is no such module, neither in this folder nor on PYTHONPATH")
    return [word for word in words if not word.startswith("allow=")]


if __name__ == "__main__":
    sys.exit(main())
