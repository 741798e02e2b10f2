"""What a run says of its data and its length before it trains, so that nobody is misled by what it ends with."""

import logging
from collections.abc import Mapping
from typing import Any

from dlexp.console.wording import percent
from dlexp.data.class_counts import are_unbalanced
from dlexp.data.label_noise import SETTINGS
from dlexp.data.usage import REPLACED
from dlexp.errors import listed
from dlexp.experiment.advice import FEWEST_STEPS
from dlexp.experiment.assemble import Assembly
from dlexp.experiment.curvature import too_fast
from dlexp.train.step import wants_closure

log = logging.getLogger(__name__)

# Fewer samples of a class are hardly enough to learn it from; of fewer that validate or test each is 5 % of accuracy.
FEW_OF_A_CLASS, FEW_SAMPLES = 5, 20
FEW_STEPS = 50
MOST_NAMED = 5


def remark(run: Assembly, config: Mapping[str, Any]) -> None:
    """Says what is unusual of a run: rare classes or few samples that choose, few steps, unbalanced classes.

    Of data that is cut down for trying things out (`data.limit`, `overfit_batches`) nobody expects many samples.
    """
    counts = run.data_facts["class_counts"].get("train", {})
    is_whole = config["data"]["limit"] is None and config["overfit_batches"] is None
    few = None
    if is_whole or config["data"]["labelled"] is not None:
        few = _few_of_a_class(run, counts, config["data"]) or (_few_that_validate(run, config) if is_whole else None)
    for sentence in filter(None, (few, _few_steps(run, config), too_fast(run, config))):
        log.warning(f"warning: {sentence}")
    if run.state.method.whole:
        told = "sets the weights in one step that sees all training samples: epochs, batch size and learning rate"
        log.info(f"method {type(run.state.method).__name__} {told} have no part in it")
        if penalty := config["method"].get("weight_decay"):
            log.info(
                f"it holds the weights small besides: method.weight_decay={penalty:g}, by itself optimizer.weight_decay"
            )
    for split, key in SETTINGS.items():
        if (share := config["data"][key]) is not None:
            log.info(_replaced(run, split, f"data.{key}={share:g}"))
    if counts and are_unbalanced(list(counts.values())):
        log.info(_unbalanced(counts, config["data"]["sampling"]))


def _replaced(run: Assembly, split: str, typed: str) -> str:
    """Returns how many samples of a split have a wrong class on purpose, and who has not."""
    called, others = {
        "train": ("training", "those that validate, if any, keep theirs"),
        "test": ("test", "their figures are by these"),
    }[split]
    told = f"{run.data_facts[REPLACED[split]]:,} of {run.data_facts['sizes'][split]:,} {called} samples"
    return f"{told} have another class in place of theirs ({typed}); {others}"


def _few_of_a_class(run: Assembly, counts: Mapping[str, int], data: Mapping[str, Any]) -> str | None:
    """Returns which classes are left with few samples where some were held out, or with none at all."""
    cut = next((key for key in ("labelled", "train_limit") if data[key] is not None), None)
    divided_by = run.data_facts["divided_by"] if cut is None else ()
    instead = f"; {' '.join(f'{key}=0' for key in divided_by)} trains on all of them" if divided_by else ""
    if cut is not None:
        instead = f"; data.{cut}={data[cut]} leaves them out"
        instead += f", data.{cut}={len(counts)} or more leaves some of each" * (cut == "labelled")
    if missing := [name for name, count in counts.items() if count == 0]:
        return f"no training sample of {len(missing)} of {len(counts)} classes ({listed(missing, MOST_NAMED)}){instead}"
    rare = [f"{name}: {count}" for name, count in counts.items() if count < FEW_OF_A_CLASS]
    if not rare or not divided_by:
        return None
    told = f"fewer than {FEW_OF_A_CLASS} training samples of {len(rare)} of {len(counts)} classes"
    return f"{told} ({listed(rare, MOST_NAMED)}){instead}"


def _few_that_validate(run: Assembly, config: Mapping[str, Any]) -> str | None:
    count = run.data_facts["sizes"].get("val")
    if count is None or count >= FEW_SAMPLES or config["data"]["folds"] is not None:
        return None
    told = f"only {count} samples validate" if count > 1 else "only one sample validates"
    return f"{told}, so chance has a large part in which weights are chosen; data.val_size=0 takes the last ones"


def _few_steps(run: Assembly, config: Mapping[str, Any]) -> str | None:
    """Returns what to type for a training that is too short for most recipes; who typed how many steps knows."""
    steps, each = run.total_steps, run.plan.steps_per_epoch(len(run.train))
    is_meant = config["max_steps"] is not None or config["overfit_batches"] is not None
    if is_meant or steps >= FEW_STEPS or wants_closure(run.state.optimizer) or run.state.method.whole:
        return None
    epochs = -(-FEWEST_STEPS // each)
    return (
        f"{steps} optimizer step{'s' * (steps > 1)} in all ({each} an epoch) are few: learning rates and warm-up are"
        f" meant for longer trainings; epochs={epochs} takes {epochs * each}"
    )


def _unbalanced(counts: Mapping[str, int], sampling: str | None) -> str:
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    told = f"classes are unbalanced: {counts[most]:,} training samples of {most}, {counts[least]:,} of {least}"
    guess = f"always answering {most} is right for {percent(counts[most] / sum(counts.values()))} of them"
    return f"{told}; {guess}{'' if sampling else '; data.sampling=balanced draws all equally often'}"
