"""What a run writes down while it trains: `metrics.jsonl`, TensorBoard events, `plots/*.png`."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import time
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlexp.console.wording import TRAINED_ON
from dlexp.machine.appended_file import AppendedFile
from dlexp.records.folder import METRICS, plot_file
from dlexp.records.metrics import as_line, read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor, nn

log = logging.getLogger(__name__)

# Lines of epochs that take less than SHORT_EPOCH wait for up to WAIT, to be made all at once: alone, between two steps
# that leave nothing of it in the processor's caches, one takes three times as long.
SHORT_EPOCH, WAIT = 0.05, 0.5

# TensorBoard sorts groups of tags by name and opens the first two: what is looked at first is called so that it stands
# there, and pictures, a card a run each, stand below everything.
CURVES, DETAILS, FINAL, PICTURES = "curves", "details", "final", "views"


class Tracker:
    """Writes into one run folder. The metrics file is the truth; the events beside it are a view of it.

    Events go straight into the folder, so TensorBoard names the run after it. Use it as a context manager or call
    `close`: the newest events are lost otherwise (they are written every 10 seconds). With `resumed_step` it goes on
    after that step. On a full disk lines and events wait in memory. leading: the metrics that are looked at first.
    """

    def __init__(
        self, folder: Path, resumed_step: int | None = None, leading: Collection[str] = ("loss", "accuracy")
    ) -> None:
        # Imported here: the import costs 0.1 s and readers of runs need none of it.
        from torch.utils.tensorboard import summary

        from dlexp.records.event_file import EventFile

        self.folder, self._leading = folder, leading
        self._metrics = AppendedFile(folder / METRICS)
        # TensorBoard forgets points that a killed run had drawn beyond the state it is resumed from.
        self._events = EventFile(folder, purge_step=None if resumed_step is None else resumed_step + 1)
        self._protos: Any = summary
        self._step = 0
        self._waiting: list[tuple[float, Mapping[str, Any]]] = []  # when, and what was logged
        self._written_at = 0.0
        # The last step of an epoch may have a line of kind "steps" too, written before the state that is gone on from.
        before = [] if resumed_step is None else read_metrics(folder)
        self._lr_step = before[-1]["step"] if before else None
        self._tags: set[str] = set()
        self._charts: set[str] = set()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def log(self, record: Mapping[str, float | int | str]) -> None:
        """Appends one line to `metrics.jsonl` and draws its numbers named `split/metric`, and `lr` (once a step), at
        `record["step"]`. Its `kind` is one of `metrics.KINDS`. In TensorBoard NaN and infinities stand as themselves.
        A tag is the number's key behind its group: `curves/train/loss`. Of epochs that take under 0.05 s some lines are
        written together, half a second later at most; nothing may be changed in a record that was logged.
        """
        now = time.time()
        self._step = int(record["step"])
        self._waiting.append((now, record))
        seconds = float(record.get("time/train", SHORT_EPOCH)) + float(record.get("time/val", 0.0))
        if seconds >= SHORT_EPOCH or not 0 <= now - self._written_at < WAIT:  # a clock may be set back
            self._write()

    def _write(self) -> None:
        """Writes what waits."""
        self._written_at = time.time()
        waiting, self._waiting = self._waiting, []
        self._metrics.write(b"".join(as_line(record) for _, record in waiting))
        for when, record in waiting:
            step = int(record["step"])
            self._scalars(
                {
                    self._tag(key): value
                    for key, value in record.items()
                    if isinstance(value, int | float) and ("/" in key or (key == "lr" and step != self._lr_step))
                },
                step,
                when,
            )
            if "lr" in record:
                self._lr_step = step
            self._chart_splits_together(record)

    def _tag(self, key: str) -> str:
        split, _, name = key.partition("/")
        if split == "time":
            return key
        if split in ("test", TRAINED_ON):
            return f"{FINAL}/{key}"
        return f"{CURVES if split in ('train', 'val') and name in self._leading else DETAILS}/{key}"

    def _scalars(self, values: Mapping[str, float], step: int, when: float) -> None:
        self._events.scalars(values, step, when)
        self._tags.update(values)

    def _chart_splits_together(self, record: Mapping[str, Any]) -> None:
        """Lays out one chart a metric with its training and validation curves, as soon as there are both."""
        named = (key[4:] for key in record if key.startswith("val/"))
        both = {name for name in named if self._tag(f"train/{name}") in self._tags}
        if both <= self._charts:
            return
        self._charts |= both
        charts = {
            name: ["Multiline", [self._tag(f"{split}/{name}") for split in ("train", "val")]]
            for name in sorted(self._charts, key=lambda name: (name != "loss", name not in self._leading, name))
        }
        self._events.summary(self._protos.custom_scalars({"training and validation": charts}), int(record["step"]))

    def text(self, tag: str, markdown: str) -> None:
        """Shows `markdown` in the Text tab."""
        self._events.summary(self._protos.text(tag, markdown), 0)

    def figure(self, name: str, figure: Figure, step: int | None = None) -> None:
        """Writes `plots/<name>.png` and shows it in the Images tab too, by default at the last logged step."""
        # torch's own add_figure draws through pyplot, which keeps global state and may look for a display.
        from dlexp.pictures.style import render

        png, width, height = render(figure)
        path = plot_file(self.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png)
        self._events.image(f"{PICTURES}/{name}", png, width, height, self._step if step is None else step)

    def figures(self, figures: Mapping[str, Figure]) -> None:
        """Writes several figures by name."""
        for name, figure in figures.items():
            self.figure(name, figure)

    def graph(self, model: nn.Module, example_input: Tensor) -> None:
        """Shows the model's graph; where tracing does not work a sentence in the log says so, and the run goes on.

        Traces a copy of the model on the CPU, so that modes, random generators and running statistics stay untouched.
        """
        import torch

        from dlexp.machine.torch_private import graph_of

        noise = io.StringIO()
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(noise), torch.random.fork_rng(devices=[]):
                warnings.simplefilter("ignore")
                copied = copy.deepcopy(model).cpu().eval()
                example = example_input.detach().cpu()
                with torch.no_grad():
                    # Traced before, since tensorboard's own call checks the trace and imports torch's distributed
                    # tensors for it (0.6 s); of a traced model it makes no second one.
                    traced = torch.jit.trace(copied, example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
                    self._events.graph(*graph_of(traced, example))
        # A model may raise anything while it is traced, and none of it is a reason to lose a training run.
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            log.info("TensorBoard will show no graph, because this model cannot be traced: %s", reason)

    def hparams(
        self,
        params: Mapping[str, Any],
        differing: Collection[str],
        metrics: Mapping[str, float | None],
        arm: str = "",
    ) -> None:
        """Gives the run its row in the HParams tab, in place of that of an earlier end; call it last.

        Its metrics are points of their own: a curve of validation ends with another epoch than the chosen one. The tab
        takes its columns from one run: give all runs that are to be compared the same names. Null parameters show as
        "none". differing, arm: see `hparams.row`.
        """
        from dlexp.records.hparams import row

        self._write()
        tags = {f"{FINAL}/{key}": key for key, value in metrics.items() if value is not None}
        own = {tag: metrics[key] or 0.0 for tag, key in tags.items() if tag not in self._tags}
        self._scalars(own, self._step, time.time())
        self._events.row(row(params, tags, differing, arm))

    def flush(self) -> None:
        """Brings all metrics logged so far to the disk, as a saved state belonging to them needs.

        Raises OSError when the disk does not take them.
        """
        self._write()
        self._events.flush()
        self._metrics.sync()

    def close(self) -> None:
        """Writes what is still queued and closes the files; may be called twice."""
        self._write()
        self._metrics.close()
        self._events.close()
