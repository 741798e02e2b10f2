"""Signals that ask a run to stop: it saves where it is first; a second one ends it at once."""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

# Ctrl-C, the end of a cluster's time, and the warning some clusters send before it. Windows lacks some of them.
NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
# How often is looked whether an import is done that a signal must not cut.
IMPORT_SECONDS = 0.02


class StopRequested(BaseException):
    """A signal asked for the end; like KeyboardInterrupt (which stands for SIGINT) no error to be swallowed."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


def exit_code_of(stop: KeyboardInterrupt | StopRequested) -> int:
    """Returns what a process should end with, as shells and schedulers read it: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (stop.number if isinstance(stop, StopRequested) else signal.SIGINT)


class Stops:
    """Whether a stop was asked for. Outside of `patient` blocks the request itself ends what is going on.

    Only an import is not cut: torch's swallows the exception or dies of it in C++ (of 30 Ctrl-C in its 2 s, 4 were
    lost and one was an abort), so that the request is put off until the import is done.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._patient = False
        self.put_off: Literal["waiting", "sent again"] | None = None  # a request that came within an import
        self._imports_outside = _num_imports(sys._getframe())

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Within the block a signal is only noted, and the block asks for `requested` where it can stop."""
        with self._mode(patient=True):
            yield

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Within the block, which changes nothing that is saved, a signal ends what is going on."""
        with self._mode(patient=False):
            self.obey()
            yield

    def obey(self) -> None:
        """Raises KeyboardInterrupt or StopRequested if a stop was asked for."""
        if self.requested is not None:
            raise _as_exception(self.requested)

    @contextmanager
    def _mode(self, *, patient: bool) -> Iterator[None]:
        before, self._patient = self._patient, patient
        try:
            yield
        finally:
            self._patient = before

    def _came(self, number: int, frame: FrameType | None) -> None:
        put_off, self.put_off = self.put_off, None
        if self.requested is not None and put_off != "sent again":
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.requested = number
        if self._patient:
            name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
            # Not through print or the log: the signal may have come while one of them was writing.
            os.write(2, f"{name}: saving and stopping after this step; once more ends the run at once\n".encode())
        elif _num_imports(frame) > self._imports_outside:
            self.put_off = "waiting"
            _thread.start_new_thread(self._ask_again, (number,))  # threading's own start takes locks: not in a handler
        else:
            raise _as_exception(number)

    def _ask_again(self, number: int) -> None:
        time.sleep(IMPORT_SECONDS)
        self.put_off = "sent again"
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, number)  # wakes it where it waits
        else:
            signal.raise_signal(number)


def _num_imports(frame: FrameType | None) -> int:
    """Returns how many imports are going on in a frame and those that called it."""
    number = 0
    while frame is not None:
        number += (
            frame.f_code.co_filename == "<frozen importlib._bootstrap>" and frame.f_code.co_name == "_find_and_load"
        )
        frame = frame.f_back
    return number


# Those of the blocks that listen now, the outermost first.
_listening: list[Stops] = []


def obey_what_was_put_off() -> None:
    """Lets a stop that an import has put off come now: on a busy machine much else would be done until it comes."""
    while any(stops.put_off for stops in _listening):
        time.sleep(IMPORT_SECONDS)


def stop_unless_asked() -> None:
    """Sends this process SIGTERM, unless a signal asked it to stop before: a second one would end it at once."""
    if all(stops.requested is None for stops in _listening):
        os.kill(os.getpid(), signal.SIGTERM)


def _as_exception(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else StopRequested(number)


@contextmanager
def listening() -> Iterator[Stops]:
    """Yields a `Stops` that hears the signals until the block ends; outside the main thread it hears none.

    A signal that is ignored (a shell does so for commands in the background) stays ignored.
    """
    stops = Stops()
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, stops._came)
    _listening.append(stops)
    try:
        yield stops
    finally:
        _listening.remove(stops)
        for number in heard:
            signal.signal(number, before[number] or signal.SIG_DFL)
