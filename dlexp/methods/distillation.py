"""Distillation: a small model learns what a trained one says of each sample."""

from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.methods.method import Method, Moment, Outcome, Start, over_all_answers, want_classes
from dlexp.models.auxiliary import main
from dlexp.ranges import Range
from dlexp.tasks.task import Task


class Distillation(Method):
    """(1 - weight) · loss + weight · T² · KL(teacher ‖ student), both softened by the temperature T (Hinton, Vinyals
    and Dean 2015, arXiv:1503.02531, section 2).

    teacher: the folder of the run that trained it; it sees each batch as this run augments it, normalised as its own
    data was. Samples of the class `task.ignore_index` are unlabelled: the teacher speaks of them as of all others, and
    the loss of the others is a mean over all samples. Its weights are kept with the state, and its folder is needed to
    go on, too.
    """

    teacher: nn.Module

    def __init__(
        self,
        *,
        teacher: str | None,
        temperature: Annotated[float, Range(gt=0)],
        weight: Annotated[float, Range(ge=0, le=1)],
    ) -> None:
        super().__init__()
        if teacher is None:
            raise UserError("method=distillation needs a teacher: method.teacher=RUN, the folder of a finished run")
        self.folder, self.temperature, self.weight = teacher, temperature, weight

    def setup(self, start: Start) -> None:
        """Loads the teacher. Raises UserError where classes are not what is learnt, or not the teacher's."""
        want_classes(start, "distillation")
        self.teacher, self.undone = start.load(self.folder), start.undone
        taught: Any = getattr(self.teacher, "task", None)
        names, own = getattr(taught, "class_names", None), getattr(start.task, "class_names", None)
        if names != own:
            raise UserError(f"the classes of {Path(self.folder)} are {names}, and here they are {own}")

    def loss(self, task: Task, model: nn.Module, batch: Batch, moment: Moment) -> Outcome:
        """Adds what the teacher says to the loss."""
        outputs = task.predict(model, batch)
        with torch.no_grad():
            wanted = self.teacher.eval()(**self.undone(batch))
        learnt = softened(main(outputs), wanted, self.temperature)
        loss, num_answers = over_all_answers(task, outputs, batch)
        return Outcome((1 - self.weight) * loss + self.weight * learnt, outputs, weight=num_answers)


def softened(outputs: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Returns T² times the mean divergence of the distributions that logits N×classes×… stand for at a temperature."""
    rows = (logits.movedim(1, -1).flatten(0, -2) for logits in (outputs, wanted))
    one, other = (functional.log_softmax(logits / temperature, dim=1) for logits in rows)
    return temperature**2 * functional.kl_div(one, other, reduction="batchmean", log_target=True)
