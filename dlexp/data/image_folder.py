"""A person's own images, in memory or streamed: a tree split/class/image, or class/image that is split by seed."""

import logging
import math
import random
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor

from dlexp.data.fingerprint import Content, of_files, tells_content
from dlexp.data.formats.file_names import named_splits
from dlexp.data.formats.image_tree import ImageTree, image_tree
from dlexp.data.formats.images import read_images, tell_lost_levels
from dlexp.data.formats.left_out import left_out, strays
from dlexp.data.formats.pixels import are_deep, image_endings
from dlexp.data.partition import TEST_SIZE, with_test
from dlexp.data.per_sample import groups_by_name, shares
from dlexp.data.splits import Split, Splits
from dlexp.data.stream.image_files import ImageFiles, default_workers
from dlexp.errors import UserError, listed
from dlexp.machine.memory import available_bytes, available_bytes_of_gpu
from dlexp.ranges import Choice, Colour, Range

log = logging.getLogger(__name__)

# Splitting off the validation samples copies the training images once.
COPIES = 2


class Image(NamedTuple):
    """A file, its class number, and what it belongs to and how often it is drawn, where somebody says that."""

    path: Path
    label: int
    group: Any = None
    weight: float | None = None


Files = list[Image]


def _content(
    folder: str | None,
    test_size: float,
    split_seed: int,
    val_size: float,
    limit: int | None,
    group_file: str | None,
    group_pattern: str | None,
    weight_file: str | None,
) -> Content:
    """Returns the content of the files that are used, and of the names of all classes."""
    tree = image_tree(folder)
    images = _images(tree, group_file, group_pattern, weight_file)
    chosen = _chosen(images, test_size, split_seed, val_size, limit)
    paths = [image.path for files in chosen.values() for image in files]
    return of_files(paths, tree.root, tree.class_names)


@tells_content(_content)
def image_folder(
    *,
    folder: str | None,
    size: Annotated[int, Range(ge=1)],
    channels: Annotated[int, Range(ge=1, le=3)],
    background: Annotated[str | list[int], Colour()],
    test_size: Annotated[float, Range(ge=0, lt=1)],
    in_memory: bool | Annotated[str, Choice("auto")],
    workers: Annotated[int | None, Range(ge=1)],
    split_seed: int,
    val_size: float,
    limit: int | None,
    group_file: str | None,
    group_pattern: str | None,
    weight_file: str | None,
    device: str,
) -> Splits:
    """Returns images channels×size×size (channels: 3 or 1) and their class numbers.

    They are uint8, or float32 in their own values where those have more than 8 bits.

    folder: tree as in `image_tree`; without a test split a part `test_size` (0: none) of the training images becomes
    one, with its part of each class. What is not read is said. background: what transparent images are laid on. With
    `limit` only about as many files are used as will be needed. group_pattern: a regular expression that gives each
    image's group, from its path below `folder`. in_memory: True reads all images now, False leaves them in
    their files for `workers` processes (None: one a core, at most 16) to read when they are needed, "auto" does that if
    they don't fit. device: the run's. Raises UserError for a tree without images,
    and, in memory, for images that cannot be read or do not fit at this size.
    """
    if channels == 2:
        raise UserError("data.channels must be 3 (colour) or 1 (grey), not 2.")
    tree = image_tree(folder)
    described = _images(tree, group_file, group_pattern, weight_file)
    _tell(tree, has_test="test" in described, test_size=test_size)
    splits = _chosen(described, test_size, split_seed, val_size, limit)
    # All in one go: one sentence counts the damaged files of all splits, and all splits share the processes.
    files = [image for part in splits.values() for image in part]
    paths = [str(image.path) for image in files]
    ground = Colour.NAMED[background] if isinstance(background, str) else background
    images: Tensor | ImageFiles
    tell_lost_levels(paths)
    num_bytes = channels * size * size * (4 if are_deep(paths) else 1)
    if _streams(in_memory, workers, len(files), size, num_bytes, device):
        num_workers = workers or default_workers()
        images = ImageFiles(paths, size=size, channels=channels, background=ground, num_workers=num_workers)
    else:
        images = read_images(paths, size=size, channels=channels, background=ground)
    labels = torch.tensor([image.label for image in files])
    loaded, first = {}, 0
    for name, part in splits.items():
        rows = torch.arange(first, first := first + len(part))
        # A tensor's part is a view: a copy would double the memory.
        own = images.index_select(0, rows) if isinstance(images, ImageFiles) else images[first - len(part) : first]
        weights = [image.weight for image in part]
        loaded[name] = Split(own, labels[rows], groups=_groups(part), weights=None if None in weights else weights)
    was_divided = "test" in splits and "test" not in described
    divided_by = (TEST_SIZE,) if was_divided else ()
    return Splits(train=loaded["train"], test=loaded.get("test"), val=loaded.get("val"), divided_by=divided_by)


