"""Initial weights from another run or file, by name, and parameters that stay as they are."""

import fnmatch
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.errors import UserError

log = logging.getLogger(__name__)


def initialise(model: nn.Module, source: Path) -> None:
    """Copies the weights of a run folder or a file into the parameters and buffers of the same name and shape.

    Says what matched and what did not.

    Raises:
        UserError: there are no weights at `source`, they can't be read, or none of them fits.
    """
    weights, own = read_weights(source), model.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise UserError(f"none of the {len(weights)} weights of {source} has a name and shape of this model")
    model.load_state_dict({**own, **fitting})
    log.info(f"starts from {len(fitting)} of {len(own)} weights, taken from {source}")
    for title, names in {
        "of another shape, so left as initialised": [n for n in own if n in weights and n not in fitting],
        "not there, so left as initialised": [n for n in own if n not in weights],
        "there, but not in this model": [n for n in weights if n not in own],
    }.items():
        if names:
            log.info(f"  {title}: {', '.join(names[:6])}{', …' * (len(names) > 6)} ({len(names)})")


def read_weights(source: Path) -> dict[str, Tensor]:
    """Returns weights by name: of a run folder (the best, else the last) or of a file that holds tensors by name.

    Nothing of the file is run.

    Raises:
        UserError: there are none, or the file can't be read.
    """
    if source.is_dir():
        found = [path for name in ("best.pt", "last.pt") if (path := source / "weights" / name).exists()]
        if not found:
            raise UserError(f"init_from={source}: there are no weights in that folder")
        source = found[0]
    try:
        content: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different type for every way in which a file can be foreign
        reason = "no such file" if isinstance(error, FileNotFoundError) else "it is damaged, or no file of weights"
        raise UserError(f"init_from={source} can't be read: {reason}") from error
    for key in ("model", "state_dict"):  # as dlexp and many others store them
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    weights = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not weights:
        raise UserError(f"init_from={source} holds no tensors by name")
    return weights


def freeze(model: nn.Module, patterns: Sequence[str]) -> None:
    """Takes the parameters whose names match a pattern (`features.*`) out of the training.

    Raises:
        UserError: a pattern matches nothing, or everything is frozen.
    """
    names = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            shown = ", ".join(names[:8]) + ", …" * (len(names) > 8)
            raise UserError(f"freeze={pattern} matches none of the parameters: {shown}")
    frozen = {name for pattern in patterns for name in fnmatch.filter(names, pattern)}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and name not in frozen)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(f"freeze={','.join(patterns)} leaves no parameter to train")
    if frozen:
        log.info(f"frozen: {len(frozen)} of {len(names)} parameters")
