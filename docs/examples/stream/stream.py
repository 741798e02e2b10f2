"""Lines of a file that is larger than memory, one after the other: an IterableDataset.

cd docs/examples/stream
python -m dlexp --config-dir conf allow=stream data=lines
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from dlexp.data.splits import Split, Splits
from dlexp.data.stream.rows import Stream


class Lines(IterableDataset):
    """Numbers with commas between them, the last one the class."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        with open(self.file) as lines:
            for line in lines:
                *x, y = line.split(",")
                yield torch.tensor([float(each) for each in x]), int(y)


def lines(*, folder: str, lengths: dict[str, int]) -> Splits:
    """Returns train.csv, val.csv and test.csv of a folder, of so many lines each."""
    files = {part: Lines(Path(folder, f"{part}.csv")) for part in ("train", "val", "test")}
    return Splits(**{part: Split(Stream(file, lengths[part])) for part, file in files.items()})
