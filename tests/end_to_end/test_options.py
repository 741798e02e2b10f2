"""Every YAML of every group composes, passes the check, builds and takes a step; new files are found."""

import csv
import inspect
import math
import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from PIL import Image

from dlexp import api
from dlexp.config import build, registry
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.config.problems import config_problems
from dlexp.config.words import Words
from dlexp.data import splits as data_splits
from dlexp.data.facts import RESOLVERS
from dlexp.data.fake import fake
from dlexp.sweep import chain as stages
from dlexp.sweep.grid import Job

GROUPS = registry.groups()
FEWEST = {
    "augment": 13,
    "criterion": 10,
    "data": 11,
    "ema": 2,
    "evaluation": 3,
    "experiment": 14,
    "method": 11,
    "metric": 23,
    "model": 20,
    "optimizer": 8,
    "launcher": 1,
    "profile": 2,
    "recipe": 28,
    "scheduler": 7,
    "task": 6,
    "watch": 5,
}
SHORT = ["max_steps=1", "batch_size=8", "data.limit=24", "pictures=false", "device=cpu", "threads=1"]
FAKE = ["data=fake", "data.num_samples=64", "data.num_test_samples=24"]
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
REAL = {"mnist", "mnist_canvas", "fashion_mnist", "kmnist", "cifar10", "cifar100", "svhn", "medmnist"}


def files(group: str) -> list[str]:
    return sorted(
        path.relative_to(registry.CONF / group).as_posix() for path in (registry.CONF / group).rglob("*.y*ml")
    )


def test_every_file_of_every_group_is_collected() -> None:
    folders = {path.name for path in registry.CONF.iterdir() if path.is_dir()}
    assert sorted(GROUPS) == sorted(folders - {registry.STUDY})
    for group, options in GROUPS.items():
        assert [f"{option}.yaml" for option in options] == files(group), group
        assert len(options) >= FEWEST.get(group, 2), group
    assert set(FEWEST) <= set(GROUPS)
    assert set(OPTIMIZERS) <= set(GROUPS["optimizer"])


def test_every_file_says_what_it_is() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in registry.CONF.rglob("*.yaml")}
    assert len(texts) >= sum(FEWEST.values())
    unsaid = [str(path) for path, text in texts.items() if not re.search(r"^#(?! @package).{11}", text, re.MULTILINE)]
    assert not unsaid


def step(words: list[str], folder: Path) -> dict[str, float]:
    """Takes a training step as `python -m dlexp WORDS` does, and returns the metrics, all of them numbers."""
    metrics = api.run([*SHORT, *words], folder=folder / "run").metrics
    assert "train/loss" in metrics and ("test/loss" in metrics or "trained_on/loss" in metrics), metrics
    assert all(map(math.isfinite, metrics.values())), metrics
    return metrics


def smallest_shape(model: str) -> list[str]:
    """Returns the first data, of few sizes, that the model can take."""
    shapes = [[*FAKE, f"data.shape={shape}"] for shape in ("[1,28,28]", "[3,32,32]", "[3,64,64]", "[3]")]
    for words in (*shapes, [*shapes[0], "task=segmentation"], ["data=text"]):
        words = [f"model={model}", *words]
        try:
            check(compose(words).config)
        except api.UserError as error:
            typed = re.findall(r"'(data\.(?:mean|std)=[^']+)'", str(error))
            if not typed:
                continue
            words += typed  # of inputs that would be normalised
            check(compose(words).config)
        return words
    raise AssertionError(f"model={model} takes none of the shapes tried")


# Of these a smaller one of the same kind is quick enough for every run of the tests.
DEEP = {"vgg11", "vgg13", "vgg16", "vgg19", "resnet34", "course_vgg", "googlenet"}


def slow_where_deep(model: str) -> Any:
    return pytest.param(model, marks=[pytest.mark.slow] * (model in DEEP))


@pytest.mark.parametrize("model", [slow_where_deep(model) for model in GROUPS["model"]])
def test_models(model: str, workdir: Path) -> None:
    step(smallest_shape(model), workdir)


