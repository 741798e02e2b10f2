"""The end of a run: the chosen weights, the one look at the test set, pictures, and what is said of it."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlexp import checkpoint, record
from dlexp.assemble import Assembly
from dlexp.data.splits import Split
from dlexp.tracking import Tracker
from dlexp.train.evaluate import Evaluation, evaluate

log = logging.getLogger(__name__)


def finish(
    run: Assembly,
    folder: Path,
    tracker: Tracker,
    history: list[dict[str, Any]],
    config: dict[str, Any],
    choices: Mapping[str, str],
) -> dict[str, float]:
    """Tests the best weights (the last ones without validation), writes pictures and the last record; returns the metrics."""
    module = run.state.average.module
    if run.state.best_epoch is not None:
        module.load_state_dict(checkpoint.load(folder / "weights" / "best.pt")["model"])
    metrics = _chosen_metrics(history, run.state.best_epoch)
    is_test = config["test"] and run.test is not None
    batches = run.test if is_test else run.val
    if batches is not None:
        evaluation = evaluate(module, batches, run.criterion, run.task.sums, run.plan)
        if is_test:
            metrics |= {f"test/{name}": value for name, value in evaluation.means.items()}
        split = run.splits.test if is_test else run.splits.val
        if config["overfit_batches"] is None and split is not None:
            _look_back(run, folder, tracker, evaluation, split, config["pictures"])
    if config["pictures"]:
        from dlexp.pictures import curves

        tracker.figures(curves(history))
    last = {"epoch": run.state.best_epoch or run.state.epoch, "step": run.state.step}
    tracker.log(last | {key: value for key, value in metrics.items() if key.startswith("test/")} | {"is_final": True})
    tracker.text("config", "```yaml\n" + (folder / "config.yaml").read_text(encoding="utf-8") + "\n```")
    tracker.hparams(_parameters(config, choices), metrics)
    return metrics


def _chosen_metrics(history: list[dict[str, Any]], epoch: int | None) -> dict[str, float]:
    """Returns training and validation metrics of the chosen epoch (the last one without validation)."""
    chosen = next((row for row in history if row["epoch"] == epoch), history[-1])
    return {key: value for key, value in chosen.items() if key.startswith(("train/", "val/"))}


def _look_back(
    run: Assembly, folder: Path, tracker: Tracker, evaluation: Evaluation, split: Split, with_pictures: bool
) -> None:
    on_cpu = Split(split.inputs.cpu(), split.targets.cpu())
    coefficients = _coefficients(run)
    if coefficients:
        log.info(f"learnt: {_formula(coefficients)}")
    details = run.task.summary(evaluation.outputs, on_cpu.targets) | {"coefficients": coefficients}
    record.write_json(folder / "results.json", details)
    if with_pictures:
        tracker.figures(run.task.figures(evaluation.outputs, on_cpu, lambda inputs: _predict(run, inputs)))


@torch.no_grad()
def _predict(run: Assembly, inputs: Tensor) -> Tensor:
    """Returns the outputs, on the CPU, for un-normalised inputs N×features."""
    module = run.state.average.module.eval()
    mean, std = (torch.tensor(run.data_facts["normalisation"][key]) for key in ("mean", "std"))
    outputs: Tensor = module(((inputs - mean) / std).to(run.plan.device))
    return outputs.float().cpu()


def _coefficients(run: Assembly) -> dict[str, Any] | None:
    normalisation = run.data_facts["normalisation"]
    found = run.task.coefficients(run.state.average.module, normalisation["mean"], normalisation["std"])
    return None if found is None else dict(found)


def _formula(coefficients: dict[str, Any]) -> str:
    weights = ", ".join(f"{weight:.4f}" for weight in coefficients["w"])
    return f"w = [{weights}], b = {coefficients['b']:.4f}"


def _parameters(config: dict[str, Any], choices: Mapping[str, str]) -> dict[str, Any]:
    """Returns the columns of the HParams tab: the chosen options, the run's settings, and the optimizer's numbers."""
    skipped = ("device", "n_jobs", "log_steps", "pictures", "test", "threads", "recipe")
    settings = {key: value for key, value in config.items() if not isinstance(value, dict) and key not in skipped}
    optimizer = {f"optimizer.{key}": config["optimizer"].get(key) for key in ("lr", "weight_decay")}
    return dict(choices) | settings | optimizer


def objective(run: Assembly, metrics: dict[str, float]) -> float | None:
    """Returns the value that sweeps compare: validation's metric."""
    return metrics.get(f"val/{run.task.metric}")


def closing_words(run: Assembly, folder: Path, metrics: dict[str, float]) -> list[str]:
    """Returns the last lines a person reads: the result, where it is, and how to look at it."""
    split = "test" if "test/loss" in metrics else "val" if "val/loss" in metrics else "train"
    parts = [f"{split} {name} {_percent(name, metrics[f'{split}/{name}'])}" for name in _names(metrics, split)]
    epoch = run.state.best_epoch
    weights = "weights of the last epoch" if epoch is None else f"weights of epoch {epoch}, the best in validation"
    return [
        f"{', '.join(parts)} ({weights})",
        f"run folder   {shown(folder)}",
        f"look at it   {tensorboard_command(folder)}",
    ]


def _names(metrics: dict[str, float], split: str) -> list[str]:
    names = [key.partition("/")[2] for key in metrics if key.startswith(f"{split}/")]
    return sorted(names, key=lambda name: (name == "loss", name))


def _percent(name: str, value: float) -> str:
    return f"{100 * value:.2f} %" if name == "accuracy" else f"{value:.4g}"


def shown(folder: Path) -> str:
    """Returns a folder as a person would type it: relative to the current one where it lies below."""
    try:
        return str(folder.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)


def tensorboard_command(folder: Path) -> str:
    """Returns the command that shows the runs beside this one; TensorBoard itself listens on localhost only."""
    where = shown(folder.parent)
    return (
        f"tensorboard --logdir {where}"
        if where.replace("/", "").replace("-", "").isalnum()
        else f'tensorboard --logdir "{where}"'
    )
