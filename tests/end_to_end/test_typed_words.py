"""What people type instead of key=value, and names that are not there: each gets the word to type, without torch."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import child_environment

from dlexp.api import run
from dlexp.config.compose import compose
from dlexp.errors import UserError

# What is typed, and pieces of the answer.
TYPED = {
    # flags
    "--lr 0.1": ["--lr 0.1 is typed optimizer.lr=0.1"],
    "--lr=0.1": ["--lr=0.1 is typed optimizer.lr=0.1"],
    "-lr 0.1": ["-lr 0.1 is typed optimizer.lr=0.1"],
    "--model vgg16": ["--model vgg16 is typed model=vgg16"],
    "--optimizer.lr=0.1": ["is typed optimizer.lr=0.1"],
    "--batch-size 32": ["is typed batch_size=32"],
    "--dry-run": ["--dry-run is typed dry_run=true"],
    "--epoch 3": ["is typed epochs=3"],
    "--seed -1": ["--seed -1 is typed seed=-1"],
    "--folder /photos": ["is typed data=image_folder data.folder=/photos"],
    "--gpu 0": ["is typed device=cuda"],
    "--resume outputs/x": ["is typed resume=outputs/x"],
    "--lr 0.1 --model vgg16 epochs 3": ["3 things", "optimizer.lr=0.1", "model=vgg16", "epochs=3"],
    "-m --lr 0.1,0.2": ["--lr 0.1,0.2 is typed optimizer.lr=0.1,0.2\n"],
    "--foo 3": ["there is no flag '--foo'. Settings are typed as key=value"],
    "--verison": ["there is no flag '--verison'. Did you mean '--version'?"],
    "--config_dir own": ["Did you mean '--config-dir'?"],
    "-M seed=0,1": ["Did you mean '-m'?"],
    "-cd": ["--config-dir takes a folder"],
    "find lr --lr 0.1": ["--lr 0.1 is typed optimizer.lr=0.1"],
    "find lr --slow": ["--slow is no flag of dlexp find lr; did you mean --low?"],
    "find lr --quick": ["unrecognized arguments: --quick"],
    "download mnist --root x": ["--root x is typed data.root=x"],
    # spaces, and words without =
    "model = vgg16": ["model = vgg16 is typed model=vgg16"],
    "model= vgg16": ["model= vgg16 is typed model=vgg16"],
    "model =vgg16": ["model =vgg16 is typed model=vgg16"],
    "'model = vgg16'": ["model = vgg16 is typed model=vgg16"],
    "epochs=1 optimizer.lr = 0.1 seed=1": ["error: optimizer.lr = 0.1 is typed optimizer.lr=0.1\n"],
    "lr = 0.1": ["lr = 0.1 is typed optimizer.lr=0.1"],
    "find lr model = cnn": ["error: model = cnn is typed model=cnn\n"],
    "-m optimizer=sgd, adam": ["optimizer=sgd, adam is typed optimizer=sgd,adam\nno job was started"],
    "-m optimizer=sgd ,adam": ["is typed optimizer=sgd,adam\n"],
    "-m seed=0, 1, 2": ["seed=0, 1, 2 is typed seed=0,1,2\n"],
    "seed=0, 1": ["is typed seed=0,1 with -m"],
    "data.shape=[3, 64, 64] data=fake": ["is typed 'data.shape=[3,64,64]'\n"],
    "augment=[crop_flip, mixup]": ["is typed 'augment=[crop_flip,mixup]'\n"],
    "data.root=/my photos": ["is typed 'data.root=/my photos'"],
    "'model=vgg16 epochs=3'": ["is typed model=vgg16 epochs=3"],
    "epochs 3": ["epochs 3 is typed epochs=3"],
    "cnn mnist": ["2 things", "cnn is typed model=cnn", "mnist is typed data=mnist"],
    "linear": ["data=linear or model=linear"],
    "epochs": ["epochs is typed epochs=…"],
    "model:vgg16": ["is typed model=vgg16"],
    "model/vgg16": ["is typed model=vgg16"],
    "model==vgg16": ["is typed model=vgg16"],
    "epochs=1 nonsense": ["'nonsense' is not key=value"],
    # commas
    "seed=0,1,": ["seed=0,1, is typed seed=0,1 with -m"],
    "-m seed=0,1,": ["is typed seed=0,1\n"],
    "seed=0,,1": ["is typed seed=0,1 with -m"],
    "model=vgg16,": ["is typed model=vgg16\n"],
    # names in other capitals, of other programs, of other options
    "model=VGG16": ["no model 'VGG16'. Did you mean 'vgg16'?"],
    "data=MNIST": ["Did you mean 'mnist'?"],
    "data=CIFAR-10": ["Did you mean 'cifar10'?"],
    "-m data=MNIST,CIFAR10 model=mlp": ["'mnist'?", "'cifar10'?", "no job was started"],
    "download MNIST": ["Did you mean 'mnist'?"],
    "model=vgg16.yaml": ["Did you mean 'vgg16'?"],
    "optimizer=Adam": ["Did you mean 'adam'?"],
    "metric=acc": ["Did you mean 'accuracy'?"],
    "metric=[accuracy,f1]": ["no metric 'f1'. Did you mean 'macro_f1'?"],
    "model=resnet50": ["no model 'resnet50' here; torchvision's is model=torchvision model.name=resnet50."],
    "model=GoogLeNet": ["Did you mean 'googlenet'?"],
    "-m model=cnn,resnet50 data=fake": ["model=torchvision model.name=resnet50.", "(in model-resnet50)"],
    "model=regnet_x_16gf": ["model.name=regnet_x_16gf."],
    "model=nothing_like_it": ["there is no model 'nothing_like_it'. Options of model: alexnet"],
    "model=": ["model= chooses nothing. Options of model"],
    "data=photos/": ["a folder of images is typed data=image_folder data.folder=photos/"],
    "data=a.csv": ["a file of yours is typed data=arrays data.file=a.csv"],
    "learning_rate=0.1": ["no setting 'learning_rate'. Did you mean 'optimizer.lr=0.1'?"],
    "lr=0.1": ["Did you mean 'optimizer.lr=0.1'?"],
    "find lr lr=0.1": ["Did you mean 'optimizer.lr=0.1'?"],
    "find learning_rate": ["Did you mean 'lr'?"],
    "optimizer.learning_rate=0.1": ["Did you mean 'optimizer.lr=0.1'?"],
    "width=32": ["Did you mean 'model.width=32'?"],
    "loss=mse": ["Did you mean 'criterion=mse'?"],
    "EPOCHS=3": ["Did you mean 'epochs=3'?"],
    "batch-size=3": ["Did you mean 'batch_size=3'?"],
    "shape=[3,64,64]": ["Did you mean 'data.shape=[3,64,64]'?"],
    "data.folder=/my photos/cats": ["'data.folder=/my photos/cats'"],
    "view.resized.height=16": ["error: view=resized is not chosen here: view=resized view.resized.height=16\n"],
    "view=grey view.edges.low=0.3": ["view=edges is not chosen here: 'view=[grey,edges]' view.edges.low=0.3\n"],
    "watch.goal.value=0.9": ["watch=goal is not chosen here: watch=goal watch.goal.value=0.9\n"],
    "augment.crop.pading=3": ["augment=crop is not chosen here: augment=crop augment.crop.padding=3\n"],
    "view.edges=0.3": ["view=edges is not chosen here: view=edges chooses it, and it has sigma, low, high"],
    "view.egdes.low=0.3": ["no setting 'view.egdes.low'. Did you mean 'view=edges view.edges.low=0.3'?"],
    "view=edges view.egdes.low=0.3": ["Did you mean 'view.edges.low=0.3'?"],
    "view.height=16": ["'view.height' here, view=resized has it: view=resized view.resized.height=16\n"],
    "view.foo.bar=16": ["no setting 'view.foo.bar'. Options of view: block, bright, edges"],
    "-m view.resized.height=16,20": ["view=resized view.resized.height=16,20\n"],
    "optimizer=muon optimizer.parts.filtres.lr=3": ["Did you mean 'optimizer.parts.filters.lr=3'?"],
    "method.foo=3": ["no setting 'method.foo': method has none; if it takes more: +method.foo=…"],
    "data.folder=/photos": ["'data.folder' here, data=image_folder has it: data=image_folder data.folder=/photos\n"],
    "data.label_column=3": ["data=arrays has it: data=arrays data.label_column=3"],
    "scheduler.gamma=0.1": ["scheduler=multistep scheduler.gamma=0.1"],
    "optimizer=adam optimizer.momentum=0.9": ["optimizer=muon or rmsprop or sgd or sgd_weights has it", "lr, betas"],
    "+foo=1": ["there is no setting 'foo'"],
    "+lr=1": ["Did you mean 'optimizer.lr=1'?"],
    "++foo.bar=1": ["there is no setting 'foo'"],
    "+model=cnn": ["model is there already, so it is typed model=cnn"],
    "+optimizer.lr=1": ["optimizer.lr is there already, so it is typed optimizer.lr=1"],
    "~optimizer": ["~optimizer can't be: every run has optimizer; optimizer=… changes it"],
    "~augment": ["augment=none leaves it out"],
    "~seed": ["~seed can't be"],
    "~data.val_size": ["can't be: every run has data.val_size; data.val_size=… changes it"],
    "--data.fields.inputs.kind plain": ["is typed data.fields.inputs.kind=plain"],
    "-m optimzer.lr=1,2": ["error: there is no setting 'optimzer.lr'. Did you mean 'optimizer.lr=1,2'?\nno job"],
    "compare -m optimizer=sgd,adam": ["error: -m starts a sweep of trainings; compare is typed without it\n"],
    "-m compare optimizer=sgd,adam": ["error: -m starts a sweep of trainings; compare is typed without it\n"],
    "compare --seeds 3 optimizer=sgd,adam": ["error: --seeds 3 is typed seeds=3\n"],
    "compare optimizer=sgd,adam --trials=4 --lr 3": ["--trials=4 is typed trials=4", "--lr 3 is typed optimizer.lr=3"],
    "compare optimizer=sgd,adam --hypothesis 'a b'": ["--hypothesis a b is typed 'hypothesis=a b'\n"],
    "compare optimizer=sgd,admm data=spiral": ["no optimizer 'admm'. Did you mean 'adam'?", "(in admm)\nno job was st"],
    "compare optimizer=sgd,adam data=spiral modle.width=3": ["'modle.width'. Did you mean 'model.width=3'?\nno job"],
    "compare optimizer=sgd,adam data=spiral epochs=0 lr=1": ["epochs=0 must be", "Did you mean 'optimizer.lr=1'?"],
    "-m search=qmc data=spiral 'optimizer.lr=interval(0.1,1)'": ["search=qmc takes trials=N, how many points"],
    "list -m": ["error: -m starts a sweep of trainings; list is typed without it\n"],
    "list a b": ["error: b is too much: list is typed python -m dlexp list [FOLDER]\n"],
    "diff outputs/a outputs/b c": ["error: c is too much: diff is typed python -m dlexp diff RUN RUN\n"],
    "diff outputs/a": ["diff wants more words: it is typed python -m dlexp diff RUN RUN ("],
    "verify": ["verify wants more words: it is typed python -m dlexp verify RUN ("],
    "~foo": ["~foo takes out what is not there"],
    "optimizer.lr=${nope}": ["optimizer.lr=${nope} refers to a setting that is not there"],
    "optimizer.lr=${lr}": ["optimizer.lr=${lr} refers to", "Did you mean '${optimizer.lr}'?"],
    "optimizer.lr=${optimizer.lrr}": ["Did you mean '${optimizer.lr}'?"],
    "epochs=${oc.env:NO_SUCH_VARIABLE}": ["epochs: Environment variable 'NO_SUCH_VARIABLE' not found"],
    "-m seed=0,1 optimizer=${nope}": ["${nope} refers to a setting that is not there"],
    "accept_changes=true": ["goes with resume=RUN"],
    "allow=": ["allow= names no module"],
    # values
    "epochs=-3": ["epochs=-3 must be ≥ 1"],
    "-m seed=0,1 epochs=0": ["epochs=0 must be ≥ 1\n"],
    "data.limit=0": ["data.limit=0 must be ≥ 1"],
    "precision=half": ["must be one of auto, float32"],
    "seed=0;1": ["seed=0;1 must be a whole number"],
    "freeze=conv*": ["freeze=conv* must be a list: 'freeze=[conv*]'"],
    "freeze=null": ["freeze=null must be a list: 'freeze=[]'"],
    "freeze={a:1}": ["freeze={a:1} puts settings by name where freeze is a list"],
    "optimizer=sgd,adam": ["which only a sweep can take: add -m\n"],
    "augment=crop,flip": ["add -m; a setting that takes a list wants 'augment=[crop,flip]'"],
    "data.class_names=[no,1,yes]": ["class_names=[no,1,yes] must be a list in which each is a text", "without quotes"],
    "data=linear task=classification": ["the data has one value a sample", "task=regression criterion=mse"],
    "task=regression": ["the data has classes", "task=classification learns classes"],
    "resume=outputs/nothere": ["outputs/nothere is not the folder of a run: there is no such folder"],
    "init_from=outputs/nothere": ["init_from=outputs/nothere can't be read: there is no such file or folder\n"],
    "-m seed=0,1 init_from=nothere": ["init_from=nothere can't be read"],
    "hydra.run.dir=file": ["file is a file, and a folder of that name is wanted", "hydra.run.dir=FOLDER"],
    "-m seed=0,1 hydra.sweep.dir=file/x": ["file is a file", "hydra.sweep.dir=FOLDER"],
}  # fmt: skip

WITHOUT_TORCH = """
import contextlib, gc, io, json, sys