def option_data(name: str, folder: Path) -> list[str]:
    """Returns what a data set needs so that it can be read here and now."""
    if name == "image_folder":
        for index in range(12):
            place = folder / "images" / ("cat" if index % 2 else "dog")
            place.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 7), (20 * index, 90, 10)).save(place / f"{index}.png")
        return [f"data.folder={folder / 'images'}", "data.size=16"]
    if name == "arrays":
        rows = [[value % 5, value % 3, ["no", "yes"][value % 2]] for value in range(40)]
        with (folder / "table.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["a", "b", "answer"], *rows])
        return [f"data.file={folder / 'table.csv'}"]
    return []


@pytest.mark.parametrize("data", GROUPS["data"])
def test_data(data: str, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"data={data}", *option_data(data, workdir)]
    config = compose(words).config
    check(config)
    facts = {key: config["data"][key] for key in ("shape", "num_outputs", "class_names")}
    assert facts["num_outputs"] >= 1 and all(size >= 1 for size in facts["shape"])
    assert facts["class_names"] is None or len(facts["class_names"]) == facts["num_outputs"]
    if data in REAL:  # the step is taken on generated images of the same facts
        pretend(monkeypatch, config)
    step(words, workdir)


def pretend(monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]) -> None:
    """Puts generated samples of the data's facts in place of its files."""
    generated = fake(
        shape=config["data"]["shape"],
        num_outputs=config["data"]["num_outputs"],
        num_samples=256,
        num_test_samples=64,
        noise=1.0,
        targets=config["task"]["targets"],
        data_seed=0,
    )
    monkeypatch.setattr("dlexp.experiment.assemble.load_data", lambda node: generated)
    assert isinstance(generated, data_splits.Splits)


@pytest.mark.parametrize("optimizer", GROUPS["optimizer"])
def test_optimizers(optimizer: str, workdir: Path) -> None:
    step([f"optimizer={optimizer}", *FAKE, "data.shape=[1,8,8]", "model=cnn", "model.widths=[4,4]"], workdir)


@pytest.mark.parametrize("scheduler", GROUPS["scheduler"])
def test_schedulers(scheduler: str, workdir: Path) -> None:
    step([f"scheduler={scheduler}", "max_steps=4"], workdir)


# Squares are of values and of classes; one score is of two classes, and here there are ten.
OF_ALL, OF_LABELS, OF_TWO = {"mse", "huber"}, {"bce"}, {"perceptron"}


@pytest.mark.parametrize("criterion", GROUPS["criterion"])
@pytest.mark.parametrize("task", GROUPS["task"])
def test_criteria_go_with_one_kind_of_task(criterion: str, task: str, workdir: Path) -> None:
    models = {"segmentation": "unet", "autoencoding": "autoencoder"}
    words = [*FAKE, "data.shape=[3,4,4]", f"model={models.get(task, 'mlp')}"]
    if task == "language":
        words = ["data=text", "data.length=8"]
    words = [*words, f"criterion={criterion}", f"task={task}"]
    # Squares are made of floats of one shape, whatever these are; values are no logits.
    of_numbers = {"regression": OF_ALL, "multi_label": OF_ALL | OF_LABELS, "autoencoding": OF_ALL | OF_LABELS}
    if criterion in of_numbers.get(task, set(GROUPS["criterion"]) - OF_LABELS - OF_TWO):
        step(words, workdir)
    else:
        with pytest.raises(api.UserError, match=f"(?i){criterion.removeprefix('cross_entropy_')}.*task="):
            check(compose(words).config)


@pytest.mark.parametrize("group", [pytest.param("augment", marks=pytest.mark.slow), "ema", "evaluation"])
def test_augmentations_and_averages(group: str, workdir: Path) -> None:
    for option in GROUPS[group]:
        step([f"{group}={option}", *FAKE, "data.shape=[3,24,24]", "max_steps=6", "epochs=9"], workdir / option)


PAIRS = [tuple(name.split("/")) for name in GROUPS["recipe"]]


