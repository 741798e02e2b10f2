"""Every mistake is answered with a sentence that names key, value and remedy; every bug keeps its traceback."""

import os
import pickle
import sys
from pathlib import Path

import pytest
import torch

from dlexp.__main__ import main
from dlexp.config import build, check, problems
from dlexp.config import compose as compose_module
from dlexp.config.compose import compose
from dlexp.errors import UserError, did_you_mean
from dlexp.machine import device
from dlexp.records import run_json

IMAGES = ["data=fake", "data.shape=[1,28,28]"]

# What is typed, and pieces of the sentence that must come.
TYPED = [
    (["model=vgg61"], ["no model 'vgg61'", "Did you mean 'vgg16'?", "Options of model: alexnet, autoencoder, cnn"]),
    (["model=16"], ["error: there is no model '16'", "Options of model: alexnet, autoencoder, cnn"]),
    (["optimizer=3.5"], ["there is no optimizer '3.5'", "Options of optimizer: adagrad, adam"]),
    (["model=[mlp,cnn]"], ["there is no model '[mlp,cnn]'", "Options of model: alexnet"]),
    (["experiment=mnist_cn"], ["no experiment 'mnist_cn'", "Did you mean 'mnist_cnn'?"]),
    (["modle=vgg16"], ["no setting 'modle'", "Did you mean 'model=vgg16'?"]),
    (["modle.width=3"], ["no setting 'modle.width'", "Did you mean 'model.width=3'?"]),
    (["optimzer.lr=1"], ["no setting 'optimzer.lr'", "Did you mean 'optimizer.lr=1'?"]),
    (["net.width=3"], ["no setting 'net.width'", "Did you mean 'model.width=3'?"]),
    (["optimzer.lr=interval(0.1,1)"], ["Did you mean 'optimizer.lr=interval(0.1,1)'?"]),
    (["optimizer.lrr=interval(0.1,1)"], ["Did you mean 'optimizer.lr=interval(0.1,1)'?"]),
    (["optimizer.lrr=1,2"], ["Did you mean 'optimizer.lr=1,2'?"]),
    (["compare", "optimizer=sgd,adam", "tune=optimzer.lr"], ["tune=optimzer.lr: ", "Did you mean 'optimizer.lr'?"]),
    (["epoch=3"], ["no setting 'epoch'", "Did you mean 'epochs=3'?"]),
    (["lr=3"], ["no setting 'lr'", "Did you mean 'optimizer.lr=3'?"]),
    (["optimizer.lrr=3"], ["no setting 'optimizer.lrr'", "Did you mean 'optimizer.lr=3'?"]),
    (["optimizer.betas=3"], ["no setting 'optimizer.betas'", "lr, momentum, nesterov"]),
    (
        ["optimizer=muon", "optimizer.parts.filters.until=1"],
        [
            "setting 'optimizer.parts.filters.until': optimizer.parts.filters has ",
            "takes more: +optimizer.parts.filters.until=…",
        ],
    ),
    (["data.lmit=3"], ["no setting 'data.lmit'", "Did you mean 'data.limit=3'?"]),
    (["+optimizer.lrr=3"], ["optimizer.lrr", "Did you mean 'lr'?"]),
    (["++model.foo.bar=3"], ["model.foo", "width"]),
    (["+data.colour=3"], ["data.colour", "noise"]),
    (["+augment.shake._target_=dlexp.augment.flip.Shake"], ["augment.shake", "can't be imported"]),
    (["epochs=0"], ["epochs=0 must be ≥ 1"]),
    (["seed=-1"], ["seed=-1 must be ≥ 0"]),
    (["n_jobs=0"], ["n_jobs=0 must be ≥ 1"]),
    (["grad_clip=0"], ["grad_clip=0", "must be > 0"]),
    (["experiment=svm", "criterion.outputs=2"], ["criterion.outputs=2 must be 1 or null\n"]),
    (["criterion=mse", "criterion.outputs=1"], ["the data has 3: criterion.outputs=null, criterion=cross_entropy or"]),
    (["criterion=perceptron"], ["the data has 3: criterion=cross_entropy or hinge takes a score for each"]),
    (["experiment=gates", "data.gate=[xor]"], ["data.gate=[xor] must be one of and, or, nand, not, xor, xnor\n"]),
    (["experiment=gates", "data.gate=1"], ["data.gate=1 must be one of and, or, nand, not, xor, xnor\n"]),
    (["precision=16"], ["precision=16 must be one of auto, float32, bfloat16, float16\n"]),
    (
        ["model=autoencoder", *IMAGES, "criterion=cross_entropy"],
        ["It belongs to task=classification; targets that are numbers want criterion=mse."],
    ),
    (["data.limit=0"], ["data.limit=0 must be ≥ 1"]),
    (["data.folds=1", "data.fold=0"], ["data.folds=1 must be ≥ 2"]),
    (["data.folds=5"], ["data.folds and data.fold go together", "data.folds=5 data.fold=0"]),
    (["data.fold=0"], ["data.folds and data.fold go together"]),
    (["data.folds=5", "data.fold=5"], ["data.fold=5 must be below data.folds=5: folds count from 0"]),
    (["data.sampling=even"], ["data.sampling=even must be one of balanced"]),
    (["data.val_size=-1"], ["data.val_size=-1 must be ≥ 0"]),
    (["scheduler.warmup=2"], ["scheduler.warmup=2 must be ≥ 0 and < 1"]),
    (["criterion.label_smoothing=1"], ["criterion.label_smoothing=1 must be ≥ 0 and < 1"]),
    (["ema=ema", "ema.decay=2"], ["ema.decay=2 must be ≥ 0 and < 1"]),
    (["precision=float"], ["precision=float must be one of auto, float32, bfloat16, float16"]),
    (["model.activation=rleu"], ["model.activation=rleu must be one of relu"]),
    (["optimizer.lr=-1"], ["optimizer", "learning rate", "-1"]),
    (["optimizer.lr=nan"], ["optimizer.lr=nan must be finite"]),
    (["init=kaiming"], ["there is no init 'kaiming'. Did you mean 'he'?"]),
    (["init=Glorot_uniform"], ["Did you mean 'xavier'?"]),
    (["optimizer.lr=high"], ["optimizer.lr=high must be a number"]),
    (["optimizer=adam", "optimizer.betas=[0.9,2]"], ["optimizer", "beta", "2"]),
    (["epochs=ten"], ["epochs=ten must be a whole number"]),
    (["epochs=1.5"], ["epochs=1.5 must be a whole number"]),
    (["epochs="], ["epochs= must be a whole number"]),
    (["test=maybe"], ["test=maybe must be true or false"]),
    (["model.depth=two"], ["model.depth=two must be a whole number"]),
    (["model.depth=1000000000"], ["model.depth=1000000000 must be ≥ 0 and ≤ 1000"]),
    (["model.width=1000000000000000000"], ["model.width", "≤ 1e+06"]),
    (["model.width=1000000"], ["the model's 1,000,00", "GB", "of memory are free"]),
    ([*IMAGES, "model=cnn", "model.widths=[10000000]"], ["model.widths=[10000000]", "≤ 1000000"]),
    (["data=fake", "data.num_outputs=1000000000000"], ["data.num_outputs=1000000000000 must be"]),
    (["model.width=[1,2]", "model.depth=3"], ["model.width=[1, 2] must list the units of each of model.depth=3"]),
    (["model.width=wide"], ["model.width=wide must be a whole number or a list"]),
    (["optimizer=adam", "optimizer.betas=3"], ["optimizer.betas=3 must be a list"]),
    (["task.metric=a=b"], ["task.metric=a=b can't be read", "quote it twice"]),
    (["model.width={"], ["model.width={ can't be read"]),
    (["seed=1,2"], ["seed=1,2 has several values", "add -m"]),
    (["optimizer=sgd,adam"], ["has several values", "add -m"]),
    (["task=regression"], ["the data has classes (arm 0, arm 1, arm 2)", "task=classification learns classes"]),
    (["task=regression", "criterion=mse"], ["the data has classes"]),
    (["resume=nowhere"], ["nowhere is not the folder of a run: there is no such folder"]),
    (["--cfg", "job", "-m", "seed=0,1"], ["--cfg shows one run: leave out -m"]),
    (["trainn"], ["no command 'trainn'", "Did you mean 'train'?", "Commands: compare, diff, download, find, list"]),
    (["downlaod", "mnist"], ["no command 'downlaod'", "Did you mean 'download'?"]),
    (["model=null"], ["model=null"]),
    (["recipe=cnn/mnist"], ["recipe"]),
    (["~model.width"], ["model.width is missing"]),
    (["criterion=bce"], ["BCE takes one score a sample", "the data has 3", "criterion=cross_entropy"]),
    (["data=linear", "criterion=cross_entropy"], ["criterion=cross_entropy", "task=classification", "criterion=mse"]),
    (["data=linear", "criterion=hinge"], ["criterion=hinge", "criterion=mse"]),
    (["data=linear", "task=classification"], ["has one value a sample", "task=regression criterion=mse"]),
    (["model=lenet"], ["model lenet needs images", "[2]"]),
    (["model=cnn", "data=fake", "data.shape=[3,2,2]"], ["model cnn", "[3, 2, 2]", "larger images"]),
    ([*IMAGES, "model=cnn", "model.shape=[3,28,28]"], ["Conv2d", "3 channels", "[1, 28, 28]"]),
    ([*IMAGES, "model=linear", "model.num_outputs=7"], ["data.num_outputs=10", "7"]),
    (["data=fake", "data.shape=[]"], ["data.shape=[]"]),
    (["data=fake", "data.shape=[3,0,32]"], ["data.shape=[3,0,32]"]),
    (["data=fake", "data.class_names=[a,b]"], ["data.class_names", "2 names", "data.num_outputs is 10"]),
    (["augment=crop_flip"], ["augment", "crop", "augment=none"]),
    (["augment=[crop_flip,mixp]"], ["no augment 'mixp'", "Did you mean 'mixup'?", "Options of augment: "]),
    (["augment=[crop_flip,alternating_flip]"], ["augment.flip.probability is no setting of", "AlternatingFlip"]),
    (["augment=cutmix"], ["'cutmix' changes images", "augment=none"]),
    (["data=linear", "augment=cutmix"], ["augment=cutmix pastes", "task=regression", "augment=mixup"]),
    (["augment=mixup", "criterion=nll"], ["augment.mixup", "probabilities", "NLL", "criterion=cross_entropy can"]),
    (["augment=[mixup,mixup_cutmix]", "criterion=hinge", *IMAGES], ["augment.mixup and augment.mixup_cutmix", "Hinge"]),
    (["augment=mixup", "data=text"], ["augment mixes samples and their targets, and this task has none"]),
    (
        ["evaluation=mirror_shift", "data=fake", "data.shape=[3,8,8]", "task=segmentation", "model=unet"],
        ["evaluation can't average pictures over shifted images", "evaluation=mirror turns them back"],
    ),
    (["augment=mixup", "augment.mixup.alpha=0"], ["augment.mixup.alpha=0 must be > 0"]),
    (["augment=mixup", "augment.mixup.probability=2"], ["augment.mixup.probability=2 must be ≥ 0 and ≤ 1"]),
    (["augment=none", "+augment.crop.padding=2"], ["augment.crop has no _target_", "augment.crop=null"]),
    (["device=gpu"], ["device=gpu must be one of auto, cpu, cuda"]),
    (["precision=float16", "device=cpu"], ["precision=float16 needs CUDA", "bfloat16"]),
    (["model._target_=os.system"], ["'os.system' is not allowed", "allow=os"]),
    (["model._target_=dlexp.models.mlp.mpl"], ["'dlexp.models.mlp.mpl' can't be imported"]),
    (["model._target_=dlexp.criteria.nll.nn"], ["'dlexp.criteria.nll.nn' is not a class or function"]),
    (
        ["model._target_=dlexp.data.formats.image_tree.os.system"],
        ["'dlexp.data.formats.image_tree.os.system' is not allowed"],
    ),
    (["data=image_folder"], ["data.folder=FOLDER"]),
    (["data=medmnist", "data.name=1"], ["data.name=1 must be a set of MedMNIST: pathmnist, "]),
    (["data=arrays", "data.file=nothing.npz"], ["nothing.npz", "No such file"]),
    (["--config-dir", "nowhere", "epochs=1"], ["nowhere", "no such folder"]),
]