gc.disable()  # it composes two hundred configs, and ends

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "matplotlib", "PIL"}:
            raise RuntimeError(f"imports {name}")

sys.meta_path.insert(0, Guard())
from dlexp.__main__ import main

for words in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            code = main(words)
        except BaseException as error:
            code = repr(error)
    print(json.dumps([code, said.getvalue()]))
"""


def answers(lines: list[list[str]], folder: Path) -> list[tuple[object, str]]:
    """Returns what each line ends with and says, all typed in one process that can't import torch."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        input=json.dumps(lines),
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env=child_environment(),
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_words_alone_show_is_answered_without_torch(tmp_path: Path) -> None:
    """One test of all, so that one process answers them and is started once."""
    (tmp_path / "file").touch()
    found = dict(zip(TYPED, answers([shlex.split(line) for line in TYPED], tmp_path), strict=True))
    assert [each.name for each in tmp_path.iterdir()] == ["file"], "what is refused leaves nothing"
    wrong = {
        line: (code, text)
        for line, (code, text) in found.items()
        if code != 1 or not str(text).startswith("error: ") or not all(piece in text for piece in TYPED[line])
    }
    assert not wrong


@pytest.mark.parametrize("line", ["--lr 0.1", "model = vgg16", "'model = vgg16'", "lr=0.1", "model=VGG16", "+foo=1"])
def test_python_is_answered_too(workdir: Path, line: str) -> None:
    with pytest.raises(UserError) as error:
        run(shlex.split(line))
    assert all(piece in str(error.value) for piece in TYPED[line])


