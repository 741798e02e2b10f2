"""show what was trained, with its state and best validation: list [FOLDER]"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlexp.commands import CommandParser
from dlexp.console.tables import line, width_of, wrapped
from dlexp.console.training_progress import format_seconds
from dlexp.console.wording import gap, number, printable, printable_json, told_gap
from dlexp.records.naming import OUTPUTS

if TYPE_CHECKING:
    from dlexp.report.reading.listing import Entry, Question

PLAIN_WIDTH = 80  # off a terminal
STYLES = {"failed": "red", "died": "red", "running": "green", "pending": "green"}
# Years are told of what is so old.
YEAR = timedelta(days=300)


def parser() -> CommandParser:
    """Returns what reads the command's words."""
    parser = CommandParser("list", __doc__)
    told = "a folder of runs and sweeps, by default outputs/; the newest of them stands last, runs of a sweep by name"
    parser.add_argument("folder", metavar="FOLDER", type=Path, nargs="?", default=OUTPUTS, help=told)
    told = "only runs with this setting, or one of several: model=cnn,vgg16; may be given more than once"
    parser.add_argument("--where", metavar="KEY=VALUE", action="append", default=[], help=told)
    told = "show this metric, such as val/loss, the best run first; seconds: the fastest; what is not finished last"
    parser.add_argument("--sort", metavar="METRIC", help=told)
    parser.add_argument("--json", action="store_true", help="for programs: a list with an object a run")
    return parser


def main(words: list[str]) -> int:
    """Prints the runs of a folder; returns 0."""
    options = parser().parse_args(words)
    from dlexp.report.reading.listing import questions, read_list

    entries, troubles = read_list(options.folder.expanduser(), options.where, options.sort)
    if options.json:
        print(printable_json([_as_data(each) for each in entries], indent=2))
        return 0
    is_terminal = sys.stdout.isatty()
    space = shutil.get_terminal_size().columns if is_terminal else PLAIN_WIDTH
    asked = questions(options.folder.expanduser()) if options.sort is None else {}
    lines = list(_table(entries, asked, space, is_flat=options.sort is not None))
    lines += [] if options.where else _of_found_runs(asked, space)
    if troubles:
        lines.append(("", ""))
    lines += [(text, "red") for each in troubles for text in wrapped(_shown(f"{each.folder} {each.reason}"), space)]
    if not is_terminal:
        print("\n".join(text for text, _ in lines))
        return 0
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False).print(Text("\n").join(Text(text, style) for text, style in lines), soft_wrap=True)
    return 0


def _table(
    entries: Sequence[Entry], asked: Mapping[Path, Question], space: int, *, is_flat: bool
) -> Iterator[tuple[str, str]]:
    """Yields lines, each with the style that a terminal shows it in."""
    metrics = list(dict.fromkeys(each.metric for each in entries if each.metric))
    head = ["when", "state", metrics[0] if len(metrics) == 1 else "best val", "gap", "time", "MB"]
    cells = [_cells(each, tells_metric=len(metrics) > 1) for each in entries]
    if not any(row[3] for row in cells):  # nobody evaluated the training samples
        head, *cells = [[*row[:3], *row[4:]] for row in (head, *cells)]
    widths = [max(map(width_of, column)) for column in zip(head, *cells, strict=True)]
    rest = sum(widths) + 2 * len(widths)
    names = [_name(each, is_flat=is_flat) for each in entries]
    wide = max(min(max(width_of(name) for name in [*names, "run"]), space - rest), 8)
    right = {*range(3, len(head) + 1)}
    yield line(["run", *head], [wide, *widths], right), "bold"
    group, shared = None, ""
    for each, name, row in zip(entries, names, cells, strict=True):
        if each.group != group and not is_flat:
            group = each.group
            members = [other for other in entries if other.group == group]
            notes = {_note(other) for other in members}
            shared = notes.pop() if group is not None and len(notes) == 1 else ""
            for text in _wrapped([_shown(word) for word in (*_in_sum(members), shared) if word], space):
                yield text, "bold"
            if group is not None and group in asked:
                yield from _in_words(asked[group], space)
        style = STYLES.get(each.run.status, "")
        if width_of(name) > wide:
            yield name, style  # whole, so that it can be copied
            name = ""
        yield line([name, *row], [wide, *widths], right), style
        indent = " " * (4 + 2 * (each.group is not None and not is_flat))
        remarks = [_shown(word) for word in _remarks(each) if word and word != shared]
        for text in _wrapped(remarks, space - len(indent)):
            yield indent + text, "dim"


