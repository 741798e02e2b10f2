"""Whether a linear model with weight decay has come to the minimum of what it minimises."""

import torch

from dlexp.batch import num_rows
from dlexp.console.wording import number
from dlexp.experiment.assemble import Assembly
from dlexp.methods.method import Method
from dlexp.metric import LOSS
from dlexp.train.average import NoAverage

# Multiples of the weights that are tried in their place, and the part of loss and decay by which one must be lower.
MULTIPLES = (0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0, 4.0)
LOWER_BY = 0.02


@torch.no_grad()
def not_arrived(run: Assembly) -> str | None:
    """Returns what shows that the weights of a linear model are not at the minimum of loss and weight decay, which
    has no gradient where a hinge loss bends: a multiple of them for which the sum is clearly lower; None without any.

    Of plain descent by SGD, whose weight decay is part of the loss and is all that is added to it, on the last weights
    and not their average, of samples that count alike.
    """
    optimizers = getattr(run.state.optimizer, "parts", [run.state.optimizer])
    is_plain = all(type(each) is torch.optim.SGD for each in optimizers) and type(run.state.method) is Method
    seen = run.in_order("train", None)
    is_plain = is_plain and run.plan.l1 is None and run.train.split.weights is None
    if not is_plain or not isinstance(run.state.average, NoAverage) or seen is None:
        return None
    decay = sum(
        float(group["weight_decay"] / 2 * weight.double().square().sum())
        for group in run.state.optimizer.param_groups
        for weight in group["params"]
    )
    if not decay:
        return None
    sums, count = dict.fromkeys((1.0, *MULTIPLES), 0.0), 0
    for batch in seen.epoch(0):
        outputs, size = run.task.predict(run.state.model, batch), num_rows(batch)
        count += size
        for multiple in sums:
            sums[multiple] += size * float(run.task.loss(multiple * outputs, batch))
    whole = {multiple: loss / count + multiple**2 * decay for multiple, loss in sums.items()}
    best = min(whole, key=lambda multiple: whole[multiple])
    if whole[best] >= (1 - LOWER_BY) * whole[1.0]:
        return None
    return (
        f"not yet at its minimum: {best:g} times these weights have a lower loss with weight decay,"
        f" {number(whole[best], LOSS)} instead of {number(whole[1.0], LOSS)}; more epochs or a higher optimizer.lr get"
        " there"
    )
