"""Answers that count nowhere: in the loss, in metrics, in pictures, in sampling, and how they are named."""

import math
from pathlib import Path

import pytest
import torch

from dlexp import api
from dlexp.config.build import build_task
from dlexp.config.compose import compose

UNKNOWN = """
import torch
from dlexp.data.splits import Split, Splits

def unknown(*, number: int, every: int, image: bool) -> Splits:
    x = torch.randn(90, 2, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    y[torch.arange(90) % every > 0] = number
    if image:
        x = (x[:, :1, None, None].sigmoid() * 255).expand(90, 3, 8, 8).to(torch.uint8).contiguous()
    return Splits(train=Split(x, y), test=Split(x, y))
"""
OPTION = """
_target_: my_unknown.unknown
number: 255
every: 6
image: false
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
    (workdir / "my_unknown.py").write_text(UNKNOWN + CRITERION, encoding="utf-8")
    for group in ("data", "criterion"):
        (workdir / "my_options" / group).mkdir(parents=True)
    (workdir / "my_options" / "data" / "unknown.yaml").write_text(OPTION, encoding="utf-8")
    for name in ("torch.nn.CrossEntropyLoss", "my_unknown.MeanOfKnown"):
        (workdir / "my_options" / "criterion" / f"{name}.yaml").write_text(f"_target_: {name}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "my_unknown")
    return workdir


CRITERIA = [
    ["criterion=cross_entropy"],
    ["criterion=cross_entropy", "criterion.weight=[0.001,0.002]"],
    ["criterion=nll"],
    ["criterion=hinge"],
    ["criterion=torch.nn.CrossEntropyLoss"],
    ["criterion=my_unknown.MeanOfKnown"],
]


@pytest.mark.parametrize("more", [["accumulate=1"], ["accumulate=3"], ["method=sam"]], ids=str)
@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_batches_in_which_nothing_counts_add_nothing(criterion: list[str], more: list[str], own: Path) -> None:
    words = [*WORDS, *criterion, *more, "batch_size=3", "log_steps=1", "metric=[nll,accuracy]"]
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
