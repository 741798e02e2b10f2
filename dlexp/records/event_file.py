"""TensorBoard's event file. TensorBoard's own writer gives up for good, in a thread, when the disk is full once."""

import itertools
import os
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog, TaggedRunMetadata
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from dlexp.machine.appended_file import AppendedFile
from dlexp.records.event_records import as_records
from dlexp.records.folder import EVENTS

# Events are for people's eyes: every ten seconds is soon enough, and costs the loop nothing.
SECONDS = 10.0
ROW = ".row"  # where the name of such a file ends, it holds the run's row in the HParams tab
_numbers = itertools.count()


class EventFile:
    """One file of events in a run folder, which TensorBoard lists as a run.

    With `purge_step` TensorBoard forgets the points that older files of the folder have at that step and after it.
    """

    def __init__(self, folder: Path, purge_step: int | None = None, ending: str = "") -> None:
        name = f"{EVENTS}.{int(time.time()):010}.{socket.gethostname()}.{os.getpid()}.{next(_numbers):03}{ending}"
        self._folder, self._file = folder, AppendedFile(folder / name, SECONDS)
        self._records = RecordWriter(self._file)
        self._scalars: list[tuple[float, int, Mapping[str, float]]] = []  # when, at which step, and what
        self._made_at = time.monotonic()
        self._add(purge_step, file_version="brain.Event:2")
        if purge_step is not None:
            self._add(purge_step, session_log=SessionLog(status=SessionLog.START))
        self._file.flush()

    def scalars(self, values: Mapping[str, float], step: int, when: float) -> None:
        """Adds numbers by their tags at a step and a time; they become records when they are written, all at once."""
        self._scalars.append((when, step, values))
        if time.monotonic() - self._made_at >= SECONDS:
            self._make()

    def summary(self, summary: Any, step: int | None = None) -> None:
        """Adds a summary (numbers, texts, pictures) at a step."""
        self._add(step, summary=summary)

    def image(self, tag: str, png: bytes, width: int, height: int, step: int) -> None:
        """Adds a picture at a step."""
        image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
        self.summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)

    def graph(self, graph: Any, statistics: Any) -> None:
        """Adds a model's graph."""
        self._add(None, graph_def=graph.SerializeToString())
        metadata = TaggedRunMetadata(tag="step1", run_metadata=statistics.SerializeToString())
        self._add(None, tagged_run_metadata=metadata)

    def row(self, summaries: Iterable[Any]) -> None:
        """Gives the run its row in the HParams tab, in place of that of an earlier end. Nothing may be added later.

        TensorBoard keeps the first row that it reads of a run, so each has a file of its own, which can go; and it
        leaves a file for good when there is a newer one.
        """
        self.flush()
        earlier = list(self._folder.glob(f"{EVENTS}*{ROW}"))
        file = EventFile(self._folder, ending=ROW)
        for summary in summaries:
            file.summary(summary)
        file.close()
        for path in earlier:
            with suppress(OSError):  # on Windows TensorBoard may have it open
                path.unlink()

    def _add(self, step: int | None, **content: Any) -> None:
        self._make()
        self._records.write(Event(wall_time=time.time(), step=step, **content).SerializeToString())

    def _make(self) -> None:
        """Makes records of the numbers that wait."""
        self._made_at = time.monotonic()
        waiting, self._scalars = self._scalars, []
        contents = []
        for when, step, values in waiting:
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
            contents.append(Event(wall_time=when, step=step, summary=summary).SerializeToString())
        self._file.write(b"".join(as_records(contents)))

    def flush(self) -> None:
        """Gives everything added so far to the system, as far as the disk takes it."""
        self._make()
        self._file.flush()

    def close(self) -> None:
        """Writes what still waits and closes the file; may be called twice."""
        self._make()
        self._file.close()
