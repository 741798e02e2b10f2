"""Which images a folder holds, by split and class, told from the names of its folders. No torch here."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlexp.errors import UserError

SPLIT_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class ImageTree:
    """splits: the folders of classes by split, or only {"all": folder} for a tree without splits."""

    splits: dict[str, Path]
    class_names: list[str]

    def images(self, split: str, endings: set[str]) -> list[tuple[Path, int]]:
        """Returns (file, class index) of a split, sorted by name, without hidden files.

        endings: which count as images, lower case with the dot. Folders inside a class folder belong to the
        class.
        """
        return [
            (path, index)
            for index, name in enumerate(self.class_names)
            for path in sorted(_files(self.splits[split] / name))
            if path.suffix.lower() in endings
        ]


def image_tree(folder: str | None) -> ImageTree:
    """Reads the names of the folders under `folder`: split/class or class.

    A folder "train" that has folders itself makes it a tree with splits. Raises UserError if there are no
    classes, or if a split has one that training has not.
    """
    if folder is None:
        raise UserError(
            "data=image_folder needs a folder of images: data.folder=FOLDER, with FOLDER/train/CLASS/… and "
            "FOLDER/test/CLASS/…, or FOLDER/CLASS/… to have it split."
        )
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UserError(f"data.folder={folder} is not a folder (looked for {root.absolute()}).")
    splits = _splits(root) or {"all": root}
    classes = {split: _folders(path) for split, path in splits.items()}
    names = classes.get("train") or classes.get("all") or []
    if len(names) < 2:
        raise UserError(
            f"{next(iter(splits.values()))} must hold one folder of images for each of at least two classes; "
            f"found {names or 'no folder'}."
        )
    for split, others in classes.items():
        strangers = sorted(set(others) - set(names))
        if strangers:
            raise UserError(f"{splits[split]} has classes that training lacks: {', '.join(strangers[:5])}.")
    return ImageTree(splits, names)


def _splits(root: Path) -> dict[str, Path]:
    found = {
        split: root / name
        for split, names in SPLIT_NAMES.items()
        for name in _folders(root)
        if name.lower() in names and _folders(root / name)
    }
    return found if "train" in found else {}


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files(path: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(path, followlinks=True):
        yield from (Path(folder, name) for name in names if not name.startswith("."))
