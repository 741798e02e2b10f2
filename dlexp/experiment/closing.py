"""The end of a run: the chosen weights, the one look at the test set, pictures, and what is said of it."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlexp.batch import Batch, mapped
from dlexp.config.cell import is_incidental
from dlexp.config.composed import Composed
from dlexp.console.wording import TRAINED_ON, number, result, told_gap, told_split
from dlexp.data.label_noise import SETTINGS
from dlexp.data.splits import Split
from dlexp.data.usage import REPLACED
from dlexp.errors import to_type
from dlexp.experiment.arrival import not_arrived
from dlexp.experiment.assemble import Assembly
from dlexp.experiment.remarks import FEW_SAMPLES
from dlexp.experiment.watching import Watchers
from dlexp.records import checkpoints
from dlexp.records.folder import BEST, RESULTS
from dlexp.records.run_json import write_json
from dlexp.records.tracker import Tracker
from dlexp.train.batches import Batches
from dlexp.train.evaluate import Ask, evaluate

log = logging.getLogger(__name__)


def finish(run: Assembly, composed: Composed, tracker: Tracker, history: list[dict[str, Any]]) -> dict[str, float]:
    """Tests the best weights (without validation the last), writes pictures and the last record; returns metrics.

    Where no sample was held out, what was trained on is looked at in place of a test; with `evaluation.train=true`
    besides.
    """
    module, config = run.state.average.module, composed.config
    if run.state.best_epoch is not None:
        checkpoints.load_weights(tracker.folder / BEST, **run.state.evaluated())
    chosen = next((row for row in history if row["epoch"] == run.state.best_epoch), history[-1])
    metrics = {key: value for key, value in chosen.items() if key.startswith(("train/", "val/"))}
    split, batches = _looked_at(run, is_sealed=not config["test"])
    if batches is not None:
        # Of targets that differ in size batches are padded to other sizes, and nothing of the whole split can be kept.
        is_whole = "targets" not in run.train.fields or None not in run.train.fields["targets"].shape
        keeps = run.task.keeps_outputs and is_whole and config["overfit_batches"] is None
        evaluation = evaluate(module, run.task, run.state.method, run.ask, batches, run.plan, keeps_outputs=keeps)
        found = {} if split == "val" else dict(evaluation.metrics)
        if config["overfit_batches"] is None and keeps == run.task.keeps_outputs:
            found |= _look_back(run, composed, tracker, evaluation.outputs, batches.split.to("cpu"), split)
        metrics |= {f"{split}/{name}": value for name, value in found.items()}
    if config["evaluation"]["train"] and config["overfit_batches"] is None and split != TRAINED_ON:
        seen = run.in_order("train", None)
        assert seen is not None
        found = evaluate(module, run.task, run.state.method, run.ask, seen, run.plan).metrics
        metrics |= {f"{TRAINED_ON}/{name}": value for name, value in found.items()}
    tested = {key: value for key, value in metrics.items() if key.startswith(("test/", f"{TRAINED_ON}/"))}
    epoch = run.state.best_epoch or run.state.epochs_begun
    last: dict[str, Any] = {"kind": "test", "epoch": epoch, "step": run.state.step, **tested}
    if config["pictures"]:
        from dlexp.pictures import curves

        tracker.figures(curves([*history, last], run.measures, run.state.best_epoch))
    last |= Watchers(run, tracker).end(metrics)
    tracker.log(last)
    names = sorted(metrics, key=lambda key: key.partition("/")[2] != run.task.metric)
    final = {key: metrics[key] for key in names if not key.startswith("train/")}
    tracker.hparams(*_parameters(composed), final, _arm(composed, tracker.folder))
    return metrics


def _looked_at(run: Assembly, *, is_sealed: bool) -> tuple[str, Batches | None]:
    """Returns the name and the samples of the split that tells most of the chosen weights."""
    if run.test is not None and not is_sealed:
        return "test", run.test
    if run.val is None and (run.test is None or is_sealed) and run.train.can_be_seen_again:
        return TRAINED_ON, run.in_order("train", None)
    return "val", run.val


def _look_back(
    run: Assembly, composed: Composed, tracker: Tracker, outputs: Any, on_cpu: Split, name: str
) -> dict[str, float]:
    """Writes results and pictures of the chosen weights on a split; returns what is measured now alone."""
    coefficients = run.coefficients(run.state.average.module)
    if coefficients:
        weights = [f"{weight:.4f}" for weight in coefficients["w"]]
        names = list(run.task.feature_names or [])
        if len(names) == len(weights):
            coefficients["feature_names"] = names
            weights = [f"{name}: {weight}" for name, weight in zip(names, weights, strict=True)]
        margin = f", margin {coefficients['margin']:.4g} on each side" if "margin" in coefficients else ""
        log.info(f"learnt: w = [{', '.join(weights)}], b = {coefficients['b']:.4f}{margin}")
        if margin and (told := not_arrived(run)) is not None:
            log.info(told)
        if _is_flat(run, coefficients["w"]):
            log.info("w is 0 up to rounding: all samples have one score, and rounding decides which class they get")
    outputs = run.task.in_own_units(outputs)
    details = run.task.summary(outputs, on_cpu)
    for line in run.task.remarks(details):
        log.info(line)
    write_json(tracker.folder / RESULTS, {"split": name, **details, "coefficients": coefficients})
    if composed.config["pictures"]:
        figures = run.task.figures(outputs, on_cpu, partial(_predict, run))
        lines: dict[str, Any] = {}
        if coefficients and isinstance(run.train.split.inputs, Tensor):
            lines = run.task.line_figures(coefficients, run.train.split.to("cpu"))
        tracker.figures(_noted(run, figures, name) | _noted(run, lines, TRAINED_ON))
    last = run.task.last_look(outputs, on_cpu)
    run.task.besides = {**run.task.besides, **{key: facts for key, (_, facts) in last.items()}}
    return {key: value for key, (value, _) in last.items()}


def _is_flat(run: Assembly, w: list[float]) -> bool:
    """Returns whether the border between two classes is none: the scores of the training samples are all the same."""
    from dlexp.pictures.planes import ROUNDING

    inputs = run.train.split.inputs
    if run.task.targets != "classes" or not isinstance(inputs, Tensor):
        return False
    scores = inputs.double().flatten(1).cpu() @ torch.tensor(w, dtype=torch.float64)
    return float(scores.max() - scores.min()) <= ROUNDING


def _wrong_labels(run: Assembly, split: str) -> str | None:
    """Returns how many labels of the samples that figures are of were made wrong; None: none."""
    drawn = {TRAINED_ON: "train"}.get(split, split)
    if not (replaced := run.data_facts.get(REPLACED.get(drawn, ""))):
        return None
    return f"{replaced:,} of {run.data_facts['sizes'][drawn]:,} labels are wrong on purpose, data.{SETTINGS[drawn]}"


def _noted(run: Assembly, figures: dict[str, Any], split: str) -> dict[str, Any]:
    """Returns pictures with a note below that they are of training samples, and by labels wrong on purpose."""
    told = ["on the training samples"] if split == TRAINED_ON else []
    if wrong := _wrong_labels(run, split):
        told.append(wrong)
    if not told:
        return figures
    from dlexp.pictures.style import noted

    return {key: noted(figure, "; ".join(told)) for key, figure in figures.items()}


@torch.no_grad()
def _predict(run: Assembly, batch: Batch, ask: Ask | None = None) -> Any:
    """Returns the outputs, on the CPU, for fields that are not normalised, or what is asked in their place."""
    module = run.state.average.module.eval()
    run.task.eval()
    moved = {name: field.to(run.plan.device) for name, field in batch.items()}
    normalised = {name: normalise(moved[name]) for name, normalise in run.train.normalised.items() if name in moved}
    return mapped(Tensor.cpu, run.task.in_own_units(run.task.predict(module, moved | normalised, ask)))


def _parameters(composed: Composed) -> tuple[dict[str, Any], set[str]]:
    """Returns the columns of the HParams tab, what is compared most and what was typed, and which stand first: what
    varies in a sweep, and of a single run what was typed.

    Not all settings: the tab shows five columns until more are asked for, and the metrics stand to their right.
    """
    config = composed.config
    chosen = {group: composed.choices.get(group) for group in ("model", "data", "optimizer")}
    settings = {key: config[key] for key in ("seed", "epochs", "batch_size")}
    settings |= {f"optimizer.{key}": config["optimizer"].get(key) for key in ("lr", "weight_decay")}
    typed = dict(word.lstrip("+").split("=", 1) for word in composed.words if "=" in word)
    typed = {key: value for key, value in typed.items() if not is_incidental(key)}
    return typed | chosen | settings, set(composed.varied or typed) - {"seed"}


def _arm(composed: Composed, folder: Path) -> str:
    """Returns what the HParams tab calls a sweep's jobs that differ in the seed alone; "" where no seed varies.

    The sweep is named too: TensorBoard may show another one with such an arm.
    """
    others = [f"{key}={value}" for key, value in composed.varied.items() if key != "seed"]
    return f"{', '.join(others) or 'all seeds'} in {folder.parent.name}" if "seed" in composed.varied else ""


def closing_words(run: Assembly, folder: Path, metrics: dict[str, float], *, is_job: bool) -> list[str]:
    """Returns the last lines a person reads: the result, where it is, and how to look at it, which of a sweep's jobs
    its end tells once.
    """
    epoch = run.state.best_epoch
    weights = "weights of the last epoch" if epoch is None else f"weights of epoch {epoch}, the best in validation"
    split = told_split(metrics)
    count = run.data_facts["sizes"].get(split, FEW_SAMPLES)
    few = f"; of {count} sample{'s' * (count > 1)} only" if count < FEW_SAMPLES else ""
    if wrong := _wrong_labels(run, split):
        few += f"; {wrong}"
    facts, leading = run.measures[run.task.metric], run.task.metric
    gap = told_gap(metrics, leading, facts)
    told = f"{leading} {number(metrics[f'{TRAINED_ON}/{leading}'], facts)} on the training samples" if gap else ""
    if replaced := run.data_facts.get(REPLACED["train"]):
        told += f", {replaced:,} of whose labels are wrong (data.label_noise)"
    return [
        f"{result(metrics, run.measures)} ({weights}{few})",
        *([f"{told}: a gap of {gap}"] if gap else []),
        f"run folder   {shown(folder)}",
        # With the runs beside this one.
        *([] if is_job else [f"look at it   tensorboard --logdir {to_type(shown(folder.parent))}"]),
    ]


def shown(folder: Path) -> str:
    """Returns a folder as a person would type it: relative to the current one where it lies below."""
    try:
        return str(folder.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)
