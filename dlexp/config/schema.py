"""The run's own settings with their types and ranges, and what each group of conf/ stands for; values stand in YAML."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from dlexp.ranges import Choice, Ends, Incidental, Later, OfSweeps, One, Range, Sizes

MISSING: Any = "???"  # OmegaConf's word for a value that a YAML file has to give


@dataclass(frozen=True)
class Group:
    """Marks a setting that an option of conf/ fills.

    package: where the classes and functions of its options lie. passed: what the engine passes to them by position.
    named: what it passes by keyword to what has such a parameter and no setting for it.
    composes: any number of its options may be chosen at once, each a node by its name.
    """

    package: str
    passed: int = 0
    named: tuple[str, ...] = ()
    composes: bool = False


@dataclass
class Settings:
    """Types and ranges of the top level of conf/config.yaml; the values stand there."""

    seed: Annotated[int, Range(ge=0, lt=2**63)] = MISSING
    epochs: Annotated[int, Range(ge=1)] = MISSING
    batch_size: Annotated[int, Range(ge=1)] = MISSING
    max_steps: Annotated[int | None, Range(ge=1)] = MISSING
    overfit_batches: Annotated[int | None, Range(ge=1)] = MISSING
    accumulate: Annotated[int, Range(ge=1)] = MISSING
    grad_clip: Annotated[float | None, Range(gt=0)] = MISSING
    l1: Annotated[float | None, Range(gt=0), Later()] = MISSING
    patience: Annotated[int | None, Range(ge=1)] = MISSING
    note: Annotated[str | None, Incidental(), Later()] = MISSING
    init_from: str | None = MISSING
    stages: Annotated[Any, Incidental(), Later()] = MISSING
    freeze: list[str] = MISSING
    device: Annotated[str, Incidental()] = MISSING
    precision: Annotated[str, Choice("auto", "float32", "bfloat16", "float16")] = MISSING
    deterministic: bool = MISSING
    compile: bool = MISSING
    threads: Annotated[int | None, Range(ge=1), Incidental()] = MISSING
    test: bool = MISSING
    pictures: Annotated[bool, Incidental()] = MISSING
    val_every: Annotated[int, Range(ge=1)] = MISSING
    log_steps: Annotated[int, Range(ge=1), Incidental()] = MISSING
    n_jobs: Annotated[int, Range(ge=1), Incidental(), OfSweeps()] = MISSING
    jobs_per_gpu: Annotated[int | None, Range(ge=1), Incidental(), OfSweeps()] = MISSING
    on_error: Annotated[str, Choice("continue", "stop"), Incidental(), OfSweeps()] = MISSING
    rerun: Annotated[bool, Incidental(), OfSweeps()] = MISSING
    dry_run: Annotated[bool, Incidental()] = MISSING
    launcher: Annotated[Any, Group("dlexp.sweep.launchers", passed=1), Incidental()] = MISSING
    search: Annotated[Any, Group("dlexp.search"), Incidental(), OfSweeps(), Later()] = MISSING
    trials: Annotated[int | None, Range(ge=1), Incidental(), OfSweeps(), Later()] = MISSING
    checkpoint: Annotated[Any, Incidental()] = MISSING
    data: Annotated[Any, Group("dlexp.data")] = MISSING
    task: Annotated[Any, Group("dlexp.tasks")] = MISSING
    model: Annotated[Any, Group("dlexp.models")] = MISSING
    init: Annotated[Any, Group("dlexp.inits", passed=1)] = MISSING
    recipe: Annotated[Any, Incidental()] = None
    criterion: Annotated[Any, Group("dlexp.criteria")] = MISSING
    # Of groups that compose, a list may be empty: augment=[].
    metric: Annotated[Any, Group("dlexp.metrics", composes=True)] = field(default_factory=dict)
    method: Annotated[Any, Group("dlexp.methods")] = MISSING
    watch: Annotated[Any, Group("dlexp.watch", composes=True)] = field(default_factory=dict)
    optimizer: Annotated[Any, Group("dlexp.optimizers", passed=1)] = MISSING
    scheduler: Annotated[Any, Group("dlexp.schedules", passed=1, named=("total_steps",))] = MISSING
    view: Annotated[Any, Group("dlexp.views", composes=True), Later()] = field(default_factory=dict)
    augment: Annotated[Any, Group("dlexp.augment", composes=True)] = field(default_factory=dict)
    ema: Annotated[Any, Group("dlexp.train.average", passed=1)] = MISSING
    evaluation: Annotated[Any, Group("dlexp.train.views")] = MISSING
    profile: Annotated[Any, Group("dlexp.profiling", passed=2), Incidental()] = MISSING


@dataclass
class CheckpointSettings:
    """When the whole state is saved, besides the end of a run (null: not by this clock), and what stays of it then."""

    every_minutes: Annotated[float | None, Range(gt=0)]
    every_epochs: Annotated[int | None, Range(ge=1)]
    every_steps: Annotated[int | None, Range(ge=1)]
    keep: Annotated[str, Choice("resume", "best", "metrics")]


@dataclass
class PartSettings:
    """What every part of an optimizer may say besides its optimizer's own settings."""

    params: list[str] | None
    ndim: Annotated[int | None, Range(ge=0)]
    until: Annotated[float | None, Range(gt=0, le=1)]


