"""How far a long step before training is: a bar on a terminal, a line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

Report = Callable[[int, int | None], None]
SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(label: str, *, unit: str) -> Iterator[Report]:
    """Yields a function to be called with (done, total or None). unit: "bytes" or a plural noun."""
    if sys.stderr is not None and sys.stderr.isatty():
        with _bar(label, unit) as report:
            yield report
    else:
        yield _lines(label, unit)


@contextmanager
def _bar(label: str, unit: str) -> Iterator[Report]:
    from rich import progress as bars
    from rich.console import Console

    amounts = [bars.DownloadColumn(), bars.TransferSpeedColumn()] if unit == "bytes" else [bars.MofNCompleteColumn()]
    columns = [bars.TextColumn("{task.description}"), bars.BarColumn(), *amounts, bars.TimeRemainingColumn()]
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield report


def _lines(label: str, unit: str) -> Report:
    last = time.monotonic()

    def report(done: int, total: int | None) -> None:
        nonlocal last
        finished = total is not None and done >= total
        if not finished and time.monotonic() - last < SECONDS_BETWEEN_LINES:
            return
        last = time.monotonic()
        share = "" if not total else f" ({100 * done // total} %)"
        log.info("%s: %s%s", label, f"{done / 1e6:.1f} MB" if unit == "bytes" else f"{done} {unit}", share)

    return report
