"""The way that two weights take over the surface of the loss."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlexp.batch import num_rows
from dlexp.errors import UserError, near_path
from dlexp.records import checkpoints
from dlexp.records.folder import DATA, RECORD, saved_states
from dlexp.records.run_json import recorded
from dlexp.watch.watcher import View, Watcher

log = logging.getLogger(__name__)

# Points that are kept: of longer trainings every second, fourth, … step. And training samples that the surface is of,
# spread over all.
MOST_POINTS, MOST_SAMPLES = 20_000, 5_000

Place = tuple[str, Tensor, tuple[Tensor, ...]]


class WeightPath(Watcher):
    """Keeps two weights at each step, and draws their path over the loss of the training samples at the end.

    weights: their numbers, counted over all parameters in the model's order, the first being 0. In the surface all
    others are as the chosen weights have them. Those of a line are drawn in the data's own units, as its w is told.
    beside: folders of runs that watched the same weights on the same data, whose paths are drawn too.
    Raises UserError for numbers that the model does not have, and for runs that have no such path.
    """

    def __init__(self, *, weights: list[int], beside: list[str] | None) -> None:
        self.weights, self.points, self.stride = weights, list[Tensor](), 1
        self.last: Tensor | None = None
        self.beside, self.others = beside or [], dict[str, dict[str, Any]]()

    def hold_to(self, model: nn.Module, metrics: Collection[str]) -> None:
        count = sum(each.numel() for each in model.parameters())
        if len(self.weights) != 2 or not all(0 <= number < count for number in self.weights):
            raise UserError(
                f"watch.path.weights={self.weights} must be the numbers of two weights, each below {count}: so many has"
                " this model"
            )
        is_rehearsed = next(model.parameters()).is_meta
        if [*self.others] != self.beside and not is_rehearsed:  # a run that goes on has them in its state
            self.others = {folder: _path_of(Path(folder), self.weights) for folder in self.beside}

    def before_update(self, view: View) -> None:
        """Keeps the weights before the step."""
        if view.step % self.stride == 0:
            self.points.append(self._now(view.model))
        if len(self.points) > MOST_POINTS:
            self.points, self.stride = self.points[::2], 2 * self.stride

    def epoch(self, view: View, metrics: Mapping[str, float]) -> None:
        """Keeps the weights after the last step so far."""
        self.last = self._now(view.model)

    def end(self, view: View, metrics: Mapping[str, float]) -> None:
        """Draws the path."""
        from dlexp import pictures

        if self.last is None:
            return
        chosen = view.averaged.eval()
        batches = list(view.batches("train", MOST_SAMPLES))
        count = sum(map(num_rows, batches))
        places = [_place(chosen, number) for number in self.weights]
        before = [float(parameter[at]) for _, parameter, at in places]

        def loss(*values: float) -> float:
            with torch.no_grad():
                for (_, parameter, at), value in zip(places, values, strict=True):
                    parameter[at] = value
                return sum(float(view.loss(batch, chosen)) * num_rows(batch) for batch in batches) / count

        names, scale = self._named(view, chosen, places)
        title = f"Weights over the loss of {count:,} training samples\n{view.step:,} step{'s' * (view.step != 1)}"
        factor, data, others = torch.tensor(scale), recorded(view.folder / DATA), {}
        path = torch.stack([*self.points, self.last]).cpu() * factor
        for folder, other in self.others.items():
            if other["data"] == data:
                others[folder] = other["path"] * factor
            else:
                log.warning(f"warning: {folder} learnt other data, so its path is not drawn")

        def own(x: float, y: float) -> float:
            return loss(x / scale[0], y / scale[1])

        figure = pictures.weight_path(own, path, names, title, others)
        loss(*before)
        view.figure("weight_path", figure)

    def _named(self, view: View, model: nn.Module, places: list[Place]) -> tuple[list[str], list[float]]:
        """Returns what both weights are called, and by how much they are larger in the data's own units. Of all but a
        line's w nobody knows those: they are called as the model has them.
        """
        for _, parameter, at in places:
            parameter[at] = 1.0
        line, (_, first, _) = view.coefficients(model), places[0]
        is_w = first.ndim == 2 and all(parameter.data_ptr() == first.data_ptr() for _, parameter, _ in places)
        if line is None or not is_w or first.numel() != len(line["w"]):
            note = " (features normalised)" if view.is_normalised else ""
            return [f"{name}{note}" for name, _, _ in places], [1.0, 1.0]
        columns, features = [int(at[-1]) for _, _, at in places], list(view.feature_names or [])
        is_named = len(features) == len(line["w"])
        names = [f"w of {features[column]}" if is_named else f"w{column + 1}" for column in columns]
        return names, [line["w"][column] for column in columns]

    def state_dict(self) -> dict[str, Any]:
        points = torch.stack(self.points) if self.points else torch.zeros(0, 2)
        own = {"weights": self.weights, "others": self.others}
        return {"points": points, "last": self.last, "stride": self.stride, **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.points, self.last, self.stride = list(state["points"]), state["last"], state["stride"]
        self.others = state.get("others", {})

    def _now(self, model: nn.Module) -> Tensor:
        return torch.stack([parameter[at] for _, parameter, at in (_place(model, each) for each in self.weights)])


def _path_of(folder: Path, weights: list[int]) -> dict[str, Any]:
    """Returns the path of a run, steps×2, and the facts of its data. Raises UserError where there is no such run, or it
    kept none of these weights.
    """
    if not folder.is_dir():
        near = near_path(folder, (each.parent for each in folder.parent.glob(f"*/{RECORD}")))
        told = f"watch.path.beside: {folder} is not the folder of a run: there is no such folder"
        raise UserError(told + "." * bool(near) + near)
    try:
        kept = checkpoints.load(saved_states(folder)[0])["watchers"]
        points = next([*each["points"], each["last"]] for each in kept.values() if each.get("weights") == weights)
        return {"path": torch.stack(points), "data": recorded(folder / DATA)}
    except (IndexError, KeyError, StopIteration, AttributeError, TypeError, RuntimeError):  # the state is another's
        pass
    numbers = ",".join(map(str, weights))
    raise UserError(
        f"watch.path.beside: {folder} has no path of the weights {weights}; a run with watch=path"
        f" 'watch.path.weights=[{numbers}]' keeps it in its saved state"
    )


def _place(model: nn.Module, number: int) -> Place:
    """Returns what the weight of that number is called, the parameter that has it, and where in it, axis by axis: how
    a parameter lies in memory is not the order of its numbers.
    """
    for name, parameter in model.named_parameters():
        if number < parameter.numel():
            at = torch.unravel_index(torch.tensor(number), parameter.shape)
            return f"{name}, number {number}" if parameter.numel() > 1 else name, parameter.detach(), at
        number -= parameter.numel()
    raise AssertionError("held to before")
