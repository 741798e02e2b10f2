"""A person's own model and data set: a module and a folder of YAML, nothing of ours edited."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from dlexp.records import run_json
from dlexp.records.metrics import read_epochs

MODULE = """\
import torch
from torch import nn
from dlexp.data.splits import Split, Splits

def tiny(*, shape: list[int], num_outputs: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(shape[0], width), nn.ReLU(), nn.Linear(width, num_outputs))

def rings(*, num_points: int) -> Splits:
    points = torch.randn(num_points, 2, generator=torch.Generator().manual_seed(0))
    split = Split(points, (points.norm(dim=1) > 1).long())
    return Splits(train=split, test=split)
"""
MODEL = "_target_: my_parts.tiny\nshape: ${data.shape}\nnum_outputs: ${data.num_outputs}\nwidth: 16\n"
DATA = """\
_target_: my_parts.rings
num_points: 400
shape: [2]
num_outputs: 2
class_names: [inside, outside]
mean: null
std: null
"""
WORDS = ["--config-dir", "my_options", "model=tiny", "data=rings"]
SHORT = ["epochs=2", "pictures=false", "threads=1"]


@pytest.fixture
def own(workdir: Path) -> Path:
    (workdir / "my_parts.py").write_text(MODULE, encoding="utf-8")
    for group, name, text in (("model", "tiny", MODEL), ("data", "rings", DATA)):
        place = workdir / "my_options" / group
        place.mkdir(parents=True)
        (place / f"{name}.yaml").write_text(text, encoding="utf-8")
    yield workdir
    sys.modules.pop("my_parts", None)


def test_they_are_short() -> None:
    assert all(len(text.splitlines()) <= 15 for text in (MODULE, MODEL, DATA))


def test_a_run(cli, own: Path) -> None:
    ended = cli("allow=my_parts", *WORDS, *SHORT, "model.width=4")
    assert ended.code == 0, ended
    assert "tiny on rings with sgd" in ended.out and (own / "outputs" / "tiny-rings-sgd" / "run.json").is_file()


def test_it_has_to_be_allowed(cli, own: Path) -> None:
    ended = cli(*WORDS)
    assert ended.code == 1 and "allow=my_parts" in ended.err and not (own / "outputs").exists()
    assert "2 things are wrong" in ended.err
    missing = cli("allow=my_part", *WORDS)
    assert missing.code == 1 and "allow=my_part: there is no such module" in missing.err
    (own / "my_part.py").touch()
    other = cli("allow=my_part", *WORDS)
    assert "not allowed" in other.err, "a beginning of the name is not the name"


def test_a_sweep_in_child_processes(cli, own: Path) -> None:
    words = ["-m", "allow=my_parts", "--config-dir", "my_options", "model=tiny,mlp", "data=rings", "n_jobs=2"]
    ended = cli(*words, *SHORT)
    assert ended.code == 0, ended
    assert {path.parent.name for path in own.glob("outputs/*/*/run.json")} == {"model-tiny", "model-mlp"}


@pytest.mark.slow
def test_data_is_loaded_once_in_a_process(cli, own: Path) -> None:
    """Its content is asked for too, by `resume=auto` and by a job that goes on: a function of one's own may be slow."""
    calls = own / "calls.txt"
    noted = f"    with open({str(calls)!r}, 'a') as file: print(os.getpid(), file=file)\n"
    text = MODULE.replace("    points = ", f"{noted}    points = ")
    (own / "my_parts.py").write_text("import os\n" + text, encoding="utf-8")

    def loads(*words: str) -> list[bool]:
        """Returns for each call of the data function whether it was in this process."""
        calls.unlink(missing_ok=True)
        ended = cli("allow=my_parts", *words, *SHORT)
        assert ended.code == 0, ended
        return [int(line) == os.getpid() for line in calls.read_text(encoding="utf-8").splitlines()]

    def kill(folder: Path) -> None:
        run_json.write_json(folder / "run.json", run_json.read_json(folder / "run.json") | {"status": "running"})

    run = own / "outputs" / "tiny-rings-sgd"
    assert loads(*WORDS) == [True]
    kill(run)
    assert loads(f"resume={run}") == [True]
    assert loads(*WORDS, "resume=auto") == [True], "the content of a finished run's data"
    kill(run)
    assert loads(*WORDS, "resume=auto") == [True]
    assert loads(*WORDS, "resume=auto", "data.num_points=300") == [True]
    sweep = ["-m", *WORDS, "seed=1,2"]
    assert loads(*sweep) == [True, False, False]
    kill(next(own.glob("outputs/*/seed-2")))
    assert loads(*sweep) == [True, False]


def test_its_settings_are_checked_like_ours(cli, own: Path) -> None:
    ended = cli("allow=my_parts", *WORDS, "model.width=wide", "+data.colour=1", "epochs=0")
    assert "3 things are wrong" in ended.err
    for piece in ("model.width=wide must be a whole number", "data.colour", "num_points"):
        assert piece in ended.err
    assert "'model.width=3'" in cli("allow=my_parts", *WORDS, "model.widht=3").err


