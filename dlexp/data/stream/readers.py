"""Processes that read images ahead of the training, into memory that they share with it.

A thread here belongs to each process: it hands over a piece of a batch, waits for the answer, and takes the next
piece. Nothing but file names and reasons goes through pipes, nothing is locked across processes, and a process that
dies is seen at once and replaced.
"""

import json
import logging
import math
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import uuid
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch

from dlexp.data.formats.images import named
from dlexp.errors import UnreadableError
from dlexp.machine.processes import reason

log = logging.getLogger(__name__)

# Images a process reads before it answers: fewer cost turns, more leave processes idle at the end of a batch.
PIECE = 32
# Batches in work or ready, at least, the one that is trained on included.
NUM_SLOTS = 3
ATTEMPTS = 2
MODULE = "dlexp.data.stream.reader"


class Readers:
    """`num_workers` processes and shared memory for a few batches of at most `num_rows` images of `shape` (C, H, W).

    dtype: uint8, or float32 for images whose values have more than 8 bits. background: red, green and blue of what
    transparent images are laid on.

    The processes start when they are needed first, and end with this object or with the process that made it,
    however it ends; signals that are meant for a run don't reach them.
    """

    def __init__(
        self, *, num_workers: int, num_rows: int, shape: Sequence[int], dtype: torch.dtype, background: Sequence[int]
    ) -> None:
        self.num_rows = num_rows
        self._piece = max(1, min(PIECE, -(-num_rows // num_workers)))
        pieces = -(-num_rows // self._piece)
        self._slots = max(NUM_SLOTS, 1 + -(-2 * num_workers // pieces))
        num_bytes = self._slots * num_rows * math.prod(shape) * dtype.itemsize
        memory, name, files = _shared(num_bytes)
        self._pixels = torch.frombuffer(memory, dtype=dtype).view(self._slots, num_rows, *shape)
        command = [name, *map(str, (num_bytes, shape[0], shape[1], int(dtype != torch.uint8), *background))]
        readers = [_Reader(command, files) for _ in range(num_workers)]
        self._idle: SimpleQueue[_Reader] = SimpleQueue()
        for reader in readers:
            self._idle.put(reader)
        self._threads = ThreadPoolExecutor(num_workers, "reader", initializer=leave_signals_to_others)
        self._busy: list[Future[int]] = []
        self._turn = 0
        weakref.finalize(self, _end, self._threads, readers, files)

    def stream(self, batches: Iterable[Sequence[str]]) -> Iterator[tuple[torch.Tensor, int]]:
        """Yields each batch of files as N×C×H×W, read ahead, and how many of them were transparent in places.

        A batch is overwritten when the next is asked for.
        Of two streams at a time each goes on where it was, having read again what it had read ahead.

        Raises:
            UnreadableError: names the files of a batch that can't be read, when that batch is asked for; or says that
                the processes die.
        """
        source, ahead = enumerate(batches), deque[_Batch]()
        turn = 0
        try:
            while True:
                if turn != self._turn or turn == 0:
                    turn = self._take_turn()
                    for batch in ahead:
                        self._submit(batch)
                while len(ahead) < self._slots and (following := next(source, None)) is not None:
                    ahead.append(_Batch(following[0] % self._slots, following[1]))
                    self._submit(ahead[-1])
                if not ahead:
                    return
                batch = ahead.popleft()
                num_transparent = sum(piece.result() for piece in batch.pieces)
                yield self._pixels[batch.slot, : len(batch.paths)], num_transparent
        finally:
            for batch in ahead:
                for piece in batch.pieces:
                    piece.cancel()

    def _take_turn(self) -> int:
        """Begins or goes on with a stream: what another one left in work would overwrite this one's memory."""
        for piece in self._busy:
            piece.cancel()
        wait(self._busy)
        self._busy = []
        self._turn += 1
        return self._turn

    def _submit(self, batch: "_Batch") -> None:
        self._busy = [piece for piece in self._busy if not piece.done()]
        starts = range(0, len(batch.paths), self._piece)
        first = batch.slot * self.num_rows
        batch.pieces = [
            self._threads.submit(_read, self._idle, first + start, batch.paths[start : start + self._piece])
            for start in starts
        ]
        self._busy += batch.pieces


@dataclass
class _Batch:
    slot: int
    paths: Sequence[str]
    pieces: list["Future[int]"] = field(default_factory=list)


class _Reader:
    """One process, which is started when there is something to read and none."""

    def __init__(self, arguments: list[str], files: list[int]) -> None:
        self.arguments, self.files = arguments, files
        self.process: subprocess.Popen[bytes] | None = None

    def answer(self, request: bytes) -> bytes:
        """Returns the line that answers a line; empty when the process ended instead."""
        if self.process is None:
            self.process = self._start()
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(request)
            self.process.stdin.flush()
        except OSError:  # it is gone; reading tells so too
            pass
        return self.process.stdout.readline()

    def end(self) -> int:
        """Ends the process, which has nothing to do any more; returns its exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.close()
        except OSError:  # it was gone, with a request unread
            pass
        try:
            code = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdout.close()
        return code

    def _start(self) -> "subprocess.Popen[bytes]":
        # The modules that are in use here, and nothing of the current folder before them.
        path = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])
        variables = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", MODULE, *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | variables,
            **_apart(self.files),
        )


def _read(idle: "SimpleQueue[_Reader]", row: int, paths: Sequence[str]) -> int:
    """Has one process read a piece of a batch, and returns how many images were transparent; a process that dies of it
    is replaced once.
    """
    request = json.dumps([row, list(paths)]).encode() + b"\n"
    reader = idle.get()
    try:
        for attempt in range(1, ATTEMPTS + 1):
            answer = reader.answer(request)
            if answer.endswith(b"\n"):
                failures, num_transparent = json.loads(answer)
                if failures:
                    raise UnreadableError(
                        f"images cannot be read: {named(failures)}. Replace them, and a run that has begun goes on with"
                        " resume=; without them it is another one."
                    )
                return int(num_transparent)
            code = reader.end()
            if attempt < ATTEMPTS:
                log.warning(f"warning: a process that reads images ended, {reason(code)}; another one takes its place")
    finally:
        idle.put(reader)
    raise UnreadableError(
        f"the processes that read images end: the last one ended, {reason(code)}, with one of {len(paths)} files from"
        f" {paths[0]} to {paths[-1]} to read; data.workers=1 takes less memory, data.in_memory=true does without"
    )


def leave_signals_to_others() -> None:
    """Blocks all signals in a thread; the processes it starts inherit that, so what stops a run leaves them alone."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _apart(files: list[int]) -> dict[str, Any]:
    """Returns how a process starts that Ctrl-C on the terminal doesn't reach."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True, "pass_fds": files}


def _shared(num_bytes: int) -> tuple[mmap.mmap, str, list[int]]:
    """Returns memory to share, how another process finds it, and the files that must come along.

    It has no name that could outlive its users. Linux: a file in memory, which has no size limit of its own, unlike
    /dev/shm (64 MB in many containers); elsewhere a removed temporary file.
    """
    if sys.platform == "win32":
        name = f"dlexp-{uuid.uuid4().hex}"
        return mmap.mmap(-1, num_bytes, tagname=name), name, []
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("dlexp-images")
    else:
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    os.truncate(file, num_bytes)
    return mmap.mmap(file, num_bytes), str(file), [file]


def _end(threads: ThreadPoolExecutor, readers: list[_Reader], files: list[int]) -> None:
    threads.shutdown(cancel_futures=True)
    for reader in readers:
        reader.end()
    for file in files:
        os.close(file)
