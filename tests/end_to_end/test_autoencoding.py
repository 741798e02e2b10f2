"""Autoencoding from words to a run: errors, codes, pictures, noise, principal components, resume, what does not go."""

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

SMALL = ["threads=1", "precision=float32", "optimizer=adam", "optimizer.lr=0.01", "batch_size=10"]
FAKE = ["data=fake", "data.shape=[1,7,6]", "data.num_outputs=4", "data.noise=0.3", "data.num_samples=60",
        "data.num_test_samples=20"]  # fmt: skip
DENSE = ["model=autoencoder", "model.depth=1", "model.width=16", "model.code=3", *FAKE, *SMALL]
CONV = ["model=conv_autoencoder", "model.widths=[4,8]", "model.code=3", *FAKE, *SMALL]
PCA = ["model=pca", "model.code=2", *FAKE, *SMALL]
PICTURES = {"reconstructions", "worst_reconstructions", "codes", "walks"}


def splits_of(words: list[str]):
    return load_data(compose(words).config["data"])


def pictures_of(folder: Path) -> set[str]:
    return {file.stem for file in (folder / "plots").glob("*.png")} - {"loss", "mse", "training_images"}


@pytest.mark.parametrize(
    "words",
    [pytest.param(DENSE, id="dense"), pytest.param(CONV, id="convolutional", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("criterion", ["mse", "bce"])
def test_inputs_are_learnt_again(words: list[str], criterion: str, workdir: Path) -> None:
    """What is measured is of values between 0 and 1, as what a loaded model returns, whatever the loss is of."""
    words = [*words, f"criterion={criterion}", "epochs=40"]
    result = api.run(words, folder=workdir / "run")
    images = splits_of(words).test.inputs
    trained = api.load(result.folder)
    error = (trained(images) - images / 255).square().mean()
    assert result.metrics["test/mse"] == pytest.approx(float(error), rel=1e-4)
    guess = splits_of(words).train.inputs.float().mean(dim=0) / 255
    assert error < 0.7 * (guess - images / 255).square().mean()
    codes = trained.model.encode(trained.normalised["inputs"](images))
    assert codes.shape == (20, 3)
    assert torch.allclose(trained.task.answer(trained.model.decode(codes)), trained(images), atol=1e-5)
    assert pictures_of(result.folder) == PICTURES


def test_noise_is_taken_out(workdir: Path) -> None:
    """Validation and test see the same noise whatever the batches are; who asks a loaded model brings their own."""
    words = [*DENSE, "epochs=3", "task.noise=0.2", "task.hidden=0.3", "pictures=false"]
    noisy = api.run(words, folder=workdir / "noisy")
    trained, images = api.load(noisy.folder), splits_of(words).test.inputs
    task, batch = trained.task, {"inputs": trained.normalised["inputs"](images)}
    assert torch.equal(task.spoiled(batch["inputs"]), batch["inputs"])
    clean = trained(images)
    task.is_asked = False
    task.prepare(batch)
    whole = task.spoiled(batch["inputs"])
    assert torch.equal(whole[3:5], task.spoiled(batch["inputs"][3:5]))
    found = task.answer(task(trained.model, batch))
    assert noisy.metrics["test/mse"] == pytest.approx(float((found - images / 255).square().mean()), rel=1e-5)
    assert not torch.allclose(found, clean)
    shown = task.in_unit(whole)
    hidden = shown.abs() < 1e-6
    assert float(hidden.float().mean()) == pytest.approx(0.3, abs=0.06)
    added = (shown - images / 255)[~hidden]
    assert float(added.std()) == pytest.approx(0.2, abs=0.03) and abs(float(added.mean())) < 0.03
    again = task.train().spoiled(batch["inputs"])
    assert not torch.equal(whole, again) and not torch.equal(again, task.spoiled(batch["inputs"]))


def test_what_augmentation_changed_is_to_be_undone(workdir: Path) -> None:
    """With target=clean inputs and targets differ in training, and only there."""
    cut = ["augment=cutout", "augment.cutout.size=4", "epochs=1", "pictures=false", "seed=1"]
    losses = [
        api.run([*DENSE, *cut, f"task.target={target}"], folder=workdir / target).metrics["train/mse"]
        for target in ("augmented", "clean")
    ]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("words", [[*DENSE, "task.target=clean"], [*CONV, "criterion=bce"]], ids=["clean", "bce"])
def test_it_goes_on_in_the_middle_of_an_epoch(words: list[str], every_state_is_kept: None, workdir: Path) -> None:
    words = [*words, "task.noise=0.1", "task.hidden=0.1", "augment=flip", "pictures=false", "epochs=2"]
    resumes_exactly(words, workdir, steps=[2, 7])


def test_principal_components_are_the_least_squares(workdir: Path) -> None:
    words = [*PCA, "data.val_size=0", "epochs=9"]
    result = api.run(words, folder=workdir / "run")
    splits = splits_of(words)
    train, test = (each.inputs.double().numpy().reshape(len(each), -1) / 255 for each in (splits.train, splits.test))
    mean, (_, sizes, directions) = train.mean(axis=0), np.linalg.svd(train - train.mean(axis=0), full_matrices=False)
    codes = (test - mean) @ directions[:2].T
    error = np.square(test - mean - codes @ directions[:2]).mean()
    assert result.metrics["test/mse"] == pytest.approx(error, rel=1e-4)
    assert result.metrics["train/mse"] == pytest.approx(np.square(sizes[2:]).sum() / train.size, rel=1e-4)
    assert len(result.history) == 1
    model = api.load(result.folder).model
    assert torch.allclose(model.components @ model.components.T, torch.eye(2), atol=1e-5)
    assert pictures_of(result.folder) == PICTURES


@pytest.mark.slow
def test_arms_of_one_size_are_swept(workdir: Path) -> None:
    words = ["model=autoencoder,pca", "model.code=2", *FAKE, *SMALL, "epochs=2", "pictures=false"]
    results = api.run_sweep([*words, "hydra.sweep.dir=sweep"])
    assert [{"test/mse", "val/mse"} <= set(each.metrics) for each in results] == [True, True]
    assert len(results[0].history) == 2 and len(results[1].history) == 1, "each model brings its method along"


def test_a_table_needs_no_labels(workdir: Path) -> None:
    """A column that is called so colours the codes; without one all columns are reconstructed."""
    numbers = np.random.default_rng(0).normal(size=(40, 3)).round(3)
    rows = [",".join(map(str, row)) for row in numbers]
    Path("plain.csv").write_text("\n".join(["a,b,c", *rows]), encoding="utf-8")
    named = ["a,b,c,class", *(f"{row},{'pq'[number % 2]}" for number, row in enumerate(rows))]
    Path("named.csv").write_text("\n".join(named), encoding="utf-8")
    np.savez("plain.npz", x=numbers.astype(np.float32))
    for file, names in (("plain.csv", None), ("named.csv", ["p", "q"]), ("plain.npz", None)):
        words = ["data=arrays", f"data.file={file}", "model=autoencoder", "model.code=1", *SMALL, "epochs=1"]
        result = api.run(words, folder=workdir / file.replace(".", "-"))
        assert api.load(result.folder)(torch.zeros(5, 3)).shape == (5, 3)
        assert api.load(result.folder).class_names == names
        assert pictures_of(result.folder) == {"codes", "reconstruction_against_input"}


def test_a_model_without_codes_has_no_pictures_of_them(workdir: Path) -> None:
    words = ["task=autoencoding", "model=unet", "model.widths=[4]", "model.num_outputs=1", *FAKE, *SMALL, "epochs=1"]
    folder = api.run([*words, "data.limit=12"], folder=workdir / "run").folder
    assert pictures_of(folder) == {"reconstructions", "worst_reconstructions"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model=mlp", "task=autoencoding"], "asks for the inputs again, N×1×7×6: model=autoencoder"),
        (["model=autoencoder", "task=classification"], "outputs of shape N×1×7×6, but data.num_outputs=4"),
        (["model=autoencoder", "augment=mixup"], "this task has none"),
        (["model=autoencoder", "criterion=hinge"], "criterion=hinge wants"),
        (["model=autoencoder", "metric=accuracy"], "measures classes"),
        (["model=conv_autoencoder", "data.shape=[6]"], "model conv_autoencoder needs images"),
        (["model=pca", "model.code=99"], "model.code=99 is more than the 42 values"),
        (["model=pca", "criterion=bce"], "minimises criterion=mse, not BCE"),
        (["model=pca", "task.noise=0.1"], "task.noise=0"),
        (["model=autoencoder", "method=principal_components"], "model=pca"),
    ],
)
def test_what_does_not_go_is_a_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        check(compose([*FAKE, *words]).config)
    assert sentence in str(error.value), error.value


def test_shares_of_what_has_no_unit_are_refused(workdir: Path) -> None:
    with pytest.raises(UserError, match=r"criterion=bce compares values between 0 and 1"):
        api.run(["model=autoencoder", "data=spiral", "criterion=bce", *SMALL], folder=workdir / "run")
    assert not (workdir / "run").exists()
