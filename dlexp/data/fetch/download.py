"""Getting a published data set: found on this machine, unpacked, or fetched from a mirror. No torch here."""

import itertools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dlexp.data.fetch.archives import unpack
from dlexp.data.fetch.files import Source, cache_folder, find, is_writable, places, read, search_roots
from dlexp.data.fetch.transfer import TransferFailed, transfer
from dlexp.errors import UserError, to_type
from dlexp.machine.lock_file import locked

log = logging.getLogger(__name__)

Parsed = TypeVar("Parsed")

ARCHIVE_ENDINGS = (".gz", ".tgz")


def obtain(source: Source, *, root: str | None, download: bool, url: str | None) -> Path:
    """Returns a folder that has all files of `source`: found, unpacked, else fetched if allowed.

    Raises UserError naming the folders looked at, the files expected and the remedy.
    """
    roots = search_roots(root)
    folder = find(source, roots) or _unpacked(source, roots)
    if folder is not None:
        return folder
    if not download:
        raise UserError(f"{source.name} is not there and data.download=false. {_remedies(source, roots, url)}")
    lock = f".{source.name}.lock"
    were_there = {path for root in roots for path in (root / source.folder / lock).parents if path.exists()}
    target = _writable(source, roots)
    with locked(target / lock):
        try:
            # Another process may have fetched it while this one waited.
            return find(source, roots) or _fetched(source, roots, target, url)
        except BaseException:
            with suppress(OSError):  # where something arrived, it stays
                if target not in were_there and [*target.iterdir()] == [target / lock]:
                    (target / lock).unlink()
                for folder in itertools.takewhile(lambda each: each not in were_there, (target, *target.parents)):
                    folder.rmdir()
            raise


def read_each(
    source: Source, parse: Callable[[bytes, str], Parsed], root: str | None, download: bool, url: str | None
) -> dict[str, Parsed]:
    """Returns what `parse(content, name)` makes of each file. Raises UserError as `obtain`, `read` and `parse` do."""
    folder = obtain(source, root=root, download=download, url=url)
    with ThreadPoolExecutor(len(source.files)) as pool:  # reading and hashing release the interpreter lock
        parsed = pool.map(lambda name: parse(read(source, folder, name), name), source.files)
        return dict(zip(source.files, parsed, strict=True))


def _unpacked(source: Source, roots: list[Path]) -> Path | None:
    """Unpacks archives somebody put under a root, beside them or, where that is read-only, into the cache."""
    for root in roots:
        for place in places(source, root):
            held = {name for name in source.archives if (place / name).is_file()}
            partly = len(source.missing(place)) < len(source.files)
            beside = place if place != root or partly else root / source.folder
            for target in (beside, cache_folder() / source.folder) if held else ():
                names = source.archives_for(source.missing(target))
                if held.issuperset(names) and is_writable(target):
                    with locked(target / f".{source.name}.lock"):
                        # Asked again: another process may have unpacked them while this one waited.
                        for name in source.archives_for(source.missing(target)):
                            log.info("Unpacking %s into %s.", place / name, target)
                            unpack(source, place / name, target, source.missing(target))
                    return target
    return None


def _fetched(source: Source, roots: list[Path], target: Path, url: str | None) -> Path:
    for name in source.archives_for(source.missing(target)):
        archive = target / name
        reasons = []
        for address in _addresses(source, name, url):
            log.info("Downloading %s to %s.", address, target)
            try:
                transfer(address, archive, md5=source.archives[name])
                break
            except TransferFailed as failure:
                log.warning("%s %s.", address, failure)
                reasons.append(f"{address} {failure}")
        else:
            raise UserError(
                f"{source.name} could not be downloaded: {'; '.join(reasons)}. " + _remedies(source, roots, url)
            )
        if name not in source.files:  # which are there now
            unpack(source, archive, target, source.missing(target))
            archive.unlink()
    return target


def _addresses(source: Source, archive: str, url: str | None) -> list[str]:
    """Returns where to fetch an archive; `url` (a folder's or its own) replaces the mirrors."""
    mirrors = source.mirrors if url is None else (url if "://" in url else Path(url).expanduser().absolute().as_uri(),)
    addresses = []
    for mirror in mirrors:
        last = urlsplit(mirror).path.rpartition("/")[2]
        if last in source.archives and len(source.archives) > 1:
            addresses.append(mirror.removesuffix(last) + archive)
        elif last in source.archives or last.endswith(ARCHIVE_ENDINGS) or urlsplit(mirror).query:
            addresses.append(mirror)
        else:
            addresses.append(mirror.rstrip("/") + "/" + archive)
    return addresses


def _writable(source: Source, roots: list[Path]) -> Path:
    for root in roots:
        if is_writable(root / source.folder):
            return root / source.folder
    looked = " and ".join(str(root) for root in roots)
    raise UserError(f"Nothing can be written to {looked}; give another folder with data.root=FOLDER.")


def _remedies(source: Source, roots: list[Path], url: str | None) -> str:
    packed = [name for name in source.archives if name not in source.files]
    kept, archives = ", ".join(source.files), f", or for {', '.join(packed)}" if packed else ""
    again = source.command + (f" {to_type(f'data.url={url}')}" if url else "")
    looked = " and ".join(str(root) for root in roots)
    return (
        f"Looked in {looked} for {source.folder}/ with {kept}{archives}. "
        f"With a network, `{again}` fetches it (what has arrived is kept); without one, copy those files"
        f"{' or the archive' if packed else ''} there, or give their folder with data.root=FOLDER."
        " data.url=ADDRESS names another mirror."
    )
