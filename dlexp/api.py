"""dlexp from Python: `run` trains, `load` returns a trained model."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.console.streams import log_to
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.records.naming import new_folder, plain_name

if TYPE_CHECKING:
    from dlexp.experiment.trained import TrainedModel
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


def load(folder: Path | str) -> "TrainedModel":
    """Returns the trained model of a run folder, a function from un-normalised inputs to outputs N×K.

    Inputs are images N×C×H×W as bytes or in [0, 1], or features N×F; no gradients are kept.

    The run's config is read as data and built through the allow-list; the weights are read without running anything.

    Raises:
        UserError: the folder is no finished run of dlexp, or its files are damaged.
    """
    from dlexp.experiment.trained import read_trained

    return read_trained(Path(folder))
