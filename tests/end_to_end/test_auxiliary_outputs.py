"""A model with auxiliary outputs under each method, resumed and loaded; test_extending.py has plain training."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import COMPILES, Ended
from resuming import SHORT, resumes_exactly
from small import batch_of, task_with

import dlexp
from dlexp import api
from dlexp.methods.contrastive import Contrastive
from dlexp.methods.method import Moment, Start

OWN = """
from torch import nn
from dlexp.models.auxiliary import Auxiliary

class Deep(nn.Module):
    def __init__(self, *, shape, num_outputs, others, weights):
        super().__init__()
        self.first, self.output = nn.Sequential(nn.Linear(shape[0], 16), nn.Tanh()), nn.Linear(16, num_outputs)
        self.early, self.weights = nn.Linear(16, others), tuple(weights)

    def forward(self, inputs):
        hidden = self.first(inputs)
        return Auxiliary(self.output(hidden), (self.early(hidden),), self.weights)
"""
NODE = "_target_: deep_net.Deep\nshape: ${data.shape}\nnum_outputs: ${data.num_outputs}\nothers: 3\nweights: [0.3]\n"
WORDS = ["--config-dir", "own", "model=deep", "data.points_per_class=40", "batch_size=16", "epochs=2", *SHORT]


@pytest.fixture(autouse=True)
def own(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (workdir / "own" / "model").mkdir(parents=True)
    (workdir / "own" / "model" / "deep.yaml").write_text(NODE, encoding="utf-8")
    (workdir / "deep_net.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "deep_net")
    yield
    sys.modules.pop("deep_net", None)


@pytest.mark.parametrize("method", ["sam", "mean_teacher", "distillation", "pruning"])
def test_methods_go_on_from_within_an_epoch(method: str, workdir: Path, every_state_is_kept: None) -> None:
    words = [*WORDS, f"method={method}", "method.rounds=2"][: None if method == "pruning" else -1]
    if method == "distillation":
        api.run(WORDS, folder=workdir / "teacher")
        words += ["method.teacher=teacher"]
    resumes_exactly(words, workdir, (5,))
    model = api.load(workdir / "whole")
    assert isinstance(model(torch.zeros(2, 2)), torch.Tensor)


@pytest.mark.slow
def test_googlenet_goes_on_with_its_two(workdir: Path, every_state_is_kept: None) -> None:
    words = ["model=googlenet", "model.auxiliary=true", "data=fake", "data.shape=[3,16,16]", "data.num_samples=40"]
    resumes_exactly([*words, "data.num_test_samples=8", "batch_size=8", "epochs=2", *SHORT], workdir, (3,))
    assert api.load(workdir / "whole")(torch.zeros(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["model.others=4"], "model Deep returns as auxiliary output 1 outputs of shape N×4, but .* asks for N×3"),
        (["model.weights=[]"], "model Deep returns 1 auxiliary outputs with 0 weights"),
        (["model.weights=[0.3,0.3]"], "model Deep returns 1 auxiliary outputs with 2 weights"),
    ],
)
def test_misfits_are_told_before_a_run(words: list[str], sentence: str, workdir: Path) -> None:
    with pytest.raises(api.UserError, match=sentence):
        api.run([*WORDS, *words])
    assert not (workdir / "outputs").exists()


def test_the_weight_counts_in_training_alone(workdir: Path) -> None:
    first = ["max_steps=1", "log_steps=1", "optimizer.lr=1e-12"]
    without, with_it = (api.run([*WORDS, *first, f"model.weights=[{weight}]"]).metrics for weight in (0.0, 1.0))
    assert with_it["train/loss"] > 1.5 * without["train/loss"]
    assert with_it["val/loss"] == pytest.approx(without["val/loss"], abs=1e-6)


@pytest.mark.parametrize("criterion", [["bce"], ["hinge", "criterion.outputs=1"]])
def test_one_score_of_two_classes_has_auxiliary_ones(criterion: list[str], workdir: Path) -> None:
    words = [*WORDS, "data=blobs", "data.spread=1.0", "model.others=1", f"criterion={criterion[0]}", *criterion[1:]]
    first = ["max_steps=1", "log_steps=1", "optimizer.lr=1e-12"]
    without, with_it = (api.run([*words, *first, f"model.weights=[{weight}]"]).metrics for weight in (0.0, 1.0))
    assert with_it["train/loss"] > 1.5 * without["train/loss"]
    assert with_it["val/loss"] == pytest.approx(without["val/loss"], abs=1e-6)
    result = api.run([*words, "optimizer.lr=0.1"], folder=workdir / "run")
    assert result.metrics["test/accuracy"] > 0.9
    assert api.load(result.folder)(torch.zeros(2, 2)).shape == (2, 2)


def test_a_contrastive_method_leaves_targets_to_the_last_layer(workdir: Path) -> None:
    from deep_net import Deep  # type: ignore[import-not-found]

    model, method = Deep(shape=[2], num_outputs=2, others=2, weights=[0.3]), Contrastive(temperature=0.5, dimension=4)
    task, batch = task_with(torch.nn.CrossEntropyLoss()), batch_of(torch.randn(8, 2), torch.arange(8) % 2)
    method.setup(Start(model, task, lambda folder: model, {}, 10))
    with pytest.raises(api.UserError, match="auxiliary outputs of this model learn from them there; leave them out"):
        method.loss(task, model, batch, Moment.beginning())


@pytest.mark.slow
@COMPILES
def test_it_compiles(workdir: Path) -> None:
    plain, compiled = (api.run([*WORDS, f"compile={on}"]).metrics for on in ("false", "true"))
    assert compiled["train/loss"] == pytest.approx(plain["train/loss"], rel=1e-4)


@pytest.mark.slow
def test_their_weights_are_swept(cli: Callable[..., Ended], workdir: Path) -> None:
    ended = cli("-m", *WORDS, "model.weights=[0.1],[0.9]", "hydra.sweep.dir=sweep")
    assert ended.code == 0 and "2 jobs" in ended.out, ended
    runs = dlexp.runs("sweep")
    assert [each["model.weights"] for each in runs] == [[0.1], [0.9]]
    assert len({each["test/loss"] for each in runs}) == 2, "each is of its own training"