def test_the_pairs_that_belong_together_have_a_recipe() -> None:
    wanted = {(model, data) for model in ("mlp", "cnn", "lenet") for data in ("mnist", "fashion_mnist")}
    deep = ("cnn", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34")
    wanted |= {(model, data) for model in deep for data in ("cifar10", "cifar100")}
    wanted |= {("mlp", "spiral"), ("linear", "spiral")}
    assert wanted <= set(PAIRS)


# What the recipes of these two sets say is mostly said by those of mnist and cifar10.
LIKE_OTHERS = ("fashion_mnist", "cifar100")


@pytest.mark.parametrize(
    ("model", "data"),
    [
        pytest.param(*pair, id="/".join(pair), marks=[pytest.mark.slow] if pair[1] in LIKE_OTHERS else [])
        for pair in PAIRS
    ],
)
def test_recipes(model: str, data: str) -> None:
    plain = compose([f"model={model}", f"data={data}"]).config
    check(plain)  # shapes stand in YAML: the files need not be there
    recipe = plain["recipe"]
    assert recipe is not None, "the recipe of a pair is found by the names of its files"
    for optimizer in OPTIMIZERS:
        node = OmegaConf.load(registry.CONF / "optimizer" / f"{optimizer}.yaml")
        # What composing again would give, 0.2 s faster.
        filled = OmegaConf.to_container(OmegaConf.create({"recipe": recipe, "optimizer": node}), resolve=True)
        config = {**plain, "optimizer": filled["optimizer"]}
        assert not config_problems(config)
        assert config["optimizer"]["lr"] > 0 and config["optimizer"]["weight_decay"] >= 0
        assert config["optimizer"]["lr"] == recipe["lr"][optimizer], "each optimizer has its own learning rate"
        assert config["epochs"] >= 1 and config["batch_size"] >= 1


def test_a_recipe_follows_the_model_and_the_command_line_wins() -> None:
    spiral, vgg = compose([]).config, compose(["model=vgg16", "data=cifar10"]).config
    adam = compose(["model=vgg16", "data=cifar10", "optimizer=adam"]).config
    rates = vgg["recipe"]["lr"]
    assert (adam["optimizer"]["lr"], vgg["optimizer"]["lr"]) == (rates["adam"], rates["sgd"])
    assert rates["sgd"] != spiral["recipe"]["lr"]["sgd"]
    typed = compose(["model=vgg16", "data=cifar10", "optimizer.lr=0.5", "epochs=3"]).config
    assert (typed["optimizer"]["lr"], typed["epochs"]) == (0.5, 3)
    without = compose(["model=resnet18", "data=mnist"]).config
    assert without["recipe"] is None and without["optimizer"]["lr"] > 0
    preset = compose(["experiment=lenet5"]).config
    assert preset["recipe"]["lr"] == compose(["model=lenet", "data=mnist"]).config["recipe"]["lr"]


# One of images, one of points, one of values and one of stages; the steps of all others take a minute together.
QUICK = {"mnist_cnn", "spiral_mlp", "curve_mlp", "stacked_autoencoder"}


@pytest.mark.parametrize(
    "experiment",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in GROUPS["experiment"]],
)
def test_presets(experiment: str, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"experiment={experiment}"]
    found = compose(words)
    assert found.choices["experiment"] == experiment
    chains = stages.chains([Job("", words, {})], Words(words, [], False, []))
    trained = [link.job({}).overrides for link in chains[0].links] if chains else [words]
    for number, own in enumerate(trained):
        check(config := compose(own).config)
        if number in (0, len(trained) - 1):  # the others begin from weights
            if found.choices["data"] in REAL:
                pretend(monkeypatch, config)
            step([*own, "max_steps=2"], workdir / str(number))


@pytest.mark.parametrize("experiment", ["mnist_cnn", "cifar10_cnn"])
def test_presets_on_their_own_data(experiment: str, workdir: Path, data_root: Path) -> None:
    try:
        step([f"experiment={experiment}", "data.download=false", "max_steps=2"], workdir)
    except api.UserError as error:
        if "is not there" in str(error):
            pytest.skip(f"{data_root} does not hold the data of {experiment}")
        raise


def test_every_preset_tells_its_command() -> None:
    for name in GROUPS["experiment"]:
        text = (registry.CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
        assert f"python -m dlexp experiment={name}" in text, name
        assert text.startswith("# @package _global_"), name


def test_resolvers_are_registered_for_every_yaml() -> None:
    used = {
        call.split(":")[0]
        for path in registry.CONF.rglob("*.yaml")
        for call in path.read_text(encoding="utf-8").split("${")[1:]
        if ":" in call.split("}")[0]
    }
    assert {"count", "numbered"} <= used
    assert used - {"oc.env", "oc.select", "run_folder", "sweep_folder", "job_name"} <= set(RESOLVERS)


def test_no_number_is_written_twice() -> None:
    """Our own classes and functions take their values from YAML: no Python default stands beside it."""
    found = {
        line.partition("_target_:")[2].strip(" ,}\n").split(",")[0]
        for path in registry.CONF.rglob("*.yaml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "_target_: dlexp." in line and "dlexp.config.check." not in line
    }
    assert len(found) >= 30
    for name in found:
        parameters = inspect.signature(build.target(name, launcher=".launchers." in name)).parameters.values()
        assert not [each.name for each in parameters if each.default is not each.empty], name
