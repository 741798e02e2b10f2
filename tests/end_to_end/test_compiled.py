"""`compile=true` with every kind of task, and what sees the batch or the moment: one graph, and the same numbers."""

from pathlib import Path

import pytest
import torch
from conftest import COMPILES
from resuming import SHORT
from torch import Tensor

from dlexp import api
from dlexp.batch import Batch
from dlexp.errors import UserError
from dlexp.metrics.classes import Accuracy

pytestmark = [pytest.mark.slow, COMPILES]

OWN = """
import torch
from torch import nn
from dlexp.data.splits import Split, Splits
from dlexp.methods.method import Method, Outcome
from dlexp.metric import Metric
from dlexp.tasks.classification import Classification
from dlexp.tasks.task import Task

def unknown() -> Splits:
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    y = torch.where(x[:, 1] > 1, 255, (x[:, 0] > 0).long())
    y[:20] = 255
    return Splits(train=Split(x, y), test=Split(x, y))

def pictures() -> Splits:
    x = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Splits(train=Split(x, x / 255), test=Split(x, x / 255))

class Both(Task):  # all outputs, and the inputs besides
    metric, metrics, targets = "gap", {"gap": Metric(unit="", higher_is_better=False)}, "classes"
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
    def loss(self, outputs, batch):
        return self.criterion(outputs * self.scale, batch["targets"]) + 0.1 * (batch["inputs"].mean() * outputs.mean())
    def measure(self, outputs, batch):
        return {"gap": outputs.amax(1).sum()}

class Later(nn.Module):  # sees the moment
    def __init__(self):
        super().__init__()
    def forward(self, outputs, targets, moment):
        return nn.functional.cross_entropy(outputs, targets) * (1 + moment.progress) + 0.01 * moment.step

class Twice(Method):
    def loss(self, task, model, batch, moment):
        outputs = task.predict(model, batch)
        other = task.predict(model, {**batch, "inputs": batch["inputs"] * 0.5})
        loss = task.loss(outputs, batch) + moment.progress * (outputs - other).square().mean()
        return Outcome(loss, outputs, weight=task.weight(outputs, batch))

class Waits(nn.Module):  # what no graph can hold
    def __init__(self):
        super().__init__()
    def forward(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets) * (2 if outputs.sum().item() > 0 else 1)
"""
OPTIONS = {
    "data/unknown": "_target_: my_compiled.unknown\nshape: [5]\nnum_outputs: 2\n"
    "class_names: null\nmean: null\nstd: null",
    "data/pictures": "_target_: my_compiled.pictures\nshape: [3,8,8]\nnum_outputs: 3\n"
    "class_names: null\nmean: null\nstd: null\nfields: {targets: {shape: [3,8,8]}}",
    "task/both": "_target_: my_compiled.Both\ntargets: classes",
    "criterion/later": "_target_: my_compiled.Later",
    "criterion/waits": "_target_: my_compiled.Waits",
    "method/twice": "_target_: my_compiled.Twice",
}
FAKE = ["data=fake", "data.num_samples=50", "data.num_test_samples=20", "data.num_outputs=3", "batch_size=8"]
TABLE = [*FAKE, "data.shape=[5]", "model=mlp", "model.dropout=0"]
IMAGES = [*FAKE, "data.shape=[3,8,8]", "model=unet", "model.widths=[4,8]"]
UNKNOWN = ["data=unknown", "model=mlp", "model.dropout=0", "batch_size=8", "task.ignore_index=255"]
KINDS = {
    "segmentation": [*IMAGES, "task=segmentation"],
    "dice": [*IMAGES, "task=segmentation", "criterion=cross_entropy_dice", "task.ignore_index=0"],
    "language": ["data=text", "data.file=text.txt", "data.length=8", "task=language", "model=transformer",
                 "model.width=8", "model.depth=1", "model.dropout=0", "batch_size=8"],
    "multi_label": [*TABLE, "task=multi_label", "criterion=bce"],
    "values": [*TABLE, "task=regression", "criterion=mse"],
    "images": ["data=pictures", *IMAGES[-2:], "batch_size=8", "task=regression", "criterion=mse"],
    "weights": [*TABLE, "criterion.weight=[1,2,0.5]", "accumulate=2"],
    "ignored": [*UNKNOWN, "batch_size=4"],
    "ignored, accumulated": [*UNKNOWN, "criterion.weight=[1,2]", "accumulate=2"],
    "own task": [*TABLE, "task=both"],
    "moment": [*TABLE, "criterion=later"],
    "own method": [*UNKNOWN, "method=twice"],
    "metrics": [*TABLE, "metric=[accuracy,balanced_accuracy,brier,ece,macro_f1,micro_f1,nll,precision,recall]"],
    "torchmetrics": [*TABLE, "metric=torchmetrics", "metric.torchmetrics.name=MulticlassF1Score"],
}  # fmt: skip


@pytest.fixture
def own(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that is one's own, and a text."""
    (workdir / "my_compiled.py").write_text(OWN, encoding="utf-8")
    (workdir / "text.txt").write_text("the cat sat on the mat. " * 30, encoding="utf-8")
    for name, text in OPTIONS.items():
        file = workdir / "my_options" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "my_compiled")
    return workdir


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_one_graph_with_the_numbers_of_the_plain_run(kind: str, own: Path) -> None:
    from torch._dynamo.utils import counters

    if kind == "torchmetrics":
        pytest.importorskip(kind)
    words = ["--config-dir", "my_options", *KINDS[kind], "epochs=2", *SHORT]
    plain = api.run(words, folder=own / "plain").metrics
    counters.clear()
    compiled = api.run([*words, "compile=true"], folder=own / "compiled").metrics
    assert counters["stats"]["unique_graphs"] == 1, "no step but the first compiles"
    assert compiled == pytest.approx(plain, rel=2e-3, abs=1e-5)


def test_what_the_compiler_can_not_take_is_a_sentence(own: Path) -> None:
    words = ["--config-dir", "my_options", *TABLE, "criterion=waits", "epochs=1", "compile=true", *SHORT]
    with pytest.raises(UserError, match="compile=true can't compile this model") as error:
        api.run(words, folder=own / "run")
    assert "\n" not in str(error.value)
    torch.compiler.reset()


def test_a_metric_that_the_compiler_can_not_take_stays_beside_the_graph(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*TABLE, "epochs=2", *SHORT]
    plain = api.run(words, folder=own / "plain").metrics

    def waits(self: Accuracy, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        right = (outputs.argmax(1) == batch["targets"]).sum()
        return {"right": right if right.item() > 0 else right.new_zeros(())}

    monkeypatch.setattr(Accuracy, "sums", waits)
    monkeypatch.setattr(Accuracy, "conclude", lambda self, sums, count: float(sums["right"]) / count)
    compiled = api.run([*words, "compile=true"], folder=own / "compiled").metrics
    assert compiled == pytest.approx(plain, rel=2e-3, abs=1e-5)
