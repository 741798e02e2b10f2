"""A few characters that stand for exact numbers: two runs with the same ones are bit-identical."""

import hashlib

import torch
from torch import Tensor


def fingerprint(*tensors: Tensor) -> str:
    """Returns 16 hexadecimal digits of BLAKE2b over the tensors' values, row by row in each; waits for the device."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        values = tensor.detach().cpu().contiguous().flatten()
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()
