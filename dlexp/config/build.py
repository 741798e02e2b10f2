"""From config nodes to objects: the one place that calls what a config names, behind an allow-list."""

import functools
import inspect
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from dlexp.config.loaded_once import handed_on, keep
from dlexp.config.schema import FILES_OF_DATA, GROUPS, EvaluationSettings, PartSettings, takes_one_score
from dlexp.data.fingerprint import Content, beside, of_splits, teller
from dlexp.errors import UserError

# What a `_target_` may name: modules that lie directly in a group's package, and these of torch; a person adds a module
# of their own with `allow=module`. What starts processes only the option of the group launcher may name.
PACKAGES = {group.package for name, group in GROUPS.items() if name != "launcher"}
LAUNCHERS = {GROUPS["launcher"].package}
TORCH = ("torch.nn.", "torch.optim.")


def allowed_modules() -> list[str]:
    """Returns the modules the person allowed: only the command line and the environment can, never a file."""
    return [name for name in os.environ.get("DLEXP_ALLOW", "").replace(",", " ").split() if name]


def target(path: Any, *, launcher: bool = False) -> Callable[..., Any]:
    """Returns the class or function that a `_target_` names, with `launcher` that of the group launcher.

    Raises:
        UserError: it is not on the allow-list, or there is no such thing.
    """
    if not isinstance(path, str):
        raise UserError(f"_target_ must be the name of a class or function, not {path!r}")
    packages = LAUNCHERS if launcher else PACKAGES
    allowed = TORCH + (own := tuple(f"{name}." for name in allowed_modules()))
    is_own, module = path.startswith(own), path.rpartition(".")[0] or path
    if not is_own and not path.startswith((*TORCH, *(f"{name}." for name in packages))):
        raise _not_allowed(path, module)
    if not is_own and any(part.startswith("_") for part in path.split(".")):
        # torch.nn.attention._fa3._fa3_import_module imports, and so runs, any file of the current folder.
        raise _not_allowed(path, module, ": it is a private part of its library")
    try:
        found = _located(path)
    except Exception as error:  # a module may raise anything while it is imported
        raise UserError(f"_target_ '{path}' can't be imported: {' '.join(str(error).split())}") from error
    if not callable(found):
        raise UserError(f"_target_ '{path}' is not a class or function")
    # dlexp.data.splits.torch.hub.load lies in an allowed module, but comes from elsewhere.
    origin = _origin(found)
    if origin is None:
        raise UserError(
            f"_target_ '{path}' is not allowed to run: it does not tell which module it comes from;"
            " name a function of your own that calls it"
        )
    # Directly: dlexp.data.fetch downloads, from wherever it is told.
    if not f"{origin}.".startswith(allowed) and not {origin, origin.rpartition(".")[0]} & packages:
        raise _not_allowed(path, origin, f": it comes from {origin}")
    return found  # type: ignore[no-any-return]


def _origin(found: Callable[..., Any]) -> str | None:
    """Returns the module that something callable was written in, whichever module it was found in.

    That of an object is its class's, and that of a partial function is the one of what it calls.
    """
    while isinstance(found, functools.partial):
        found = found.func
    module = getattr(found, "__module__", None)  # built-in methods have None, method wrappers lack it
    return module if isinstance(module, str) else None


def _not_allowed(path: str, module: str, why: str = "") -> UserError:
    return UserError(
        f"_target_ '{path}' is not allowed to run{why}; if you trust it, add allow={module} to the command, or"
        f" set DLEXP_ALLOW={module}"
    )


def targets_in(value: Any) -> Iterator[str]:
    """Yields every `_target_` in a node, at any depth: all of them are going to be called."""
    if isinstance(value, dict):
        yield from [value["_target_"]] if "_target_" in value else []
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from targets_in(item)


def _located(path: str) -> Any:
    names = path.split(".")
    found: Any = import_module(names[0])
    for number, name in enumerate(names[1:], start=2):
        if not hasattr(found, name):
            import_module(".".join(names[:number]))
        found = getattr(found, name)
    return found


def build(node: Mapping[str, Any], *args: Any, launcher: bool = False) -> Any:
    """Calls what a node names, with the node's other keys; run-time objects (parameters, an optimizer) come first.

    Nodes within it are built before it. As Hydra has it, `_args_` are positional, and with `_partial_: true` the call
    waits for the rest. What a constructor raises comes as it is.

    Raises:
        UserError: something is named that may not run, or that does not exist.
    """
    functions = {path: target(path, launcher=launcher) for path in targets_in(node)}  # all of them before any is called
    return _built(node, functions, args)


