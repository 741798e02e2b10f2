"""Where a published data set's files may lie; read only if they are what was published. No torch here."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from dlexp.errors import UserError


@dataclass(frozen=True)
class Source:
    """A published data set.

    name: the option's name; folder: torchvision's place for the files under its root ("MNIST/raw"); files:
    MD5 by file name; archives: MD5 by file name, `FILE.gz`, one of all files, or files that are fetched as they are;
    mirrors: base folders (ending in "/") or addresses of the archive itself, tried in this order; words: what a command
    says besides the name.
    """

    name: str
    folder: str
    files: dict[str, str]
    archives: dict[str, str]
    mirrors: tuple[str, ...]
    words: str = ""

    @property
    def command(self) -> str:
        """The command that fetches it."""
        return " ".join(filter(None, ["python -m dlexp download", self.name, self.words]))

    def missing(self, folder: Path) -> list[str]:
        """Returns the data files that are not in `folder`."""
        return [name for name in self.files if not (folder / name).is_file()]

    def held_in(self, archive: str) -> list[str]:
        """Returns the data files in an archive, or the file itself."""
        if archive in self.files:
            return [archive]
        name = archive.removesuffix(".gz")
        return [name] if name in self.files else list(self.files)

    def archives_for(self, files: list[str]) -> list[str]:
        """Returns the archives that hold any of `files`."""
        return [name for name in self.archives if set(self.held_in(name)) & set(files)]


def cache_folder() -> Path:
    """Returns the per-user folder for downloaded data, by the custom of the operating system."""
    try:
        return platformdirs.user_cache_path("dlexp", appauthor=False, opinion=False)
    except RuntimeError as error:
        raise UserError("There is no home folder to keep data in; give one with data.root=FOLDER.") from error


def search_roots(root: str | None) -> list[Path]:
    """Returns the folders to look in, in order: `root` (else the environment's DLEXP_DATA), the cache."""
    typed = root or os.environ.get("DLEXP_DATA")
    roots = [Path(typed).expanduser().absolute()] if typed else []
    return list(dict.fromkeys([*roots, cache_folder()]))


def places(source: Source, root: Path) -> Iterator[Path]:
    """Yields where the files may lie under `root`: torchvision's layout, its lower folders, `root` itself."""
    parts = Path(source.folder).parts
    for first in range(len(parts)):
        yield root.joinpath(*parts[first:])
    yield root


def find(source: Source, roots: list[Path]) -> Path | None:
    """Returns the first folder that has all files of `source`, unread so far, or None."""
    for root in roots:
        for place in places(source, root):
            if not source.missing(place):
                return place
    return None


def read(source: Source, folder: Path, name: str) -> bytes:
    """Returns a file's bytes, hashed in the same pass, so what is parsed is what was checked.

    Hashing takes 0.1 s for 31 MB: less than any cache of verdicts is worth.
    Raises UserError for a file that is corrupt, truncated, foreign or unreadable.
    """
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if digest != source.files[name]:
        raise UserError(
            f"{path} ({len(data)} bytes) is not the published file of {source.name}: its MD5 is {digest}, "
            f"expected {source.files[name]}. It is corrupt, cut short or another data set's. Delete it and run "
            f"`{source.command}`, or give another folder with data.root=FOLDER."
        )
    return data


def md5_of(path: Path) -> str:
    """Returns the MD5 of a file of any size."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_writable(folder: Path) -> bool:
    """Creates `folder` and tries to write there: permission bits say too little (read-only mounts)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