def test_a_wrong_shape_names_the_layer(cli, own: Path) -> None:
    ended = cli("allow=my_parts", *WORDS, "model.shape=[3]")
    assert ended.code == 1 and "Linear" in ended.err and "3" in ended.err and "[2]" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "facts, pieces",
    [
        ("num_outputs: 5\nclass_names: null", []),
        ("num_outputs: 2\nclass_names: [one]", ["1 names", "num_outputs is 2"]),
        ("shape: [3]", ["3", "2"]),
        ("num_outputs: 1\nclass_names: null", ["num_outputs=1"]),
    ],
)
def test_facts_that_the_data_does_not_keep(cli, own: Path, facts: str, pieces: list[str]) -> None:
    keys = {line.split(":")[0] for line in facts.splitlines()}
    kept = [line for line in DATA.splitlines() if line.split(":")[0] not in keys]
    text = "\n".join([*kept, facts, ""])
    (own / "my_options" / "data" / "rings.yaml").write_text(text, encoding="utf-8")
    ended = cli("allow=my_parts", *WORDS, *SHORT)
    assert "Traceback" not in ended.err
    assert ended.code == (1 if pieces else 0) and all(piece in ended.err for piece in pieces), ended


def test_an_option_named_like_ours_is_refused(cli, own: Path) -> None:
    (own / "my_options" / "model" / "vgg16.yaml").write_text(MODEL, encoding="utf-8")
    ended = cli("allow=my_parts", *WORDS)
    assert ended.code == 1 and "model/vgg16" in ended.err and "rename" in ended.err
    assert "no such folder" in cli("--config-dir=elsewhere", "model=tiny").err


def test_own_presets_and_recipes(cli, own: Path) -> None:
    recipe = own / "my_options" / "recipe" / "tiny" / "rings.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("# @package _global_\nepochs: 3\nrecipe: {lr: {sgd: 0.25}}\n", encoding="utf-8")
    preset = own / "my_options" / "experiment" / "mine.yaml"
    preset.parent.mkdir(parents=True)
    text = "# @package _global_\ndefaults:\n  - override /model: tiny\n  - override /data: rings\nseed: 7\n"
    preset.write_text(text, encoding="utf-8")
    ended = cli("allow=my_parts", "--config-dir", "my_options", "experiment=mine", "--cfg", "job", "--resolve")
    assert ended.code == 0 and "lr: 0.25" in ended.out and "epochs: 3" in ended.out and "seed: 7" in ended.out


PARTS = """\
from dlexp.metric import Metric
from dlexp.metrics.measure import Measure
from dlexp.watch.watcher import Watcher

class Shift:
    def __init__(self, *, size: float) -> None:
        self.size = size
    def __call__(self, inputs, draw):
        return inputs + self.size

class Largest(Measure):
    facts, of = Metric(unit="", higher_is_better=True), ("classes",)
    def sums(self, outputs, batch):
        return {"total": outputs.amax(dim=1).sum()}
    def conclude(self, sums, count):
        return float(sums["total"]) / count

class Notes(Watcher):
    def __init__(self, *, name: str) -> None:
        self.name = name
    def epoch(self, view, metrics):
        view.log(self.name, float(view.epoch))
"""
FLAT = {
    "augment/mine": "_target_: my_parts.Shift\nsize: 0.5\n",
    "augment/yours": "# @package _group_\n_target_: my_parts.Shift\nsize: 0.25\n",
    "augment/ours": "defaults: [mine, yours]\n",
    "augment/named": "theirs:\n  _target_: my_parts.Shift\n  size: 2.0\n",
    "metric/largest": "_target_: my_parts.Largest\n",
    "watch/notes": "_target_: my_parts.Notes\nname: told\nonly_looks: true\n",
}


@pytest.mark.parametrize(
    "words, sizes",
    [
        (["augment=mine"], {"mine": 0.5}),
        (["augment=[yours,mine]", "augment.mine.size=3"], {"yours": 0.25, "mine": 3.0}),
        (["augment=ours", "augment.mine=null"], {"mine": None, "yours": 0.25}),
        (["augment=[named,mine]"], {"theirs": 2.0, "mine": 0.5}),
    ],
)
def test_an_option_of_a_group_that_composes_is_written_like_any_other(
    cli, own: Path, words: list[str], sizes: dict[str, float | None]
) -> None:
    (own / "my_parts.py").write_text(MODULE + PARTS, encoding="utf-8")
    for name, text in FLAT.items():
        file = own / "my_options" / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    words = ["allow=my_parts", *WORDS, *words, "metric=[accuracy,largest]", "watch=notes"]
    shown = cli(*words, "--cfg", "job", "--package", "augment")
    assert shown.code == 0, shown
    ended = cli(*words, *SHORT)
    assert ended.code == 0, ended
    folder = own / "outputs" / "tiny-rings-sgd"
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert {name: node and node["size"] for name, node in config["augment"].items()} == sizes
    assert yaml.safe_load(shown.out) == config["augment"]
    rows = read_epochs(folder)
    assert [row["watch/notes/told"] for row in rows] == [1.0, 2.0] and all("val/largest" in row for row in rows)


def test_an_error_of_the_persons_own_keeps_its_traceback(own: Path) -> None:
    from dlexp.__main__ import main

    text = MODULE.replace("    points = ", "    points = 1 / 0 or ")
    (own / "my_parts.py").write_text(text, encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        main(["allow=my_parts", *WORDS, *SHORT])
