"""The idx format of the MNIST family: a big-endian header, then bytes."""

import gzip
import math
import struct
import zlib

import torch
from torch import Tensor

from dlexp.data.fetch.download import read_each
from dlexp.data.fetch.files import Source
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError

UNSIGNED_BYTES = 0x08


def load_idx(source: Source, *, root: str | None, download: bool, url: str | None) -> Splits:
    """Returns the splits of a data set in MNIST's four files, packed with gzip or not: uint8 N×1×H×W and int64 N.

    Raises UserError as `obtain` and `parse_idx` do.
    """
    data = read_each(source, parse_idx, root, download, url)
    data = {name.removesuffix(".gz"): each for name, each in data.items()}
    return Splits(train=_split(data, "train"), test=_split(data, "t10k"), stratified=False)


def parse_idx(data: bytes, name: str) -> Tensor:
    """Returns the uint8 tensor in the bytes of an idx file (`.gz`: packed); a UserError names it if they are none."""
    if name.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{name} cannot be unpacked: {error}.") from error
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


def _split(data: dict[str, Tensor], name: str) -> Split:
    return Split(data[f"{name}-images-idx3-ubyte"].unsqueeze(1), data[f"{name}-labels-idx1-ubyte"].long())
