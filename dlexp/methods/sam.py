"""Sharpness-aware minimisation: the gradient where the loss is highest nearby."""

from typing import Annotated

import torch

from dlexp.batch import Batch
from dlexp.methods.method import Loop, Method, Moment, Outcome
from dlexp.ranges import Range

TINY = 1e-12  # beside the norm of gradients that are all 0


class SAM(Method):
    """Steps with the gradient at w + rho · g / ‖g‖ and not at w (Foret et al. 2021, arXiv:2010.01412, algorithm 1).

    Any optimizer is its base. A step takes two forward and backward passes, on the same batch; running statistics are
    those of the first one, whose loss and outputs are recorded. rho: how far, in the norm of all weights together.
    """

    def __init__(self, *, rho: Annotated[float, Range(gt=0)]) -> None:
        super().__init__()
        self.rho = rho

    def step(self, loop: Loop, batch: Batch, moment: Moment) -> Outcome:
        """Makes the two passes and one update."""
        first = self.loss(loop.task, loop.model, batch, moment)
        loop.gradients(first.loss)
        trained = [each for each in (*loop.model.parameters(), *loop.task.parameters()) if each.grad is not None]
        weights = [each.detach().clone() for each in trained]
        buffers = {name: buffer.clone() for name, buffer in loop.model.named_buffers()}
        with torch.no_grad():
            norm = torch.stack([each.grad.norm() for each in trained if each.grad is not None]).norm()
            for each in trained:
                each.add_(each.grad * (self.rho / (norm + TINY)))
        loop.clear()
        loop.gradients(self.loss(loop.task, loop.model, batch, moment).loss)
        with torch.no_grad():
            for each, before in zip(trained, weights, strict=True):
                each.copy_(before)  # to the bit, which subtracting would not be
            for name, buffer in loop.model.named_buffers():
                buffer.copy_(buffers[name])
        loop.update()
        return first
