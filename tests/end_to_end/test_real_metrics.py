"""Metrics of a short run on the real MNIST, held against scikit-learn and ten lines about the saved model's outputs."""

from pathlib import Path

import pytest
from sklearn.metrics import f1_score, roc_auc_score

from dlexp import api
from dlexp.config.build import load_data
from dlexp.config.compose import compose
from dlexp.errors import UserError

WORDS = ["data=mnist", "data.download=false", "model=mlp", "epochs=1", "batch_size=64", "pictures=false"]


@pytest.mark.slow
def test_a_run_on_mnist_measures_what_others_compute(workdir: Path, data_root: Path) -> None:
    try:
        test = load_data(compose(WORDS).config["data"]).test
    except UserError as error:
        pytest.skip(str(error))
    words = [*WORDS, "data.limit=10000", "metric=[macro_f1,ece,auc]", "precision=float32"]
    result = api.run(words, folder=workdir / "run")
    outputs = api.load(result.folder)(test.inputs)
    confidence, answers = outputs.softmax(dim=1).max(dim=1)
    assert result.metrics["test/macro_f1"] == pytest.approx(f1_score(test.targets, answers, average="macro"), abs=1e-6)
    auc = roc_auc_score(test.targets, outputs.double().softmax(dim=1), multi_class="ovr")
    assert result.metrics["test/auc"] == pytest.approx(auc, abs=1e-3)
    error = 0.0
    for edge in range(15):
        inside = (confidence > edge / 15) & (confidence <= (edge + 1) / 15)
        right = (answers == test.targets)[inside].double().sum()
        error += float((right - confidence[inside].double().sum()).abs()) / len(answers)
    assert result.metrics["test/ece"] == pytest.approx(error, abs=1e-5)
    assert 0.8 < result.metrics["test/macro_f1"] < 1 and error > 0
