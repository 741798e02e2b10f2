"""What a model returns in training that has further outputs to learn from, each with a weight of its loss."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor


class Auxiliary(NamedTuple):
    """The outputs that count, and auxiliary ones that are learnt besides (Szegedy et al. 2015, arXiv:1409.4842,
    section 5): the loss is that of `outputs` plus each of the others' times its weight.

    outputs, others: each as the task wants outputs. weights: a number for each of the others. Metrics, pictures and
    `dlexp.load` see `outputs` alone, and so does evaluation, its loss included.
    """

    outputs: Any
    others: tuple[Any, ...]
    weights: tuple[float, ...]

    def loss(self, one: Callable[[Any], Tensor]) -> Tensor:
        """Returns the loss of all; `one` gives that of one of them."""
        more = (weight * one(other) for other, weight in zip(self.others, self.weights, strict=True))
        return sum(more, start=one(self.outputs))


def main(outputs: Any) -> Any:
    """Returns what a model returned without auxiliary outputs."""
    return outputs.outputs if isinstance(outputs, Auxiliary) else outputs
