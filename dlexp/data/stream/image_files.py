"""Images that stay in their files until a batch needs them, read by processes of their own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dlexp.data.formats.images import tell_transparent
from dlexp.data.formats.pixels import are_deep
from dlexp.data.stream.readers import Readers
from dlexp.data.stream.stored import CHUNK, Stored
from dlexp.machine.cores import share, usable_cores

# One process took 0.7 ms for a JPEG of 224×224, so 16 could read 20 000 a second; data.workers= takes any number.
MOST_WORKERS = 16


class ImageFiles(Stored):
    """N images channels×size×size that lie in files, uint8 or, of more than 8 bits, float32, as of `read_image`."""

    source: "_Files"

    def __init__(
        self, paths: Sequence[str], *, size: int, channels: int, background: Sequence[int], num_workers: int
    ) -> None:
        dtype = torch.float32 if are_deep(paths) else torch.uint8
        source = _Files(paths, (channels, size, size), dtype, background, num_workers)
        super().__init__(source, "images", [len(paths), *source.shape], dtype)

    @property
    def paths(self) -> list[str]:
        """The N files, in order."""
        return [self.source.paths[i] for i in self.index.tolist()]


class _Files:
    """All files of a data set, and the processes that read them, for as many rows as the largest batch so far."""

    def __init__(
        self,
        paths: Sequence[str],
        shape: tuple[int, int, int],
        dtype: torch.dtype,
        background: Sequence[int],
        num_workers: int,
    ) -> None:
        self.paths, self.shape, self.dtype, self.background = paths, shape, dtype, background
        self.num_workers = num_workers
        self.has_told = False  # that there are transparent images
        self.content: str | None = None  # it is that of the files which are used
        self.largest = CHUNK  # its memory is made for as many
        self.chooses = self.repeats = True
        self.position = None
        self._readers: Readers | None = None

    def stream(
        self, batches: Sequence[Tensor], seed_of: Callable[[int], int], position: Any = None
    ) -> Iterator[Mapping[str, Tensor]]:
        readers = self._of(max(map(len, batches), default=1))
        num_transparent = 0
        for pixels, count in readers.stream([self.paths[i] for i in index.tolist()] for index in batches):
            num_transparent += count
            yield {"images": pixels}
        if num_transparent and not self.has_told:
            self.has_told = True
            tell_transparent(num_transparent, sum(map(len, batches)), self.background, read=" read so far")

    def _of(self, num_rows: int) -> Readers:
        if self._readers is None or self._readers.num_rows < num_rows:
            self._readers = Readers(
                num_workers=self.num_workers,
                num_rows=num_rows,
                shape=self.shape,
                dtype=self.dtype,
                background=self.background,
            )
        return self._readers


def default_workers() -> int:
    """Returns the CPU cores this process may use (its share when jobs of a sweep run at once), at most 16."""
    return min(MOST_WORKERS, share(usable_cores()))
