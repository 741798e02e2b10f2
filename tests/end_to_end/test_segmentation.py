"""Segmentation from words to a run: generated masks, a U-Net, criteria, metrics, resume and what does not go."""

from pathlib import Path

import numpy as np
import pytest
import torch
from resuming import resumes_exactly

from dlexp import api
from dlexp.config.build import load_data
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.errors import UserError

WORDS = ["task=segmentation", "model=unet", "data=fake", "data.shape=[3,16,16]", "data.num_outputs=4", "data.noise=0.3",
         "data.num_samples=64", "data.num_test_samples=16", "batch_size=8", "threads=1", "precision=float32",
         "optimizer=adam", "optimizer.lr=0.02"]  # fmt: skip


@pytest.mark.parametrize(
    "criterion", ["cross_entropy", "dice", pytest.param("cross_entropy_dice", marks=pytest.mark.slow)]
)
def test_masks_are_learnt(criterion: str, workdir: Path) -> None:
    words = [*WORDS, f"criterion={criterion}", "augment=crop_flip", "epochs=8"]
    result = api.run(words, folder=workdir / "run")
    assert result.metrics["test/iou"] > 0.6
    assert (result.folder / "plots" / "segmentation.png").is_file()
    model, test = api.load(result.folder), load_data(compose(words).config["data"]).test
    answers = model(test.inputs).argmax(dim=1)
    assert float((answers == test.targets).float().mean()) == pytest.approx(result.metrics["test/pixel_accuracy"])


def test_masks_of_a_file(workdir: Path) -> None:
    """Grey values of a mask are its classes, of which one is left out by its own number."""
    draw = np.random.default_rng(0)
    masks = draw.choice([0, 128, 255], size=(40, 1, 1), p=[0.5, 0.4, 0.1]).repeat(8, 1).repeat(8, 2)
    images = (masks[:, None] + draw.integers(0, 9, (40, 3, 8, 8))).clip(0, 255).astype(np.uint8)
    np.savez("masks.npz", x=images, y=masks)
    words = ["data=arrays", "data.file=masks.npz", *WORDS[:2], *WORDS[-4:], "epochs=8", "batch_size=4"]
    result = api.run([*words, "task.ignore_index=255", "augment=flip"], folder=workdir / "run")
    assert result.metrics["test/iou"] > 0.9
    assert api.load(result.folder).class_names == ["0", "128", "255"]
    np.savez("masks.npz", x=images, y=masks[:, :4])
    with pytest.raises(UserError, match=r"and they are \[40, 3, 8, 8\] and \[40, 4, 8\]"):
        api.run(words, folder=workdir / "other")


def test_it_goes_on_in_the_middle_of_an_epoch(every_state_is_kept: None, workdir: Path) -> None:
    words = [*WORDS, "augment=crop_flip", "metric=[iou,dice,pixel_accuracy]", "pictures=false", "epochs=2"]
    resumes_exactly(words, workdir, steps=[3, 9])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["data.shape=[3,18,18]"], "multiples of 4, and data has shape [3, 18, 18]"),
        (["data.shape=[6]"], "model unet needs images"),
        (["model=cnn"], "returns outputs of shape N×4, but data.num_outputs=4 asks for N×4×16×16"),
        (["task=classification"], "asks for N×4"),
        (["criterion=hinge", "metric=mae"], "measures values"),
        (["augment=mixup"], "Mixup"),
    ],
)
def test_what_does_not_go_is_a_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        check(compose([*WORDS, *words]).config)
    assert sentence in str(error.value), error.value


def test_digits_on_canvases(data_root: Path) -> None:
    words = ["data=mnist_canvas", "data.download=false", "data.num_samples=20", "data.num_test_samples=10"]
    config = compose(words).config
    try:
        splits = load_data(config["data"])
    except UserError as error:
        pytest.skip(str(error))
    assert config["task"]["targets"] == "mask"
    again = load_data(config["data"])
    assert splits.train.inputs.shape == (20, 1, 56, 56) and splits.train.targets.shape == (20, 56, 56)
    assert torch.equal(splits.train.inputs, again.train.inputs) and torch.equal(splits.test.targets, again.test.targets)
    lit = splits.train.inputs[:, 0] >= 100
    assert torch.equal(splits.train.targets > 0, lit), "what belongs to a digit is what is bright"
    assert all(1 <= len(mask.unique()) - 1 <= 3 for mask in splits.train.targets)
