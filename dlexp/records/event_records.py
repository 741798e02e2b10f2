"""TensorBoard's records, many at once: its own writer takes one byte at a time through Python, ten times as long."""

import struct
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78  # of CRC-32C, its bits reversed


def as_records(contents: Sequence[bytes]) -> list[bytes]:
    """Returns events as their file holds them: length, its checksum, content, its checksum (TensorFlow's TFRecord)."""
    lengths = [struct.pack("<Q", len(content)) for content in contents]
    sums = zip(masked_checksums(lengths), masked_checksums(contents), strict=True)
    return [
        length + struct.pack("<I", of_length) + content + struct.pack("<I", of_content)
        for length, content, (of_length, of_content) in zip(lengths, contents, sums, strict=True)
    ]


def masked_checksums(contents: Sequence[bytes]) -> list[int]:
    """Returns the CRC-32C of each of several texts of four bytes at least, masked as TFRecord has it."""
    longest = max(map(len, contents), default=0)
    # Zeros before a text change nothing where the sum begins with 0; that it begins with ones is as if its first four
    # bytes were others. So all texts are of one length, and a step is made for all of them at once.
    padded = b"".join(
        bytes(longest - len(content)) + bytes(byte ^ 0xFF for byte in content[:4]) + content[4:] for content in contents
    )
    columns = np.frombuffer(padded, np.uint8).reshape(len(contents), longest).T.astype(np.uint32, order="C")
    sums = np.zeros(len(contents), np.uint32)
    for column in columns:
        sums = _table()[(sums ^ column) & 0xFF] ^ (sums >> 8)
    sums = ~sums
    return [int(each) for each in ((sums >> 15) | (sums << 17)) + np.uint32(0xA282EAD8)]


@cache
def _table() -> NDArray[np.uint32]:
    """Returns what each byte adds to a sum."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(POLYNOMIAL), table >> 1)
    return table