def test_only_what_has_weights_is_meant(workdir: Path) -> None:
    for name in ("outputs/report", "outputs/notthere-1"):
        (workdir / name).mkdir(parents=True)
    (workdir / "outputs" / "notthere-1" / "run.json").touch()
    (workdir / "outputs" / "best.pt").touch()
    for typed, told in (
        ("outputs/reporter", r"can't be read: there is no such file or folder$"),
        ("outputs/nothere", r"Did you mean 'outputs/notthere-1'\?$"),
        ("outputs/best-of-all-that-are", "there is no such file or folder$"),
        ("stages.rbm1", "A preset with stages has such names, and this run has none$"),
        ("outputs/bset.pt", r"Did you mean 'outputs/best.pt'\?$"),
    ):
        with pytest.raises(UserError, match=told):
            run([f"init_from={typed}"])


def test_what_an_option_needs_is_not_taken_out(workdir: Path) -> None:
    with pytest.raises(UserError, match=r"model.width is missing in the config: ~ can't take it out \(=… changes it\)"):
        run(["~model.width"])


def test_what_is_right_is_left_alone(workdir: Path) -> None:
    """Blanks and commas that Hydra takes, a key that something refers to, values that look like a mistake."""
    words = ["optimizer.lr= 0.2", "data.class_names=[a b, c,  d]", "+wide=3", "model.width=${wide}", "augment=[]"]
    config = compose([*words, "data.root=/a,b, c/"]).config
    assert config["optimizer"]["lr"] == 0.2 and config["data"]["class_names"] == ["a b", "c", "d"]
    assert config["model"]["width"] == 3 and config["data"]["root"] == "/a,b, c/"


