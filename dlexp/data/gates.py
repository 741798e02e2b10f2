"""Gates of logic as data sets: all rows of a truth table, the smallest thing that a neuron can or cannot learn."""

import itertools
from collections.abc import Callable
from typing import Annotated

import torch

from dlexp.data.facts import gate_inputs
from dlexp.data.fingerprint import GENERATED, tells_content
from dlexp.data.splits import Split, Splits
from dlexp.ranges import Choice

GATES: dict[str, Callable[..., bool]] = {
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "nand": lambda a, b: not (a and b),
    "not": lambda a: not a,
    "xor": lambda a, b: a != b,
    "xnor": lambda a, b: a == b,
}


@tells_content(lambda: GENERATED)
def gates(*, gate: Annotated[str, Choice(*GATES)]) -> Splits:
    """Returns the rows of a gate's truth table: inputs of 0 and 1 (float32, N×2, of "not" N×1), its answer as class.

    There is no other row to test on. One neuron separates all but "xor" and "xnor" (Minsky and Papert 1969,
    "Perceptrons").
    """
    rows = list(itertools.product([False, True], repeat=gate_inputs(gate)))
    answers = [GATES[gate](*row) for row in rows]
    return Splits(train=Split(torch.tensor(rows).float(), torch.tensor(answers).long()), test=None)
