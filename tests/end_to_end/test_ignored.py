"""Answers that count nowhere: in the loss, in metrics, in pictures, in sampling, and how they are named."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from small import divided
from test_resume import folder_of_images
from torch import Tensor

from dlexp import api
from dlexp.config.build import build_task
from dlexp.config.compose import compose
from dlexp.data.fields import hold_to_classes
from dlexp.data.splits import Split, Splits
from dlexp.data.stream.stored import Stored
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble
from dlexp.records import run_json

UNKNOWN = """
import torch
from dlexp.data.splits import Split, Splits

def unknown(*, number: int, every: int, image: bool, tests_unknown: bool) -> Splits:
    x = torch.randn(90, 2, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    y[torch.arange(90) % every > 0] = number
    if image:
        x = (x[:, :1, None, None].sigmoid() * 255).expand(90, 3, 8, 8).to(torch.uint8).contiguous()
    return Splits(train=Split(x, y), test=Split(x, torch.full_like(y, number) if tests_unknown else y))
"""
OPTION = """
_target_: my_ignored.unknown
number: 255
every: 6
image: false
tests_unknown: false
shape: [2]
num_outputs: 2
class_names: null
mean: null
std: null
"""
CRITERION = """
import torch
from torch import nn

class MeanOfKnown(nn.Module):  # as one writes it who does not think of a batch without any
    def forward(self, outputs, targets):
        kept = targets >= 0
        right = outputs.log_softmax(1).gather(1, targets.clamp(min=0)[:, None])[:, 0]
        return -(right * kept).sum() / kept.sum()
"""
SHORT = ["epochs=2", "threads=1", "pictures=false"]
WORDS = ["--config-dir", "my_options", "data=unknown", "task.ignore_index=255", *SHORT]


@pytest.fixture
def own(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a data set of which five in six answers are unknown, and a criterion."""
    (workdir / "my_ignored.py").write_text(UNKNOWN + CRITERION, encoding="utf-8")
    for group in ("data", "criterion"):
        (workdir / "my_options" / group).mkdir(parents=True)
    (workdir / "my_options" / "data" / "unknown.yaml").write_text(OPTION, encoding="utf-8")
    for name in ("torch.nn.CrossEntropyLoss", "my_ignored.MeanOfKnown"):
        (workdir / "my_options" / "criterion" / f"{name}.yaml").write_text(f"_target_: {name}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "my_ignored")
    return workdir


CRITERIA = [
    ["criterion=cross_entropy"],
    ["criterion=cross_entropy", "criterion.weight=[0.001,0.002]"],
    ["criterion=nll"],
    ["criterion=hinge"],
    ["criterion=torch.nn.CrossEntropyLoss"],
    ["criterion=my_ignored.MeanOfKnown"],
]


@pytest.mark.parametrize(
    "more", [pytest.param(["accumulate=1"], marks=pytest.mark.slow), ["accumulate=3"], ["method=sam"]], ids=str
)
@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_batches_in_which_nothing_counts_add_nothing(criterion: list[str], more: list[str], own: Path) -> None:
    metric = "metric=accuracy" if criterion == ["criterion=hinge"] else "metric=[nll,accuracy]"
    words = [*WORDS, *criterion, *more, "batch_size=3", "log_steps=1", metric]
    result = api.run(words, folder=own / "run")
    assert all(math.isfinite(value) for row in result.history for value in row.values() if isinstance(value, float))
    assert result.metrics["test/accuracy"] > 0.6


@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_a_loss_of_nothing_is_0_and_has_no_gradients(criterion: list[str], own: Path) -> None:
    task = build_task(compose([*WORDS, *criterion]).config)
    outputs = torch.randn(4, 2, requires_grad=True)
    loss = task.loss(outputs, {"targets": torch.full((4,), 255)})
    loss.backward()
    assert loss == 0 and outputs.grad is not None and not outputs.grad.any()


def test_an_accumulated_mean_is_over_weights_however_small_they_are(own: Path) -> None:
    """One step of a batch, and of three: the same."""
    words = [
        *WORDS,
        "data.every=1",
        "criterion.weight=[0.001,0.002]",
        "optimizer=sgd",
        "max_steps=1",
        "data.val_size=0",
    ]
    one = api.run([*words, "batch_size=90"], folder=own / "one").metrics
    several = api.run([*words, "batch_size=30", "accumulate=3"], folder=own / "several").metrics
    assert several["test/loss"] == pytest.approx(one["test/loss"], rel=1e-5)


def table(folder: Path, labels: list[Any]) -> list[str]:
    """Writes a table of such labels; returns the words of a run on it."""
    rows = [f"{index % 7},{len(str(label))},{label}" for index, label in enumerate(labels * 30)]
    (folder / "table.csv").write_text("\n".join(["a,b,label", *rows]), encoding="utf-8")
    return ["data=arrays", "data.file=table.csv", *SHORT]


@pytest.mark.parametrize(
    ("labels", "named", "number"),
    [([3, 7, 255], 255, 2), ([0, 1, 2], 0, 0), (["cat", "dog", "void"], "void", 2), (["b", "a"], 0, 0), ([5, 6], 9, 9)],
)
def test_the_ignored_class_is_the_one_that_the_file_names_so(
    workdir: Path, caplog: pytest.LogCaptureFixture, labels: list[Any], named: Any, number: int
) -> None:
    caplog.set_level("INFO", logger="dlexp")
    words = [*table(workdir, labels), f"task.ignore_index={named}"]
    assert build_task(compose(words).config).ignore_index == number
    shares = run_json.read_json(api.run(words, folder="run").folder / "results.json")["per_class_accuracy"]
    ignored = {name for name, share in shares.items() if share is None}
    assert ignored == ({str(sorted(labels)[number])} if number < len(labels) else set())
    assert all(f"the class {name} (number {number}) counts nowhere" in caplog.text for name in ignored)
    assert ("task.ignore_index names 9, and no answer of the train split is that" in caplog.text) == (named == 9)


@pytest.mark.parametrize(
    ("labels", "named", "sentence"),
    [
        ([3, 7, 255], 1, "task.ignore_index=1 is no class of this data. It has 3, 7, 255"),
        (["cat", "dog", "void"], "viod", "task.ignore_index=viod is no class of this data. Did you mean 'void'?"),
    ],
)
def test_a_number_that_would_mean_another_class_is_refused(
    workdir: Path, labels: list[Any], named: Any, sentence: str
) -> None:
    with pytest.raises(UserError) as error:
        api.run([*table(workdir, labels), f"task.ignore_index={named}"], folder="run")
    assert sentence in str(error.value) and not (workdir / "run").exists()


def test_a_folder_of_images_is_named_so_too(workdir: Path) -> None:
    words = [*folder_of_images(workdir / "images"), "epochs=1"]
    names = compose(words).config["data"]["class_names"]
    assert build_task(compose([*words, f"task.ignore_index={names[1]}"]).config).ignore_index == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [255, pytest.param(-1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("image", [False, True])
def test_pictures_leave_out_what_is_ignored(own: Path, number: int, image: bool) -> None:
    words = [*WORDS, f"data.number={number}", f"task.ignore_index={number}", "epochs=1", "pictures=true"]
    if number == 2:
        words += ["data.num_outputs=3", "data.class_names=[no,yes,unknown]"]
    else:
        words.append("data.class_names=[no,yes]")
    if image:
        words += ["data.image=true", "data.shape=[3,8,8]", "model=cnn", "model.widths=[4]"]
    folder = api.run(words, folder=own / "run").folder
    assert (folder / "plots" / f"{'mistakes' if image else 'decision_regions'}.png").is_file()


def test_robust_accuracy_is_that_of_what_counts(own: Path) -> None:
    words = [*WORDS, "data.image=true", "data.shape=[3,8,8]", "model=cnn", "model.widths=[4]", "method=adversarial"]
    found = api.run([*words, "method.size=1e-6", "method.step_size=1e-6"], folder=own / "run").metrics
    assert found["test/robust_accuracy"] == found["test/accuracy"] > 0.4


def test_mistakes_are_those_of_what_counts() -> None:
    from dlexp.pictures import mistakes

    targets, answers = torch.tensor([0, -100, 1, -100]), torch.tensor([0, 1, 0, 0])
    figure = mistakes(torch.zeros(4, 3, 4, 4), targets, answers, torch.ones(4), ["a", "b"], are_shares=True)
    assert "1 of 2 wrong" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize("number", [255, -1])
def test_balanced_sampling_draws_no_ignored_answer(number: int) -> None:
    targets = torch.tensor([0] * 6 + [1] * 2 + [number] * 4)
    split = Split(torch.zeros(12, 2), targets)
    weights = divided(Splits(split, None), val_size=0, sampling="balanced", ignored=number).train.weights
    assert weights is not None and weights[8:].tolist() == [0] * 4
    assert float(weights[:6].sum()) == pytest.approx(float(weights[6:8].sum())) != 0
    with pytest.raises(UserError, match="weights of all training samples are 0"):
        divided(Splits(Split(torch.zeros(2, 2), targets[-2:]), None), val_size=0, sampling="balanced", ignored=number)


def test_a_run_draws_balanced_without_them(own: Path) -> None:
    run = assemble(compose([*WORDS, "data.sampling=balanced", "batch_size=60"]).config)
    assert 255 not in next(run.train.epoch(0))["targets"]


def test_a_split_in_which_nothing_counts_is_refused(own: Path) -> None:
    with pytest.raises(UserError, match="no answer of the test split counts: all of them are what task.ignore_index"):
        api.run([*WORDS, "data.every=1", "data.tests_unknown=true"], folder="run")


class Masks:
    """Masks of 2×2 pixels, one of the last of which has a class too many; they differ in size in pairs."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __len__(self) -> int:
        return 100

    def read(self, rows: Any) -> Tensor:
        self.seen += (rows := list(map(int, rows)))
        found = torch.zeros(len(rows), max(2 + row // 50 for row in rows), 2, dtype=torch.int64)
        found[torch.tensor(rows) == 97] = 7
        return found


def test_stored_class_numbers_are_looked_at_when_they_are_read() -> None:
    masks = Masks()
    split = Split(torch.zeros(100, 1), masks)
    masks.seen.clear()
    hold_to_classes(split, 3, None, "train")
    assert 0 < len(set(masks.seen)) <= 16
    column = split.take(torch.arange(90, 100)).fields["targets"]
    assert isinstance(column, Stored)
    with pytest.raises(UserError, match="data.num_outputs=3, but the classes of the train split are numbered 0 to 7"):
        column[torch.arange(10)]
    assert column[torch.tensor([0, 1])].shape == (2, 3, 2)


TAGS = """
import torch
from torch import nn
from dlexp.data.splits import Split, Splits

class Words:
    def __len__(self):
        return 40
    def read(self, rows):
        longest = max(2 + int(row) % 5 for row in rows)
        tokens = torch.zeros(len(rows), longest, dtype=torch.int64)
        for place, row in enumerate(map(int, rows)):
            tokens[place, : 2 + row % 5] = 1 + torch.arange(2 + row % 5) % 3
        return {"inputs": tokens, "targets": torch.where(tokens > 0, tokens % 2, 9)}

def words() -> Splits:
    return Splits(train=Split(Words()), test=Split(Words()))

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(4, 2)
    def forward(self, tokens):
        return self.table(tokens).movedim(2, 1)
"""


def test_samples_of_unequal_length_with_a_class_for_each_place(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workdir / "my_tags.py").write_text(TAGS, encoding="utf-8")
    for group, text in (
        ("model", "_target_: my_tags.Tagger\n"),
        ("data", "_target_: my_tags.words\nshape: [null]\nnum_outputs: 2\nclass_names: null\nmean: null\nstd: null\n"
                 "fields: {inputs: {kind: plain, dtype: int64}, targets: {shape: [null]}}\n"),
    ):  # fmt: skip
        (workdir / "my_options" / group).mkdir(parents=True)
        (workdir / "my_options" / group / "tags.yaml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "my_tags")
    words = ["--config-dir", "my_options", "data=tags", "model=tags", "batch_size=4", "optimizer=adam", "threads=1"]
    with pytest.raises(UserError, match="the classes of the train split are numbered 0 to 9"):
        api.run(words, folder="refused")
    result = api.run([*words, "task.ignore_index=9", "epochs=9", "optimizer.lr=0.1"], folder="run")
    assert result.metrics["test/accuracy"] == 1
