"""Which images a folder holds, by split and class, told from the names of its folders. No torch, no Pillow here."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from dlexp.data.formats.file_names import is_hidden, named_splits, readable, says_the_same
from dlexp.errors import UserError, listed

Classes = dict[str, Path]


class ImageTree:
    """The class folders below a folder.

    splits: by split and class name, or only {"all": …} for a tree without splits. links: those that are not followed,
    since they lead to what is there anyway.
    """

    def __init__(self, root: Path, splits: dict[str, Path]) -> None:
        """splits: the folder of class folders of each split."""
        self.root, self.links = root, list[Path]()
        self.has_splits = "all" not in splits
        classes = {split: _classes(folder) for split, folder in splits.items()}
        real_root = os.path.realpath(root)
        real = {path: os.path.realpath(path) for paths in classes.values() for path in paths.values()}
        lies_here = {path: target == os.path.join(real_root, path.relative_to(root)) for path, target in real.items()}
        self._places = {target for path, target in real.items() if lies_here[path]}
        self.links += [path for path in real if not lies_here[path] and _overlaps(real[path], self._places)]
        self._places |= {target for path, target in real.items() if path not in self.links}
        self.splits: dict[str, Classes] = {}
        for split, paths in classes.items():
            if kept := {name: path for name, path in paths.items() if path not in self.links}:
                self.splits[split] = kept

    @property
    def class_names(self) -> list[str]:
        """Those of the training images, in their order."""
        return list(self.splits.get("train") or self.splits.get("all") or [])

    @property
    def guessed_names(self) -> list[str]:
        """Names of classes whose folders' own ones are not UTF-8."""
        return sorted({name for classes in self.splits.values() for name, path in classes.items() if path.name != name})

    @cached_property
    def files(self) -> dict[str, list[tuple[Path, int]]]:
        """The visible files of the class folders by split: (file, class index), sorted by name within each class.

        Folders inside a class folder belong to the class. Each real file is there once: links are followed to what lies
        in no class folder. Raises UserError where a folder can't be opened.
        """
        seen: set[str] = set()
        return {
            split: [
                (path, index)
                for index, name in enumerate(self.class_names)
                if name in classes
                for path in sorted(map(Path, self._walk(str(classes[name]), seen)))
            ]
            for split, classes in self.splits.items()
        }

    def images(self, split: str, endings: set[str]) -> list[tuple[Path, int]]:
        """Returns those of a split's `files` that are images by their ending. endings: lower case with the dot."""
        return [(path, index) for path, index in self.files[split] if path.suffix.lower() in endings]

    def hold_to_classes(self, endings: set[str]) -> None:
        """Raises UserError where the folders for training hold no image themselves and all the same folders: then those
        may be the classes, and these splits by names that nobody knows.
        """
        split = "train" if "train" in self.splits else "all"
        names, places = self.class_names, list(self.splits[split].values())
        inner = _folders(places[0])
        if len(inner) < 2 or any(_folders(place) != inner for place in places[1:]):
            return
        if any(path.parent == places[index] for path, index in self.images(split, endings)):
            return
        by_split = "" if self.has_splits else "if they are splits, name them train, val, test; "
        raise UserError(
            f"{places[0].parent} has the folders {listed(names)}, which hold no images but each the folders"
            f" {listed(inner)}, so either may be the classes: {by_split}data.folder={places[0]} takes one alone;"
            " if they are the classes, some of their images must lie in them directly"
        )

    def _walk(self, folder: str, seen: set[str]) -> Iterator[str]:
        real = os.path.realpath(folder)
        seen.add(real)
        for entry in _visible(folder):
            if entry.is_dir():
                target = os.path.realpath(entry.path)
                # Not asked of the entry: a junction of Windows is a link, too.
                is_link = target != os.path.join(real, entry.name)
                is_known = target in seen or is_link and _overlaps(target, self._places)
                if not is_known:
                    yield from self._walk(entry.path, seen)
                elif is_link:
                    self.links.append(Path(entry.path))
            elif entry.is_symlink() and _lies_in(os.path.realpath(entry.path), self._places):
                self.links.append(Path(entry.path))
            else:
                yield entry.path


def image_tree(folder: str | None) -> ImageTree:
    """Reads the names of the folders under `folder`: split/class or class.

    A folder named as the training split that has folders itself makes it a tree with splits. Raises UserError if there
    are no classes, if a split has one that training has not, or if nobody can tell which folder is which split.
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
    tree = ImageTree(root, splits)
    names = tree.class_names
    if len(names) < 2:
        place = splits.get("train", root)
        inner = place / names[0] if names else place
        within = f" Did you mean data.folder={inner}?" if names and _folders(inner) else ""
        raise UserError(
            f"{place} must hold one folder of images for each of at least two classes; "
            f"found {names or 'no folder'}.{within}"
        )
    for split, others in tree.splits.items():
        strangers = sorted(set(others) - set(names))
        if strangers:
            raise UserError(f"{splits[split]} has classes that training lacks: {listed(strangers, most=5)}.")
    return tree


def _splits(root: Path) -> dict[str, Path]:
    """Returns where the class folders of each split lie; {} where the folders are classes."""
    folders = _folders(root)
    named = named_splits(folders)
    found = {split: [place for name in names if (place := _place(root / name))] for split, names in named.items()}
    places = {split: own for split, own in found.items() if own}
    if not places:
        if len(named) > 1 and len(folders) == sum(map(len, named.values())):
            raise UserError(
                f"{root} has the folders {listed(folders)} and no class folders in them:"
                f" {root / folders[-1]}/CLASS/image.jpg says what an image shows."
            )
        return {}
    for own in places.values():
        if len(own) > 1:
            names = " and ".join(place.relative_to(root).parts[0] for place in own)
            raise UserError(f"{root} has {names}, which name the same split: join these folders, or rename one.")
    if "train" not in places:
        others = " and ".join(own[0].relative_to(root).parts[0] for own in places.values())
        flat = named.get("train")
        lacks = f"no class folders in {root / flat[0]}" if flat else "no folder for training"
        raise UserError(
            f"{root} has {others} with class folders, and {lacks}: it must be named train and hold one folder for each"
            " class. (A class of such a name must not hold folders.)"
        )
    return {split: own[0] for split, own in places.items()}


def _place(folder: Path) -> Path | None:
    """Returns where a split's class folders lie: in its folder, or in the only one in it if that has such a name again
    (seg_train/seg_train/CLASS). None where there are none.
    """
    inner = _folders(folder)
    if len(inner) == 1 and says_the_same(inner[0], folder.name):
        return _place(folder / inner[0])
    return folder if inner else None


def _classes(folder: Path) -> Classes:
    found: Classes = {}
    folders = _folders(folder)
    for name, own in sorted(zip(readable(folders), folders, strict=True)):
        if name in found:
            raise UserError(f"{folder} has two folders that are both named {name}, in different encodings: rename one.")
        found[name] = folder / own
    return found


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in _visible(str(path)) if entry.is_dir())


def _visible(folder: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not is_hidden(entry.name)]
    except OSError as error:
        raise UserError(f"{folder} can't be opened: {error.strerror or error}.") from error


def _overlaps(target: str, places: set[str]) -> bool:
    """Returns whether a real folder is one of these, lies in one, or holds one."""
    return _lies_in(target, places) or any(place.startswith(os.path.join(target, "")) for place in places)


def _lies_in(target: str, places: set[str]) -> bool:
    return any(str(folder) in places for folder in (Path(target), *Path(target).parents))
