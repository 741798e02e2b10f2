"""The small data sets that scikit-learn brings along: read from the installed package, so nothing is downloaded."""

import importlib
from typing import Annotated

import torch

from dlexp.data.partition import with_test
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError
from dlexp.ranges import Choice, Range

SETS = ("digits", "iris", "wine", "breast_cancer", "diabetes")


def scikit_learn(
    *,
    name: Annotated[str, Choice(*SETS)],
    test_size: Annotated[float, Range(ge=0, lt=1)],
    split_seed: int,
) -> Splits:
    """Returns a set of scikit-learn by its name: float32 features with class numbers, of "digits" as images 1×8×8 of
    values from 0 to 16; of "diabetes" with values N×1, and its features in their own units.

    A part `test_size` (0: none) becomes the test split, with its part of each class. Raises UserError where
    scikit-learn is not installed.
    """
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise UserError(
            f"data={name} is part of scikit-learn: pip install scikit-learn (or 'dlexp[sklearn]')"
        ) from error
    found = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    answers = torch.from_numpy(found.target)
    inputs = torch.from_numpy(found.images[:, None] if name == "digits" else found.data).float()
    split = Split(inputs, answers.float()[:, None] if name == "diabetes" else answers.long())
    names = None if name == "digits" else [str(each) for each in found.feature_names]
    return with_test(Splits(train=split, test=None, feature_names=names), test_size, split_seed)
