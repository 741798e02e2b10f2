"""Batches: a batch is an index into tensors on the device, or into files; the rest works on whole batches."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dlexp.augment.operation import Draw, Mixing, Operation
from dlexp.augment.rearrange import fused
from dlexp.augment.seeds import derived_seed
from dlexp.augment.together import change, mix, refuse_what_would_not_fit
from dlexp.data.fields import MOVED, Field, left_behind
from dlexp.data.normalisation import Normalisation
from dlexp.data.splits import Split
from dlexp.data.stream.stored import Stored, streamed
from dlexp.errors import UserError
from dlexp.train.fingerprint import fingerprint

# What is drawn while samples are read is not what augmentation draws.
READING = 1
# Up to this size samples that are not augmented are normalised once and not in every batch, which took 5 % of the time
# of MNIST's multi-layer perceptron. MNIST takes 188 MB then; CIFAR-10, which would take 614 MB, stays as it is.
READY_BYTES = 2**28
# Floats beyond this are no fractions of white, noise included.
NO_FRACTION = 2


def evenly_spaced(count: int, size: int) -> Tensor:
    """Returns an index of at most `count` of so many samples, in their order."""
    count = min(count, size)
    return torch.arange(count) * size // count


class Batches:
    """Yields a split in batches, on the split's device, without host synchronisation (streamed: one an epoch).

    shuffle=True: a new order every epoch (of a split with weights as many samples, drawn by them with replacement),
    and the incomplete last batch is dropped. A split smaller than one batch is one batch, in its own order where
    nothing is changed: in any other it is the same batch. shuffle=False: everything, in order. Order and augmentation
    depend on (seed, epoch, step) alone, so an epoch can be entered at any step. What mixes samples comes after all
    other operations and after normalisation, wherever it stands in `augment`. fields: what each field is. normalised:
    by field, for those that are. Raises UserError where an augmentation would leave fields behind that belong together.

    views: how often a batch has each of its samples, every time augmented anew; all of them, then all once more.
    unchanged: the field in which augmented batches have the first one as it was before; None: in none.
    is_one_batch: whether all epochs are one and the same batch.
    """

    views: int = 1
    unchanged: str | None = None

    def __init__(
        self,
        split: Split,
        *,
        fields: Mapping[str, Field],
        normalised: Mapping[str, Normalisation],
        batch_size: int,
        seed: int,
        augment: Sequence[Operation | Mixing],
        shuffle: bool,
        channels_last: bool,
    ) -> None:
        assert shuffle or not augment, "only training samples are changed"
        self.split = split
        self.fields = fields
        self.normalised = {name: normalised[name] for name in fields if name in normalised}
        self.batch_size = min(batch_size, len(split)) if shuffle else batch_size
        self.seed = seed
        self.operations = fused([each for each in augment if not isinstance(each, Mixing)])
        self.mixings = [each for each in augment if isinstance(each, Mixing)]
        self.shuffle = shuffle
        self.moved = {name: field.fill for name, field in fields.items() if field.kind in MOVED and name != split.first}
        others = [name for name in fields if name not in (split.first, "targets")]
        refuse_what_would_not_fit(augment, self.moved, others, left_behind(fields))
        self.formats = {
            name: torch.channels_last if channels_last and len(fields[name].shape) == 3 else torch.contiguous_format
            for name in self.normalised
        }
        self.is_held = False
        # What operations fill with is 0, which is the black of bytes, whatever their range.
        has_own_black = fields[split.first].kind == "image" and split.inputs.dtype != torch.uint8
        unit = self.normalised[split.first].range if has_own_black else None
        self.black = unit[0] if unit and self.operations else 0.0
        self.ready: dict[str, Tensor] = {}
        for name, normalise in self.normalised.items():
            column = split.fields[name]
            normalise.scale_and_shift(column)  # now, so that no host waits for it within an epoch
            if isinstance(column, Tensor) and 4 * column.numel() <= READY_BYTES and not self.operations:
                self.ready[name] = normalise(column)
        self.stored = {name: each for name, each in split.fields.items() if isinstance(each, Stored)}
        self.to_normalise = [name for name in self.normalised if name not in self.ready]
        changes = self.operations or self.mixings or split.weights is not None
        self.keeps_order = not shuffle or (self.batch_size == len(split) and not changes)
        self.is_one_batch = self.keeps_order and self.batch_size == len(split) and not self.stored

    def __len__(self) -> int:
        """Batches an epoch."""
        num_samples = len(self.split)
        return num_samples // self.batch_size if self.shuffle else -(-num_samples // self.batch_size)

    @property
    def num_samples(self) -> int:
        """Samples an epoch yields, so without those of a dropped last batch."""
        return len(self) * self.batch_size if self.shuffle else len(self.split)

    @property
    def smallest(self) -> int:
        """Samples of the smallest batch."""
        return self.batch_size if self.shuffle else (len(self.split) - 1) % self.batch_size + 1

    def spread(self, count: int) -> dict[str, Tensor]:
        """Returns at most `count` samples, evenly spaced since files lie sorted by class; normalised, not augmented."""
        batch = self.split.read(evenly_spaced(count, len(self.split)))
        return batch | {name: normalise(batch[name]) for name, normalise in self.normalised.items()}

    @property
    def position(self) -> Any:
        """Where a stream that tells it is after the last batch; None for all else."""
        return next(iter(self.stored.values())).source.position if self.stored else None

    @property
    def repeats(self) -> bool:
        """Whether samples that are read again are the same."""
        return all(each.source.repeats for each in self.stored.values())

    @property
    def can_be_seen_again(self) -> bool:
        """Whether all samples can be read once more, besides the epochs."""
        return all(each.source.chooses for each in self.stored.values())

    def begins_with(self, epoch: int, first_batch: str) -> bool:
        """Returns whether an epoch begins with the batch of a fingerprint, each time that it is read."""
        # Twice: a generator of the data's own may just be where it was when the epoch began.
        return all(fingerprint(*next(self.epoch(epoch)).values()) == first_batch for _ in range(2))

    def epoch(self, epoch: int, start: int = 0, position: Any = None) -> Iterator[dict[str, Tensor]]:
        """Yields the fields of one batch after the other, of one epoch from step `start` on.

        position: `self.position` before that step; without it a stream begins anew, and passes over what was before.
        """
        device = self.split.inputs.device
        generator = torch.Generator(device=device) if self.operations or self.mixings else None
        order = None if self.keeps_order else self._order(epoch, device)
        step = start
        for rows, batch in self._columns(epoch, order, start, position):
            if self.views > 1:
                batch = {name: torch.cat([each] * self.views) for name, each in batch.items()}
            if generator is not None and isinstance(rows, Tensor):
                seed = derived_seed(self.seed, epoch, step)
                draw = Draw(generator.manual_seed(seed), epoch, rows.repeat(self.views), self.seed)
                self._augment(batch, draw)
            else:
                self._normalise(batch)
            # Last of all: in channels-last order arithmetic would run over 3 neighbours at a time, 5 times slower.
            for name, memory_format in self.formats.items():
                batch[name] = batch[name].contiguous(memory_format=memory_format)
            yield batch
            del batch
            step += 1

    def _order(self, epoch: int, device: torch.device) -> Tensor:
        """Returns the samples of an epoch: all in a new order, or as many, drawn again and again by their weights."""
        seed, weights = derived_seed(self.seed, epoch), self.split.weights
        if weights is None:
            generator = torch.Generator(device=device).manual_seed(seed)
            return torch.randperm(len(self.split), generator=generator, device=device)
        # On the CPU: not every device has float64, and `multinomial` takes no more than 2**24 samples.
        sums = weights.cumsum(0)
        drawn = sums[-1] * torch.rand(len(sums), dtype=sums.dtype, generator=torch.Generator().manual_seed(seed))
        return torch.searchsorted(sums, drawn, right=True).to(device)

    def _augment(self, batch: dict[str, Tensor], draw: Draw) -> None:
        first = self.split.first
        if self.unchanged is not None and self.operations:  # which may work in place
            batch[self.unchanged] = self.normalised[first](batch[first].clone())
        if self.black:
            batch[first] = batch[first] - self.black
        for operation in self.operations:
            change(batch, first, self.moved, operation, draw)
        if self.black:
            batch[first] = batch[first] + self.black
        is_float = bool(self.operations) and batch[first].is_floating_point()
        if is_float and not self.is_held and self.split.inputs.dtype == torch.uint8:
            self.is_held = True  # once: it waits for the device
            if (most := float(batch[first].max())) > NO_FRACTION:
                raise UserError(
                    f"augment makes floats up to {most:g} of bytes, and floats count as fractions in [0, 1]: let it"
                    " divide by 255, or return bytes (uint8)"
                )
        self._normalise(batch)
        for mixing in self.mixings:
            mix(batch, first, mixing, draw)

    def _normalise(self, batch: dict[str, Tensor]) -> None:
        for name in self.to_normalise:
            batch[name] = self.normalised[name](batch[name])

    def _columns(
        self, epoch: int, order: Tensor | None, start: int, position: Any
    ) -> Iterator[tuple[Tensor | slice, dict[str, Tensor]]]:
        """Yields which rows a batch has, and its fields, normalised where all samples are; stored ones are overwritten
        by the next.
        """
        if self.stored:
            numbers = torch.arange(len(self.split)) if order is None else order.cpu()
            if self.position is None:
                position = None  # it was told by what does not tell it any more
            may_enter = position is not None or all(each.source.chooses for each in self.stored.values())
            first = start if may_enter else 0
            batches = torch.split(numbers, self.batch_size)[first : len(self)]

            def seed_of(number: int) -> int:
                return derived_seed(self.seed, epoch, first + number, READING)

            read = streamed(self.stored, batches, seed_of, position)
            for _ in range(start - first):
                next(read)
        for row in range(start * self.batch_size, len(self) * self.batch_size, self.batch_size):
            found = next(read) if self.stored else {}
            place = slice(row, row + self.batch_size)
            rows = place if order is None else order[place]
            fields = self.split.fields
            yield rows, {name: found[name] if name in found else self._part(name, rows) for name in fields}

    def _part(self, name: str, rows: Tensor | slice) -> Tensor:
        column = self.ready[name] if name in self.ready else self.split.fields[name]
        assert isinstance(column, Tensor)
        if isinstance(rows, Tensor):
            # index_select copies whole rows: 20 times faster on a CPU than column[index].
            return column.index_select(0, rows)
        part = column if self.is_one_batch else column[rows]
        return part if name in self.to_normalise else part.clone()  # a model may change its input
