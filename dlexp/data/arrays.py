"""A person's own table: an NPZ of arrays or a CSV with a label column."""

from typing import Annotated

import numpy as np
import torch

from dlexp.data.fingerprint import Content, of_arrays, tells_content
from dlexp.data.formats.array_files import Samples, read_table
from dlexp.data.partition import held_out
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError
from dlexp.ranges import Choice, Range


def _content(file: str | None, label_column: str | None, group_column: str | None, targets: str) -> Content:
    table = read_table(file, label_column, group_column, targets)
    ordered = [each for name in sorted(table.splits) for each in table.splits[name] if each is not None]
    return of_arrays(ordered, table.class_names)


@tells_content(_content)
def arrays(
    *,
    file: str | None,
    label_column: str | None,
    group_column: str | None,
    targets: Annotated[str, Choice("classes", "values")],
    test_size: Annotated[float, Range(gt=0, lt=1)],
    split_seed: int,
) -> Splits:
    """Returns the file's samples; without a test split of its own a part `test_size` becomes one, by seed.

    Groups stay whole. Images (uint8, N×H×W, N×C×H×W or N×H×W×C) stay uint8, everything else becomes float32. Raises
    UserError as `read_table` does.
    """
    table = read_table(file, label_column, group_column, targets)
    parts = {name: _split(each) for name, each in table.splits.items()}
    whole = parts.get("all", parts.get("train"))
    assert whole is not None
    if "test" not in parts:
        num_samples = len(whole)
        num_test = max(1, round(num_samples * test_size))
        if num_test >= num_samples:
            raise UserError(f"{file}: {num_samples} samples are too few to split off a test set.")
        whole, parts["test"] = held_out(whole, num_test, split_seed)
    return Splits(train=whole, test=parts["test"], val=parts.get("val"))


def _split(samples: Samples) -> Split:
    x, y = torch.from_numpy(np.ascontiguousarray(samples.x)), torch.from_numpy(samples.y)
    return Split(x, y, groups=samples.groups, weights=samples.weights)
