"""Settings of a model that were typed and change nothing, since another one leaves out what they are of."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlexp.errors import as_typed, listed

MLP = "dlexp.models.mlp.mlp"
# By what leaves it out: what that is, and its settings.
LEFT_OUT = (
    ("auxiliary", False, "no heads", ("auxiliary_weight",)),
    ("depth", 0, "no hidden layers", ("width", "activation", "dropout", "batch_norm")),
)


def no_effect(config: Mapping[str, Any], words: Sequence[str]) -> Iterator[str]:
    """Yields a sentence for each setting that leaves out what others that were typed are of."""
    model = config["model"]
    if not isinstance(model, Mapping):
        return
    typed = [word.lstrip("+").partition("=")[0] for word in words]
    for key, value, lacking, settings in LEFT_OUT:
        if model.get(key) != value or (key == "depth" and model.get("_target_") != MLP):
            continue
        if idle := [f"model.{name}" for name in settings if f"model.{name}" in typed]:
            verb = "changes" if len(idle) == 1 else "change"
            yield f"warning: {listed(idle)} {verb} nothing: with model.{key}={as_typed(value)} there are {lacking}"