PRESETS = {
    "\ufeff# @package _global_\nepochs: 1\n": "begins with a byte order mark",
    "epochs: 1\n": "must begin with the line # @package _global_",
    "# mine\n# @package _global_\nepochs: 1\n": "must begin with the line # @package _global_",
    "": "holds no settings",
    "# @package _global_\n# nothing yet\n": "holds no settings",
    "# @package _global_\nseed: 010\n": "seed: 010 is 8 to YAML, in octal; write seed: 10",
    "# @package _global_\nmodel: {width: 0100}\n": "model.width: 0100 is 64 to YAML, in octal; write model.width: 100",
    "# @package _global_\ntext: 1:30\n": "text: 1:30 is 90 to YAML, minutes and seconds; write '1:30' for a text",
    "# @package _global_\ndata: {class_names: [no, yes, 3]}\n": "without quotes YAML reads no, yes, on and off",
    "# @package _global_\nlr: 0.1\n": "there is no setting 'lr'. Did you mean 'optimizer.lr'?",
    "# @package _global_\ndefaults:\n  - override model: cnn\n": "- override /model: …",
    "# @package _global_\ndefaults:\n  - /model: cnn\n": "- override /model: cnn",
    "# @package _global_\ndefaults:\n  - override /model: VGG16\n": "Did you mean 'vgg16'?",
    "# @package _global_\nepochs: ${nope}\n": "epochs=${nope} refers to a setting that is not there",
}


