"""What views make of a data set: in its type and unit, in memory and stored, each split by its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dlexp.data.splits import Split, Splits
from dlexp.data.viewing import AS_THEY_ARE, names_seen, seen, viewed
from dlexp.errors import UserError
from dlexp.views.block import Block
from dlexp.views.grey import Grey
from dlexp.views.noise import Noise
from dlexp.views.permutation import Permutation

BOTH = {"one": "both"}


class Files:
    """Images that are read when they are asked for."""

    shape: Sequence[int] = (12, 3, 4, 4)
    dtype = torch.uint8

    def __len__(self) -> int:
        return 12

    def read(self, rows: Sequence[int]) -> Tensor:
        return pixels()[list(rows)]


def pixels() -> Tensor:
    return torch.arange(12 * 48).view(12, 3, 4, 4).remainder(256).to(torch.uint8)


def splits(inputs: Any) -> Splits:
    return Splits(*(Split(inputs, torch.arange(12)) for _ in range(2)), val=Split(inputs, torch.arange(12)))


def test_bytes_stay_bytes_and_a_permutation_changes_none_of_them() -> None:
    found = seen(pixels(), [Permutation(seed=0)], (0.0, 255.0), torch.Generator())
    assert found.dtype == torch.uint8
    assert torch.equal(found.flatten(2).sort(2).values, pixels().flatten(2).sort(2).values)


@pytest.mark.parametrize("unit", [(0.0, 255.0), (700.0, 740.0), AS_THEY_ARE])
def test_white_is_the_upper_end_of_the_unit(unit: tuple[float, float]) -> None:
    values = torch.full((2, 1, 4, 4), unit[0])
    found = seen(values, [Block(place=[0, 0], size=[2, None])], unit, torch.Generator())
    assert (found[:, :, :2] == unit[1]).all() and (found[:, :, 2:] == unit[0]).all() and found.dtype == values.dtype


def test_what_has_no_unit_keeps_all_its_digits() -> None:
    times = 1.7e9 + torch.arange(6, dtype=torch.float64).view(3, 2)
    found = seen(times, [Permutation(seed=1)], AS_THEY_ARE, torch.Generator())
    assert found.dtype == torch.float64 and torch.equal(found.sort(1).values, times)


def test_stored_samples_are_seen_whenever_they_are_read() -> None:
    whole = viewed(splits(pixels()), {"one": Grey()}, BOTH, (0.0, 255.0), [1, 4, 4], 0)
    stored = viewed(splits(Files()), {"one": Grey()}, BOTH, (0.0, 255.0), [1, 4, 4], 0)
    assert list(stored.train.inputs.shape) == [12, 1, 4, 4] == list(whole.train.inputs.shape)
    rows = torch.tensor([7, 2])
    for split in (stored.train, stored.train.take(torch.tensor([7, 2, 5])).take(torch.tensor([0, 1]))):
        read = split.read(rows if len(split) == 12 else torch.arange(2))["inputs"]
        assert torch.equal(read, whole.train.read(rows)["inputs"])
    assert torch.equal(stored.train.inputs[:], whole.train.inputs[:])
    with pytest.raises(UserError, match="view=one draws once for each sample, so samples must be in memory"):
        viewed(splits(Files()), {"one": Noise(std=0.1)}, BOTH, (0.0, 255.0), [3, 4, 4], 0)


@pytest.mark.parametrize(("side", "changed"), [("train", {"train", "val"}), ("test", {"test"}), ("both", None)])
def test_a_view_is_of_its_side_alone(side: str, changed: set[str] | None) -> None:
    found = viewed(splits(pixels()), {"one": Permutation(seed=0)}, {"one": side}, (0.0, 255.0), [3, 4, 4], 0)
    different = {name for name, split in found.named.items() if not torch.equal(split.inputs[:], pixels())}
    assert different == (changed or {"train", "val", "test"})


class Turned:
    """Mixes two features, and leaves the third."""

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        return torch.stack([samples[:, 0] + samples[:, 1], samples[:, 0] - samples[:, 1], samples[:, 2]], dim=1)


class Chosen:
    """The last feature, and the logarithm of the first."""

    def __call__(self, samples: Tensor, generator: torch.Generator) -> Tensor:
        return torch.stack([samples[:, 2], samples[:, 0].log()], dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_names_follow_what_features_are_made_of(dtype: torch.dtype) -> None:
    def named(*views: Any) -> list[str] | None:
        return names_seen(["a", "b", "c"], views, AS_THEY_ARE, torch.zeros(1, 3, dtype=dtype))

    order = torch.randperm(3, generator=torch.Generator().manual_seed(1)).tolist()
    assert named(Permutation(seed=1)) == named(Noise(std=0.1), Permutation(seed=1)) == ["abc"[place] for place in order]
    assert named() == named(Noise(std=0.1)) == ["a", "b", "c"] and named(Chosen()) == ["c", "a"]
    assert named(Turned()) is None and names_seen(None, [Turned()], AS_THEY_ARE, torch.zeros(1, 3)) is None


def test_names_of_channels_stay_where_only_places_move() -> None:
    def named(view: Any) -> list[str] | None:
        return names_seen(["r", "g", "b"], [view], (0.0, 255.0), pixels())

    assert named(Permutation(seed=0)) == named(Block(place=[0, 0], size=[2, 2])) == ["r", "g", "b"]
    assert named(Grey()) is None


@pytest.mark.parametrize("side", ["train", "test", "both"])
def test_a_name_that_is_true_of_one_side_alone_is_left_out(side: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dlexp")
    table = replace(splits(torch.rand(12, 3)), feature_names=["a", "b", "c"])
    found = viewed(table, {"one": Permutation(seed=1)}, {"one": side}, AS_THEY_ARE, [3], 0)
    assert (found.feature_names is None) == (side != "both") == ("view=one leaves the features without" in caplog.text)


def test_the_classes_of_a_task_without_targets_stay() -> None:
    table = splits(pixels()).each(Split.without_targets)
    found = viewed(table, {"one": Grey()}, BOTH, (0.0, 255.0), [1, 4, 4], 0)
    assert all(torch.equal(split.labels, torch.arange(12)) for split in found.named.values())  # type: ignore[arg-type]


def test_noise_is_another_in_each_split_and_the_same_by_its_seed(caplog: pytest.LogCaptureFixture) -> None:
    made = [
        viewed(splits(pixels()), {"one": Noise(std=0.1)}, BOTH, (0.0, 255.0), [3, 4, 4], seed) for seed in (0, 0, 1)
    ]
    first, again, other = ([split.inputs[:] for split in each.named.values()] for each in made)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[0], other[0]) and not caplog.text
    alone = viewed(replace(splits(pixels()), val=None), {"one": Noise(std=0.1)}, BOTH, (0.0, 255.0), [3, 4, 4], 0)
    assert alone.test is not None and torch.equal(alone.test.inputs[:], first[2]), "whether any validate or not"
    viewed(splits(pixels()[:, :1]), {"one": Grey()}, BOTH, (0.0, 255.0), [1, 4, 4], 0)
    assert caplog.text.count("view=one changes none of the train, val, test samples\n") == 1


def test_an_order_that_changes_nothing_is_told_once_with_another(caplog: pytest.LogCaptureFixture) -> None:
    still = next(
        seed
        for seed in range(8)
        if torch.equal(torch.randperm(2, generator=torch.Generator().manual_seed(seed)), torch.arange(2))
    )
    table = splits(torch.rand(12, 2))
    viewed(table, {"permutation": Permutation(seed=still)}, {"permutation": "both"}, AS_THEY_ARE, [2], 0)
    (told,) = caplog.messages
    start, _, seed = told.partition("; with view.permutation.seed=")
    assert start == "warning: view=permutation changes none of the train, val, test samples"
    viewed(table, {"permutation": Permutation(seed=int(seed.split()[0]))}, {"permutation": "both"}, AS_THEY_ARE, [2], 0)
    assert caplog.messages == [told], "what is suggested changes them"
