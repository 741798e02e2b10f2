"""What the group `profile` chooses: nothing, or a timeline of a few batches of the training and where their time goes.

A profile stands around the training. It takes the place of the run's training batches, so it sees each of them begin
and end, and changes none.
"""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from dlexp.console.wording import percent
from dlexp.machine.whole_file import whole_file
from dlexp.profiling.operators import DATA, Operators
from dlexp.profiling.throughput import peak_flops, synchronize
from dlexp.ranges import Range
from dlexp.records.folder import OPERATORS, PROFILE, PROFILE_SUMMARY, TRACE
from dlexp.records.run_json import write_json

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# FLOPs of a step in those of its forward pass: the backward pass takes two more (arXiv 2204.02311, appendix B).
FORWARD_AND_BACKWARD = 3


class NoProfile(nullcontext[None]):
    """The null object: the training runs as it is."""

    def __init__(self, run: Any, folder: Path) -> None:
        super().__init__()


class TorchProfile:
    """Times some batches as they are, traces the next with torch's profiler, and writes `profile/` in the run folder.

    Of the first `wait` batches the second half is timed. Then the profiler warms up for `warmup` batches and records
    `active`, all within one epoch, so that no validation lies between. A shorter run or epoch makes do with fewer.
    run: the assembled run. rows: operators in the table.
    """

    def __init__(
        self,
        run: Any,
        folder: Path,
        *,
        wait: Annotated[int, Range(ge=0)],
        warmup: Annotated[int, Range(ge=0)],
        active: Annotated[int, Range(ge=1)],
        rows: Annotated[int, Range(ge=1)],
    ) -> None:
        self._run, self._folder, self._rows = run, folder, rows
        self._batches: Any = run.train
        left = max(0, run.total_steps - run.state.step)  # each step takes a batch at least
        self._asked, self._active = active, min(active, left, len(run.train))
        self._warmup = min(warmup, left - self._active, len(run.train) - self._active)
        self._wait = min(wait, left - self._active - self._warmup)
        self._peak: float | None = None
        self._done = self._num_timed = self._num_traced = 0
        self._seconds = self._seconds_making = 0.0  # of the timed batches, and of making them
        self._timed_from: float | None = None
        self._profiler: Any = None
        self._traced = "cpu"  # the type of the device whose work the profiler sees
        self._sample: Any = None  # what a sample of the last batch would be on the CPU
        self._is_over = left == 0

    def __enter__(self) -> None:
        """Measures the machine, and stands in for the training batches from here on."""
        if not self._is_over:
            self._peak = peak_flops(self._run.plan.device, self._run.plan.precision)
            self._run.train = self

    def __exit__(self, *error: object) -> None:
        """Writes what there is of a training that ended early."""
        self._run.train = self._batches
        if not self._is_over:
            self._finish()

    def __len__(self) -> int:
        return len(self._batches)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)

    def epoch(self, epoch: int, start: int = 0, position: Any = None) -> Iterator[dict[str, "Tensor"]]:
        """Yields the batches of the run's own training data, and watches."""
        batches = self._batches.epoch(epoch, start, position)
        try:
            for number in range(start, len(self._batches)):
                self._before(left=len(self._batches) - number)
                batch = self._make(batches)
                yield batch
                self._after()
        except GeneratorExit:  # the last step of the run: nobody asks for more
            self._after()
            raise
        finally:
            self._stop_clock()

    def _before(self, left: int) -> None:
        if self._is_over or self._profiler is not None:
            return
        if self._done >= self._wait and left >= self._warmup + self._active:
            self._stop_clock()
            self._traced = _traced(self._run.plan.device.type)
            self._profiler = _started(self._traced, self._warmup, self._active)
        elif self._done >= self._wait // 2 and self._timed_from is None:
            synchronize(self._run.plan.device)
            self._timed_from = time.perf_counter()

    def _make(self, batches: Iterator[Any]) -> Any:
        from torch.profiler import record_function

        began = time.perf_counter()
        with record_function(DATA):
            batch = next(batches)
        self._sample = {name: (each[:1].shape, each.dtype) for name, each in batch.items()}  # images may grow
        if self._timed_from is not None:
            self._seconds_making += time.perf_counter() - began
        return batch

    def _after(self) -> None:
        self._done += 1
        self._num_timed += self._timed_from is not None
        if self._profiler is not None and not self._is_over:
            self._num_traced += 1
            synchronize(self._run.plan.device)  # so that a batch's kernels lie in its own step
            self._profiler.step()
            if self._num_traced == self._warmup + self._active:
                self._finish()

    def _stop_clock(self) -> None:
        if self._timed_from is not None:
            synchronize(self._run.plan.device)
            self._seconds += time.perf_counter() - self._timed_from
            self._timed_from = None

    def _finish(self) -> None:
        """Ends the recording, writes it, and says what it shows."""
        self._is_over = True
        num_recorded = max(0, self._num_traced - self._warmup)
        try:
            if self._profiler is not None:
                self._profiler.stop()
            if not num_recorded:
                log.warning(
                    f"warning: the run ended after {self._done} batches, before the profile's first: none is written"
                )
                return
            self._write(num_recorded)
        except OSError as error:
            log.warning(f"warning: the profile can't be written: {error.strerror or error}")

    def _write(self, num_recorded: int) -> None:
        operators = Operators(self._profiler, self._traced)
        summary = self._summary(operators, num_recorded)
        table = operators.table(self._rows)
        (self._folder / PROFILE).mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as place, whole_file(self._folder / TRACE) as file:
            packed = Path(place) / "timeline.gz"  # the name tells the profiler to pack it
            self._profiler.export_chrome_trace(str(packed))
            file.write(packed.read_bytes())
        (self._folder / OPERATORS).write_text(table + "\n", encoding="utf-8")
        write_json(self._folder / PROFILE_SUMMARY, summary)
        few = f" (only {num_recorded} of {self._asked} batches: the run or its epochs are shorter)"
        log.info(f"{table}\n{_said(summary)}{few if num_recorded < self._asked else ''}")

    def _summary(self, operators: Operators, num_recorded: int) -> dict[str, Any]:
        from dlexp.models.layers import summarise

        run, device = self._run, self._traced
        if self._num_timed:
            seconds = self._seconds / self._num_timed
        else:
            seconds = operators.seconds / num_recorded  # the profiler's own time included
        if device == "cpu" and self._num_timed:
            data_share = self._seconds_making / self._seconds
        else:
            data_share = operators.data_share
        flops = summarise(run.state.model, self._ask)["flops"]
        size = self._batches.batch_size
        achieved = None if flops is None else FORWARD_AND_BACKWARD * flops * size / seconds
        return {
            "batch_size": size,
            "timed_batches": self._num_timed,
            "recorded_batches": num_recorded,
            "seconds_per_batch": seconds,
            "samples_per_second": size / seconds,
            "data_share": data_share,
            "device_busy": None if device == "cpu" else min(1.0, operators.device_seconds / num_recorded / seconds),
            "flops_per_second": achieved,
            "peak_flops_per_second": self._peak,
            "utilization": None if achieved is None or not self._peak else achieved / self._peak,
            "device": run.device_facts,
        }

    def _ask(self, model: Any) -> Any:
        import torch

        sample = {name: torch.zeros(shape, dtype=dtype) for name, (shape, dtype) in self._sample.items()}
        return self._run.task.predict(model, sample)


