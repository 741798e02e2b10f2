"""States and weights on disk: written whole or not at all, read without running anything of theirs."""

import io
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import torch

from dlexp.errors import UserError
from dlexp.machine.whole_file import uninterrupted, whole_file
from dlexp.records.folder import saved_states, state_file

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
KEPT = 2
RETRY_SECONDS = 60.0
BEST_SECONDS = 1.0


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes tensors and primitives so that a reader sees the whole old file or the whole new one.

    Raises OSError when the disk is full or the folder gone; the old file is then untouched.
    """
    with uninterrupted():
        _write(path, _as_bytes(content))


def load(path: Path) -> dict[str, Any]:
    """Reads a file that `save` wrote, onto the CPU.

    Raises:
        UserError: there is no such file, it is damaged, or it holds more than tensors and primitives.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except Exception as error:  # torch raises a different type for every way in which a file can be foreign
        raise UserError(f"{path} can't be read: it is damaged, or not a file of dlexp") from error
    if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
        raise UserError(f"{path} is not a file of dlexp (format version {FORMAT_VERSION})")
    return content


def load_weights(path: Path, **modules: torch.nn.Module) -> None:
    """Puts the weights of a file that a run saved into its `model`, and into its `task` where that is given.

    Raises:
        UserError: there is no such file, it is damaged, or its weights are another model's.
    """
    try:
        content = load(path)
        for name, module in modules.items():
            module.load_state_dict(content[name])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} does not hold the weights of this model ({reason})") from error


def _as_bytes(content: dict[str, Any]) -> memoryview:
    buffer = io.BytesIO()
    torch.save({"format_version": FORMAT_VERSION, **content}, buffer)
    return buffer.getbuffer()


def _write(path: Path, content: memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(content)


class State(Protocol):
    """What is saved: the whole training, and where it is."""

    epoch: int  # finished epochs
    batch: int  # batches done in this epoch
    step: int  # optimizer steps

    def state_dict(self) -> dict[str, Any]:
        """Returns tensors and primitives."""
        ...


class Checkpoints:
    """The last states of one run, the newest two.

    A state is turned into bytes at once, which is its copy, and written by a thread, since waiting for the disk takes
    longer than copying. A failing save leaves what is there, says so, and is tried again.

    every_…: when a state is saved, besides the end of the run; None: not by this clock.
    """

    def __init__(
        self, folder: Path, *, every_minutes: float | None, every_epochs: int | None, every_steps: int | None
    ) -> None:
        self._folder = folder
        self._every_minutes, self._every_epochs, self._every_steps = every_minutes, every_epochs, every_steps
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._saved_at, self._saved = time.monotonic(), (-1, -1)
        self._retry_at: float | None = None

    def is_due(self, state: State) -> bool:
        """Returns whether `state` should be saved now; to be asked after a step, and after an epoch."""
        now = time.monotonic()
        if self._pending is not None and self._pending.done():
            self._settle()
        if (state.epoch, state.step) == self._saved:
            return False
        return (
            (self._retry_at is not None and now >= self._retry_at)
            or (self._every_minutes is not None and now - self._saved_at >= 60 * self._every_minutes)
            or (self._every_steps is not None and state.step % self._every_steps == 0)
            or (self._every_epochs is not None and state.batch == 0 and state.epoch % self._every_epochs == 0)
        )

    def save(self, state: State) -> None:
        """Copies the state and begins to write it; first waits for the one before, if that is still being written."""
        self._settle()
        content = _as_bytes(state.state_dict())
        self._saved_at, self._saved, self._retry_at = time.monotonic(), (state.epoch, state.step), None
        self._pending = self._writer.submit(self._write, state.step, content)

    def save_last(self, state: State) -> None:
        """Saves and waits. Raises OSError when that fails: nobody will try again."""
        self._settle()
        if (state.epoch, state.step) != self._saved:
            self._write(state.step, _as_bytes(state.state_dict()))
            self._saved = (state.epoch, state.step)

    def put_off(self, error: OSError) -> None:
        """Takes note, in words, that the state of now could not be saved; the next try is due in a while."""
        kept = next((path.name for path in saved_states(self._folder)), "none")
        log.warning(
            f"warning: the state could not be saved ({error.strerror or error}); the newest one kept is {kept}."
            f" Training goes on; the next try is in {RETRY_SECONDS:.0f} s"
        )
        now = time.monotonic()
        self._saved_at, self._saved, self._retry_at = now, (-1, -1), now + RETRY_SECONDS

    def close(self) -> None:
        """Waits for what is still being written."""
        self._settle()
        self._writer.shutdown()

    def _write(self, step: int, content: memoryview) -> None:
        _write(state_file(self._folder, step), content)
        for path in saved_states(self._folder)[KEPT:]:
            path.unlink(missing_ok=True)

    def _settle(self) -> None:
        """Takes note of how the save that is under way ended."""
        if self._pending is None:
            return
        error = self._pending.exception()
        self._pending = None
        if isinstance(error, OSError):
            self.put_off(error)
        elif error is not None:
            raise error


class BestWeights:
    """The file of the best weights; what could not be written is kept in memory and tried again.

    It is written once a second at most: where validations take milliseconds, to wait for the disk at each that is the
    best so far took a third of the time of a small full-batch training.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unwritten: memoryview | None = None
        self._tried_at = float("-inf")

    def keep(self, content: dict[str, Any]) -> None:
        """Takes new best weights, as a copy; `write` brings them to the disk."""
        self._unwritten = _as_bytes(content)

    def write(self, *, is_due: bool = False, is_last: bool = False) -> None:
        """Writes what is not written yet, if a second has passed or it `is_due`, as before a state is saved that
        belongs to it. A failure is told; the last one raises OSError.
        """
        now = time.monotonic()
        if self._unwritten is None or not (is_due or is_last or now - self._tried_at >= BEST_SECONDS):
            return
        self._tried_at = now
        try:
            with uninterrupted():
                _write(self._path, self._unwritten)
            self._unwritten = None
        except OSError as error:
            if is_last:
                raise
            log.warning(
                f"warning: {self._path.name} could not be saved ({error.strerror or error}); kept for the next try"
            )
