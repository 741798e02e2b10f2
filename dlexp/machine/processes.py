"""Processes of our own: how they start, how they live with the one that started them, and what their end means."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from dlexp.machine.signals import SIGNALS, stop_unless_asked


def children_context(preload: str) -> multiprocessing.context.BaseContext:
    """Returns how children start: forked from a server that has imported `preload` (11 ms), spawned without fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return context


def take_environment(variables: dict[str, str]) -> None:
    """Makes the parent's variables this process's own; a server that an earlier sweep started has those of then."""
    os.environ.clear()
    os.environ.update(variables)


@contextmanager
def without_main() -> Iterator[None]:
    """Lets no process that starts in the block import the script that this one runs: it would run all of it again."""
    main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def live_with_parent() -> None:
    """Leaves signals for all processes to the parent, which passes them on once; stops when the parent is killed."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # the server that forked it holds them back
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        stop_unless_asked()

    threading.Thread(target=watch, daemon=True, name="parent").start()


def told(receiver: Connection) -> Any:
    """Returns what a process that has ended told through its pipe; None where it told nothing."""
    try:
        return receiver.recv() if receiver.poll() else None
    except (EOFError, OSError):  # asked of a pipe without a writer, Windows raises the second
        return None


def reason(exit_code: int | None) -> str:
    """Returns why a process ended, from its exit code: negative ones are signals."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"killed by {name}" + (" (often: out of memory)" if name == "SIGKILL" else "")
