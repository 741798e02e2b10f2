"""tell what runs say together: arms, differences, a verdict, a page: report FOLDER…"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dlexp.commands import CommandParser
from dlexp.errors import UserError, to_type

if TYPE_CHECKING:
    from dlexp.report.answer import Answer

FLAGS = {
    "--rows": ("KEY", "a table of means with a row for each value of this setting, such as optimizer.lr"),
    "--columns": ("KEY", "and a column for each value of this one"),
    "--metric": ("METRIC", "what is compared: accuracy, val/loss [what chose the epochs, on the test set]"),
    "--against": ("ARM", "the arm that all others are compared with [the first one]"),
}


def parser() -> CommandParser:
    """Returns what reads the command's words."""
    parser = CommandParser("report", __doc__)
    told = "folders of runs, sweeps or comparisons, or of those; nothing in a run's folder is changed"
    parser.add_argument("folders", metavar="FOLDER", type=Path, nargs="+", help=told)
    for flag, (kind, about) in FLAGS.items():
        parser.add_argument(flag, metavar=kind, help=about)
    told = "differences up to this do not matter: in points of a metric in per cent, 0.5, else in its unit"
    parser.add_argument("--margin", metavar="X", type=_number, help=told)
    told = "count only such runs, optimizer.lr=0.1 or optimizer=sgd,adam; may be typed several times"
    parser.add_argument("--where", metavar="KEY=VALUE", action="append", default=[], help=told)
    told = "tell when validation first reached this value: 95 of a metric in per cent"
    parser.add_argument("--reach", metavar="VALUE", type=_number, help=told)
    parser.add_argument("--all-pairs", action="store_true", help="compare every arm with every other one")
    told = "where the files go [report/ in the folder]; they replace those of an older report alone"
    parser.add_argument("--out", metavar="FOLDER", type=Path, help=told)
    told = "print all numbers as JSON and nothing else; files are written only with --out"
    parser.add_argument("--json", action="store_true", help=told)
    return parser


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return value


def main(words: list[str]) -> int:
    """Prints the report of some folders and writes its files."""
    options = parser().parse_intermixed_args(words)
    from dlexp.report.making import make_answer
    from dlexp.report.tables import cross_table
    from dlexp.report.writing import place_of, with_curves_checked, write

    _refuse_options(options)
    folders = list(dict.fromkeys(folder.expanduser() for folder in options.folders))
    asked = ("metric", "against", "margin", "where", "rows", "columns", "reach", "all_pairs")
    answer = make_answer(folders, **{name: getattr(options, name) for name in asked})
    cross_table(answer)  # raises, where no such table can be made
    out = None if options.json and options.out is None else place_of(folders, options.out and options.out.expanduser())
    if not options.json or options.reach is not None:  # else nobody asks for the curves, which takes longest
        answer = with_curves_checked(answer)
    is_read_along = sys.stdout.isatty()  # pictures take longer than all else; a reader such as `| head` may go before
    if not options.json and is_read_along:
        _show(answer)
    try:
        written = [] if out is None else write(answer, out)
    finally:  # what the runs say is said also where there is no room for its files
        if not options.json and not is_read_along:
            _show(answer)
    if options.json:
        from dlexp.console.wording import printable_json
        from dlexp.report.data import as_data

        print(printable_json(as_data(answer), indent=1))
    elif page := next((path for path in written if path.suffix == ".html"), None):
        print(f"\nreport  {page}")
    return 0


def _refuse_options(options: argparse.Namespace) -> None:
    """Raises UserError for an option typed as a setting, `margin=1`, where no folder is called so."""
    words = [str(folder) for folder in options.folders if "=" in str(folder) and not folder.exists()]
    typed = {word: word.partition("=")[0].lstrip("-").replace("-", "_") for word in words}
    if wrong := [f"{word} is typed --{to_type(word)}" for word, name in typed.items() if name in vars(options)]:
        raise UserError(*wrong)


def _show(answer: "Answer") -> None:
    """Prints a report, at a terminal in bold and grey."""
    from dlexp.report.terminal import lines

    told = list(lines(answer))
    if sys.stdout.isatty():
        from rich.console import Console

        console = Console(highlight=False, soft_wrap=True)
        for text, style in told:
            console.print(text, style=style or None, markup=False)
    else:
        print("\n".join(text for text, _ in told), flush=True)
