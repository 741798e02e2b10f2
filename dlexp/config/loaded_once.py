"""Data that was loaded to know its content, and waits for the run that trains on it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# Each with the node it was loaded for.
_waiting: ContextVar[list[tuple[Mapping[str, Any], Any]] | None] = ContextVar("waiting", default=None)


@contextmanager
def loading_once() -> Iterator[None]:
    """Within the block, what `content_of` had to load is handed on to the next `load_data` of the same settings."""
    token = _waiting.set([])
    try:
        yield
    finally:
        _waiting.reset(token)


def keep(node: Mapping[str, Any], splits: Any) -> None:
    """Lets loaded data wait, within the block."""
    if (waiting := _waiting.get()) is not None:
        waiting.append((node, splits))


def handed_on(node: Mapping[str, Any]) -> Any:
    """Returns the data of these settings that waits, which does so no more; None where there is none."""
    waiting = _waiting.get() or []
    for index, (loaded_for, _) in enumerate(waiting):
        if loaded_for == node:
            return waiting.pop(index)[1]
    return None
