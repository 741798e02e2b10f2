"""A person's own data in all its forms: trained, divided honestly, swept over folds, and resumed to the bit."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from resuming import CNN, SHORT, as_killed_at, assert_same, metrics_of, resumes_exactly

import dlexp
from dlexp import api
from dlexp.errors import UserError
from dlexp.experiment import resume
from dlexp.records import run_json

pytestmark = pytest.mark.usefixtures("every_state_is_kept")


def a_table_of_patients(folder: Path) -> list[str]:
    """Writes 60 measurements of 12 patients; returns the words that train on them."""
    lines = [f"{np.sin(i):.3f},p{i // 5},{i % 7},{'sick' if np.sin(i) > 0 else 'well'}" for i in range(60)]
    (folder / "patients.csv").write_text("a,patient,b,state\n" + "\n".join(lines), encoding="utf-8")
    return ["data=arrays", "data.file=patients.csv", "data.group_column=patient", "batch_size=8", "epochs=2", *SHORT]


def test_a_table_with_a_column_of_patients(cli, workdir: Path) -> None:
    ended = cli(*a_table_of_patients(workdir), "hydra.run.dir=run")
    assert ended.code == 0, ended
    facts = run_json.read_json(workdir / "run" / "data.json")
    assert facts["shape"] == [2] and all(size % 5 == 0 for size in facts["sizes"].values()), facts


@pytest.mark.slow
def test_a_sweep_over_folds_ends_in_their_mean(cli, workdir: Path) -> None:
    words = ["-m", *a_table_of_patients(workdir), "data.folds=3", "data.fold=0,1,2", "hydra.sweep.dir=sweep"]
    ended = cli(*words)
    assert ended.code == 0, ended
    entries = [run_json.read_json(workdir / "sweep" / f"fold-{fold}" / "run.json") for fold in range(3)]
    values = [entry["metrics"]["val/accuracy"] for entry in entries]
    points = ", ".join(f"{100 * value:.2f} %" for value in values)
    assert f"mean over 3 folds: val/accuracy {100 * sum(values) / 3:.2f} % ({points}); test/accuracy " in ended.out
    assert len({entry["cell"] for entry in entries}) == 3
    sizes = [run_json.read_json(workdir / "sweep" / f"fold-{fold}" / "data.json")["sizes"] for fold in range(3)]
    assert sum(each["val"] for each in sizes) == sizes[0]["train"] + sizes[0]["val"]
    assert {each["test"] for each in sizes} == {10}, "the test set stays"
    again = cli(*words)
    assert "3 jobs, 3 of them done already" in again.out and "mean over 3 folds" in again.out


def test_weighted_samples_resume_in_the_middle_of_an_epoch(workdir: Path) -> None:
    x = np.random.default_rng(0).normal(size=(120, 3))
    np.savez("weighted.npz", x=x, y=(x[:, 0] > 1).astype(np.int64), weights=1 + np.arange(120) % 5)
    words = ["data=arrays", "data.file=weighted.npz", "batch_size=8", "epochs=2", "log_steps=1", *SHORT]
    resumes_exactly([*words, "data.sampling=balanced"], workdir, steps=[4, 13])


def test_groups_and_weights_of_files_resume_until_the_files_change(workdir: Path) -> None:
    for name, values in {
        "groups": [f"p{i % 30}" for i in range(120)],
        "weights": [1 + i % 5 for i in range(120)],
    }.items():
        (workdir / f"{name}.txt").write_text("\n".join(map(str, values)), encoding="utf-8")
    files = ["data.group_file=groups.txt", "data.weight_file=weights.txt"]
    resumes_exactly([*CNN, *files, "data.val_size=0.2"], workdir, steps=[4, 13])
    (workdir / "weights.txt").write_text("\n".join(["1"] * 120), encoding="utf-8")
    with pytest.raises(UserError, match="the data of .* changed since it was trained"):
        resume.resume(as_killed_at(workdir / "whole", 4, workdir / "changed"), [])


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("data.group_pattern=x", "about the names of images' files, and this data set has none"),
        ("data.weight_file=none.txt", "data.weight_file=none.txt can't be read: there is no such file"),
        ("data.group_file=groups.md", "data.group_file=groups.md must end in .txt"),
    ],
)
def test_files_that_can_not_be_are_refused_before_there_is_a_folder(
    cli, workdir: Path, word: str, sentence: str
) -> None:
    Path("groups.md").touch()
    ended = cli("data=spiral", word, "hydra.run.dir=run")
    assert ended.code == 1 and sentence in ended.err and not Path("run").exists(), ended


def test_a_run_from_before_there_were_such_files_goes_on(workdir: Path) -> None:
    whole = api.run([*CNN, "checkpoint.every_steps=1"], folder=workdir / "whole").folder
    part = as_killed_at(whole, 5, workdir / "part")
    lines = (part / "config.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    older = [line for line in lines if not re.match(r"\s+(group_file|group_pattern|weight_file):", line)]
    assert len(older) == len(lines) - 3
    (part / "config.yaml").write_text("".join(older), encoding="utf-8")
    resume.resume(part, [])
    assert_same(whole, part)


def test_balanced_sampling_changes_the_training(cli, workdir: Path) -> None:
    for name, words in {"all": [], "balanced": ["data.sampling=balanced"]}.items():
        ended = cli(*words, "data.points_per_class=60", "epochs=1", *SHORT, f"hydra.run.dir={name}")
        assert ended.code == 0, ended
    assert metrics_of(Path("all"))[-1] != metrics_of(Path("balanced"))[-1]


def test_series_are_normalised_by_channel(cli, workdir: Path) -> None:
    """As one picture, with one mean for all channels, the small one that tells the class is lost beside the large."""
    x, y = np.random.default_rng(0).normal(size=(400, 2, 6)), np.arange(400) % 2
    x[:, 0] *= 1000
    x[:, 1] += 2 * y[:, None]
    np.savez("series.npz", x=x, y=y)
    words = ["data=arrays", "data.file=series.npz", "epochs=5", "batch_size=16", *SHORT]
    asked = cli(*words)
    assert asked.code == 1 and "data.layout=series or data.layout=images" in asked.err
    for layout in ("series", "images"):
        ended = cli(*words, f"data.layout={layout}", f"hydra.run.dir={layout}")
        assert ended.code == 0, ended
    found = {layout: run_json.read_json(Path(layout) / "run.json")["metrics"] for layout in ("series", "images")}
    assert found["series"]["test/accuracy"] > 0.95 > 0.7 > found["images"]["test/accuracy"]


def test_tokens_reach_an_embedding(cli, workdir: Path) -> None:
    x = np.random.default_rng(0).integers(0, 9, size=(200, 5))
    np.savez("tokens.npz", x=x, y=(x[:, 0] > 4).astype(int))
    module = "from torch import nn\ndef bag(*, num_outputs: int):\n    return nn.EmbeddingBag(9, num_outputs)\n"
    (workdir / "my_bag.py").write_text(module, encoding="utf-8")
    (workdir / "mine" / "model").mkdir(parents=True)
    text = "_target_: my_bag.bag\nnum_outputs: ${data.num_outputs}\n"
    (workdir / "mine" / "model" / "bag.yaml").write_text(text, encoding="utf-8")
    words = ["--config-dir", "mine", "allow=my_bag", "model=bag", "data=arrays", "data.file=tokens.npz", "epochs=1"]
    ended = cli(*words, "data.fields={inputs: {kind: plain, dtype: int64}}", *SHORT, "hydra.run.dir=run")
    assert ended.code == 0, ended
    assert run_json.read_json(workdir / "run" / "data.json")["normalisation"] == {}


@pytest.fixture
def documented(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of docs/extending.md's section about data, and some data for them."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8").partition("## Tasks")[0]
    for _, block in re.findall(r"^```(python|yaml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if match := re.match(r"# (\S+\.(?:py|yaml))\n", block):
            (workdir / match[1]).parent.mkdir(parents=True, exist_ok=True)
            (workdir / match[1]).write_text(block, encoding="utf-8")
    (workdir / "my_model.py").write_text(POOLED, encoding="utf-8")
    draw = np.random.default_rng(0)
    maps = draw.normal(size=(120, 4)).astype(np.float32)
    (workdir / "maps").mkdir()
    np.save(workdir / "maps" / "x.npy", maps)
    np.save(workdir / "maps" / "y.npy", (maps[:, 0] > 0).astype(np.int64))
    for number in range(120):
        place = workdir / "recordings" / ("train" if number < 90 else "test") / f"{number:04}-{number % 2}.npy"
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, (draw.normal(size=(2 + number % 9, 3)) + number % 2).astype(np.float32))
    for group, name, yaml in OPTIONS:
        (workdir / "my_conf" / group).mkdir(parents=True, exist_ok=True)
        (workdir / "my_conf" / group / f"{name}.yaml").write_text(yaml, encoding="utf-8")
    monkeypatch.setenv("DLEXP_ALLOW", ",".join(MODULES))
    monkeypatch.syspath_prepend(str(workdir))
    yield workdir
    for name in MODULES:
        sys.modules.pop(name, None)


MODULES = ["my_maps", "my_dataset", "my_stream", "my_hdf5", "my_rows", "my_model"]
POOLED = """\
import torch
from torch import nn

