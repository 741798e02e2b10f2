"""Unpacking published archives: only the files asked for, checked, under names of ours, each put there whole."""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO

from dlexp.data.fetch.files import Source, md5_of
from dlexp.errors import UserError
from dlexp.machine.whole_file import whole_file

Readable = IO[bytes] | gzip.GzipFile


def unpack(source: Source, archive: Path, folder: Path, wanted: list[str]) -> None:
    """Writes the `wanted` files that `archive` holds into `folder`.

    Names inside the archive are compared, never used as paths, and links are not followed, so nothing leaves
    `folder`. Raises UserError for an archive that is not the published one, and for a full disk.
    """
    remaining = {name for name in source.held_in(archive.name) if name in wanted}
    try:
        _check(source, archive)
        for name, stream in _files_of(source, archive, remaining):
            with closing(stream):
                _write(source, name, stream, folder)
            remaining.discard(name)
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{archive} cannot be unpacked: {error}.") from error
    except OSError as error:
        raise UserError(f"{archive} cannot be unpacked into {folder}: {error.strerror or error}.") from error
    if remaining:
        raise UserError(f"{archive} lacks {', '.join(sorted(remaining))}.")


def _check(source: Source, archive: Path) -> None:
    expected = source.archives[archive.name]
    if md5_of(archive) != expected:
        raise UserError(
            f"{archive} ({archive.stat().st_size} bytes) is not the published archive of {source.name} (MD5 "
            f"{expected}): it is corrupt, cut short or something else. Delete it and fetch it again."
        )


def _files_of(source: Source, archive: Path, wanted: set[str]) -> Iterator[tuple[str, Readable]]:
    if archive.name in source.files:
        yield archive.name, archive.open("rb")
        return
    if not archive.name.endswith(".tar.gz"):
        yield archive.name.removesuffix(".gz"), gzip.open(archive, "rb")
        return
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            stream = tar.extractfile(member) if name in wanted and member.isreg() else None
            if stream is not None:
                yield name, stream


def _write(source: Source, name: str, stream: Readable, folder: Path) -> None:
    """Copies while hashing; the name appears only for the right bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with whole_file(folder / name) as file:
        while block := stream.read(1 << 20):
            digest.update(block)
            file.write(block)
        if digest.hexdigest() != source.files[name]:
            raise UserError(f"{name} inside the archive of {source.name} is not the published file.")
