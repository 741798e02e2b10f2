"""The only door to torchvision: imports it late, and beside a torch that its compiled operations do not fit."""

import functools
import http.client
import importlib
import logging
import sys
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import nn

from dlexp.errors import UserError, did_you_mean

log = logging.getLogger(__name__)

# Operations that torchvision describes to torch while it is imported; they must exist, if only by name.
SCHEMAS = {name: f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms")}
# Whose constructors know of auxiliary heads, and warn about their first weights unless told which.
WITH_AUXILIARY = ("googlenet", "inception_v3")


@functools.cache
def import_torchvision() -> ModuleType:
    """Imports torchvision, whose wheel is built for CUDA, also beside a CPU-only torch.

    There its compiled operations do not load and its import stops at the first one it describes (pytorch/vision #9649).
    With their names declared, models, transforms and data sets work; only box operations of detection do not.

    Raises:
        UserError: torchvision is missing or fits this torch in no way.
    """
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise UserError(f"torchvision can't be imported ({error}); install it with: pip install torchvision") from error
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _declare_operations()
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left half done
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Failed to load image Python extension")
            return importlib.import_module("torchvision")
    except RuntimeError as error:
        raise UserError(
            f"this torchvision does not fit torch {torch.__version__} ({error}); install the release that belongs to it"
        ) from error


@functools.cache  # torch forgets the declarations when the library object dies
def _declare_operations() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name, schema in SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)  # type: ignore[no-untyped-call]
    return library


def classifiers() -> list[str]:
    """Returns the names of torchvision's image classifiers."""
    models = import_torchvision().models
    return list(models.list_models(module=models))


def classifier(name: str, num_outputs: int, auxiliary: bool = False) -> nn.Module:
    """Builds an image classifier with new weights; with `auxiliary` it returns a tuple while training, logits first.

    Raises:
        UserError: there is none of this name, or it has no auxiliary heads.
    """
    names = classifiers()
    if name not in names:
        raise UserError(
            f"torchvision has no classifier '{name}' (model.name).{did_you_mean(name, names)}"
            f" It has: {', '.join(names)}"
        )
    extra = {"aux_logits": auxiliary, "init_weights": True} if name in WITH_AUXILIARY else {}
    if auxiliary and not extra:
        raise UserError(
            f"model.auxiliary=true: torchvision's {name} has no auxiliary heads; {' and '.join(WITH_AUXILIARY)} have"
        )
    return import_torchvision().models.get_model(name, weights=None, num_classes=num_outputs, **extra)  # type: ignore[no-any-return]


def published_weights(name: str, weights: str) -> Any:
    """Returns torchvision's entry for the published weights of a classifier; nothing is downloaded.

    Raises:
        UserError: this classifier has no weights of that name.
    """
    known = import_torchvision().models.get_model_weights(name)
    if weights not in known.__members__:
        names = list(known.__members__)
        raise UserError(
            f"torchvision's {name} has no weights '{weights}' (model.weights).{did_you_mean(weights, names)}"
            f" Use null or one of: {', '.join(names)}"
        )
    return known[weights]


def fetch(published: Any) -> dict[str, torch.Tensor]:
    """Returns the tensors of published weights, from torch's cache folder or downloaded into it.

    Raises:
        UserError: they can't be downloaded or written, or what came is not the published file.
    """
    file = published.url.rpartition("/")[2]
    log.info("weights %s (%s) are read from, or downloaded into, %s", published, file, torch.hub.get_dir())
    try:
        return dict(published.get_state_dict(progress=sys.stderr.isatty(), check_hash=True))
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        raise UserError(
            f"weights {published} could not be fetched ({error}); use model.weights=null, or download {published.url}"
            f" yourself and put it into {torch.hub.get_dir()} under checkpoints"
        ) from error
