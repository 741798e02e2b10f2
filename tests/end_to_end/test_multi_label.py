"""Any number of labels a sample, from words to a run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from resuming import resumes_exactly
from torch import nn

from dlexp import api
from dlexp.config.build import load_data
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.criteria.bce import BCE
from dlexp.data.splits import Split
from dlexp.errors import UserError
from dlexp.records import run_json
from dlexp.tasks.multi_label import MultiLabel

WORDS = ["data=fake", "task=multi_label", "criterion=bce", "data.shape=[12]", "data.num_outputs=4", "data.noise=0.5",
         "data.num_samples=256", "data.num_test_samples=64", "batch_size=16", "optimizer=adam", "optimizer.lr=0.01",
         "threads=1"]  # fmt: skip


def test_labels_are_learnt_and_told_by_name(workdir: Path) -> None:
    result = api.run([*WORDS, "epochs=10"], folder=workdir / "run")
    assert result.metrics["test/macro_f1"] > 0.8 and result.metrics["test/subset_accuracy"] > 0.4
    labels = run_json.read_json(result.folder / "results.json")["per_label"]
    assert list(labels) == [f"class {number}" for number in range(4)]
    mean = sum(label["f1"] for label in labels.values()) / 4
    assert mean == pytest.approx(result.metrics["test/macro_f1"])
    assert (result.folder / "plots" / "per_label_f1.png").is_file()
    test = load_data(compose(WORDS).config["data"]).test
    right = ((api.load(result.folder)(test.inputs) > 0) == test.targets.bool()).all(dim=1)
    assert float(right.float().mean()) == result.metrics["test/subset_accuracy"]


def test_it_goes_on_in_the_middle_of_an_epoch(every_state_is_kept: None, workdir: Path) -> None:
    words = [*WORDS, "metric=[micro_f1,auc,average_precision]", "criterion.pos_weight=[1,2,1,1]", "augment=mixup"]
    resumes_exactly([*words, "epochs=2", "pictures=false"], workdir, steps=[5, 18])


def test_a_label_that_nobody_has(workdir: Path) -> None:
    task = MultiLabel(class_names=["cat", "dog"], num_outputs=2, targets="labels")
    outputs, targets = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    found = task.summary(outputs, Split(outputs, targets))["per_label"]
    assert found == {"cat": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}, "dog": None}
    assert set(task.figures(outputs, Split(outputs, targets), lambda batch: outputs)) == {"per_label_f1"}


def test_the_loss_is_that_of_torch() -> None:
    outputs, targets = torch.randn(8, 3), torch.randint(0, 2, (8, 3)).float()
    theirs = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(BCE(pos_weight=[1, 2, 3])(outputs, targets), theirs(outputs, targets))
    assert BCE(pos_weight=None)(outputs.bfloat16(), targets).dtype == torch.float32


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["criterion=cross_entropy"], "criterion=cross_entropy wants scores of classes"),
        (["criterion.pos_weight=[1]"], "criterion.pos_weight lists 1 weights for 4 labels"),
        (["task=classification"], "takes one score a sample, which tells two classes apart, and the data has 4"),
        (["metric=ece"], "metric=ece measures classes, and task dlexp.tasks.multi_label.MultiLabel learns labels"),
        (["data.class_names=[a]"], "data.class_names lists 1 names but data.num_outputs is 4"),
    ],
)
def test_what_does_not_go_is_a_sentence(words: list[str], sentence: str) -> None:
    typed: dict[str, Any] = {word.partition("=")[0]: word for word in [*WORDS, *words]}
    with pytest.raises(UserError) as error:
        check(compose(list(typed.values())).config)
    assert sentence in str(error.value), error.value