def _streams(
    in_memory: bool | str, workers: int | None, num_images: int, size: int, num_bytes: int, device: str
) -> bool:
    """Returns whether the images, of `num_bytes` each, stay in their files; says so where `auto` decides that.

    Raises UserError if they must be in memory and would not fit, with a size and a number that would.
    """
    if in_memory is False:
        return True
    needed, free = COPIES * num_images * num_bytes, available_bytes()
    what = f"{num_images} images of {size}×{size} need {needed / 1e9:.1f} GB of memory, "
    if needed > 0.8 * free:
        what += f"{free / 1e9:.1f} GB are free"
        if in_memory is True:
            fitting = math.isqrt(int(0.8 * free / (COPIES * num_images * num_bytes / size**2)))
            count = int(0.8 * free / (COPIES * num_bytes))
            raise UserError(
                f"{what}: data.in_memory=false streams them from their files; "
                f"data.size={max(1, fitting)} or data.limit={max(1, count // 3)} would fit."
            )
    else:
        on_gpu = None if in_memory is True else available_bytes_of_gpu(device)
        # Half of it stays for the model.
        if on_gpu is None or num_images * num_bytes <= 0.5 * on_gpu:
            return False
        what += f"the GPU has {on_gpu / 1e9:.1f} GB free"
    log.info(f"{what}: streaming them from their files, by {workers or default_workers()} processes")
    return True


def _chosen(
    images: dict[str, Files], test_size: float, split_seed: int, val_size: float, limit: int | None
) -> dict[str, Files]:
    """Returns the files of each split, with `limit` about as many as will be needed."""
    splits = _with_test_split(images, test_size, split_seed)
    splits |= {name: files for name, files in images.items() if name == "val"}
    if limit is None:
        return splits
    extra = 0 if "val" in splits or val_size == 0 else _val_extra(limit, val_size)
    return {name: _some(files, limit + (extra if name == "train" else 0), split_seed) for name, files in splits.items()}


def _tell(tree: ImageTree, *, has_test: bool, test_size: float) -> None:
    """Says what of a folder is not read, and where its test split comes from if nobody named one."""
    endings = image_endings()
    if files := left_out(tree, endings):
        log.info(files)
    if images := strays(tree, endings):
        log.warning(f"warning: {images}")
    if names := tree.guessed_names:
        log.warning(f"warning: names of folders that are not UTF-8 are taken for {listed(names)}")
    for split, names in ({} if tree.has_splits else named_splits(tree.class_names)).items():
        log.warning(
            f"warning: {tree.root / names[0]} is taken for a class, like the folders beside it; if it is the {split}"
            f" split, it must hold a folder for each class, and {tree.root / 'train'} the folders for training"
        )
    if tree.has_splits and not has_test and test_size:
        log.info(f"{tree.root} has no test split: data.test_size={test_size:g} of its training images become that")


def _images(
    tree: ImageTree, group_file: str | None, group_pattern: str | None, weight_file: str | None
) -> dict[str, Files]:
    """Returns the files as they lie in splits, "all" being those that are to be split, each with its group and weight.

    Raises UserError where a class has none for training, or nobody can tell which folders are the classes.
    """
    endings = image_endings()
    tree.hold_to_classes(endings)
    splits = {name: [Image(*pair) for pair in tree.images(name, endings)] for name in tree.splits}
    known = splits.get("train", splits.get("all", []))
    empty = sorted(set(range(len(tree.class_names))) - {image.label for image in known})
    if empty:
        names = listed([tree.class_names[index] for index in empty], most=5)
        others = left_out(tree, endings)
        raise UserError(
            f"{tree.root} has no images for training in {len(empty)} of {len(tree.class_names)} classes: {names}."
            + (f" ({others})" if others else "")
        )
    splits = {name: splits[name] for name in ("all", "train", "val", "test") if splits.get(name)}
    if "test" not in splits:
        splits = {"all" if name == "train" else name: files for name, files in splits.items()}
    if group_pattern is not None:
        paths = [image.path for files in splits.values() for image in files]
        groups = groups_by_name(group_pattern, paths, tree.root)
        splits = {name: [each._replace(group=groups[each.path]) for each in files] for name, files in splits.items()}
    sizes = {name: len(files) for name, files in splits.items()}
    for field, key, file in (("group", "group_file", group_file), ("weight", "weight_file", weight_file)):
        for name, values in (shares(key, file, sizes) if file is not None else {}).items():
            pairs = zip(splits[name], values.tolist(), strict=True)
            splits[name] = [image._replace(**{field: value}) for image, value in pairs]
    return splits


def _with_test_split(images: dict[str, Files], test_size: float, split_seed: int) -> dict[str, Files]:
    """Returns files by split; of those that are to be split some become the test split (see `with_test`)."""
    if "all" not in images:
        return images
    files = images["all"]
    numbered = Split(torch.arange(len(files)), torch.tensor([image.label for image in files]), groups=_groups(files))
    parts = with_test(Splits(train=numbered, test=None), test_size, split_seed).named
    return {name: [files[row] for row in part.inputs[:].tolist()] for name, part in parts.items()}


def _groups(files: Files) -> list[Any] | None:
    groups = [image.group for image in files]
    return None if None in groups else groups


def _val_extra(limit: int, val_size: float) -> int:
    """Returns how many files more than `limit` are needed so that `limit` remain after validation's share."""
    return int(val_size) if val_size >= 1 else math.ceil(limit * val_size / (1 - val_size)) + 1


def _some(files: Files, count: int, seed: int) -> Files:
    return files if len(files) <= count else sorted(random.Random(seed).sample(files, count))
