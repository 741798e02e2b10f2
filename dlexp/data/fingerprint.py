"""What a data set holds, in a few characters: runs with the same ones were trained and tested on the same samples."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dlexp.console.long_step import progress
from dlexp.data.stream.kept_figures import remembered
from dlexp.machine.cores import usable_cores

if TYPE_CHECKING:
    from dlexp.data.fetch.files import Source
    from dlexp.data.splits import Splits

Function = TypeVar("Function", bound=Callable[..., Any])

# SHA-256, which processors compute themselves, takes 0.4 times as long as BLAKE2b; pieces of this size keep all cores
# busy, and files are handed to threads by the dozen, since each by itself took twice as long.
PIECE = 2**24
FILES = 64
# A pass over files that takes longer than this is remembered: each job of a sweep would make it again.
WORTH_SECONDS = 0.5


@dataclass(frozen=True)
class Content:
    """A hash over samples and answers (16 hexadecimal digits, or "generated") and the classes as the data has them.

    It is that of the data set as its files give it. What is chosen from it follows from the settings.
    """

    fingerprint: str
    class_names: list[str] | None = None


# Follows from the settings alone. A hash of the numbers would differ between processors by the last digit of a sine.
GENERATED = Content("generated")


def tells_content(tell: Callable[..., Content]) -> Callable[[Function], Function]:
    """Lets a data function tell its content before it is loaded: `tell` takes those of its settings that it names."""

    def mark(function: Function) -> Function:
        function.tell_content = tell  # type: ignore[attr-defined]
        return function

    return mark


def teller(function: Callable[..., Any]) -> Callable[..., Content] | None:
    """Returns what tells a data function's content, None where only the loaded data can."""
    return getattr(function, "tell_content", None)


def of_source(source: "Source") -> Content:
    """Returns the content of a published data set: its files are read only if they have these MD5s."""
    return Content(_digest(f"{name} {md5}".encode() for name, md5 in sorted(source.files.items())))


def beside(content: Content, files: Sequence[str | None]) -> Content:
    """Returns the content of a data set and of files that hold groups and weights for it; None is no file."""
    given = [_of_file(str(Path(file).expanduser())) for file in files if file is not None]
    if not given:
        return content
    return replace(content, fingerprint=_digest([content.fingerprint.encode(), *given]))


def of_splits(splits: "Splits") -> Content:
    """Returns the content of what a data function returned: all bytes, or what images' files and own objects tell."""
    digests = []
    for name, split in (("train", splits.train), ("val", splits.val), ("test", splits.test)):
        held = {} if split is None else {**split.fields, "groups": split.groups, "weights": split.weights}
        for what, column in held.items():
            digests += [] if column is None else [name, what, _of_column(column)]
    return Content(_digest(each.encode() for each in digests))


def _of_column(column: Any) -> str:
    from dlexp.data.stream.image_files import ImageFiles
    from dlexp.data.stream.stored import Stored

    if isinstance(column, ImageFiles):
        return of_files(column.paths, Path(os.path.commonpath(map(os.path.dirname, column.paths))), []).fingerprint
    if not isinstance(column, Stored):
        return of_arrays([column.cpu().numpy() if hasattr(column, "cpu") else column]).fingerprint
    told, digests = column.source.content, list[str]()
    if told is not None:
        return _digest([told.encode(), column.index.numpy().tobytes()])
    for chunk in column.cpu().chunks("Hashing the samples"):
        digests.append(of_arrays([chunk.numpy()]).fingerprint)
    return _digest(each.encode() for each in digests)


def of_arrays(arrays: Sequence[Any], class_names: list[str] | None = None) -> Content:
    """Returns the content of NumPy arrays in this order: types, shapes and bytes."""
    facts = [f"{array.dtype} {array.shape}".encode() for array in arrays]
    flat = [memoryview(array.ravel().view("uint8")) for array in arrays]
    pieces = [each[first : first + PIECE] for each in flat for first in range(0, len(each), PIECE)]
    with ThreadPoolExecutor(usable_cores()) as pool:  # hashing releases the interpreter lock
        digests = list(pool.map(lambda piece: hashlib.sha256(piece).digest(), pieces))
    return Content(_digest([*facts, *digests, *_encoded(class_names)]), class_names)


def of_files(paths: Sequence[str | Path], root: Path, class_names: list[str]) -> Content:
    """Returns the content of files: their bytes, and where they lie under `root`. A first pass says how far it is.

    Files of the same names, sizes and times as in an earlier pass are not read again.
    """
    ordered = sorted(map(str, paths))

    def find() -> str:
        names = [os.path.relpath(path, root).encode(errors="surrogateescape") for path in ordered]
        digests = [part for pair in zip(names, _of_each(ordered), strict=True) for part in pair]
        return _digest([*digests, *_encoded(class_names)])

    what = f"content under {root.absolute()}: {class_names}"
    found = remembered(ordered, what, find, _parsed, WORTH_SECONDS)
    return Content(found, class_names or None)


def _parsed(kept: Any) -> str:
    if not isinstance(kept, str):
        raise TypeError(f"{kept!r} is no fingerprint")
    return kept


def _of_each(paths: Sequence[str]) -> Iterator[bytes]:
    parts = [paths[first : first + FILES] for first in range(0, len(paths), FILES)]
    done = 0
    with ThreadPoolExecutor(usable_cores()) as pool, progress("Hashing the images", unit="images") as report:
        for digests in pool.map(lambda part: [_of_file(path) for path in part], parts):
            yield from digests
            done += len(digests)
            report(done, len(paths))


def _of_file(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return hashlib.sha256(file.read()).digest()
    except OSError:  # reading the images tells of it, with all others that can't be read
        return b"unreadable"


def _encoded(names: Sequence[str] | None) -> list[bytes]:
    return [b"classes", *(name.encode(errors="surrogateescape") for name in names or [])]


def _digest(parts: Iterable[bytes]) -> str:
    whole = hashlib.blake2b(digest_size=8)
    for part in parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()