class Pooled(nn.Module):
    def __init__(self, *, num_outputs: int) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(3, 8), nn.Sequential(nn.Dropout(0.2), nn.Linear(8, num_outputs))

    def forward(self, inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        seen = self.layer(inputs).relu() * mask[..., None]
        return self.head(seen.sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
"""
FACTS = "num_outputs: 2\nclass_names: null\nmean: null\nstd: null\n"
OPTIONS = [
    ("model", "pooled", "_target_: my_model.Pooled\nnum_outputs: ${data.num_outputs}\n"),
    ("data", "maps", f"_target_: my_maps.maps\nfolder: maps\nnum_training: 90\nshape: [4]\n{FACTS}"),
    ("data", "hdf5", f"_target_: my_hdf5.hdf5\nfile: data.h5\nshape: [4]\n{FACTS}"),
    ("data", "coins", f"_target_: my_stream.coins\nnum_training: 90\nnum_others: 30\nshape: [4]\n{FACTS}"),
    ("data", "waves", f"_target_: my_dataset.waves\ncount: 90\nshape: [16]\n{FACTS}"),
]
RUNS = {
    "maps": ["model.dropout=0.2"],
    "waves": ["model.dropout=0.2"],
    "hdf5": ["model.dropout=0.2"],
    "coins": ["model.dropout=0.2"],
    "recordings": ["model=pooled"],
}


@pytest.mark.parametrize(
    "data", [name if name in ("coins", "hdf5") else pytest.param(name, marks=pytest.mark.slow) for name in RUNS]
)
def test_what_is_documented_trains_sweeps_loads_and_resumes(cli, documented: Path, data: str) -> None:
    """In mid-epoch, with dropout: what was read ahead or drawn while reading must not show."""
    if data == "hdf5":
        with pytest.importorskip("h5py").File("data.h5", "w") as file:
            for name, rows in {"train": slice(0, 90), "test": slice(90, 120)}.items():
                for key in ("x", "y"):
                    file[f"{name}/{key}"] = np.load(f"maps/{key}.npy")[rows]
    words = ["--config-dir", "my_conf", f"data={data}", *RUNS[data], "batch_size=8", "epochs=2", "log_steps=1", *SHORT]
    resumes_exactly(words, documented, steps=[3, 14])
    model = dlexp.load(documented / "whole")
    assert isinstance(model, torch.nn.Module)
    varied = ["seed=0,1"] if data == "coins" else ["data.folds=2", "data.fold=0,1"]
    ended = cli("-m", *words, *varied, "hydra.sweep.dir=sweep")
    assert ended.code == 0 and ("mean over 2 folds" in ended.out) is (data != "coins"), ended


@pytest.mark.parametrize("seeded", ["OWN.seed()", "OWN.manual_seed(0)"])
def test_a_resume_of_samples_that_do_not_come_again_is_refused(
    documented: Path, caplog: pytest.LogCaptureFixture, seeded: str
) -> None:
    """A generator of its own goes on from epoch to epoch: what follows would be other samples, between epochs too."""
    text = (documented / "my_stream.py").read_text(encoding="utf-8")
    text = text.replace("torch.randn(4)", "torch.randn(4, generator=OWN)")
    head = "class Coins(torch.utils.data.IterableDataset):\n"
    told = f'OWN = torch.Generator()\n{seeded}\n\n\n{head}    content = "coins".upper\n\n'
    text = text.replace(head, told)
    (documented / "my_stream.py").write_text(text, encoding="utf-8")
    words = ["--config-dir", "my_conf", "data=coins", "batch_size=8", "epochs=2", "data.mean=[0,0,0,0]",
             "data.std=[1,1,1,1]", "checkpoint.every_steps=1", *SHORT]  # fmt: skip
    whole = api.run(words, folder=documented / "whole").folder
    assert "Coins gives another sample when it is read again, so a resume will be refused" in caplog.text
    for step in (11, 14):
        part = as_killed_at(whole, step, documented / f"part-{step}")
        for words in ([], ["epochs=3"]):
            with pytest.raises(UserError, match="none of the states .* does not give again the samples that epoch"):
                resume.resume(part, words)


def test_a_generator_of_its_own_that_is_seldom_asked_is_found_on_resume(documented: Path) -> None:
    """Not by the first sample, which is looked at before the run, but by the first batch."""
    text = (documented / "my_dataset.py").read_text(encoding="utf-8")
    text = text.replace("torch.randn(16)", "torch.randn(16, generator=OWN) * (index > 3)")
    text = text.replace("class Waves", "OWN = torch.Generator()\n\n\nclass Waves")
    text = text.replace("def __len__", 'content = "waves".upper\n\n    def __len__')
    (documented / "my_dataset.py").write_text(text, encoding="utf-8")
    words = ["--config-dir", "my_conf", "data=waves", "batch_size=8", "epochs=2", "checkpoint.every_steps=1", *SHORT]
    whole = api.run(words, folder=documented / "whole").folder
    for step in (10, 14):
        with pytest.raises(UserError, match="does not give again the samples that epoch [12] began with"):
            resume.resume(as_killed_at(whole, step, documented / f"part-{step}"), [])


def test_a_stream_that_tells_where_it_is_resumes_there(documented: Path) -> None:
    text = (documented / "my_stream.py").read_text(encoding="utf-8")
    told = "    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:\n        while True:\n"
    assert told in text
    counted = f"""    at = 0

    def state_dict(self):
        return {{"at": self.at}}

    def load_state_dict(self, state):
        self.at = state["at"]

{told}            self.at += 1
"""
    (documented / "my_stream.py").write_text(
        text.replace(told, counted).replace("torch.randn(4)", "torch.randn(4) + self.at"), encoding="utf-8"
    )
    words = ["--config-dir", "my_conf", "data=coins", "batch_size=8", "epochs=2", "log_steps=1", *SHORT]
    resumes_exactly(words, documented, steps=[3, 14])


def test_the_examples_are_all_run() -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8").partition("## Tasks")[0]
    text = text.partition("What a sample holds")[2]  # what is before belongs to tests/docs/test_readme.py
    modules = set(re.findall(r"^# (my_\w+)\.py$", text, re.MULTILINE))
    assert modules == {module for module in MODULES if module != "my_model"}


TAGGED = """\
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from dlexp.data.splits import Split, Splits

class Sentences(list):
    def read(self, rows):
        found = [torch.randn(self[row], 3, generator=torch.Generator().manual_seed(row)) for row in rows]
        tags = pad_sequence([(each[:, 0] > 0).long() for each in found], batch_first=True, padding_value=-1)
        lengths = torch.tensor([len(each) for each in found])
        return {"inputs": pad_sequence(found, batch_first=True), "lengths": lengths, "targets": tags}

def sentences() -> Splits:
    return Splits(train=Split(Sentences([2 + i % 7 + i // 64 for i in range(200)])), test=Split(Sentences([3, 5, 9])))

class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)
    def forward(self, inputs, lengths):
        packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.head(pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0]).movedim(2, 1)
"""


def test_lengths_can_be_packed(cli, workdir: Path) -> None:
    """Samples of unequal length through a recurrent net: before the run it is tried on lengths, not on zeros."""
    (workdir / "my_tagger.py").write_text(TAGGED, encoding="utf-8")
    for group, text in {"model": "_target_: my_tagger.Tagger\n", "data": SENTENCES}.items():
        (workdir / "mine" / group).mkdir(parents=True)
        (workdir / "mine" / group / "tags.yaml").write_text(text, encoding="utf-8")
    words = ["--config-dir", "mine", "allow=my_tagger", "data=tags", "model=tags", "task.ignore_index=-1", "epochs=1"]
    ended = cli(*words, *SHORT, "hydra.run.dir=run")
    assert ended.code == 0, ended


SENTENCES = f"""\
_target_: my_tagger.sentences
shape: [null, 3]
{FACTS}
fields:
  inputs: {{kind: plain, dtype: float32}}
  lengths: {{shape: [], dtype: int64, kind: plain}}
  targets: {{shape: [null], dtype: int64, kind: plain}}
"""
