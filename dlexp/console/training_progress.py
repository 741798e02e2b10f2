"""How far the run is: a bar on a terminal, one plain line an epoch anywhere else."""

import logging
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TextIO

from dlexp.console.streams import write_line
from dlexp.console.wording import describe
from dlexp.metric import Metric

log = logging.getLogger(__name__)

BAR_INTERVAL, LINE_INTERVAL = 0.1, 0.5  # seconds
SHARE_OF_NEW_PACE, WARMUP_SECONDS = 0.3, 2.0


def make_progress(
    total_epochs: int, steps_per_epoch: int, measures: Mapping[str, Metric], stream: TextIO, samples: str = "samples"
) -> "Progress":
    """Returns a bar on a terminal that can move its cursor, a display in a notebook, else plain lines."""
    if type(stream).__module__ == "ipykernel.iostream":
        return _Notebook(total_epochs, steps_per_epoch, measures, stream, samples)
    if stream.isatty():
        from rich.console import Console

        console = Console(file=stream, highlight=False, markup=False, emoji=False)
        if console.is_terminal and not console.is_dumb_terminal:
            return _Bar(total_epochs, steps_per_epoch, measures, console, samples)
    return Progress(total_epochs, steps_per_epoch, measures, stream, samples)


class _Pace:
    """Seconds a step, smoothed over reports, so that a slow start or a busy minute is forgotten."""

    def __init__(self, total_steps: int) -> None:
        self.total_steps = total_steps
        self.done = 0
        self._before: tuple[int, float] | None = None
        self._seconds: float | None = None

    def reached(self, done: int) -> None:
        now, before, self.done = time.monotonic(), self._before, done
        if before is None or done > before[0]:
            self._before = (done, now)
            if before is not None:
                new = (now - before[1]) / (done - before[0])
                old = new if self._seconds is None else self._seconds
                self._seconds = old + SHARE_OF_NEW_PACE * (new - old)

    def left(self) -> str:
        """Returns the time left in words; empty before there is a pace to tell it from."""
        if self._seconds is None or self.done >= self.total_steps:
            return ""
        return f"{format_seconds(self._seconds * (self.total_steps - self.done))} left"


class Progress:
    """One line an epoch; epochs of under half a second share one, so that a thousand of them stay readable.

    The best of those that share one is shown too, so that the line of the chosen epoch is there.

    The numbers that it is told are those of a metrics record (`train/loss`, …), already on the host.
    """

    def __init__(
        self, total_epochs: int, steps_per_epoch: int, measures: Mapping[str, Metric], stream: TextIO, samples: str
    ) -> None:
        self._measures, self._stream, self._samples = measures, stream, samples
        self._total_epochs, self._steps_per_epoch = total_epochs, steps_per_epoch
        self._pace = _Pace(total_epochs * steps_per_epoch)
        self._last_line = float("-inf")
        self._unseen: Mapping[str, Any] | None = None  # the best epoch, as long as it has no line

    def step(self, epoch: int, step_in_epoch: int, numbers: Mapping[str, Any]) -> None:
        """Tells that `step_in_epoch` steps of `epoch` (both counted from 1) are done."""
        self._pace.reached((epoch - 1) * self._steps_per_epoch + step_in_epoch)

    def epoch(self, record: Mapping[str, Any], *, is_best: bool) -> None:
        """Tells that the epoch `record["epoch"]` is done, with its validation, and whether it is the best so far."""
        self._pace.reached(int(record["epoch"]) * self._steps_per_epoch)
        now = time.monotonic()
        is_due = now - self._last_line >= LINE_INTERVAL or record["epoch"] >= self._total_epochs
        if is_best:
            self._unseen = None if is_due else record
        if is_due:
            self._last_line = now
            self._line(record)

    def _line(self, record: Mapping[str, Any]) -> None:
        self.message(self._said(record, self._pace.left()))

    def _said(self, record: Mapping[str, Any], left: str) -> str:
        return epoch_line(record, self._total_epochs, self._measures, left, self._samples)

    def _now(self, epoch: int, step_in_epoch: int, numbers: Mapping[str, Any]) -> tuple[str, str]:
        where = f"epoch {epoch}/{self._total_epochs}  step {step_in_epoch}/{self._steps_per_epoch}"
        return where, _joined(describe(numbers, self._measures, self._samples), self._pace.left())

    def message(self, text: str) -> None:
        """Shows a line without disturbing the display."""
        self._show_unseen()
        self._write(text)
        log.debug(text)  # the console has it from here, log.txt from the logger

    def _show_unseen(self) -> None:
        record, self._unseen = self._unseen, None
        if record is not None:
            self._line(record)

    def _write(self, text: str) -> None:
        write_line(self._stream, text)

    def close(self) -> None:
        """Ends the display; may be called twice."""
        self._show_unseen()


