"""Images that stay in their files until a batch needs them: what stands in a split where a tensor doesn't fit."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dlexp.data.stream.readers import Readers
from dlexp.machine.cores import share, usable_cores

# Images of a chunk where no batch size is given.
CHUNK = 64
# One process took 0.7 ms for a JPEG of 224×224, so 16 could read 20 000 a second; data.workers= takes any number.
MOST_WORKERS = 16


class ImageFiles:
    """N images channels×size×size (uint8) that lie in files, with as much of a tensor's interface as a split needs.

    Choosing samples and a device reads nothing; `stream` reads batch after batch ahead of its user, and indexing reads
    at once. What is chosen from one object shares its processes. Pixels are those of `read_image`.
    """

    dtype = torch.uint8
    ndim = 4

    def __init__(self, paths: Sequence[str], *, size: int, channels: int, num_workers: int) -> None:
        self._source = _Source(paths, (channels, size, size), num_workers)
        self._index = torch.arange(len(paths))
        self.device = torch.device("cpu")

    def __len__(self) -> int:
        return len(self._index)

    @property
    def shape(self) -> torch.Size:
        """N×channels×size×size."""
        return torch.Size([len(self), *self._source.shape])

    @property
    def paths(self) -> list[str]:
        """The N files, in order."""
        return [self._source.paths[i] for i in self._index.tolist()]

    def to(self, device: torch.device | str) -> "ImageFiles":
        """Returns the same images, to be delivered on a device."""
        return self._like(self._index, torch.device(device))

    def cpu(self) -> "ImageFiles":
        """Returns the same images, to be delivered on the CPU."""
        return self.to("cpu")

    def index_select(self, dim: int, index: Tensor) -> "ImageFiles":
        """Returns the images that an int64 index chooses, none of them read. dim: 0."""
        assert dim == 0
        return self._like(self._index[index.cpu()], self.device)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Returns the chosen images, read now, as uint8 N×channels×size×size on the device."""
        chosen = self._like(self._index[rows.cpu() if isinstance(rows, Tensor) else rows], self.device)
        # Cloned: on the CPU a chunk is shared memory, which the next one overwrites.
        parts = [part.clone() for part in chosen.stream(torch.split(torch.arange(len(chosen)), CHUNK))]
        return torch.cat(parts) if len(chosen) else torch.empty(chosen.shape, dtype=self.dtype, device=self.device)

    def stream(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yields the images of each index (int64, on the CPU) as uint8 n×channels×size×size on the device, read ahead.

        On the CPU they are overwritten when the next ones are asked for.

        Raises:
            UnreadableError: a file can't be read (names it), or the processes that read die.
        """
        chosen = [self._index[rows] for rows in batches]
        readers = self._source.readers(max(map(len, chosen), default=1))
        paths = self._source.paths
        for pixels in readers.stream([paths[i] for i in index.tolist()] for index in chosen):
            if self.device.type == "cuda":
                # Only page-locked memory is copied while the host goes on.
                yield pixels.pin_memory().to(self.device, non_blocking=True)
            else:
                yield pixels.to(self.device)

    def _like(self, index: Tensor, device: torch.device) -> "ImageFiles":
        other = object.__new__(type(self))
        other._source, other._index, other.device = self._source, index, device
        return other


class _Source:
    """All files of a data set, and the processes that read them, for as many rows as the largest batch so far."""

    def __init__(self, paths: Sequence[str], shape: tuple[int, int, int], num_workers: int) -> None:
        self.paths, self.shape, self.num_workers = paths, shape, num_workers
        self._readers: Readers | None = None

    def readers(self, num_rows: int) -> Readers:
        if self._readers is None or self._readers.num_rows < num_rows:
            self._readers = Readers(num_workers=self.num_workers, num_rows=num_rows, shape=self.shape)
        return self._readers


def default_workers() -> int:
    """Returns the CPU cores this process may use (its share when jobs of a sweep run at once), at most 16."""
    return min(MOST_WORKERS, share(usable_cores()))
