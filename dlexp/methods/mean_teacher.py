"""Mean teacher: the student agrees with the average of what it was."""

import copy
from typing import Annotated

import torch
from torch import nn
from torch.nn import functional

from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.methods.method import Method, Moment, Outcome, Start, follow_mode, over_all_answers, want_classes
from dlexp.models.auxiliary import main
from dlexp.ranges import Range
from dlexp.tasks.task import Task


class MeanTeacher(Method):
    """loss + weight · ‖softmax(student) - softmax(teacher)‖², the teacher an exponential average of the student
    (Tarvainen and Valpola 2017, arXiv:1703.01780).

    Both see a batch once, with noise of their own (dropout, and normal noise of `noise` on the inputs). The weight
    grows over the first `ramp` of the training as exp(-5(1 - t)²). Samples of the class `task.ignore_index` are
    unlabelled: the two agree on them as on all others, and the loss of the others is a mean over all samples. What is
    evaluated is the student; ema=ema evaluates an average.
    """

    teacher: nn.Module

    def __init__(
        self,
        *,
        decay: Annotated[float, Range(ge=0, lt=1)],
        weight: Annotated[float, Range(ge=0)],
        ramp: Annotated[float, Range(gt=0, le=1)],
        noise: Annotated[float, Range(ge=0)],
    ) -> None:
        super().__init__()
        self.decay, self.weight, self.ramp, self.noise = decay, weight, ramp, noise

    def setup(self, start: Start) -> None:
        """Begins with the student's weights. Raises UserError where classes are not what is learnt, or no input takes
        noise.
        """
        want_classes(start, "mean_teacher")
        if self.noise and not start.normalised:
            raise UserError("method=mean_teacher adds noise to normalised inputs, and here are none: method.noise=0")
        self.noisy = list(start.normalised)
        self.teacher = copy.deepcopy(start.model)

    def loss(self, task: Task, model: nn.Module, batch: Batch, moment: Moment) -> Outcome:
        """Adds the disagreement to the loss."""
        outputs = task.predict(model, self._noisy(batch))
        follow_mode(self.teacher, model)
        with torch.no_grad():
            wanted = main(task.predict(self.teacher, self._noisy(batch)))
        apart = functional.mse_loss(main(outputs).softmax(dim=1), wanted.softmax(dim=1))
        left = 1 - (moment.progress / self.ramp).clamp(max=1)
        loss, num_answers = over_all_answers(task, outputs, batch)
        loss = loss + self.weight * torch.exp(-5 * left**2) * apart
        return Outcome(loss, outputs, weight=num_answers)

    def after_step(self, model: nn.Module, step: int) -> None:
        """Moves the teacher after the student, faster in the beginning."""
        share = 1 - min(1 - 1 / (step + 1), self.decay)
        for mean, each in zip(self.teacher.parameters(), model.parameters(), strict=True):
            mean.lerp_(each, share)
        for kept, now in zip(self.teacher.buffers(), model.buffers(), strict=True):
            kept.copy_(now)

    def _noisy(self, batch: Batch) -> Batch:
        if not self.noise:
            return batch
        return {**batch, **{name: batch[name] + self.noise * torch.randn_like(batch[name]) for name in self.noisy}}
