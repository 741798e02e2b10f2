"""Run folders of a few files, made in a millisecond: what a report reads of runs that nobody trained."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dlexp.config.cell import cell
from dlexp.records.folder import CONFIG, DATA, ENVIRONMENT, METRICS, MODEL, RECORD
from dlexp.records.run_json import FORMAT_VERSION

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
FOLLOWS = {
    "data.num_outputs": "data.num_classes",
    "task.class_names": "data.class_names",
    "task.num_outputs": "data.num_outputs",
    "model.shape": "data.shape",
    "model.num_outputs": "data.num_outputs",
}
# What an option of a group brings.
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "optimizer": {
        "sgd": {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
        "adam": {"_target_": "torch.optim.Adam", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0},
        "adamw": {"_target_": "torch.optim.AdamW", "lr": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.1},
    },
    "model": {
        "mlp": {"_target_": "dlexp.models.mlp.mlp", "depth": 2, "width": 128, "activation": "relu", "dropout": 0.0},
        "linear": {"_target_": "dlexp.models.linear.linear"},
    },
    "scheduler": {
        "cosine": {"_target_": "dlexp.schedules.cosine.cosine", "warmup": 0.05, "final": 0.0},
        "none": {"_target_": "dlexp.schedules.constant.constant"},
    },
}
SHAPE = {"shape": [2], "num_outputs": 3}
CONFIG_OF_A_RUN: dict[str, Any] = {
    **{"seed": 0, "epochs": 3, "batch_size": 64, "max_steps": None, "overfit_batches": None, "accumulate": 1},
    **{"grad_clip": None, "patience": None, "init_from": None, "freeze": [], "device": "auto", "precision": "auto"},
    **{"deterministic": False, "compile": False, "threads": 1, "test": True, "pictures": False, "val_every": 1},
    **{"log_steps": 50, "n_jobs": 1, "jobs_per_gpu": None, "on_error": "continue", "rerun": False, "dry_run": False},
    "launcher": {"_target_": "dlexp.sweep.launchers.local.Local"},
    "checkpoint": {"every_minutes": 10, "every_epochs": None, "every_steps": None, "keep": "resume"},
    "data": {
        **{"root": "data", "download": True, "url": None, "val_size": 0.1, "split_seed": 0, "folds": None},
        **{"fold": None, "group_file": None, "group_pattern": None, "weight_file": None, "sampling": None},
        **{"fields": None, "range": None, "limit": None, "_target_": "dlexp.data.spiral.spiral"},
        **{"points_per_class": 1000, "num_classes": 3, "noise": 0.2, "data_seed": 0, **SHAPE},
        **{"class_names": ["arm 0", "arm 1", "arm 2"], "mean": [0.0, 0.0], "std": [1.0, 1.0]},
    },
    "task": {
        **{"metric": None, "standardise": "auto", "_target_": "dlexp.tasks.classification.Classification"},
        **{"class_names": ["arm 0", "arm 1", "arm 2"], "num_outputs": 3, "targets": "classes", "ignore_index": None},
    },
    "model": {},
    "init": {"_target_": "dlexp.inits.own.own"},
    "recipe": {"lr": {"sgd": 0.1, "adam": 0.01, "adamw": 0.01}},
    "criterion": {"_target_": "dlexp.criteria.cross_entropy.CrossEntropy", "label_smoothing": 0.0, "weight": None},
    "metric": {},
    "method": {"_target_": "dlexp.methods.method.Method"},
    "watch": {},
    "optimizer": {},
    "scheduler": {},
    "augment": {},
    "ema": {"_target_": "dlexp.train.average.NoAverage"},
    "evaluation": {"_target_": "dlexp.train.views.Plain"},
    "profile": {"_target_": "dlexp.profiling.profiler.NoProfile"},
}
CHOICES = {
    **{"data": "spiral", "launcher": "local", "profile": "none", "evaluation": "plain", "ema": "none"},
    **{"augment": "none", "scheduler": "cosine", "optimizer": "sgd", "watch": "none", "method": "plain"},
    **{"metric": "none", "criterion": "cross_entropy", "model": "mlp", "task": "classification"},
}
MEASURES = {
    "loss": {"unit": "", "higher_is_better": False, "title": ""},
    "accuracy": {"unit": "%", "higher_is_better": True, "title": ""},
}
DIVERGED = "the loss became inf in epoch 1 at step 3 (learning rate 892658)"


def made_config(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Returns config and choices; settings are flat, an option of a group by the group's name (`optimizer="adam"`)."""
    config, choices = copy.deepcopy(CONFIG_OF_A_RUN), dict(CHOICES)
    choices |= {key: str(value) for key, value in settings.items() if key in CHOICES}
    for group, options in OPTIONS.items():
        config[group] = copy.deepcopy(options.get(choices[group], {"_target_": f"own.{choices[group]}"}))
    config["model"] |= SHAPE
    for key, value in settings.items():
        if key not in CHOICES:
            *parents, name = key.split(".")
            node = config
            for parent in parents:
                node = node.setdefault(parent, {})
            node[name] = value
    return config, choices