def _traced(device: str) -> str:
    """Returns whose work torch's profiler sees: the device's, else the host's, and says so."""
    if device in ("cpu", "cuda"):
        return device
    log.warning(f"warning: torch's profiler is not asked what {device} does: times are the host's, which gives it work")
    return "cpu"


def _started(device: str, warmup: int, active: int) -> Any:
    # The library behind the profiler writes lines of its own to stderr, one of them an error where there is no GPU.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from torch.profiler import ProfilerActivity, profile, schedule

    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Profiler won't be using warmup")  # a run may have no time for it
        once = schedule(wait=0, warmup=warmup, active=active, repeat=1)
        profiler = profile(activities=activities, schedule=once, acc_events=True)  # of one cycle; torch 2.11 warns else
        profiler.start()
    return profiler


def _said(summary: dict[str, Any]) -> str:
    """Returns what was found in two lines."""
    speed = f"profile: {summary['samples_per_second']:,.0f} samples/s"
    if summary["flops_per_second"] is not None:
        speed += f", {summary['flops_per_second'] / 1e9:,.1f} GFLOP/s"
    if summary["utilization"] is not None:
        peak = summary["peak_flops_per_second"] / 1e9
        speed += f" of the {peak:,.1f} that matrix products reach here ({percent(summary['utilization'], 0)})"
    busy = "" if summary["device_busy"] is None else f", which is busy {percent(summary['device_busy'], 0)} of the time"
    whose = "time" if summary["device_busy"] is None else "device's time"
    data = f"making batches takes {percent(summary['data_share'], 0)} of the {whose}{busy}"
    return f"{speed}\n{data}; {TRACE} opens in https://ui.perfetto.dev"