class _Notebook(Progress):
    """One output that grows, with the step that the run is at below its lines.

    A notebook may set apart what is written at different moments, so that an empty line would follow each line.
    """

    def __init__(
        self, total_epochs: int, steps_per_epoch: int, measures: Mapping[str, Metric], stream: TextIO, samples: str
    ) -> None:
        super().__init__(total_epochs, steps_per_epoch, measures, stream, samples)
        self._lines: list[str] = []
        self._last_drawn = time.monotonic()
        self._handle = import_module("IPython.display").display({"text/plain": ""}, raw=True, display_id=True)

    def step(self, epoch: int, step_in_epoch: int, numbers: Mapping[str, Any]) -> None:
        super().step(epoch, step_in_epoch, numbers)
        if time.monotonic() - self._last_drawn >= LINE_INTERVAL:
            self._draw(_joined(*self._now(epoch, step_in_epoch, numbers)))

    def _write(self, text: str) -> None:
        self._lines.append(text)
        self._draw()

    def _draw(self, *below: str) -> None:
        self._last_drawn = time.monotonic()
        self._handle.update({"text/plain": "\n".join([*self._lines, *below])}, raw=True)

    def close(self) -> None:
        super().close()
        self._draw()


class _Bar(Progress):
    """A bar over the whole run, drawn at most ten times a second; lines of epochs stay above it."""

    def __init__(
        self, total_epochs: int, steps_per_epoch: int, measures: Mapping[str, Metric], console: Any, samples: str
    ) -> None:
        super().__init__(total_epochs, steps_per_epoch, measures, console.file, samples)
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._console = console
        self._last_drawn = float("-inf")
        # Without its own thread (auto_refresh) the bar costs nothing between two reports.
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="green"),
            TaskProgressColumn(),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task(f"epoch 1/{total_epochs}", total=self._pace.total_steps, numbers="")
        self._bar.start()

    def step(self, epoch: int, step_in_epoch: int, numbers: Mapping[str, Any]) -> None:
        super().step(epoch, step_in_epoch, numbers)
        if time.monotonic() - self._last_drawn < BAR_INTERVAL:
            return
        self._draw(*self._now(epoch, step_in_epoch, numbers))

    def _line(self, record: Mapping[str, Any]) -> None:
        self.message(self._said(record, ""))
        self._draw(f"epoch {record['epoch']}/{self._total_epochs}", self._pace.left())

    def _draw(self, where: str, numbers: str) -> None:
        self._last_drawn = time.monotonic()
        self._bar.update(self._task, completed=self._pace.done, description=where, numbers=numbers)
        self._bar.refresh()

    def _write(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        super().close()
        self._bar.stop()


def epoch_line(
    record: Mapping[str, Any], total_epochs: int, measures: Mapping[str, Metric], left: str, samples: str = "samples"
) -> str:
    """Returns `epoch 3/30  train loss 0.512  accuracy 81.3 %  …` for one record of the metrics."""
    width = len(str(total_epochs))
    return _joined(f"epoch {record['epoch']:>{width}}/{total_epochs}", describe(record, measures, samples), left)


def _joined(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def format_seconds(seconds: float) -> str:
    """Returns a duration as people say it, in two units at most: `0.4 s`, `2 min 10 s`, `3 h 05 min`, `2 d 4 h`."""
    if seconds < 9.95:
        return f"{seconds:.1g} s" if 0 < seconds < 0.095 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


class Pace:
    """How long the run will take, told once, after the first steps, which allocate and choose algorithms."""

    def __init__(self, num_steps: int, num_epochs: int) -> None:
        self._num_steps, self._num_epochs = num_steps, num_epochs
        self._begun: tuple[float, int] | None = None
        self._is_told = False

    def sentence(self, step: int) -> str | None:
        """Returns the sentence when `step`, counted from any number on, is the first from which it can be told."""
        now = time.perf_counter()
        if self._begun is None:
            self._begun = (now, step)
        seconds, steps = now - self._begun[0], step - self._begun[1]
        if self._is_told or seconds < WARMUP_SECONDS or not steps:
            return None
        self._is_told = True
        epochs = f"{self._num_epochs} epoch{'s' * (self._num_epochs != 1)}"
        return f"{estimate(seconds / steps, self._num_steps)} for {epochs} (validation not counted)"


def estimate(seconds_per_step: float, steps: int) -> str:
    """Returns `about 12 min`: the time `steps` steps take, in one rounded unit, since it is a guess."""
    seconds = seconds_per_step * steps
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return f"about {round(seconds)} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"about {seconds / 3600:.1f} h"
    return f"about {seconds / 86400:.1f} days"
