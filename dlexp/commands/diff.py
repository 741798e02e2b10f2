"""show how two runs differ, and the first epoch at which they part: diff RUN RUN"""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from dlexp.commands import CommandParser
from dlexp.errors import UserError, as_typed, listed
from dlexp.records.folder import ENVIRONMENT, runs_in
from dlexp.records.metrics import read_epochs
from dlexp.records.run_json import read_json

FINGERPRINTS = ("fingerprint/batch", "fingerprint/weights")


def parser() -> CommandParser:
    """Returns what reads the command's words."""
    parser = CommandParser("diff", __doc__)
    parser.add_argument("one", metavar="RUN", type=Path, help="the folder of a run, or of a sweep")
    parser.add_argument("other", metavar="RUN", type=Path, help="the folder of another; of two sweeps, runs by name")
    return parser


def main(words: list[str]) -> int:
    """Prints the differences of config, environment, code and training, of two sweeps for each run that both have;
    having some is no error.
    """
    options = parser().parse_args(words)
    folders = options.one, options.other
    one, other = ({run.name: run for run in runs_in(folder)} for folder in folders)
    if not one and not other:
        return diff(*folders)
    if not one or not other:
        sweep, single = folders if one else reversed(folders)
        _read(single)
        raise UserError(
            f"{sweep} holds several runs, and {single} is one: take {listed(list((one or other).values()))}"
        )
    for folder, own, others in ((folders[0], one, other), (folders[1], other, one)):
        if alone := [name for name in own if name not in others]:
            print(f"only in {folder}: {', '.join(alone)}")
    both = [name for name in one if name in other]
    if not both:
        raise UserError(f"no run in {folders[0]} has the name of one in {folders[1]}: type the folders of two runs")
    for name in both:
        print(f"{name}:")
        diff(one[name], other[name])
    return 0


def diff(folder: Path, another: Path) -> int:
    """Prints the differences of two runs; returns 0. Raises UserError where one of the folders is none of a run."""
    one, other = _read(folder), _read(another)
    for part in ("config", "environment", "code"):
        lines = list(differences(one[part], other[part]))
        print(f"{part}: {'' if lines else 'the same'}".rstrip())
        for key, before, after in lines:
            print(f"  {key}: {as_typed(before)} → {as_typed(after)}")
    print(f"training: {parting(one['metrics'], other['metrics'])}")
    return 0


def _read(folder: Path) -> dict[str, Any]:
    from dlexp.config.stored import stored_run

    config, entry = stored_run(folder)
    try:
        environment = read_json(folder / ENVIRONMENT)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / ENVIRONMENT} can't be read: {' '.join(str(error).split())}") from error
    code = {"fingerprint": entry.get("code")}
    return {"config": config, "environment": environment, "code": code, "metrics": read_epochs(folder)}


def differences(one: Any, other: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields (dotted key, value here, value there) for every value that differs."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in dict.fromkeys([*one, *other]):
            yield from differences(one.get(name), other.get(name), f"{key}.{name}" if key else str(name))
    elif one != other:
        yield key, one, other


def parting(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> str:
    """Returns in words where two trainings part, from the fingerprints of each epoch."""
    for number, (left, right) in enumerate(zip_longest(one, other), start=1):
        if left is None or right is None:
            return f"the same through epoch {number - 1}, where the {'first' if left is None else 'second'} one ends"
        if any(name not in row for row in (left, right) for name in FINGERPRINTS):
            return f"epoch {number} has no fingerprints to compare"
        batch, weights = (left[name] == right[name] for name in FINGERPRINTS)
        if not (batch and weights):
            what = "weights" if batch else "first batch" if weights else "first batch and weights"
            same = f"the same through epoch {number - 1}; " if number > 1 else ""
            losses = f"training loss {left['train/loss']} → {right['train/loss']}"
            return f"{same}in epoch {number} the {what} differ, {losses}"
    return f"the same in all {len(one)} epochs, bit for bit"
