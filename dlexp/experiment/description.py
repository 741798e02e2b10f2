"""The beginning of a run: what it is, written down before it trains, and its first pictures."""

from typing import Any

import yaml
from torch import Tensor

from dlexp.config.build import allowed_modules, build_task
from dlexp.config.cell import cell, code_version
from dlexp.config.composed import Composed
from dlexp.experiment.assemble import Assembly
from dlexp.machine import environment
from dlexp.models.layers import format_summary
from dlexp.records.folder import DATA, ENVIRONMENT, MODEL, MODEL_TABLE
from dlexp.records.run_json import write_json
from dlexp.records.tracker import Tracker
from dlexp.tasks.task import measured

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # where libyaml is there: 1 instead of 14 ms


def what_it_is(composed: Composed) -> dict[str, Any]:
    """Returns what `run.json` says a run is: hashes of what changes a result, which settings follow others, what varied
    in its sweep, a person's note, and what is measured.
    """
    config = composed.config
    facts = {"cell": cell(config), "code": code_version(allowed_modules()), "follows": composed.follows}
    facts |= {"varied": composed.varied, "note": config["note"]}
    facts |= {} if composed.stage is None else {"stage": composed.stage}
    return facts | measured(build_task(config))


def describe(run: Assembly, composed: Composed, tracker: Tracker) -> None:
    """Writes environment, data, model, config and first pictures to the folder and to TensorBoard."""
    folder = tracker.folder
    table = format_summary(run.model_summary)
    write_json(folder / ENVIRONMENT, environment.environment(run.device_facts))
    write_json(folder / DATA, run.data_facts)
    write_json(folder / MODEL, run.model_summary)
    (folder / MODEL_TABLE).write_text(table + "\n", encoding="utf-8")
    tracker.text("config", f"```yaml\n{as_yaml(composed.config)}\n```")
    tracker.text("model", f"```\n{table}\n```")
    if composed.config["pictures"]:
        _first_pictures(run, tracker)


def as_yaml(config: dict[str, Any]) -> str:
    """Returns the config as its file in the run folder holds it."""
    try:
        return str(yaml.dump(config, Dumper=DUMPER, sort_keys=False, allow_unicode=True))
    except UnicodeEncodeError:  # a folder's name that is not UTF-8, which libyaml can't escape
        return str(yaml.dump(config, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True))


def in_one_line(run: Assembly) -> str:
    """Returns the essentials: parameters, samples, device, precision, threads."""
    facts = run.device_facts
    sizes = ", ".join(f"{count:,} {name}" for name, count in run.data_facts["sizes"].items())
    where = f"{facts['gpu'] or facts['device']}, {facts['precision']}"
    threads = f", {facts['threads']} thread{'s' * (facts['threads'] != 1)}" if facts["device"] == "cpu" else ""
    return f"{run.model_summary['parameters']:,} parameters; samples: {sizes}; {where}{threads}"


def _first_pictures(run: Assembly, tracker: Tracker) -> None:
    """Shows a grid of augmented training images and the model's graph."""
    batch, first = next(run.train.epoch(0)), run.train.split.first
    if run.train.fields[first].kind == "image":
        from dlexp.pictures import image_grid

        normalised = run.train.normalised[first]
        images = normalised.shown(normalised.undone(batch[first][:64].cpu())).clamp(0, 1)
        names = run.data_facts["class_names"] if run.task.targets == "classes" else None
        if names and batch["targets"].ndim > 1 and not batch["targets"].is_floating_point():
            names = None  # a class for each place
        titles = [title(target, names) for target in batch["targets"][:64].cpu()] if names else None
        tracker.figure("training_images", image_grid(images, titles), step=0)
    if len(batch) == 1 + ("targets" in batch):  # a graph is traced with one input
        tracker.graph(run.state.model, batch[first][:1])


def title(target: Tensor, names: list[str]) -> str:
    """Returns the class's name, "–" of a number that is none.

    Of probabilities: the likeliest class, its share, and the class that is next.
    """
    if target.ndim == 0:
        return names[int(target)] if 0 <= int(target) < len(names) else "–"
    from dlexp.pictures.style import shortened

    shares, classes = target.topk(2)
    first, second = (names[i] for i in classes.tolist())
    return first if shares[1] < 0.005 else f"{shortened(first, 6)} {float(shares[0]):.0%} {shortened(second, 6)}"