@pytest.mark.parametrize("words, pieces", TYPED, ids=[" ".join(words) for words, _ in TYPED])
def test_a_mistake_gives_its_sentence(cli, workdir: Path, words: list[str], pieces: list[str]) -> None:
    ended = cli(*words)
    assert ended.code == 1, ended
    assert ended.err.startswith("error: ") and all(piece in ended.err for piece in pieces), ended.err
    assert "Traceback" not in ended.out + ended.err
    assert len(ended.err.strip().splitlines()) == 1, ended.err
    assert not list(workdir.iterdir()), "a refused run leaves no folder"


def test_all_mistakes_are_listed_at_once(cli, workdir: Path) -> None:
    ended = cli("optimizer=sgdd", "model.widht=3", "epochs=0", "batch_size=-1", "precision=half", "seed=x")
    assert ended.code == 1
    for piece in ("6 things are wrong", "'sgd'?", "'model.width=3'?", "epochs=0", "batch_size=-1", "seed=x"):
        assert piece in ended.err
    assert len(ended.err.strip().splitlines()) == 7

    ended = cli("model.width=0", "model.activation=rleu", "optimizer.momentum=high", "epochs=0", "data.limit=0")
    assert "5 things are wrong" in ended.err

    ended = cli(*IMAGES, "model=mlp", "model.num_outputs=3", "device=cuda:99", "optimizer.lr=-1")
    assert "3 things are wrong" in ended.err and not list(workdir.iterdir())


