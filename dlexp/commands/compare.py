"""train arms with the same seeds and trials, and say which is better: compare optimizer=sgd,adam OVERRIDES…"""

import re
import textwrap
from pathlib import Path

from dlexp.commands import CommandParser, report
from dlexp.config.help import WIDTH
from dlexp.errors import UserError

EPILOG = """\
besides the settings of a run:
  KEY=a,b,c             each value is an arm, several keys each combination
  seeds=5               seeds of each arm, or a list: seeds=1,2,3  [5]
  tune=KEY              each arm tunes it: from a thirtieth of its own value to 30
                        times that, or 'KEY=tag(log,interval(1e-4,1))'
  trials=8              settings that each arm tries, on validation alone
  margin=0.5            the smallest difference that counts (points of %)
  hypothesis="…"        stands in the report as typed
  against=ARM           what the others are compared with [the first]
  size=small            of a stored question; size=full
  dry_run=true          tells what it takes, and trains none of it"""


def parser() -> CommandParser:
    """Returns what reads the command's words."""
    import argparse

    parser = CommandParser("compare", __doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.own_words = (*re.findall(r"^  (\w+)=", EPILOG, re.MULTILINE), "picture", "question")
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="a stored question (none: they are listed), and what is changed of it"
    )
    return parser


def main(words: list[str]) -> int:
    """Compares what the words name; without any, lists the stored questions."""
    options = parser().parse_overrides(words)
    if not options.words:
        return _list(options.config_dir)
    from dlexp.compare.question import ask
    from dlexp.console.streams import log_to_console

    log_to_console()
    question = ask(options.words, options.config_dir)
    from dlexp.api import alone
    from dlexp.compare.compare import compare

    with alone():
        code, folder = compare(question)
    return code if folder is None else report.main([str(folder)]) or code


def _list(folders: list[Path]) -> int:
    from dlexp.compare.study import questions

    found = questions(folders)
    if not found:
        raise UserError("no question is stored; python -m dlexp compare optimizer=sgd,adam … asks one")
    width = max(len(name) for name, _, _ in found) + 2
    for name, question, minutes in found:
        text = f"{name:<{width}}{question}{f' ({minutes:g} min)' if minutes else ''}"
        print(textwrap.fill(text, WIDTH, subsequent_indent=" " * width, break_on_hyphens=False))
    print("compare NAME answers one; words behind it change anything: seeds=5, size=full")
    return 0
