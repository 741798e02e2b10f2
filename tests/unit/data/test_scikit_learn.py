"""The sets of scikit-learn: what the YAML states is what the package holds, and without it there is a sentence."""

import sys

import pytest
import torch
from sklearn import datasets

from dlexp.config.build import load_data
from dlexp.config.compose import compose
from dlexp.data.scikit_learn import SETS, scikit_learn
from dlexp.errors import UserError


@pytest.mark.parametrize("name", SETS)
def test_the_sets_are_those_of_the_package(name: str) -> None:
    config = compose([f"data={name}"]).config
    node, splits, found = config["data"], load_data(config["data"]), getattr(datasets, f"load_{name}")()
    assert len(splits.train) + len(splits.test) == len(found.target) and splits.divided_by == ("data.test_size",)
    assert list(splits.train.inputs.shape[1:]) == node["shape"] and splits.train.inputs.dtype == torch.float32
    targets = torch.cat([splits.train.targets, splits.test.targets])
    if name == "diabetes":
        assert (config["task"]["targets"], targets.shape) == ("values", (442, 1))
        assert splits.train.inputs[:, 0].mean() > 40, "the age in years, not what the package scales by all patients"
    else:
        assert targets.bincount().tolist() == torch.from_numpy(found.target).bincount().tolist()
        assert node["class_names"] == [str(each) for each in found.target_names]
        shares = [part.targets.bincount() / len(part) for part in (splits.train, splits.test)]
        assert torch.allclose(*shares, atol=0.03), "each class has its part of the test split"
    assert splits.feature_names == (None if name == "digits" else list(found.feature_names))
    assert scikit_learn(name=name, test_size=0, split_seed=0).test is None


def test_without_the_package_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.datasets", raising=False)
    with pytest.raises(UserError, match=r"^data=iris is part of scikit-learn: pip install scikit-learn"):
        scikit_learn(name="iris", test_size=0.2, split_seed=0)
