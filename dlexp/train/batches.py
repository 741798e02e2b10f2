"""Batches: a batch is an index into tensors on the device, or into files; the rest works on whole batches."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dlexp.augment.operation import Draw, Mixing, Operation
from dlexp.augment.rearrange import fused
from dlexp.augment.seeds import derived_seed
from dlexp.data.normalisation import Normalisation
from dlexp.data.splits import Split
from dlexp.data.stream.image_files import ImageFiles
from dlexp.errors import UserError

# Up to this size samples that are not augmented are normalised once and not in every batch, which took 5 % of the time
# of MNIST's multi-layer perceptron. MNIST takes 188 MB then; CIFAR-10, which would take 614 MB, stays as it is.
READY_BYTES = 2**28


class Batches:
    """Yields a split in batches, on the split's device, without host synchronisation (streamed: one an epoch).

    shuffle=True: a new order every epoch, and the incomplete last batch is dropped (a split smaller than one
    batch is one batch). shuffle=False: everything, in order. Order and augmentation depend on (seed, epoch,
    step) alone, so an epoch can be entered at any step. What mixes samples comes after all other operations and
    after normalisation, wherever it stands in `augment`. mean, std: per channel or feature, in [0, 1] for
    uint8 images. Raises UserError if mean or std has another length than the data has channels, or a std is 0.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        mean: list[float],
        std: list[float],
        seed: int,
        augment: Sequence[Operation | Mixing],
        shuffle: bool,
        channels_last: bool,
    ) -> None:
        inputs = split.inputs
        for key, values in (("mean", mean), ("std", std)):
            if len(values) != inputs.shape[1]:
                kind = "channel" if inputs.ndim == 4 else "feature"
                raise UserError(
                    f"data.{key} has {len(values)} values, but the data has {inputs.shape[1]} {kind}s; "
                    f"give one per {kind}, or null to compute them."
                )
        if min(std) <= 0:
            raise UserError(f"data.std={std} must be above 0 everywhere.")
        assert shuffle or not augment, "only training samples are changed"
        self.split = split
        self.batch_size = min(batch_size, len(inputs)) if shuffle else batch_size
        self.seed = seed
        self.operations = fused([each for each in augment if not isinstance(each, Mixing)])
        self.mixings = [each for each in augment if isinstance(each, Mixing)]
        self.shuffle = shuffle
        self.format = torch.channels_last if channels_last and inputs.ndim == 4 else torch.contiguous_format
        self.normalised = Normalisation(mean, std)
        self.normalised.scale_and_shift(inputs)  # now, so that no host waits for it within an epoch
        self.ready: Tensor | None = None
        if isinstance(inputs, Tensor) and 4 * inputs.numel() <= READY_BYTES and not self.operations:
            self.ready = self.normalised(inputs)

    def __len__(self) -> int:
        """Batches an epoch."""
        num_samples = len(self.split.inputs)
        return num_samples // self.batch_size if self.shuffle else -(-num_samples // self.batch_size)

    @property
    def num_samples(self) -> int:
        """Samples an epoch yields, so without those of a dropped last batch."""
        return len(self) * self.batch_size if self.shuffle else len(self.split.inputs)

    def spread(self, count: int) -> Tensor:
        """Returns at most `count` samples, evenly spaced since files lie sorted by class; normalised, not augmented."""
        num_samples = len(self.split.inputs)
        count = min(count, num_samples)
        rows = torch.arange(count, device=self.split.inputs.device) * num_samples // count
        return self.normalised(self.split.inputs[rows])

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields (normalised float32 inputs, targets) of one epoch from step `start` on."""
        inputs, targets = self.split
        generator = torch.Generator(device=inputs.device)
        order = None
        if self.shuffle:
            generator.manual_seed(derived_seed(self.seed, epoch))
            order = torch.randperm(len(inputs), generator=generator, device=inputs.device)
        for step, batch in enumerate(self._raw(order, start), start):
            rows = slice(step * self.batch_size, (step + 1) * self.batch_size)
            answers = targets[rows] if order is None else targets.index_select(0, order[rows])
            if order is not None and (self.operations or self.mixings):
                seed = derived_seed(self.seed, epoch, step)
                draw = Draw(generator.manual_seed(seed), epoch, order[rows], self.seed)
                batch, answers = self._augmented(batch, answers, draw)
            elif self.ready is None:
                batch = self.normalised(batch)
            # Last of all: in channels-last order arithmetic would run over 3 neighbours at a time, 5 times slower.
            yield batch.contiguous(memory_format=self.format), answers

    def _augmented(self, batch: Tensor, answers: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        for operation in self.operations:
            batch = operation(batch, draw)
        batch = batch if self.ready is not None else self.normalised(batch)
        for mixing in self.mixings:
            batch, answers = mixing.mix(batch, answers, draw)
        return batch, answers

    def _raw(self, order: Tensor | None, start: int) -> Iterator[Tensor]:
        """Yields the batches, normalised where all samples are; one from files is overwritten by the next."""
        inputs, size = self.split.inputs if self.ready is None else self.ready, self.batch_size
        if isinstance(inputs, ImageFiles):
            rows = torch.arange(len(inputs)) if order is None else order.cpu()
            yield from inputs.stream(torch.split(rows, size)[start : len(self)])
            return
        for first in range(start * size, len(self) * size, size):
            if order is None:
                batch = inputs[first : first + size]
                yield batch if self.ready is None else batch.clone()  # a model may change its input in place
            else:
                # index_select copies whole rows: 20 times faster on a CPU than inputs[index].
                yield inputs.index_select(0, order[first : first + size])
