"""Everything that can be wrong before training, all of it in one go."""

import inspect
import math
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from dlexp.config.build import target
from dlexp.config.schema import (
    GROUPS,
    LATER,
    CheckpointSettings,
    CriterionSettings,
    DataSettings,
    PartSettings,
    Settings,
    TaskSettings,
    marked,
    takes_one_score,
)
from dlexp.errors import UserError, as_typed, did_you_mean, listed
from dlexp.ranges import Later

# What every option of a group understands besides its own settings.
COMMON: dict[str, Any] = {"data": DataSettings, "task": TaskSettings, "criterion": CriterionSettings}


def check(config: Mapping[str, Any], *, is_here: bool = True) -> None:
    """Raises one UserError that lists every problem of a composed config; returns when it can run.

    First what the config alone shows, then (when that is right) the device, and the model's layers at the data's shape.
    `is_here`: it will run on this machine; else nobody knows the device and the free memory yet.
    """
    problems = config_problems(config)
    if not problems:
        from dlexp.config.rehearsal import rehearse  # torch is needed only from here on

        problems = rehearse(config, is_here)
    if problems:
        raise UserError(*problems)


def config_problems(config: Mapping[str, Any], groups: Collection[str] = GROUPS.keys()) -> list[str]:
    """Returns what types, ranges, unknown keys and, of these groups, unknown targets are wrong, a sentence each."""
    problems = settings_problems(config)
    misfit = task_problems(config)
    for group in groups:
        problems += misfit if misfit and group == "task" else group_problems(group, config[group])
    # A setting that all options of a group share may be described twice, and what a task takes over from the data.
    taken_over = {each.replace("data.", "task.", 1) for each in problems if each.startswith("data.")}
    return [each for each in dict.fromkeys(problems) if each not in taken_over]


