"""A trained model, read from its run folder: the weights that count, and all that belongs to asking it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.config.build import build, build_task
from dlexp.config.problems import config_problems
from dlexp.config.stored import stored_run
from dlexp.config.viewed import build_views
from dlexp.data.features import as_inputs
from dlexp.data.missing import put_in
from dlexp.data.normalisation import BYTES, Normalisation
from dlexp.data.viewing import seen
from dlexp.errors import UserError, listed
from dlexp.models.auxiliary import main
from dlexp.records import checkpoints, weights
from dlexp.records.folder import DATA
from dlexp.records.run_json import read_json
from dlexp.tasks.regression import Regression
from dlexp.tasks.task import Task

# What a model is asked with: of other groups, such as the method that trained it, a person's own modules may be gone.
ASKED = ("model", "task", "criterion", "metric", "view")


class TrainedModel(nn.Module):
    """A module to be asked with inputs as they come: N×C×H×W as bytes or in [0, 1], N×features, tokens.

    Called with the one input, or with the data's fields as keywords; returns what the run's task made of them, a tensor
    N×K for most. Inputs are scaled by the unit of the run's data, whatever their type, and refused in another one. In
    evaluation mode, and its parameters record no gradients until `requires_grad_()` says so.

    config: of the run, resolved. model: as it was trained, to be asked with normalised inputs. normalised: how, by
    field. class_names: None for a task without classes. feature_names: of a table's features, in the order of the
    inputs, else None. fill: what stands where an input is NaN, by field. views: what is done to inputs first, as it was
    to the test samples: inputs come as the data set has them. Noise and what else draws is left out.
    """

    def __init__(
        self,
        config: dict[str, Any],
        model: nn.Module,
        task: Task,
        normalised: dict[str, Normalisation],
        class_names: list[str] | None,
        feature_names: list[str] | None,
        fill: dict[str, list[float]],
    ) -> None:
        super().__init__()
        self.feature_names, self.fill = feature_names, fill
        self.config, self.normalised, self.class_names = config, normalised, class_names
        self.model, self.task = model, task
        self.holds = True
        views = build_views(config["view"], "test")
        self.views = {name: view for name, view in views.items() if not getattr(view, "draws", False)}

    def forward(self, *inputs: Tensor, **fields: Tensor) -> Any:
        """Takes the one input, or fields by name. Raises UserError where there is not one of either kind, and for
        values in another unit.
        """
        names = [name for name in self.config["data"]["fields"] or () if name != "targets"] or ["inputs"]
        unknown = fields.keys() - set(names)
        if len(inputs) > 1 or bool(inputs) == bool(fields) or (inputs and len(names) > 1) or unknown:
            raise UserError(f"the model takes {names[0] if len(names) == 1 else f'{listed(names)}, each by its name'}")
        batch = dict(zip(names, inputs, strict=False)) | fields
        wrong = next((name for name, field in batch.items() if not isinstance(field, Tensor)), None)
        if wrong is not None:
            raise UserError(f"{wrong} must be a tensor, not a {type(batch[wrong]).__name__}: torch.as_tensor makes one")
        shape = list(batch[names[0]].shape[1:])
        for name, normalise in self.normalised.items():
            if name in batch:
                views = list(self.views.values()) if name == names[0] else []
                _hold_to_channels(name, batch[name], self.config["data"]["shape"][0] if views else len(normalise.mean))
                if name in self.fill:
                    batch[name] = put_in(batch[name], torch.tensor(self.fill[name], dtype=torch.float64))
                if self.holds:
                    normalise.hold(batch[name], name)
                if views:
                    batch[name] = self._seen(batch[name], normalise)
                batch[name] = normalise(batch[name])
        try:
            outputs = main(self.task.predict(self.model, batch))
        except RuntimeError as error:
            trained_on = self.config["data"]["shape"]
            if shape == trained_on:
                raise
            why = str(error).splitlines()[0]
            raise UserError(
                f"the model, trained on samples of {trained_on}, fails on those of {shape}: {why}"
            ) from error
        return self.task.answer(self.task.in_own_units(outputs))

    def _seen(self, inputs: Tensor, normalise: Normalisation) -> Tensor:
        shape, trained_on = list(inputs.shape[1:]), self.config["data"]["shape"]
        moving = [name for name, view in self.views.items() if getattr(view, "moves", False)]
        if moving and shape != trained_on:
            raise UserError(f"view={listed(moving)} of this model is one of samples {trained_on}, and not of {shape}")
        low, width = normalise.unit_of(inputs.dtype)
        return seen(inputs, list(self.views.values()), (low, low + width), torch.Generator())

    def answering_as(self, task: Task) -> "TrainedModel":
        """Returns this model; where both it and a task of now are regressions, its answers are standardised as the
        task's targets are.
        """
        units, own = task.units, self.task.units
        if units is not None and isinstance(self.task, Regression):
            own = own or Normalisation([0.0] * len(units.mean), [1.0] * len(units.mean))
            pairs = list(zip(own.mean, own.std, units.mean, units.std, strict=False))
            self.task.units = Normalisation(
                [(m - centre) / s for m, _, centre, s in pairs], [d / s for _, d, _, s in pairs]
            )
        return self

    def inputs(self, rows: Sequence[Mapping[str, Any]]) -> Tensor:
        """Returns float64 N×features of a table's rows by column, for models of `data=arrays` with a CSV.

        `model(model.inputs([{"length": 5.1, "colour": "red"}]))`. Raises UserError as `as_inputs`, and where the data
        has no names or a value is missing that the training did not fill.
        """
        if self.feature_names is None:
            raise UserError("this model's data names no features: its inputs are tensors")
        found = as_inputs(rows, self.feature_names)
        if not self.fill and bool(found.isnan().any()):
            raise UserError("a row lacks a value, and this model was trained without data.missing=mean")
        return found

    def for_data_of(self, normalised: Mapping[str, Normalisation], views: Any) -> "TrainedModel":
        """Returns the same model for inputs of another run, held to its unit now and not whenever they come.

        views: `view` of that run's config. Its training samples are shown to this model as they are seen there: without
        views this model's own are applied, and the same ones are not applied again.

        Raises:
            UserError: that run's data are in another unit, or seen with other views.
        """
        theirs = build_views(views, "train")
        there = [_by_value(views[name]) for name, view in theirs.items() if not getattr(view, "draws", False)]
        if there:
            if there != [_by_value(self.config["view"][name]) for name in self.views]:
                told = f"views {listed(list(self.views))}" if self.views else "no views"
                raise UserError(
                    f"a model trained with {told} is shown samples with view={listed(list(theirs))}, of other settings"
                    " or in another order: give both runs the same views"
                )
            self.views = {}
        for name, other in normalised.items():
            own = self.normalised.get(name)
            if own and own.range and other.range and own.takes_fractions != other.takes_fractions:
                units = [f"{each.range[0]:g} to {each.range[1]:g}" for each in (own, other) if each.range]
                raise UserError(f"a model trained on {name} from {units[0]} is shown others, from {units[1]}")
        self.holds = False
        return self


def read_trained(folder: Path) -> TrainedModel:
    """Returns the model of a run, on the CPU, with its chosen weights (else the last); see `dlexp.load`."""
    config, _ = stored_run(folder)
    problems = config_problems(config, ASKED)
    if problems:
        raise UserError(*problems)
    normalised, class_names, feature_names, fill = _data_facts(folder / DATA, config["data"])
    model, task = build(config["model"]), build_task({**config, "method": {"_target_": "dlexp.methods.method.Method"}})
    checkpoints.load_weights(weights.chosen(folder), model=model, task=task)
    task.normalised, task.is_asked = normalised, True
    if isinstance(task, Regression):
        task.units = normalised.pop("targets", None)
    trained = TrainedModel(config, model, task, normalised, class_names, feature_names, fill)
    return trained.requires_grad_(False).eval()


def _by_value(view: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a view does, whose samples it does it to left out."""
    return {key: value for key, value in view.items() if key != "split"}


