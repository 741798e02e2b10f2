"""Any data set of torchvision: each is a map-style Dataset of torch, read picture by picture.

cd docs/examples/dataset
python -m dlexp --config-dir conf allow=dataset data=torchvision model=cnn
"""

from typing import Any

from torchvision import datasets
from torchvision.transforms import ToTensor

from dlexp.data.splits import Split, Splits


def torchvision(*, name: str, train: dict[str, Any], test: dict[str, Any]) -> Splits:
    """Returns the parts of a data set of this name that these arguments choose."""
    made = getattr(datasets, name)
    return Splits(*(Split(made(**part, transform=ToTensor())) for part in (train, test)))
