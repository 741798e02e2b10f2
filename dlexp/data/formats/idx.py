"""The idx format of the MNIST family: a big-endian header, then bytes."""

import math
import struct
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from dlexp.data.fetch.download import obtain
from dlexp.data.fetch.files import Source, read
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError

UNSIGNED_BYTES = 0x08
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def load_idx(source: Source, *, root: str | None, download: bool, url: str | None) -> Splits:
    """Returns the splits of a data set in MNIST's four files: uint8 N×1×H×W and int64 N.

    Raises UserError as `obtain` and `parse_idx` do.
    """
    folder = obtain(source, root=root, download=download, url=url)
    with ThreadPoolExecutor(len(FILES)) as pool:  # reading and hashing release the interpreter lock
        data = list(pool.map(lambda name: parse_idx(read(source, folder, name), name), FILES))
    train_images, train_labels, test_images, test_labels = data
    return Splits(train=_split(train_images, train_labels), test=_split(test_images, test_labels))


def parse_idx(data: bytes, name: str) -> Tensor:
    """Returns the uint8 tensor in the bytes of an idx file; a UserError names the file if they are none."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != UNSIGNED_BYTES or not 1 <= data[3] <= 4:
        raise UserError(f"{name} is no idx file of unsigned bytes (it begins with {data[:4].hex()}).")
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise UserError(f"{name} ends within its header.")
    shape = struct.unpack(f">{data[3]}I", data[4:header])
    expected = header + math.prod(shape)
    if len(data) != expected:
        raise UserError(f"{name} has {len(data)} bytes, its header announces {expected}.")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=header).view(*shape)


def _split(images: Tensor, labels: Tensor) -> Split:
    return Split(images.unsqueeze(1), labels.long())