def _hold_to_channels(name: str, inputs: Tensor, count: int) -> None:
    """Raises UserError for samples of other channels or features than the model was trained on."""
    if inputs.ndim < 2 or inputs.shape[1] != count:
        lay = ": a fourth channel is transparency, to be laid on a colour first (data.background says on which)"
        raise UserError(
            f"the model takes {name} with {count} channels or features, a tensor N×{count}×…, and the shape of these is"
            f" {list(inputs.shape)}{lay if inputs.ndim == 4 and inputs.shape[1] == count + 1 else ''}"
        )


def _data_facts(
    file: Path, data: Mapping[str, Any]
) -> tuple[dict[str, Normalisation], list[str] | None, list[str] | None, dict[str, list[float]]]:
    try:
        facts = read_json(file)
        normalised = {}
        for field, figures in facts["normalisation"].items():
            mean, std = ([float(value) for value in figures[key]] for key in ("mean", "std"))
            if len(mean) != len(std) or min(std) <= 0:
                raise ValueError("its normalisation is none")
            if "range" not in figures:  # a run before there were units: images were bytes, or in [0, 1] as they are
                is_picture = len(data["shape"]) == 3 and 0 <= min(mean) <= max(mean) <= 1
                figures = {"range": BYTES if is_picture else None, "dtype": "uint8" if is_picture else "float32"}
            unit = None if figures["range"] is None else (float(figures["range"][0]), float(figures["range"][1]))
            dtype = getattr(torch, figures["dtype"])
            if not isinstance(dtype, torch.dtype) or unit and unit[0] >= unit[1]:
                raise ValueError("its unit is none")
            normalised[str(field)] = Normalisation(mean, std, unit, dtype)
        lists = (facts.get(key) for key in ("class_names", "feature_names"))
        classes, features = (None if names is None else [str(name) for name in names] for names in lists)
        fill = {str(field): [float(value) for value in values] for field, values in (facts.get("fill") or {}).items()}
        return normalised, classes, features, fill
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} can't be read: {' '.join(str(error).split())}") from error
