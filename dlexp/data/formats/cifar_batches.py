"""The pickled batches of the CIFAR family, read without letting the file run anything."""

import io
import pickle
from collections.abc import Collection
from typing import Any

import numpy as np
import torch

from dlexp.data.fetch.download import read_each
from dlexp.data.fetch.files import Source
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError

PIXELS = 3 * 32 * 32


class _PickledType:
    """Stands in for numpy.dtype: takes its state, does nothing."""

    def __init__(self, code: bytes, *flags: int) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        pass


class _PickledArray:
    """Stands in for numpy.ndarray: keeps the pickled shape, type and bytes instead of acting on them."""

    def __init__(self, *ignored: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def images(self) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        _, shape, kind, by_columns, data = self.state
        if kind.code not in (b"u1", b"B") or by_columns or shape[1:] != (PIXELS,) or shape[0] * PIXELS != len(data):
            raise ValueError(f"an array of shape {shape} and type {kind.code!r}")
        return np.frombuffer(data, dtype=np.uint8).reshape(shape[0], 3, 32, 32)


class _Unpickler(pickle.Unpickler):
    """Knows the three names in CIFAR's files and gives stand-ins for them; any other name is refused."""

    names = {
        "numpy.core.multiarray._reconstruct": _PickledArray,
        "numpy.ndarray": _PickledArray,
        "numpy.dtype": _PickledType,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.names[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR file needs") from None


def parse_batch(data: bytes, name: str, label_key: bytes) -> tuple["np.ndarray[Any, np.dtype[np.uint8]]", list[int]]:
    """Returns (images uint8 N×3×32×32, labels) of one batch file.

    Nothing in the file is called but the stand-ins above, so a hostile pickle can at most be refused.
    Raises UserError naming the file if it is no CIFAR batch.
    """
    try:
        # Bytes instead of latin1 text: 31 MB are not decoded and encoded again.
        batch = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        images, labels = batch[b"data"].images(), [int(label) for label in batch[label_key]]
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images and {len(labels)} labels")
    except Exception as error:  # a pickle of unknown making can raise anything
        raise UserError(f"{name} is no CIFAR batch: {type(error).__name__}: {error}.") from error
    return images, labels


def load_cifar(
    source: Source, *, test_file: str, label_key: bytes, root: str | None, download: bool, url: str | None
) -> Splits:
    """Returns the splits, uint8 N×3×32×32 and int64 N; all files but one are for training.

    Raises UserError as `obtain` and `parse_batch` do.
    """
    batches = read_each(source, lambda data, name: parse_batch(data, name, label_key), root, download, url)
    test = batches.pop(test_file)
    return Splits(train=_joined(batches.values()), test=_joined([test]), stratified=False)


def _joined(batches: "Collection[tuple[np.ndarray[Any, np.dtype[np.uint8]], list[int]]]") -> Split:
    images = torch.from_numpy(np.concatenate([images for images, _ in batches]))
    return Split(images, torch.tensor([label for _, labels in batches for label in labels]))
