"""data.labelled: the labels of some training samples, chosen class by class and by `split_seed` alone."""

import logging
from pathlib import Path

import pytest
import torch
from resuming import CNN
from small import divided

from dlexp import api
from dlexp.config.cell import cell
from dlexp.config.compose import compose
from dlexp.data.splits import Split, Splits
from dlexp.records.run_json import read_json

CLASSES = torch.arange(200) % 4


def made(**changes: object) -> Splits:
    whole = Split(torch.arange(200.0)[:, None], CLASSES.clone())
    return divided(Splits(train=whole, test=Split(torch.zeros(8, 1), torch.arange(8) % 4)), val_size=40, **changes)


def test_only_the_labelled_samples_train(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dlexp")
    found = made(labelled=20)
    assert found.train.targets.bincount().tolist() == [5, 5, 5, 5] and len(found.val or []) == 40
    assert "labels of 20 of 160 training samples (data.labelled); the others do not train" in caplog.text
    assert torch.equal(found.train.inputs, made(labelled=20).train.inputs)
    assert not torch.equal(found.train.inputs, made(labelled=20, split_seed=1).train.inputs)
    assert torch.equal((found.val or found.train).inputs, (made().val or found.train).inputs)


def test_others_are_of_the_class_that_counts_nowhere() -> None:
    found, whole = made(labelled=20, ignored=-1).train, made().train
    known = found.targets >= 0
    assert len(found) == 160 and int(known.sum()) == 20 and torch.equal(found.inputs, whole.inputs)
    assert torch.equal(found.targets[known], whole.targets[known])
    assert torch.equal(found.inputs[known], made(labelled=20).train.inputs)


def test_what_needs_no_labels_learns_from_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dlexp")
    assert len(made(labelled=20, is_supervised=False).train) == 160
    assert "the task needs none, so all of these train" in caplog.text
    assert len(made(labelled=1000).train) == 160 and "labels of 160 of 160 training samples" in caplog.text


def test_numbers_are_drawn_at_random() -> None:
    values = Split(torch.arange(50.0)[:, None], torch.rand(50, 1))
    found = divided(Splits(train=values, test=None), val_size=0, labelled=10)
    assert len(found.train) == 10 and len(set(found.train.inputs.flatten().tolist())) == 10


def test_it_is_a_part_of_the_experiment() -> None:
    one, other, same = (compose([f"data.labelled={each}"]).config for each in ("100", "200", "null"))
    assert cell(one) != cell(other) and cell(same) == cell(compose([]).config)


def test_a_method_learns_from_those_without(tmp_path: Path) -> None:
    """All samples train, and the figures are of those whose class is known."""
    words = [*CNN, "epochs=1", "method=mean_teacher", "data.labelled=30", "task.ignore_index=-1"]
    result = api.run(words, folder=tmp_path / "run")
    facts = read_json(result.folder / "data.json")
    assert facts["labelled"] == 30 and sum(facts["class_counts"]["train"].values()) == 30
    told = (result.folder / "log.txt").read_text(encoding="utf-8")
    assert facts["sizes"]["train"] == 108 and "labels of 30 of 108" in told
