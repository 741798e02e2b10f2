"""find a learning rate or a batch size by trying: find lr OVERRIDES… or find batch_size OVERRIDES…"""

import argparse
from typing import TYPE_CHECKING, Any

from dlexp.commands import CommandParser
from dlexp.console.tables import line as row
from dlexp.errors import UserError, closest

if TYPE_CHECKING:
    from dlexp.config.composed import Composed

FINDS = ("lr", "batch_size")


def main(words: list[str]) -> int:
    """Finds what a word names, for the experiment that the others compose; 1 when nothing was found."""
    what = next((word for word in words if word in FINDS), None)
    if what is None and {"--help", "-h"} & set(words):
        for what in FINDS:
            parser(what).print_help()
        return 0
    if what is None:
        known = {**{name: name for name in FINDS}, "learning_rate": "lr", "bs": "batch_size"}
        meant = closest(words[0], known) if words else None
        near = f" Did you mean '{known[meant]}'?" if meant else ""
        typed = f"find can't find '{words[0]}'.{near} It" if words else "find"
        raise UserError(f"{typed} takes lr or batch_size, then the overrides of a run: find lr model=cnn data=mnist")
    words = list(words)
    words.remove(what)
    options = parser(what).parse_overrides(words)
    composed = _checked(options)
    name = composed.choices.get("experiment") or f"{composed.choices['model']}-{composed.choices['data']}"
    return (_find_lr if what == "lr" else _find_batch_size)(options, composed, name)


def parser(what: str) -> CommandParser:
    """Returns what reads the words after the first, which is one of FINDS."""
    number, count = _number(float, "a number above 0"), _number(int, "a whole number above 0")
    about = {
        "lr": "trains while the learning rate grows, and reads from the loss where it should be",
        "batch_size": "tries growing batch sizes, and tells which fit in memory and how fast they are",
    }
    parser = CommandParser(f"find {what}", about[what])
    parser.add_argument("overrides", nargs="*", help="what is trained, as for a run: model=cnn data=mnist …")
    if what == "lr":
        parser.add_argument("--steps", type=count, default=200, help="optimizer steps of the test [200]")
        parser.add_argument("--low", type=number, help="learning rate of the first step [optimizer.lr / 10000]")
        parser.add_argument("--high", type=number, help="learning rate of the last step [optimizer.lr * 1000]")
    else:
        parser.add_argument("--seconds", type=number, default=10.0, help="no step is tried that would take longer [10]")
    return parser


def _number(kind: Any, words: str) -> Any:
    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"'{text}' must be {words}")
        return value

    return convert


def _checked(options: argparse.Namespace) -> "Composed":
    from dlexp.config.check import check
    from dlexp.config.compose import compose, refuse_what_is_for_runs
    from dlexp.console.streams import log_to_console
    from dlexp.records.naming import OUTPUTS, refuse_files

    log_to_console()
    refuse_files(OUTPUTS)
    composed = compose([*CommandParser.folders(options), *options.overrides])
    refuse_what_is_for_runs(composed, "find")
    check(composed.config, made_from=composed.made_from)
    return composed


def _find_lr(options: argparse.Namespace, composed: "Composed", name: str) -> int:
    from dlexp.find.lr import range_test, said, write
    from dlexp.records.naming import OUTPUTS

    finding = range_test(composed, options.steps, options.low, options.high)
    folder = write(finding, OUTPUTS, name, options.overrides)
    for line in said(finding):
        print(line)
    print(f"picture and numbers   {folder}")
    return 0 if finding.reading.descends else 1


def _find_batch_size(options: argparse.Namespace, composed: "Composed", name: str) -> int:
    from dlexp.find.batch_size import search
    from dlexp.find.trial import SHARE_OF_CPU, Trial, attempt
    from dlexp.machine.device import select_device
    from dlexp.machine.memory import available_bytes

    config = composed.config
    device = select_device(config["device"])
    room = int(SHARE_OF_CPU * available_bytes()) if device.type == "cpu" else None
    widths, right = (10, 9, 9), (0, 1, 2)
    print(row(("batch_size", "memory", "samples/s"), widths, right))

    def shown(size: int) -> Trial | None:
        trial = attempt(config, size, room)
        if trial is None:
            print(f"{size:>10}  does not fit", flush=True)
        else:
            memory, speed = f"{trial.memory / 1e9:.2f} GB", f"{trial.samples_per_second:,.0f}"
            print(row((str(trial.batch_size), memory, speed), widths, right), flush=True)
        return trial

    found = search(shown, options.seconds)
    if found.is_whole_split:
        largest = f"all {found.largest.num_samples:,} training samples in one batch"
    elif found.too_slow is None:
        largest = "the largest that fits" + ("" if room is None else f" in {room / 1e9:.1f} GB")
    else:
        largest = f"the largest tried: a step with {found.too_slow} takes more than {options.seconds:g} s (--seconds)"
    print(f"batch_size={found.largest.batch_size}   {largest}")
    print(f"batch_size={found.fastest.batch_size}   the smallest within 5 % of the best speed")
    print("a learning rate belongs to its batch size: python -m dlexp find lr batch_size=… finds one")
    return 0
