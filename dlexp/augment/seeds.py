"""Seeds for what is drawn at some place of a training, the same wherever a run was resumed."""

import hashlib

from torch import Tensor


def derived_seed(*numbers: int) -> int:
    """Returns one seed for a tuple of numbers; neighbouring tuples get unrelated seeds."""
    digest = hashlib.blake2b(",".join(map(str, numbers)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def mixed_bits(numbers: Tensor, key: int) -> Tensor:
    """Returns 32 mixed bits (as int64) for each of the numbers (int64): the same for the same number and key.

    Two rounds of multiplying and folding, as integer hashes do; all values stay below 2^63.
    """
    bits = (numbers ^ key) & 0xFFFFFFFF
    for _ in range(2):
        bits = ((bits ^ (bits >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return bits ^ (bits >> 16)