@pytest.mark.slow
def test_what_a_preset_of_ones_own_may_have_wrong(tmp_path: Path) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    for number, text in enumerate(PRESETS):
        (tmp_path / "own" / "experiment" / f"p{number}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "own" / "experiment" / "gbk.yaml").write_bytes("# 中文\n".encode("gbk"))
    lines = [["--config-dir", "own", f"experiment=p{number}"] for number in range(len(PRESETS))]
    found = answers([*lines, ["--config-dir", "own", "experiment=gbk"]], tmp_path)
    for (code, text), piece in zip(found, [*PRESETS.values(), "gbk.yaml is not in UTF-8"], strict=True):
        assert code == 1 and piece in text, (code, text)


def test_an_option_that_a_preset_chooses_is_read_too(tmp_path: Path) -> None:
    for name, text in {
        "experiment/mine": "# @package _global_\ndefaults:\n  - override /ema: late\n",
        "ema/late": "_target_: dlexp.train.average.Average\ndecay: 0.9\nevery: 010\n",
    }.items():
        file = tmp_path / "own" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    ((code, text),) = answers([["--config-dir", "own", "experiment=mine"]], tmp_path)
    assert code == 1 and "late.yaml: every: 010 is 8 to YAML" in text, text


def test_a_folder_of_options_named_one_too_deep(tmp_path: Path) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "mine.yaml").write_text("width: 1\n", encoding="utf-8")
    ((code, text),) = answers([["--config-dir", "own/model"]], tmp_path)
    assert code == 1 and "name the folder that holds model/" in text


