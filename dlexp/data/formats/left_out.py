"""What lies in a folder of images and is not read, in words."""

from collections import Counter
from pathlib import Path

from dlexp.data.formats.file_names import is_hidden
from dlexp.data.formats.image_tree import ImageTree
from dlexp.data.formats.pixels import PACKAGES
from dlexp.errors import listed

# Folders below the root in which images are looked for that lie in no class: SPLIT and SPLIT/CLASS.
DEPTH = 2


def left_out(tree: ImageTree, endings: set[str]) -> str:
    """Returns "5 files left out: 3 .heic, 2 without an ending"; empty where every file of the classes is read.

    Links that are not followed are named too.
    """
    paths = [path for files in tree.files.values() for path, _ in files]
    others = [path for path in paths if path.suffix.lower() not in endings]
    kinds = Counter(path.suffix.lower() for path in others)
    parts = [f"{count} {_kind(suffix)}" for suffix, count in kinds.most_common()]
    count, links = len(others), [str(link.relative_to(tree.root)) for link in tree.links]
    said = [f"{count} file{'s' * (count != 1)} left out: {listed(parts)}"] if count else []
    said += [f"links not followed, since they lead to what is there anyway: {listed(links, most=3)}"] if links else []
    return "; ".join(said)


def strays(tree: ImageTree, endings: set[str]) -> str:
    """Returns how many images lie in no class folder, and where; empty where none does.

    Looked at are the folder itself, those of the splits, and those beside them.
    """
    classes = {path for paths in tree.splits.values() for path in paths.values()}
    counts: Counter[Path] = Counter()

    def look(folder: Path, depth: int) -> None:
        for path in _entries(folder):
            if path.is_dir():
                if depth < DEPTH and path not in classes and not path.is_symlink():
                    look(path, depth + 1)
            elif path.suffix.lower() in endings:
                counts[Path(*path.relative_to(tree.root).parts[:-1][:1])] += 1

    look(tree.root, 0)
    where = listed([f"{count} in {tree.root / folder}" for folder, count in sorted(counts.items())])
    form = f"{tree.root}/{'SPLIT/' * tree.has_splits}CLASS"
    count = counts.total()
    return f"{count} image{'s' * (count != 1)} left out, in no folder {form}: {where}" if counts else ""


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not is_hidden(path.name)]
    except OSError:  # none of the classes' folders: those tell themselves
        return []


def _kind(suffix: str) -> str:
    package = PACKAGES.get(suffix)
    return (suffix or "without an ending") + (f" (pip install {package} lets them be read)" if package else "")
