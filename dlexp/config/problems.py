"""What a composed config alone shows to be wrong, without importing torch."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dlexp.config import registry
from dlexp.config.build import target
from dlexp.config.hinted import against_hints
from dlexp.config.schema import (
    GROUPS,
    LATER,
    CheckpointSettings,
    CriterionSettings,
    DataSettings,
    EvaluationSettings,
    PartSettings,
    Settings,
    TaskSettings,
    ViewSettings,
    marked,
    takes_one_score,
)
from dlexp.config.viewed import view_problems
from dlexp.errors import UserError, as_typed, did_you_mean, listed, to_type
from dlexp.ranges import Later

# What every option of a group understands besides its own settings.
COMMON: dict[str, Any] = {
    "data": DataSettings,
    "task": TaskSettings,
    "criterion": CriterionSettings,
    "evaluation": EvaluationSettings,
}

FEW = 16  # features or channels of which each has its number in a suggestion


def config_problems(config: Mapping[str, Any], groups: Collection[str] = GROUPS.keys()) -> list[str]:
    """Returns what types, ranges, unknown keys and, of these groups, unknown targets are wrong, a sentence each."""
    problems = settings_problems(config)
    if config["stages"] is not None:
        names = listed(list(config["stages"]), 3) if isinstance(config["stages"], dict) else config["stages"]
        problems.append(f"the stages {names} are trained by a run or a sweep (-m) alone; stages=null leaves them out")
    misfit = task_problems(config)
    for group in groups:
        problems += misfit if misfit and group == "task" else group_problems(group, config[group])
    # A setting that all options of a group share may be described twice, and what a task takes over from the data.
    taken_over = {each.replace("data.", "task.", 1) for each in problems if each.startswith("data.")}
    return [each for each in dict.fromkeys(problems) if each not in taken_over]


def settings_problems(config: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with the run's own settings and the common ones of the data, without importing torch."""
    problems = against_hints(config, Settings, "")
    for name, schema in {**COMMON, "checkpoint": CheckpointSettings}.items():
        if isinstance(config[name], dict):
            problems += against_hints(config[name], schema, f"{name}.")
    return problems or [
        *_fold_problems(config["data"]),
        *_unit_problems(config),
        *_patience_problems(config),
        *_label_problems(config),
        *_evaluation_problems(config),
        *view_problems(config),
    ]


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
        name = f"criterion {str(criterion['_target_']).rpartition('.')[2]}"
        own = "criterion.outputs=null, " * _takes_each(criterion["_target_"])
        return [
            f"{name} takes one score a sample, which tells two classes apart, and the data has {outputs}: {own}"
            "criterion=cross_entropy or hinge takes a score for each; of labels that go together task=multi_label does"
        ]
    return []


def _takes_each(criterion: str) -> bool:
    """Returns whether a criterion of ours takes a score of each class where nobody asks for one alone."""
    files = [file for name in registry.groups()["criterion"] if (file := registry.file_of("criterion", name))]
    file = next((file for file in files if f"_target_: {criterion}\n" in file.read_text(encoding="utf-8")), None)
    return file is not None and any(each.key == "outputs" and each.value == "null" for each in registry.settings(file))


def _fold_problems(data: Any) -> list[str]:
    folds, fold = (data.get(key) for key in ("folds", "fold")) if isinstance(data, dict) else (None, None)
    if (folds is None) != (fold is None):
        return ["data.folds and data.fold go together: data.folds=5 data.fold=0 validates on the first of five parts"]
    return [f"data.fold={fold} must be below data.folds={folds}: folds count from 0"] if fold and fold >= folds else []


def _unit_problems(config: Mapping[str, Any]) -> list[str]:
    """Of a mean or deviation for other samples: a preset's own stay where another data set is typed."""
    data = config["data"]
    shape = data.get("shape") if isinstance(data, dict) else None
    if config["view"] or not isinstance(shape, list) or not shape or not isinstance(shape[0], int):
        return []
    given = {f"data.{key}": data.get(key) for key in ("mean", "std")}
    wrong = {key: value for key, value in given.items() if isinstance(value, list) and len(value) != shape[0]}
    if not wrong:
        return []
    told = " and ".join(f"{key}={as_typed(value)}" for key, value in wrong.items())
    each = "feature" if len(shape) == 1 else "channel"
    instead = f"{' '.join(f'{key}=null' for key in wrong)} for computed ones"
    if shape[0] <= FEW and all(set(value) == {float(key == "data.std")} for key, value in wrong.items()):
        same = " ".join(to_type(f"{key}={as_typed(value[:1] * shape[0])}") for key, value in wrong.items())
        instead = f"{same} leaves them as they are too, {instead}"
    return [f"{told} must hold a number for each {each}, and the samples have {shape[0]}: {instead}"]


def _patience_problems(config: Mapping[str, Any]) -> list[str]:
    patience, data = config["patience"], config["data"]
    if patience is None or config["overfit_batches"] is not None or not isinstance(data, dict):
        return []
    if data.get("val_size") != 0 or data.get("folds") is not None:
        return []
    told = f"patience={patience} waits for validation, which data.val_size=0 leaves out"
    return [f"{told}: data.val_size=0.1 validates on a tenth of the training samples, patience=null trains to the end"]


def _label_problems(config: Mapping[str, Any]) -> list[str]:
    if config["task"].get("targets") == "classes":
        return []
    shares = {key: config["data"].get(key) for key in ("label_noise", "test_label_noise")}
    what = "replaces the classes of samples, and this task learns no class a sample"
    return [f"data.{key}={share:g} {what}" for key, share in shares.items() if share is not None]


def _evaluation_problems(config: Mapping[str, Any]) -> list[str]:
    if not isinstance(config["evaluation"], dict) or not config["evaluation"].get("train"):
        return []
    few = "evaluation.train=true has nothing to add to overfit_batches, which evaluates what it trains on: leave it out"
    return [few] if config["overfit_batches"] is not None else []


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
            problems += against_hints(part, PartSettings, f"optimizer.parts.{name}.")
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
    said: list[str] = []
    if name.startswith("view."):
        said, node = _of_view(name, node)
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
        *said,
        *(f"{name}.{key} is no setting of {node['_target_']}.{did_you_mean(key, known) or has}" for key in unknown),
        *(
            f"{name}.{key} is missing in the config: ~ can't take it out (=… changes it), and an option of your own"
            f" needs a line {key}: …"
            for key in missing
        ),
        *against_hints(values, function, f"{name}."),
    ]


def _of_view(name: str, node: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Returns what is wrong with a view's settings for the engine, and its others."""
    engines = ViewSettings.__dataclass_fields__
    said = against_hints({key: value for key, value in node.items() if key in engines}, ViewSettings, f"{name}.")
    if "split" not in node:
        said.append(f"{name}.split is missing in the config: a view of your own needs a line split: both")
    return said, {key: value for key, value in node.items() if key not in engines}
