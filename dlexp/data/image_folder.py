"""A person's own images: a tree split/class/image, or class/image that is split by seed."""

import math
import random
from pathlib import Path
from typing import Annotated

import torch

from dlexp.data.image_tree import image_tree
from dlexp.data.images import image_endings, read_images
from dlexp.data.memory import available_bytes
from dlexp.data.splits import Split, Splits
from dlexp.errors import UserError
from dlexp.ranges import Range

# Splitting off the validation samples copies the training images once.
COPIES = 2

Files = list[tuple[Path, int]]


def image_folder(
    *,
    folder: str | None,
    size: Annotated[int, Range(ge=1)],
    channels: Annotated[int, Range(ge=1, le=3)],
    test_size: Annotated[float, Range(gt=0, lt=1)],
    split_seed: int,
    val_size: float,
    limit: int | None,
) -> Splits:
    """Returns uint8 images channels×size×size (channels: 3 or 1) and their class numbers.

    folder: tree as in `image_tree`; without splits a part `test_size` becomes the test split. With `limit`
    only about as many files are decoded as will be used. Raises UserError for a tree without images, images
    that cannot be read, and images that do not fit in memory at this size.
    """
    if channels == 2:
        raise UserError("data.channels must be 3 (colour) or 1 (grey), not 2.")
    splits = _file_lists(folder, test_size, split_seed)
    if limit is not None:
        extra = 0 if "val" in splits or val_size == 0 else _val_extra(limit, val_size)
        splits = {
            name: _some(files, limit + (extra if name == "train" else 0), split_seed) for name, files in splits.items()
        }
    check_memory(sum(map(len, splits.values())), size, channels)
    # All in one go, so that one sentence counts the damaged files of all splits.
    files = [pair for part in splits.values() for pair in part]
    images = read_images([path for path, _ in files], size=size, channels=channels)
    labels = torch.tensor([label for _, label in files])
    sizes = [len(part) for part in splits.values()]
    parts = zip(torch.split(images, sizes), torch.split(labels, sizes), strict=True)
    loaded = {name: Split(*pair) for name, pair in zip(splits, parts, strict=True)}
    return Splits(train=loaded["train"], test=loaded.get("test"), val=loaded.get("val"))


def check_memory(num_images: int, size: int, channels: int) -> None:
    """Raises UserError if the images would not fit, with a size and a number that would."""
    free = available_bytes()
    needed = COPIES * num_images * channels * size * size
    if free is None or needed <= 0.8 * free:
        return
    fitting = math.isqrt(int(0.8 * free / (COPIES * num_images * channels)))
    count = int(0.8 * free / (COPIES * channels * size * size))
    raise UserError(
        f"{num_images} images of {size}×{size} need {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are "
        f"free, and streaming from disk isn't there yet. data.size={max(1, fitting)} or "
        f"data.limit={max(1, count // 3)} would fit."
    )


def _file_lists(folder: str | None, test_size: float, split_seed: int) -> dict[str, Files]:
    tree = image_tree(folder)
    endings = image_endings()
    splits = {name: tree.images(name, endings) for name in tree.splits}
    known = splits.get("train", splits.get("all", []))
    empty = sorted(set(range(len(tree.class_names))) - {label for _, label in known})
    if empty:
        names = ", ".join(tree.class_names[index] for index in empty[:5])
        raise UserError(
            f"{folder} has no images for training in {len(empty)} of {len(tree.class_names)} classes: {names}."
        )
    splits = {name: files for name, files in splits.items() if files}
    if "all" in splits:
        files = splits.pop("all")
        random.Random(split_seed).shuffle(files)
        num_test = min(max(1, round(len(files) * test_size)), len(files) - 1)
        splits = {"train": sorted(files[num_test:]), "test": sorted(files[:num_test])}
    return splits


def _val_extra(limit: int, val_size: float) -> int:
    """Returns how many files more than `limit` are needed so that `limit` remain after validation's share."""
    return int(val_size) if val_size >= 1 else math.ceil(limit * val_size / (1 - val_size)) + 1


def _some(files: Files, count: int, seed: int) -> Files:
    return files if len(files) <= count else sorted(random.Random(seed).sample(files, count))
