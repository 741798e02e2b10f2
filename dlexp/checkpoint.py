"""Weights on disk: written whole or not at all, read without running anything of theirs."""

from pathlib import Path
from typing import Any

import torch

from dlexp.atomic import uninterrupted, whole_file
from dlexp.errors import UserError

FORMAT_VERSION = 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes tensors and primitives so that a reader sees the whole old file or the whole new one.

    Raises OSError when the disk is full or the folder gone; the old file is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with uninterrupted(), whole_file(path) as file:
        torch.save({"format_version": FORMAT_VERSION, **content}, file)


def load(path: Path) -> dict[str, Any]:
    """Reads a file that `save` wrote, onto the CPU.

    Raises:
        UserError: there is no such file, it is damaged, or it holds more than tensors and primitives.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there are no weights at {path}") from None
    except Exception as error:  # torch raises a different type for every way in which a file can be foreign
        raise UserError(f"{path} can't be read as weights: it is damaged, or not a file of dlexp") from error
    if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
        raise UserError(f"{path} is not a weights file of dlexp (format version {FORMAT_VERSION})")
    return content