@dataclass
class TaskSettings:
    """What every task understands."""

    metric: str | None
    standardise: bool | Annotated[str, Choice("auto")]
    targets: Annotated[str, Choice("classes", "values", "labels", "mask", "none")]


@dataclass
class CriterionSettings:
    """What every criterion understands; only where it takes another number of outputs than there are classes."""

    outputs: Annotated[int | None, One(), Later()]


@dataclass
class EvaluationSettings:
    """What every way of evaluating understands."""

    train: bool


@dataclass
class ViewSettings:
    """What every view says besides its own settings: whose samples it changes, and their shape if it changes that."""

    split: Annotated[str, Choice("train", "test", "both")]
    shape: Annotated[list[int | None] | None, Sizes()]


@dataclass
class DataSettings:
    """What every data set understands, and the facts that every data set states."""

    root: Annotated[str | None, Incidental()]
    download: Annotated[bool, Incidental()]
    url: Annotated[str | None, Incidental()]
    val_size: Annotated[float, Range(ge=0)]
    split_seed: Annotated[int, Range(ge=0)]
    limit: Annotated[int | None, Range(ge=1)]
    train_limit: Annotated[int | None, Range(ge=1), Later()]
    labelled: Annotated[int | None, Range(ge=1), Later()]
    folds: Annotated[int | None, Range(ge=2)]
    fold: Annotated[int | None, Range(ge=0)]
    group_file: Annotated[str | None, Later()]
    group_pattern: Annotated[str | None, Later()]
    weight_file: Annotated[str | None, Later()]
    sampling: Annotated[str | None, Choice("balanced")]
    label_noise: Annotated[float | None, Range(gt=0, lt=1), Later()]
    test_label_noise: Annotated[float | None, Range(gt=0, lt=1), Later()]
    fields: dict[str, Any] | None
    range: Annotated[list[float] | None, Ends(), Later()]
    shape: Annotated[list[int | None], Sizes()]
    num_outputs: Annotated[int, Range(ge=1, le=100_000)]
    class_names: list[str] | None
    mean: list[float] | None
    std: list[float] | None


@dataclass
class FileSettings(DataSettings):
    """Sets of files have these as well, which their own signatures describe: how they are read changes no pixel."""

    device: Annotated[Any, Incidental()]
    in_memory: Annotated[Any, Incidental()]
    workers: Annotated[Any, Incidental()]


def marked(schema: type, kind: type) -> dict[str, Any]:
    """Returns the marks of a kind (`Group`, `Incidental`) that stand at a schema's settings, by setting."""
    hints = typing.get_type_hints(schema, include_extras=True)
    return {
        key: mark for key, hint in hints.items() for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, kind)
    }


# The first weights that a model gives itself: what all runs had before there was a choice, so theirs stay.
OWN_INIT = {"_target_": "dlexp.inits.own.own"}
# Settings of models that came when there were runs already, and what these had: at these values a run is theirs.
LATER_OF_MODELS: dict[str, dict[str, Any]] = {
    "dlexp.models.alexnet.alexnet": {"local_norm": False, "activation": "relu", "pool": "max"},
    "dlexp.models.autoencoder.Autoencoder": {"batch_norm": False, "dropout": 0.0},
    "dlexp.models.cnn.cnn": {"kernel": 3, "activation": "relu", "pool": "max", "batch_norm": True},
    "dlexp.models.conv_autoencoder.ConvAutoencoder": {"batch_norm": False, "dropout": 0.0},
    "dlexp.models.googlenet.GoogLeNet": {"activation": "relu", "pool": "max", "batch_norm": True},
    "dlexp.models.lenet.lenet": {"dropout": 0.0},
    "dlexp.models.mlp.mlp": {"residual": False},
    "dlexp.models.resnet.resnet": {"activation": "relu", "batch_norm": True, "dropout": 0.0},
    "dlexp.models.tiny_cnn.tiny_cnn": {"activation": "relu", "pool": "max", "batch_norm": False, "dropout": 0.0},
    "dlexp.models.torchvision.torchvision": {"auxiliary": False, "auxiliary_weight": 0.3},
    "dlexp.models.unet.UNet": {"activation": "relu", "pool": "max", "batch_norm": True, "dropout": 0.0},
    "dlexp.models.vgg.vgg": {"activation": "relu", "pool": "max"},
}
# The same of data sets.
LATER_OF_SETS: dict[str, dict[str, Any]] = {"dlexp.data.spiral.spiral": {"drawing": "cs231n", "test_size": 1.0}}
LATER = marked(Settings, Later)
LATER_OF_DATA = marked(DataSettings, Later)
# Of those what names a file, or tells groups by the names of files.
FILES_OF_DATA = [key for key in LATER_OF_DATA if key.partition("_")[2] in ("file", "pattern")]
GROUPS: dict[str, Group] = marked(Settings, Group)


def takes_one_score(config: Mapping[str, Any]) -> bool:
    """Returns whether the criterion takes one score of two classes: `outputs: 1` says so, of classes alone."""
    criterion, task = config["criterion"], config["task"]
    are_nodes = isinstance(criterion, Mapping) and isinstance(task, Mapping)
    return are_nodes and criterion.get("outputs") == 1 and task.get("targets") == "classes"