def made_run(
    folder: Path,
    value: float | None = 0.9,
    *,
    seed: int = 0,
    state: str = "finished",
    settings: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float | None] | None = None,
    curve: Sequence[float] | None = None,
    seconds: float = 10.0,
    parameters: int = 17283,
    measures: Mapping[str, Mapping[str, Any]] = MEASURES,
    metric: str = "val/accuracy",
    num_test: int = 3000,
    held_out: Sequence[str] = ("data.val_size",),
    **entry: Any,
) -> Path:
    """Makes a run folder and returns it.

    value: its test value, and a little less in validation. state: `finished`, `failed`, `diverged`, `stopped`,
    `pruned`, `died` (hold its lock to let it run), or `damaged`, `older`, `newer`, `bare` (no config). metrics: all
    final ones, instead. curve: the validation value of each epoch. settings: see `made_config`. held_out: those
    that held samples out. entry: replaces what stands in the record (`cell=None`, `error="out of memory"`).
    """
    config, choices = made_config({"seed": seed, **(settings or {})})
    name = metric.partition("/")[2]
    if metrics is None:
        val = None if value is None else value - 0.005
        metrics = {"train/loss": 0.2, f"train/{name}": value, "val/loss": 0.25, f"val/{name}": val}
        metrics |= {"test/loss": 0.24, f"test/{name}": value}
    is_finished, status = state == "finished", {"diverged": "failed", "died": "running"}.get(state, state)
    curve = [0.5, 0.7, metrics.get(f"val/{name}") or 0.8] if curve is None else curve
    error = {"diverged": DIVERGED, "failed": "RuntimeError: no such thing", "stopped": "interrupted"}.get(state)
    record: dict[str, Any] = {
        "format_version": {"older": FORMAT_VERSION - 1, "newer": FORMAT_VERSION + 1}.get(state, FORMAT_VERSION),
        "status": status if status in ("failed", "stopped", "pruned", "running") else "finished",
        "name": folder.name,
        "seed": seed,
        "overrides": [f"{key}={value}" for key, value in (settings or {}).items()],
        "started": f"2026-11-01T10:00:{seed % 60:02}+00:00",
        "ended": None if status == "running" else f"2026-11-01T10:01:{seed % 60:02}+00:00",
        "seconds": None if status == "running" else seconds,
        "chosen_epoch": len(curve) if is_finished else None,
        "metrics": dict(metrics) if is_finished else {},
        "error": error,
        "resumed": [],
        "choices": choices,
        "cell": cell(config),
        "code": "59cd3ae30daca2b8",
        "follows": FOLLOWS,
        "metric": metric,
        "measures": dict(measures),
        "data": "generated",
        **({"last_look": []} if is_finished else {}),
    }
    folder.mkdir(parents=True)
    _write(folder / RECORD, json.dumps(record | entry, indent=2)[: 100 if state == "damaged" else None])
    if state != "bare":
        _write(folder / CONFIG, yaml.dump(config, Dumper=DUMPER, sort_keys=False, allow_unicode=True))
    rows = [_epoch(number, value, name, seconds / len(curve)) for number, value in enumerate(curve, start=1)]
    tested = {key: found for key, found in metrics.items() if key.startswith("test/")}
    rows += [{"kind": "test", "epoch": len(curve), "step": 40 * len(curve), **tested}] if is_finished and tested else []
    _write(folder / METRICS, "".join(json.dumps(row) + "\n" for row in rows if state != "diverged"))
    _write(folder / MODEL, json.dumps({"layers": [], "parameters": parameters, "trainable": parameters, "flops": 1000}))
    sizes = {"train": 2700, "val": 300, "test": num_test}
    _write(folder / DATA, json.dumps({"shape": [2], "num_outputs": 3, "sizes": sizes, "divided_by": list(held_out)}))
    where = {"device": {"device": "cpu", "gpu": None, "threads": 1}, "cpu": {"name": "AMD EPYC", "cores": 2}}
    _write(folder / ENVIRONMENT, json.dumps({"python": "3.11.7", "packages": {"torch": "2.15.0"}, **where}))
    return folder


def made_sweep(
    folder: Path, arms: Mapping[str, Mapping[str, Any]], values: Mapping[str, Sequence[float | str]], **facts: Any
) -> Path:
    """Makes a sweep: the settings of each arm by name, and a value a seed, or the state of a run without one."""
    for name, settings in arms.items():
        for seed, value in enumerate(values[name]):
            own: dict[str, Any] = {"state": value} if isinstance(value, str) else {"value": value}
            made_run(folder / f"{name}_seed-{seed}", seed=seed, settings=settings, **own, **facts)
    return folder


def _epoch(number: int, value: float, name: str, seconds: float) -> dict[str, Any]:
    losses = {"train/loss": 1 - value, "train/" + name: value, "val/loss": 1.05 - value, "val/" + name: value}
    return {
        **{"kind": "epoch", "lr": 0.01, "epoch": number, "step": 40 * number, **losses},
        **{"time/train": 0.9 * seconds, "time/val": 0.1 * seconds, "time/samples_per_second": 1000.0},
        **{"fingerprint/batch": "3f8a6a33559df104", "fingerprint/weights": "e94cb4c7ad1d751a"},
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
