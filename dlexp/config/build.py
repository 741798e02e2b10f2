"""From config nodes to objects: the only caller of `instantiate`, behind an allow-list of what a config may name."""

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from dlexp.errors import UserError

# Everything a `_target_` may start with; a person adds a module of their own with `allow=module`.
ALLOWED = (
    "dlexp.criteria.losses.",
    "dlexp.data.",
    "dlexp.train.views.",
    "dlexp.models.",
    "dlexp.optimizers.",
    "dlexp.profiling.profiler.",
    "dlexp.schedules.",
    "dlexp.tasks.",
    "dlexp.train.average.",
    "torch.nn.",
    "torch.optim.",
)
PART_KEYS = ("params", "ndim", "until")  # of an optimizer's part: what it trains, and how long
COMMON_DATA_KEYS = ("_target_", "root", "download", "url", "val_size", "split_seed", "limit") + (
    FACTS := ("shape", "num_outputs", "class_names", "mean", "std")
)


def allowed_modules() -> list[str]:
    """Returns the modules the person allowed: only the command line and the environment can, never a file."""
    return [name for name in os.environ.get("DLEXP_ALLOW", "").replace(",", " ").split() if name]


def target(path: Any) -> Callable[..., Any]:
    """Returns the class or function that a `_target_` names.

    Raises:
        UserError: it is not on the allow-list, or there is no such thing.
    """
    if not isinstance(path, str):
        raise UserError(f"_target_ must be the name of a class or function, not {path!r}")
    own = tuple(f"{name}." for name in allowed_modules())
    if not path.startswith(ALLOWED + own):
        raise _not_allowed(path)
    try:
        found = get_object(path)
    except Exception as error:  # Hydra turns whatever the import raised into ImportError or InstantiationException
        raise UserError(f"_target_ '{path}' can't be imported: {' '.join(str(error).split())}") from error
    if not callable(found):
        raise UserError(f"_target_ '{path}' is not a class or function")
    if not path.startswith(own) and not f"{found.__module__}.".startswith(ALLOWED):
        raise _not_allowed(path)  # dlexp.data.splits.torch.hub.load lies in an allowed module, but comes from elsewhere
    return found  # type: ignore[no-any-return]


def _not_allowed(path: str) -> UserError:
    module = path.rpartition(".")[0] or path
    return UserError(f"_target_ '{path}' is not allowed to run; if you trust it, add allow={module} to the command")


def _targets(value: Any) -> Iterator[str]:
    """Yields every `_target_` in a node, at any depth: `instantiate` calls all of them."""
    if isinstance(value, dict):
        yield from [value["_target_"]] if "_target_" in value else []
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _targets(item)


def build(node: DictConfig | dict[str, Any], *args: Any) -> Any:
    """Makes the object of a node; run-time objects (parameters, an optimizer) come first, by position."""
    for path in _targets(plain(node)):
        target(path)
    try:
        return instantiate(node, *args, _convert_="all")
    except InstantiationException as error:  # Hydra puts its own exception around whatever a constructor raised
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise


def build_optimizer(node: DictConfig, named_parameters: Sequence[tuple[str, Any]]) -> Any:
    """Makes the optimizer of a model's parameters; with `parts`, one for each part of them, joined to one.

    Raises:
        UserError: a part's patterns match no parameter, or a parameter is in no part.
    """
    if "parts" not in node:
        return build(node, [parameter for _, parameter in named_parameters])
    from dlexp.optimizers.parts import Parts, split

    parts = {str(name): plain(part) for name, part in node["parts"].items() if part is not None}
    optimizers = []
    for name, parameters in split(named_parameters, parts).items():
        own = {key: parts[name].get(key) for key in PART_KEYS}
        optimizer = build({key: value for key, value in parts[name].items() if key not in own}, parameters)
        for group in optimizer.param_groups:
            group["until"] = 1.0 if own["until"] is None else own["until"]
        optimizers.append(optimizer)
    return Parts(optimizers)


def build_augment(node: DictConfig) -> list[Any]:
    """Makes the operations of the group `augment`, in their order."""
    return [build(operation) for operation in node.values() if operation is not None]


def load_data(node: DictConfig) -> Any:
    """Calls the data set's function with those keys of its node that its signature names; returns `Splits`."""
    function = target(node["_target_"])
    values = plain(node)
    return function(**{name: values[name] for name in inspect.signature(function).parameters if name in values})


def plain(node: Any) -> Any:
    """Returns a node as resolved dicts, lists and scalars."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