@pytest.mark.parametrize("line", ["epochs=1", "-m seed=0,1 epochs=1", "find lr"])
def test_a_file_named_outputs(tmp_path: Path, line: str) -> None:
    (tmp_path / "outputs").write_text("mine", encoding="utf-8")
    ((code, text),) = answers([line.split()], tmp_path)
    assert code == 1 and "outputs is a file, and a folder of that name is wanted; move it" in text
    assert (tmp_path / "outputs").read_text(encoding="utf-8") == "mine"


def test_runs_that_are_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "outputs" / "cnn-mnist-sgd").mkdir(parents=True)
    (tmp_path / "outputs" / "cnn-mnist-sgd" / "run.json").write_text("{}", encoding="utf-8")
    lines = [
        "resume=outputs/cnn-mnist",
        "verify outputs/other",
        "diff outputs/a outputs/b",
        "init_from=outputs/cnn-mnist",
    ]
    found = answers([line.split() for line in lines], tmp_path)
    assert [code for code, _ in found] == [1] * 4
    assert "no such folder. Did you mean 'outputs/cnn-mnist-sgd'?" in found[0][1]
    assert "no such folder. Runs there: outputs/cnn-mnist-sgd" in found[1][1] and "Runs there" in found[2][1]
    assert "Did you mean 'outputs/cnn-mnist-sgd'?" in found[3][1]


def test_help_on_a_group_needs_no_torch(tmp_path: Path) -> None:
    lines = [
        "--help",
        "--help model",
        "model --help",
        "-h optimizer",
        "--help mlp",
        "--help find",
        "--help settings",
        "--help modle",
    ]
    found = answers([line.split() for line in lines], tmp_path)
    assert [code for code, _ in found[:5]] == [0] * 5 and found[1] == found[2]
    assert "vgg16: VGG-16" in found[1][1] and "sgd: Stochastic gradient descent" in found[3][1]
    assert "usage: dlexp find lr" in found[5][1] and "val_every" in found[6][1]
    assert found[7][0] == 1 and "--help knows no 'modle'. Did you mean 'model'?" in found[7][1]


@pytest.mark.parametrize("name", ["it's", "a\\'b", "a,b]", "back\\"] if sys.platform != "win32" else ["it's", "a,b]"])
def test_a_folder_of_options_of_any_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "model" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("_target_: dlexp.models.linear.Linear\n", encoding="utf-8")
    found = compose(["--config-dir", str(tmp_path / name), "model=mine"])
    assert found.config["model"] == {"_target_": "dlexp.models.linear.Linear"}


@pytest.mark.parametrize(
    "stated", ["null", "{inputs: {kind: plain}}", "{inputs: {dtype: int32}}", "{other: {kind: plain}}"]
)
@pytest.mark.parametrize("word", ["data.fields.inputs.dtype=int64", "data.fields={inputs: {dtype: int64}}"])
def test_any_field_is_stated_whatever_the_yaml_states(tmp_path: Path, stated: str, word: str) -> None:
    (tmp_path / "data").mkdir()
    text = f"defaults:\n  - spiral\n  - _self_\nfields: {stated}\n"
    (tmp_path / "data" / "mine.yaml").write_text(text, encoding="utf-8")
    found = compose(["--config-dir", str(tmp_path), "data=mine", word]).config["data"]["fields"]
    assert found["inputs"]["dtype"] == "int64" and ("other" in found) == ("other" in stated)
    assert ("kind" in found["inputs"]) == (stated == "{inputs: {kind: plain}}")
