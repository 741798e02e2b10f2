"""A trained model, read from its run folder: the weights that count, and all that belongs to asking it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.config.build import build
from dlexp.config.check import config_problems
from dlexp.config.stored import stored_run
from dlexp.data.normalisation import Normalisation
from dlexp.errors import UserError
from dlexp.records import checkpoints, weights
from dlexp.records.folder import DATA
from dlexp.records.run_json import read_json


@dataclass(frozen=True)
class TrainedModel:
    """Called with inputs as they come, N×C×H×W as bytes or in [0, 1] or N×features, it returns outputs N×K on the CPU.

    config: of the run, resolved. model: in evaluation mode. class_names: None for a task without classes.
    """

    config: dict[str, Any]
    model: nn.Module
    normalisation: Normalisation
    class_names: list[str] | None

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> Any:
        return self.model(self.normalisation(inputs))


def read_trained(folder: Path) -> TrainedModel:
    """Returns the model of a run with its chosen weights (without validation the last), on the CPU.

    The config is read as data and built through the allow-list; the weights are read without running anything.

    Raises:
        UserError: the folder is no finished run of dlexp, or its files are damaged.
    """
    config, _ = stored_run(folder)
    problems = config_problems(config)
    if problems:
        raise UserError(*problems)
    normalisation, class_names = _data_facts(folder / DATA)
    model = build(config["model"])
    checkpoints.load_weights(weights.chosen(folder), model=model)
    return TrainedModel(config, model.eval(), normalisation, class_names)


def _data_facts(file: Path) -> tuple[Normalisation, list[str] | None]:
    try:
        facts = read_json(file)
        mean, std = ([float(value) for value in facts["normalisation"][key]] for key in ("mean", "std"))
        names = facts["class_names"]
        if len(mean) != len(std) or min(std) <= 0:
            raise ValueError("its normalisation is none")
        return Normalisation(mean, std), None if names is None else [str(name) for name in names]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} can't be read: {' '.join(str(error).split())}") from error