def test_a_folder_of_options_is_no_mistake_of_its_own(cli, workdir: Path) -> None:
    (workdir / "own").mkdir()
    ended = cli("--config-dir", "own", "optimizer.lrr=1", "epochs=0")
    assert "2 things are wrong" in ended.err and "'own'" not in ended.err, ended.err


def test_unknown_keys_of_a_preset_are_found(cli, workdir: Path) -> None:
    folder = workdir / "own" / "experiment"
    folder.mkdir(parents=True)
    text = "# @package _global_\nepochs: 2\nmodel: {widht: 3}\noptimizer: {lrr: 1}\nepoch: 3\n"
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    ended = cli("--config-dir", "own", "experiment=mine")
    assert ended.code == 1 and "Traceback" not in ended.err
    assert "epoch" in ended.err and "'epochs'" in ended.err, ended.err

    (folder / "mine.yaml").write_text(text.replace("epoch: 3\n", ""), encoding="utf-8")
    ended = cli("--config-dir", "own", "experiment=mine")
    assert ended.code == 1 and "model.widht" in ended.err and "optimizer.lrr" in ended.err, ended.err
    assert [path.name for path in workdir.iterdir()] == ["own"]

    (folder / "mine.yaml").write_text("# @package _global_\nepochs: ten\n", encoding="utf-8")
    ended = cli("--config-dir", "own", "experiment=mine")
    assert ended.err == "error: experiment/mine.yaml: epochs=ten must be a whole number\n"