def _in_words(asked: Question, space: int) -> Iterator[tuple[str, str]]:
    """Yields what a comparison asks, and where those of its final runs lie that it found in other folders."""
    for text in wrapped(_shown(f"compare {asked.words}"), space - 4):
        yield f"    {text}", "dim"
    for folder, count in asked.elsewhere.items():
        runs = f"{count} final run{'s' * (count != 1)}"
        for text in wrapped(_shown(f"{runs} of it {'lie' if count != 1 else 'lies'} in {folder}"), space - 4):
            yield f"    {text}", "dim"


def _of_found_runs(asked: Mapping[Path, Question], space: int) -> Iterator[tuple[str, str]]:
    """Yields the comparisons that no run of their own stands for."""
    for folder, question in asked.items():
        if question.is_bare and question.elsewhere:
            for text in _wrapped([_shown(f"{folder.as_posix()}/"), "a comparison of runs that were there"], space):
                yield text, "bold"
            yield from _in_words(question, space)


def _cells(entry: Entry, *, tells_metric: bool) -> list[str]:
    value = "-" if entry.value is None else number(entry.value, entry.facts)
    if tells_metric and entry.value is not None:
        value = f"{(entry.metric or '').partition('/')[2]} {value}"
    seconds = "-" if entry.run.seconds is None else format_seconds(entry.run.seconds)
    told = told_gap(entry.run.metrics, (entry.metric or "").partition("/")[2], entry.facts) or ""
    return [_when(entry.run.started), entry.state, value, told, seconds, _size(entry.megabytes)]


def _name(entry: Entry, *, is_flat: bool) -> str:
    """Returns the name of a run, further in the more it belongs to what stands above it."""
    if is_flat:
        return _shown(entry.run.folder)
    return "  " * ((entry.group is not None) + (entry.repeats is not None)) + _shown(entry.run.name)


def _remarks(entry: Entry) -> list[str]:
    """Returns what is said of a run besides its figures: what it differs in, a note, and why it failed."""
    again = [f"again {entry.repeats}"] if entry.repeats is not None else []
    error = [entry.run.error] if entry.run.error and entry.run.status == "failed" else []
    return [*again, *entry.words, _note(entry), *error]


def _note(entry: Entry) -> str:
    return f"“{entry.run.entry['note']}”" if entry.run.entry.get("note") else ""


def _in_sum(members: Sequence[Entry]) -> list[str]:
    """Returns what is said of a folder of runs; nothing of the one that is listed."""
    if members[0].group is None:
        return []
    done, size = sum(each.run.is_finished for each in members), sum(each.megabytes for each in members)
    count = f"{len(members)} run{'s' * (len(members) != 1)}, {done} done, {_size(size)} MB"
    return [f"{members[0].group.as_posix()}/", count]


def _wrapped(words: Sequence[str], space: int) -> Iterator[str]:
    """Yields words in lines; one that is longer than a line is cut, between its own words where it has any."""
    text = ""
    for piece in (piece for word in words for piece in _pieces(word, space)):
        if text and width_of(text) + 2 + width_of(piece) > space:
            yield text
            text = ""
        text = f"{text}  {piece}" if text else piece
    if text:
        yield text


def _pieces(word: str, space: int) -> Iterator[str]:
    while width_of(word) > space:
        end = next(end for end in range(len(word), 0, -1) if width_of(word[:end]) <= space)
        end = word.rfind(" ", 1, end + 1) if " " in word[1:end] else end
        yield word[:end].rstrip()
        word = word[end:].lstrip()
    yield word


def _when(started: str) -> str:
    """Returns a time as it is here: without the year, or of an older run without the hour."""
    try:
        time = datetime.fromisoformat(started).astimezone()
    except (ValueError, OverflowError, OSError):  # a stranger's
        return "-"
    is_old = abs(datetime.now(time.tzinfo) - time) > YEAR
    return time.strftime("%Y-%m-%d" if is_old else "%m-%d %H:%M")


def _size(megabytes: float) -> str:
    return f"{megabytes:.1f}" if megabytes < 9.95 else f"{megabytes:.0f}"


def _shown(text: object) -> str:
    """Returns a text as a terminal can show it, in one line."""
    return printable(" ".join(str(text).split()))


def _as_data(entry: Entry) -> dict[str, Any]:
    """Returns an entry as JSON holds it: metrics as they are in files, times by keys that begin with `seconds`."""
    run = entry.run
    return {
        "folder": run.folder.as_posix(),
        "group": None if entry.group is None else entry.group.as_posix(),
        "name": run.name,
        "state": entry.state,
        "started": run.started,
        "seed": run.seed,
        "words": entry.words,
        "repeats": entry.repeats,
        "note": run.entry.get("note"),
        "parent": run.entry.get("parent"),
        "metric": entry.metric,
        "value": entry.value,
        "gap": gap(run.metrics, (entry.metric or "").partition("/")[2], entry.facts),
        "megabytes": round(entry.megabytes, 3),
        "error": run.error,
        "seconds": run.seconds,
    }