def _built(value: Any, functions: Mapping[str, Callable[..., Any]], args: tuple[Any, ...] = ()) -> Any:
    if isinstance(value, list):
        return [_built(item, functions) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "_target_" not in value:
        return {key: _built(item, functions) for key, item in value.items()}
    function = functions[value["_target_"]]
    positional = (*args, *(_built(item, functions) for item in value.get("_args_", ())))
    others = {key: item for key, item in value.items() if key not in ("_target_", "_args_", "_partial_")}
    named = {key: _built(item, functions) for key, item in others.items()}
    call = functools.partial(function, *positional, **named)
    return call if value.get("_partial_") else call()


def build_optimizer(node: Mapping[str, Any], named_parameters: Sequence[tuple[str, Any]]) -> Any:
    """Makes the optimizer of a model's parameters; with `parts`, one for each part of them, joined to one.

    Raises:
        UserError: a part's patterns match no parameter, or a parameter is in no part.
    """
    if "parts" not in node:
        return build(node, _in_groups([parameter for _, parameter in named_parameters]))
    from dlexp.optimizers.parts import Parts, split

    parts = {str(name): part for name, part in node["parts"].items() if part is not None}
    optimizers = {}
    for name, parameters in split(named_parameters, parts).items():
        own = {key: parts[name].get(key) for key in PartSettings.__dataclass_fields__}
        optimizer = build({key: value for key, value in parts[name].items() if key not in own}, _in_groups(parameters))
        for group in optimizer.param_groups:
            group["until"] = 1.0 if own["until"] is None else own["until"]
        optimizers[name] = optimizer
    return Parts(optimizers)


def _in_groups(parameters: list[Any]) -> list[Any]:
    """Returns parameters for an optimizer; each that is frozen yet in a group of its own.

    Torch's fused SGD fails where some parameters of a group have momentum and others are new.
    """
    trained = [each for each in parameters if each.requires_grad]
    if len(trained) == len(parameters):
        return parameters
    return [{"params": each} for each in (trained, *([each] for each in parameters if not each.requires_grad)) if each]


def build_task(config: Mapping[str, Any]) -> Any:
    """Makes the task, with the criterion in it and the metrics that were chosen."""
    from dlexp.methods.method import Moment
    from dlexp.tasks.chosen import choose_metrics

    node = {key: value for key, value in config["task"].items() if key not in ("metric", "standardise")}
    targets = node["targets"]
    taken = inspect.signature(target(node["_target_"])).parameters
    if "targets" not in taken and not any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        del node["targets"]
    task = build(node)
    task.targets, task.moment, task.one_score = targets, Moment.beginning(), takes_one_score(config)
    task.criterion = criterion = build({key: value for key, value in config["criterion"].items() if key != "outputs"})
    task.tells_moment |= "moment" in inspect.signature(getattr(criterion, "forward", criterion)).parameters
    choose_metrics(task, build_each(config["metric"]), config["task"]["metric"])
    task.besides = getattr(target(config["method"]["_target_"]), "metrics", {})
    return task


def build_schedule(node: Mapping[str, Any], optimizer: Any, total_steps: int) -> Any:
    """Makes the schedule of an optimizer; the length of the training goes to what takes `total_steps`.

    Torch's own schedules count in steps or epochs of theirs, so nothing is given to them by position.
    """
    names = inspect.signature(target(node["_target_"])).parameters
    length = {"total_steps": total_steps} if "total_steps" in names and "total_steps" not in node else {}
    if node["_target_"].endswith("ReduceLROnPlateau"):
        raise UserError(
            "ReduceLROnPlateau wants a number after each validation; scheduler=plateau follows validation here"
        )
    return build({**node, **length}, optimizer)


def build_each(node: Mapping[str, Any], engines: Collection[str] = ()) -> dict[str, Any]:
    """Makes what was chosen of a group whose options compose, by name and in order; `engines` are the engine's keys."""
    nodes = {name: each for name, each in node.items() if each is not None}
    return {name: build({k: v for k, v in each.items() if k not in engines}) for name, each in nodes.items()}


def build_evaluation(node: Mapping[str, Any]) -> Any:
    """Makes what asks the model in evaluation."""
    return build({key: value for key, value in node.items() if key not in EvaluationSettings.__dataclass_fields__})


def load_data(node: Mapping[str, Any]) -> Any:
    """Calls the data set's function with those keys of its node that its signature names; returns `Splits`.

    Groups and weights of files are added, unless the function does that itself: one that divides the samples it reads.
    What it draws from the default generators is the same for the same `split_seed`, whenever it is called.
    """
    from dlexp.machine.device import seed_everything

    if (waiting := handed_on(node)) is not None:
        return waiting
    function = target(node["_target_"])
    hold_to_files(node)
    seed_everything(node["split_seed"])
    splits, names = _called(function, node), inspect.signature(function).parameters
    if "group_file" in names or not any(node.get(key) for key in FILES_OF_DATA):
        return splits
    from dlexp.data.per_sample import described

    return _called(functools.partial(described, splits), node)


def hold_to_files(node: Mapping[str, Any], is_here: bool = True) -> None:
    """Raises UserError where the files of groups and weights are not there, or the data has no names for a pattern."""
    from dlexp.data import per_sample

    named = {key: node.get(key) for key in FILES_OF_DATA}
    if any(named.values()):
        per_sample.hold_to_files(target(node["_target_"]), **named, is_here=is_here)


def prepared(splits: Any, node: Mapping[str, Any], task: Any) -> Any:
    """Returns loaded `Splits` as the common settings of the data divide and shorten them for a task."""
    from dlexp.data.partition import prepare

    told = {"ignored": getattr(task, "ignore_index", None), "is_supervised": task.targets != "none"}
    return _called(functools.partial(prepare, splits), {**node, **told})


def told_content(node: Mapping[str, Any]) -> Content | None:
    """Returns what the data set's function tells of its content without loading it, None where it tells nothing."""
    tell = teller(target(node["_target_"]))
    return None if tell is None else beside(_called(tell, node), [node["group_file"], node["weight_file"]])


def _called(function: Callable[..., Any], node: Mapping[str, Any]) -> Any:
    return function(**{name: node[name] for name in inspect.signature(function).parameters if name in node})


def content_of(node: Mapping[str, Any]) -> Content:
    """Returns the content of a data set, which is loaded only where its function does not tell.

    Raises UserError where the data is missing or damaged.
    """
    if told := told_content(node):
        return told
    splits = load_data(node)
    keep(node, splits)
    return of_splits(splits)