@pytest.mark.parametrize("text", ["epochs: [", "epochs: 1\n\tseed: 2\n", "- a\n- b\n", "epochs: ${nothing.there}\n"])
def test_a_broken_yaml_is_named(cli, workdir: Path, text: str) -> None:
    folder = workdir / "own" / "experiment"
    folder.mkdir(parents=True)
    (folder / "broken.yaml").write_text(f"# @package _global_\n{text}", encoding="utf-8")
    ended = cli("--config-dir", "own", "experiment=broken")
    assert ended.code == 1 and ended.err.startswith("error: ") and "Traceback" not in ended.err, ended.err


def test_no_file_can_allow_anything(cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DLEXP_ALLOW", raising=False)
    folder = workdir / "own" / "experiment"
    folder.mkdir(parents=True)
    for line in ("allow: os", "allow: [os]", "hydra: {job: {env_set: {DLEXP_ALLOW: os}}}"):
        text = f"# @package _global_\n{line}\nmodel: {{_target_: os.system, command: touch harm}}\n"
        (folder / "harm.yaml").write_text(text, encoding="utf-8")
        ended = cli("--config-dir", "own", "experiment=harm")
        assert ended.code == 1 and not (workdir / "harm").exists(), (line, ended)
    with pytest.raises(UserError, match="not allowed"):
        build.target("os.system")


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "builtins.eval",
        "subprocess.run",
        "torch.load",
        "dlexpected.f",
        "torch",
        "torch.nn.modules.module.warnings.warn",
        "dlexp.data.formats.image_tree.os.system",
        "torch.nn.Linear.__init__.__call__",
        "torch.nn.Linear.__subclasses__",
        "torch.nn.Linear.__class__",
        "torch.nn.attention._fa3._fa3_import_module",
    ],
)
def test_only_listed_modules_are_called(path: str) -> None:
    with pytest.raises(UserError, match=f"'{path}' is not allowed"):
        build.target(path)


