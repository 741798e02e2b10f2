"""The run's own settings with their types and ranges, names of folders, paths as people type them."""

import hashlib
import itertools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from dlexp.data.facts import RESOLVERS
from dlexp.ranges import Choice, Incidental, Range, Sizes


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
    patience: Annotated[int | None, Range(ge=1)] = MISSING
    init_from: str | None = MISSING
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
    n_jobs: Annotated[int, Range(ge=1), Incidental()] = MISSING
    jobs_per_gpu: Annotated[int | None, Range(ge=1), Incidental()] = MISSING
    on_error: Annotated[str, Choice("continue", "stop"), Incidental()] = MISSING
    rerun: Annotated[bool, Incidental()] = MISSING
    checkpoint: Annotated[Any, Incidental()] = MISSING
    data: Any = MISSING
    task: Any = MISSING
    model: Any = MISSING
    recipe: Annotated[Any, Incidental()] = None
    criterion: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = MISSING
    augment: Any = field(default_factory=dict)  # augment=[] chooses nothing
    ema: Any = MISSING
    evaluation: Any = MISSING
    profile: Annotated[Any, Incidental()] = MISSING


@dataclass
class CheckpointSettings:
    """When the whole state is saved, besides the end of a run; null: not by this clock."""

    every_minutes: Annotated[float | None, Range(gt=0)]
    every_epochs: Annotated[int | None, Range(ge=1)]
    every_steps: Annotated[int | None, Range(ge=1)]


@dataclass
class PartSettings:
    """What every part of an optimizer may say besides its optimizer's own settings."""

    params: list[str] | None
    ndim: Annotated[int | None, Range(ge=0)]
    until: Annotated[float | None, Range(gt=0, le=1)]


@dataclass
class DataSettings:
    """What every data set understands, and the facts that every data set states."""

    root: Annotated[str | None, Incidental()]
    download: Annotated[bool, Incidental()]
    url: Annotated[str | None, Incidental()]
    val_size: Annotated[float, Range(ge=0)]
    split_seed: Annotated[int, Range(ge=0)]
    limit: Annotated[int | None, Range(ge=1)]
    shape: Annotated[list[int], Sizes()]
    num_outputs: Annotated[int, Range(ge=1, le=100_000)]
    class_names: list[str] | None
    mean: list[float] | None
    std: list[float] | None
    # Sets of files have these two, which their own signatures describe: how images are read changes no pixel.
    in_memory: Annotated[Any, Incidental()]
    workers: Annotated[Any, Incidental()]


@dataclass
class Recipe:
    """What a recipe may set per optimizer; conf/optimizer/*.yaml read it."""

    lr: dict[str, float]
    weight_decay: dict[str, float] | None = None


def register() -> None:
    """Tells Hydra of the schema and OmegaConf of the resolvers. Safe to call again."""
    ConfigStore.instance().store(name="schema", node=Settings)
    OmegaConf.register_new_resolver("run_folder", _run_folder, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("job_name", job_name, replace=True)
    for name, function in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, function, use_cache=True, replace=True)


def new_folder(parent: Path, name: str) -> Path:
    """Makes and returns `parent/name`, or `name-2`, `name-3`, … where that exists: two starts never share a folder."""
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def plain_name(text: str) -> str:
    """Returns `text` in letters, digits, `.`, `_` and `-`, at most 98 characters (a longer one ends in a hash)."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "run"
    return name if len(name) <= 98 else f"{name[:89]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def unique(name: str, taken: set[str]) -> str:
    """Returns `name`, or `name-2`, `name-3`, … when it is taken (upper and lower case are one on Windows and macOS)."""
    lower = {each.lower() for each in taken}
    if name.lower() not in lower:
        return name
    return next(f"{name}-{i}" for i in itertools.count(2) if f"{name}-{i}".lower() not in lower)


def job_name(number: int, overrides: str) -> str:
    """Returns the folder name of a sweep's job: its overrides, as TensorBoard's list of runs shows them."""
    return plain_name(overrides) if overrides else f"job-{number}"


def _run_folder(parent: str, experiment: str | None, model: str, data: str, optimizer: str) -> str:
    return str(new_folder(Path(parent), plain_name(experiment or f"{model}-{data}-{optimizer}")))


def _sweep_folder(parent: str, experiment: str | None, model: str, data: str) -> str:
    return str(Path(parent) / plain_name(f"sweep-{experiment or f'{model}-{data}'}"))


PATH_KEY = re.compile(r"(\+{0,2}(?:(?:[\w@/-]+\.)*(?:root|path|dir|url|file|folder)|init_from))=(.+)", re.DOTALL)


def with_quoted_paths(overrides: list[str], multirun: bool) -> list[str]:
    """Returns the overrides with path keys' values quoted: Hydra's grammar refuses `D:\\data`, `~/data` and `a=b`.

    `init_from` and keys whose last word is root, path, dir, url, file or folder hold a path. In a sweep a comma
    separates values, unless a file of that name exists.
    """
    return [_quoted(word, multirun) for word in overrides]


def _quoted(word: str, multirun: bool) -> str:
    match = PATH_KEY.fullmatch(word)
    if match is None:
        return word
    key, value = match.groups()
    is_sweep = (
        multirun
        and not key.startswith("hydra.")
        and ("," in value or value.startswith("choice("))
        and not os.path.exists(value)
    )
    if value == "null" or value[0] in "'\"" or is_sweep:
        return word
    # Hydra reads backslashes before a quote, and only those, as escapes: a quote gets one, and they are doubled.
    value = re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + "\\'" * bool(found[2]), os.path.expanduser(value))
    return f"{key}='{value}'"
