"""`show`: samples drawn before and after their views, nothing trained, nothing left of what is refused."""

from pathlib import Path

import pytest
from PIL import Image

from dlexp.config.compose import compose
from dlexp.experiment.showing import samples_shown

FAKE = ["data=fake", "data.num_samples=40", "data.num_test_samples=20", "data.shape=[3,8,8]"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["show"], "show-spiral"),
        (["show", "view=noise", "--split", "val"], "show-spiral-noise"),
        (["show", "data=linear", "task=regression"], "show-linear"),
        (["show", *FAKE, "view=[grey,edges]", "--count", "3"], "show-fake-grey-edges"),
        (["show", *FAKE, "augment=crop_flip", "--augment", "--split", "test"], "show-fake"),
    ],
)
def test_samples_are_drawn(words: list[str], name: str, cli, workdir: Path) -> None:
    ended = cli(*words)
    file = workdir / "outputs" / name / "samples.png"
    assert ended.code == 0 and f"picture   {file.relative_to(workdir)}" in ended.out, ended.err
    assert f"samples of data={name.split('-')[1]}" in ended.out
    colours = Image.open(file).convert("RGB").getcolors(2**24)
    assert colours is not None and len(colours) > 20


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data=mnst"], "there is no data 'mnst'. Did you mean 'mnist'?"),
        ([*FAKE, "view=edge"], "there is no view 'edge'. Did you mean 'edges'?"),
        ([*FAKE, "view=grey", "view.grey.split=test"], "a model takes one"),
        (["data=fake", "data.shape=[7]"], "show draws images, and points of one or two features"),
        (["data.val_size=0", "--split", "val"], "this data has no val samples; there are train, test"),
        ([*FAKE, "augment=mixup", "--augment"], "augment=mixup mixes samples once they are normalised"),
        (["--count", "0"], "'0' must be a whole number from 1 to 64"),
        (["-m", "view=none,noise"], "show is typed without it"),
        (["hydra.run.dir=here"], "show makes none"),
    ],
)
def test_a_mistake_draws_nothing(words: list[str], told: str, cli, workdir: Path) -> None:
    ended = cli("show", *words)
    assert ended.code == 1 and told in ended.err, ended
    assert not list(workdir.iterdir())


def test_a_view_of_other_samples_is_told(cli, workdir: Path) -> None:
    assert "; view=noise changes none of these" in cli("show", "view=noise", "view.noise.split=test").out


def test_wrong_labels_are_told(cli, workdir: Path) -> None:
    told = "have a wrong label on purpose (data.label_noise)"
    assert f"; 9 of these 36 {told}" in cli("show", *FAKE, "data.label_noise=0.25").out
    assert told not in cli("show", *FAKE, "data.label_noise=0.25", "--split", "test").out


def test_what_augments_nothing_is_told_and_not_drawn(workdir: Path) -> None:
    drawn = {}
    for chosen in ("none", "flip"):
        figure, told = samples_shown(compose([*FAKE, f"augment={chosen}"]), "train", 2, augments=True)
        drawn[chosen] = sum(text.get_text() == "augmented" for text in figure.axes[0].texts)
        assert ("; augment=none augments nothing" in told) == (chosen == "none")
    assert drawn == {"none": 0, "flip": 2}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "10 of 10 train samples"),
        (["model=autoencoder"], "36 of 36 train samples"),
        (["task.ignore_index=9"], "36 of 36 train samples"),
    ],
)
def test_what_is_shown_is_what_trains(words: list[str], told: str, cli, workdir: Path) -> None:
    ended = cli("show", *FAKE, "data.labelled=10", "--count", "40", *words)
    assert ended.code == 0 and told in ended.out, ended
    assert ("the others do not train" in ended.out) == (not words)


def test_each_panel_has_its_own_names(workdir: Path) -> None:
    rows = [f"{a},{b},{(a + b) % 2}" for a in range(6) for b in range(6)]
    (workdir / "table.csv").write_text("\n".join(["length,width,label", *rows]), encoding="utf-8")
    words = ["data=arrays", "data.file=table.csv", "view=permutation", "view.permutation.seed=1"]
    figure, _ = samples_shown(compose(words), "train", 8, augments=False)
    assert [axes.get_xlabel() for axes in figure.axes] == ["length", "width"]


def test_its_help_says_how_it_is_typed(cli) -> None:
    for words in (["show", "--help"], ["--help", "show"]):
        assert "Draw samples of a data set" in cli(*words).out