MINE_AND_MORE = """
import functools
import os
import pathlib
from builtins import eval

import torch
from torch import nn
from torch.nn import Tanh

from dlexp.models.linear import linear


def net(*, width):
    return nn.Linear(width, width)


def wrapped(function):
    return functools.wraps(function)(lambda **settings: function(**settings))


class Net(nn.Linear):
    @classmethod
    def from_size(cls, *, width):
        return cls(width, width)


class Maker:
    def __call__(self, *, width):
        return net(width=width)


anonymous = lambda *, width: net(width=width)
remembered = functools.lru_cache(net)
decorated = wrapped(net)
small = functools.partial(functools.partial(net), width=3)
maker = Maker()
shell = functools.partial(functools.partial(os.system), "touch harm")
disguised = wrapped(os.system)
joined = ", ".join
"""


@pytest.fixture
def more(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a person's own that names what is theirs, what is allowed anyway, and what is neither."""
    package = workdir / "mine_and_more"
    package.mkdir()
    (package / "__init__.py").write_text("from mine_and_more.nets import net\n", encoding="utf-8")
    (package / "nets.py").write_text(MINE_AND_MORE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(workdir))
    monkeypatch.setenv("DLEXP_ALLOW", "mine_and_more")
    yield workdir
    for name in ("mine_and_more", "mine_and_more.nets"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "name",
    "net nets.net nets.Net nets.Net.from_size nets.maker nets.anonymous nets.remembered nets.decorated nets.small"
    " nets.Tanh nets.torch.nn.Tanh nets.linear".split(),
)
def test_what_is_a_persons_own_is_called(more: Path, name: str) -> None:
    assert callable(build.target(f"mine_and_more.{name}"))


@pytest.mark.parametrize(
    "name, origin",
    [
        ("os.system", os.system.__module__),
        ("eval", "builtins"),
        ("pathlib.Path.unlink", Path.unlink.__module__),
        ("shell", os.system.__module__),
        ("disguised", os.system.__module__),
        ("torch.load", torch.load.__module__),
        ("net.__class__", "builtins"),
    ],
)
def test_what_a_persons_module_merely_imports_is_held_against_the_list_too(
    more: Path, monkeypatch: pytest.MonkeyPatch, name: str, origin: str
) -> None:
    path = f"mine_and_more.nets.{name}"
    with pytest.raises(UserError, match=f"'{path}' is not allowed to run: it comes from {origin}; .*allow={origin} "):
        build.target(path)
    with pytest.raises(UserError, match="is not allowed"):
        build.build({"_target_": path})
    monkeypatch.setenv("DLEXP_ALLOW", f"mine_and_more,{origin}")
    assert callable(build.target(path)), "the sentence tells what helps"
    assert not (more / "harm").exists()


def test_what_tells_no_origin_is_refused(more: Path) -> None:
    with pytest.raises(UserError, match="a function of your own"):
        build.target("mine_and_more.nets.joined")


def test_no_nested_target_escapes_the_list(workdir: Path) -> None:
    harm = {"_target_": "os.system", "command": "touch harm"}
    for node in ({"loss": harm}, {"parts": [{"deep": [harm]}]}):
        with pytest.raises(UserError, match="'os.system' is not allowed"):
            build.build({"_target_": "torch.nn.ModuleDict", **node})
    assert not (workdir / "harm").exists()


def test_allow_is_read_from_the_command_line(cli, workdir: Path) -> None:
    (workdir / "mine_allowed.py").write_text(
        "from torch import nn\n\n\n"
        "def net(*, shape: list[int], num_outputs: int) -> nn.Module:\n    return nn.Identity()\n",
        encoding="utf-8",
    )
    words = ["model=linear", "~model.bias", "model._target_=mine_allowed.net"]
    assert "not allowed" in cli(*words).err
    ended = cli("allow=mine_allowed", *words)
    assert ended.code == 1 and "not allowed" not in ended.err, ended.err
    assert "not allowed" in cli(*words).err, "and only for that command"
    sys.modules.pop("mine_allowed", None)


def test_a_models_own_mistake_is_told_alone(cli, workdir: Path) -> None:
    """What its outputs are nobody knows, so nothing is said of a criterion of one's own, which wants others."""
    (workdir / "mine_broken.py").write_text(
        "from torch import nn\n\n\n"
        "def net(*, shape: list[int], num_outputs: int) -> nn.Module:\n    return nn.Linear(5, num_outputs)\n\n\n"
        "class Heads(nn.CrossEntropyLoss):\n"
        "    def forward(self, outputs, targets):\n        return super().forward(outputs['first'], targets)\n",
        encoding="utf-8",
    )
    words = ["allow=mine_broken", "model=linear", "~model.bias", "model._target_=mine_broken.net"]
    heads = "criterion._target_=mine_broken.Heads"
    ended = cli(*words, heads)
    assert ended.code == 1 and "Linear" in ended.err and "criterion" not in ended.err, ended.err
    assert "2 things are wrong" in cli(*words, "device=cuda:99").err, "what is wrong elsewhere is told beside it"
    assert "criterion mine_broken.Heads does not go with" in cli("allow=mine_broken", heads).err
    sys.modules.pop("mine_broken", None)


@pytest.mark.parametrize("text", ["'a text'", "5", "- a list"])
def test_an_option_that_holds_no_settings(cli, workdir: Path, text: str) -> None:
    (workdir / "own" / "model").mkdir(parents=True)
    (workdir / "own" / "model" / "mine.yaml").write_text(text + "\n", encoding="utf-8")
    ended = cli("--config-dir", "own", "model=mine")
    assert ended.code == 1 and "Traceback" not in ended.err and len(ended.err.split()) > 4, ended.err


def test_a_sweep_with_one_wrong_job_starts_none(cli, workdir: Path) -> None:
    ended = cli("-m", "model=mlp,lenet", "seed=1,2")
    assert ended.code == 1 and "Traceback" not in ended.err
    for piece in ("model lenet needs images", "model-lenet_seed-1", "no job was started"):
        assert piece in ended.err, ended.err
    assert not [path for path in workdir.rglob("*") if path.is_file()] and not list(workdir.glob("outputs/*/*"))


@pytest.mark.parametrize(
    "words, pieces",
    [
        (["-m", "model=cnn,linear", *IMAGES, "model.shape=[3,28,28]"], ["Conv2d", "3 channels", "model-cnn", "linear"]),
        (["seed=1,2", "-m", "optimizer=sgd,sdg"], ["no optimizer 'sdg'", "'sgd'?"]),
        (["-m", "seed=1,2", "epochs=0", "optimizer.lr=-1"], ["epochs=0 must be ≥ 1", "no job was started"]),
        (["-m", "model.width=3,0,x"], ["model.width=0 must be ≥ 1", "model.width=x must be a whole number"]),
        (["-m", "optimizer.lr=interval(0,1)"], ["optimizer.lr=a,b,c"]),
        (["-m", "seed=1,2", "optimizer.lrr=1"], ["'optimizer.lr=1'?"]),
        (["-m", "model=mlp,nope", "epochs=0"], ["no model 'nope'", "epochs=0 must be ≥ 1"]),
        (["-m", "model=glob(zz*)"], ["model=glob(zz*) names no value to try"]),
        (["-m", "seed=1,2", "+seed=5"], ["seed is named more than once", "seed=a,b,c", "no job was started"]),
        (["-m", "seed=0,1,0"], ["seed names a value twice", "no job was started"]),
        (["-m", "seed=range(5,5)"], ["seed=range(5,5) names no value to try"]),
    ],
    ids=lambda each: " ".join(each),
)
def test_mistakes_of_a_sweep(cli, workdir: Path, words: list[str], pieces: list[str]) -> None:
    ended = cli(*words)
    assert ended.code == 1 and "Traceback" not in ended.out + ended.err
    assert all(piece in ended.err for piece in pieces), ended.err
    assert not list(workdir.glob("outputs/*/*"))


def test_cuda_that_is_not_there(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "has_nvidia_driver", lambda: False)
    assert "no NVIDIA driver" in cli("device=cuda").err
    monkeypatch.setattr(device, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", None)
    ended = cli("device=cuda")
    assert "there is an NVIDIA driver, but this torch" in ended.err and "CPU-only" in ended.err
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "can't use the NVIDIA driver" in cli("device=cuda").err


def test_auto_beside_an_unused_driver_says_so(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(device, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", None)
    ended = cli("max_steps=1", "data.points_per_class=20", "pictures=false")
    assert ended.code == 0 and "training on the CPU" in ended.out and "CPU-only" in ended.out


def test_cuda_device_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="cuda:1"):
        device.select_device("cuda:2")


class Bug(Exception):
    """No mistake of a person."""


@pytest.mark.parametrize("kind", [Bug, KeyError, RuntimeError])
def test_a_bug_while_training_keeps_its_traceback(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    import dlexp.experiment.opening

    def broken(*_: object, **__: object) -> None:
        raise kind("on the way")

    monkeypatch.setattr(dlexp.experiment.opening, "assemble", broken)
    with pytest.raises(kind):
        main(["max_steps=1"])
    (folder,) = (workdir / "outputs").iterdir()
    found = run_json.read_json(folder / "run.json")
    assert found["status"] == "failed" and kind.__name__ in found["error"] and "on the way" in found["error"]
    assert "on the way" in (folder / "log.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["config_problems", "settings_problems"])
def test_a_bug_in_the_check_keeps_its_traceback(workdir: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def broken(*_: object) -> None:
        raise Bug

    for module in (problems, compose_module) if place == "settings_problems" else (check,):
        monkeypatch.setattr(module, place, broken)
    with pytest.raises(Bug):
        main(["max_steps=1"] if place == "config_problems" else ["epochs=0", "model=vgg61"])
    assert not list(workdir.iterdir())


def test_a_bug_in_a_model_is_no_mistake_of_the_config(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dlexp.models.mlp

    def broken(**_: object) -> None:
        raise Bug("in the constructor")

    broken.__module__ = "dlexp.models.mlp"
    monkeypatch.setattr(dlexp.models.mlp, "mlp", broken)
    with pytest.raises(Exception, match="in the constructor") as caught:
        check.check(compose([]).config)
    assert not isinstance(caught.value, UserError)


def test_missing_data_is_a_sentence(cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlexp.data.fetch import files

    monkeypatch.setattr(files, "cache_folder", lambda: workdir / "cache", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(workdir / "cache"))
    ended = cli("data=mnist", "data.root=nowhere", "data.download=false", "model=linear")
    assert ended.code == 1 and "Traceback" not in ended.out + ended.err
    for piece in ("nowhere", "train-images-idx3-ubyte", "download mnist", "data.root=FOLDER"):
        assert piece in ended.err
    assert not (workdir / "outputs").exists()


def test_an_interrupt_before_training_is_no_traceback(workdir: Path, monkeypatch, capsys) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dlexp.__main__.dispatch", interrupted)
    assert main([]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_two_problems_and_one() -> None:
    assert str(UserError("a")) == "a" and UserError("a").problems == ["a"]
    assert str(UserError("a", "b")) == "2 things are wrong:\n  - a\n  - b"
    assert pickle.loads(pickle.dumps(UserError("a", "b"))).problems == ["a", "b"]
    assert did_you_mean("vgg61", ["vgg16", "vgg19"]) == " Did you mean 'vgg16'?"
    assert did_you_mean("xyz", ["vgg16"]) == ""
