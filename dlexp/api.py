"""dlexp from Python: `run` trains, `load` returns a trained model."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlexp.config.build import build
from dlexp.config.check import check, config_problems
from dlexp.config.compose import compose
from dlexp.config.stored import stored_run
from dlexp.console.streams import log_to
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.records import checkpoints, run_json
from dlexp.records.naming import new_folder, plain_name

if TYPE_CHECKING:
    from torch import Tensor

    from dlexp.records.result import Result


def run(overrides: Sequence[str] = (), *, folder: Path | str | None = None) -> "Result":
    """Trains what the overrides describe, like `python -m dlexp OVERRIDES…` in this process.

    `resume=RUN` and `resume=auto` go on with a run that is there. `folder` is where a new run is recorded; by default a
    new one under `outputs/`. Returns the final metrics, the history (a dict an epoch) and the folder.

    Raises:
        UserError: an override is wrong or the data is missing.
    """
    logging.getLogger("dlexp").setLevel(logging.INFO)
    named, words = resume.split_words(overrides)
    if named is not None:
        result = resume.resume_from(named, words)
        if result is not None:
            return result
    composed = compose(words)
    check(composed.config)
    if folder is not None and composed.place is not None:
        raise UserError("folder= and hydra.run.dir= both name a place for the run; give one of them")
    place = composed.place if folder is None else Path(folder)
    if place is None:
        place = new_folder(Path("outputs"), plain_name(composed.name))
    place.mkdir(parents=True, exist_ok=True)
    from dlexp.experiment.run import run_experiment

    close = log_to(place)
    try:
        return run_experiment(composed, place)
    finally:
        close()


def load(folder: Path | str) -> "Callable[[Tensor], Tensor]":
    """Returns the trained model of a run folder as a function from un-normalised inputs to outputs N×K on the CPU.

    Inputs are images N×C×H×W as bytes or in [0, 1], or features N×F; no gradients are kept.

    The run's config is read as data and built through the allow-list; the weights are read without running anything.

    Raises:
        UserError: the folder is no finished run of dlexp, or its files are damaged.
    """
    import torch

    place = Path(folder)
    config, _ = stored_run(place)
    try:
        facts = run_json.read_json(place / "data.json")
        shape = [1, -1, *[1] * (len(facts["shape"]) - 1)]
        mean, std = (torch.tensor(facts["normalisation"][key]).view(shape) for key in ("mean", "std"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{place / 'data.json'} can't be read: {' '.join(str(error).split())}") from error
    problems = config_problems(config)
    if problems:
        raise UserError(*problems)
    model = build(config["model"])
    best = place / "weights" / "best.pt"
    checkpoints.load_weights(model, best if best.exists() else place / "weights" / "last.pt")
    model.eval()

    @torch.no_grad()
    def predict(inputs: "Tensor") -> Any:
        values = inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs.float()
        return model((values - mean) / std)

    return predict