def settings_problems(config: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with the run's own settings and the common ones of the data, without importing torch."""
    problems = _against_hints(config, Settings, "")
    for name, schema in {**COMMON, "checkpoint": CheckpointSettings}.items():
        if isinstance(config[name], dict):
            problems += _against_hints(config[name], schema, f"{name}.")
    return problems or [*_fold_problems(config["data"]), *_patience_problems(config)]


def task_problems(config: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with a task that learns something else than the data holds, without importing torch."""
    data, task = config["data"], config["task"]
    if not isinstance(data, dict) or not isinstance(task, dict):
        return []
    classes, outputs, targets = data.get("class_names"), data.get("num_outputs"), task.get("targets")
    if classes and targets == "values":
        return [
            f"the data has classes ({listed(classes, most=3)}), and this task learns values; task=classification learns"
            " classes"
        ]
    if outputs == 1 and targets == "classes" and str(task.get("_target_")).startswith("dlexp.tasks.classification."):
        has = f"one class ({classes[0]})" if classes else "one value a sample (data.num_outputs=1), no classes"
        instead = "" if classes else "; task=regression criterion=mse learns values"
        return [f"task=classification chooses among two classes or more, and the data has {has}{instead}"]
    criterion = config["criterion"]
    if targets == "classes" and outputs != 2 and takes_one_score(config):
        return [
            f"criterion {criterion['_target_']} takes one score a sample, which tells two classes apart, and the data"
            f" has {outputs}: criterion=cross_entropy or hinge takes a score for each; of labels that go together"
            " task=multi_label does"
        ]
    return []


def _fold_problems(data: Any) -> list[str]:
    folds, fold = (data.get(key) for key in ("folds", "fold")) if isinstance(data, dict) else (None, None)
    if (folds is None) != (fold is None):
        return ["data.folds and data.fold go together: data.folds=5 data.fold=0 validates on the first of five parts"]
    return [f"data.fold={fold} must be below data.folds={folds}: folds count from 0"] if fold and fold >= folds else []


def _patience_problems(config: Mapping[str, Any]) -> list[str]:
    patience, data = config["patience"], config["data"]
    if patience is None or config["overfit_batches"] is not None or not isinstance(data, dict):
        return []
    if data.get("val_size") != 0 or data.get("folds") is not None:
        return []
    told = f"patience={patience} waits for validation, which data.val_size=0 leaves out"
    return [f"{told}: data.val_size=0.1 validates on a tenth of the training samples, patience=null trains to the end"]


def group_problems(group: str, node: Any) -> list[str]:
    """Returns what is wrong with the option of a group, a sentence each."""
    if node is None and group in LATER:
        return []
    if not isinstance(node, dict):
        return [f"{group} is {node!r}, not an option of conf/{group}"]
    if GROUPS[group].composes:
        return [
            p for name, value in node.items() if value is not None for p in _node_problems(f"{group}.{name}", value)
        ]
    if group == "optimizer" and "parts" in node:
        return _parts_problems(node["parts"])
    return _node_problems(group, node, GROUPS[group].passed, GROUPS[group].named)


def _parts_problems(parts: Any) -> list[str]:
    if not isinstance(parts, dict) or not any(parts.values()):
        return ["optimizer.parts must name at least one part, each with a _target_ and what it trains"]
    problems = []
    for name, part in parts.items():
        if isinstance(part, dict):
            own = PartSettings.__dataclass_fields__
            problems += _against_hints(part, PartSettings, f"optimizer.parts.{name}.")
            part = {key: value for key, value in part.items() if key not in own}
        if part is not None:
            problems += _node_problems(f"optimizer.parts.{name}", part, num_positional=1)
    return problems


def _node_problems(name: str, node: Any, num_positional: int = 0, named: Sequence[str] = ()) -> list[str]:
    if not isinstance(node, dict) or "_target_" not in node:
        left_out = f"; {name}=null leaves it out" if "." in name else ""
        return [f"{name} has no _target_, the class or function to call{left_out}"]
    try:
        function = target(node["_target_"], launcher=name == "launcher")
    except UserError as error:
        return [f"{name}: {error}"]
    shared = ("_target_", *(COMMON[name].__dataclass_fields__ if name in COMMON else ()))
    optional = marked(COMMON[name], Later) if name in COMMON else ()
    if name.startswith("watch."):
        node, only_looks = {key: value for key, value in node.items() if key != "only_looks"}, node.get("only_looks")
        if not isinstance(only_looks, bool | None):
            return [f"{name}.only_looks={only_looks} must be true or false"]
    signature = list(inspect.signature(function).parameters.values())[num_positional:]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature)
    parameters = {p.name: p for p in signature if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    known = sorted({*parameters, *shared} - {"_target_"})
    values = {key: value for key, value in node.items() if key not in shared or (name == "task" and key in parameters)}
    unknown = [] if takes_any else [key for key in values if key not in known]
    has = f" It has: {', '.join(known) or 'none'}"
    required = [key for key, each in parameters.items() if each.default is each.empty and key not in named]
    missing = [key for key in dict.fromkeys([*required, *shared]) if key not in node and key not in optional]
    return [
        *(f"{name}.{key} is no setting of {node['_target_']}.{did_you_mean(key, known) or has}" for key in unknown),
        *(
            f"{name}.{key} is missing in the config: ~ can't take it out (=… changes it), and an option of your own"
            f" needs a line {key}: …"
            for key in missing
        ),
        *_against_hints(values, function, f"{name}."),
    ]


def hints_of(function: Any) -> dict[str, Any]:
    """Returns the type hints of the parameters of a function or class by name; none where they can't be read."""
    if inspect.isclass(function) and not hasattr(function, "__dataclass_fields__"):
        function = function.__init__
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # a stranger's signature may name types that are not there at run time
        return {}


def _against_hints(values: Mapping[str, Any], function: Any, prefix: str) -> list[str]:
    """Returns what is wrong with those of the values that a function, or the schema, has a type hint for."""
    hints = hints_of(function)
    found = [(key, value, value_problem(value, hints[key])) for key, value in values.items() if key in hints]
    return [
        f"{prefix}{key}={as_typed(value)} {problem}{IN_QUOTES * ('a text' in problem and value is not None)}"
        for key, value, problem in found
        if problem
    ]


IN_QUOTES = "; without quotes YAML reads no, yes, on and off as false and true, and digits as a number"
NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "a mapping"}


def value_problem(value: Any, hint: Any) -> str | None:
    """Returns what is wrong with `value` under a type hint ("must be a whole number", "must be ≥ 1"), or None."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        problem = value_problem(value, args[0])
        if problem or value is None:
            return problem
        return next((p for mark in args[1:] if hasattr(mark, "problem") and (p := mark.problem(value))), None)
    if origin in (Union, types.UnionType):
        # torch writes `lr: float | Tensor`, and no config holds a tensor.
        found = [value_problem(value, arg) for arg in args if getattr(arg, "__name__", "") != "Tensor"]
        return None if None in found else " or ".join(p for p in found if p).replace(" or must be", " or")
    if origin in (list, tuple) or hint in (list, tuple):
        if not isinstance(value, list):
            return "must be a list like [1,2]"
        problems = [value_problem(each, args[0]) for each in value] if origin is list else []
        return next((f"must be a list in which each is {p.removeprefix('must be ')}" for p in problems if p), None)
    if hint is type(None):
        return None if value is None else "must be null"
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return None if math.isfinite(value) else "must be finite"
    hint = origin or hint
    if hint in NAMES and (not isinstance(value, hint) or (hint is not bool and isinstance(value, bool))):
        return f"must be {NAMES[hint]}"
    return None
