"""Regressions of a person's own numbers: learnt standardised, and measured, drawn and handed out in their own units."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from resuming import resumes_exactly
from torch import Tensor, nn

from dlexp import api
from dlexp.config.cell import cell
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble
from dlexp.experiment.target_units import _bound

SHORT = ["pictures=false", "threads=1", "precision=float32"]
TABLE = ["data=arrays", "data.file=table.npz", "task=regression", "criterion=mse", "batch_size=16", *SHORT]
SLOPES = np.array([0.6, -0.5, 0.4, 0.3, -0.2])


def table(place: Path, centre: float = 200_000.0, spread: float = 80_000.0, count: int = 300, **others: Any) -> Any:
    """Writes a table of five features, and targets around the centre; returns both as float64."""
    random = np.random.default_rng(0)
    x = random.normal(size=(count, 5))
    y = centre + spread * (x @ SLOPES + 0.05 * random.normal(size=count))
    np.savez(place / "table.npz", x=x.astype(np.float32), y=others.get("y", y))
    return x, y


def results_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


def run(*words: str, folder: str = "run") -> Any:
    return api.run([*TABLE, *words], folder=folder)


def test_prices_are_learnt_and_told_in_their_own_unit(cli, workdir: Path) -> None:
    """README's own command: it ended with an infinite loss."""
    x, y = table(workdir)
    ended = cli(*TABLE, "hydra.run.dir=run")
    assert ended.code == 0, ended
    assert "targets are standardised (mean 195062, deviation 74119): the loss is of those" in ended.out
    found, metrics = (
        results_of(workdir / "run"),
        json.loads(Path("run/run.json").read_text(encoding="utf-8"))["metrics"],
    )
    assert found["r2"][0] > 0.9 and 2_000 < metrics["test/mae"] < 25_000 and metrics["test/loss"] < 0.1
    facts = json.loads(Path("run/data.json").read_text(encoding="utf-8"))["normalisation"]["targets"]
    guess, spread = facts["mean"][0], facts["std"][0]
    # What guessing the mean of the training samples gives, and what the run gives, by hand.
    tested = assemble(compose(TABLE).config).test
    assert tested is not None
    inputs, targets = tested.split.inputs, tested.split.targets.double()
    answers = api.load("run")(inputs).double()
    assert abs((answers - targets).abs().mean() - metrics["test/mae"]) < 1
    assert ((answers - targets) ** 2).mean().item() / spread**2 == pytest.approx(metrics["test/loss"], rel=1e-4)
    baseline = found["baseline"]
    assert baseline["mae"][0] == pytest.approx((targets - guess).abs().mean().item(), rel=1e-6)
    assert baseline["rmse"][0] == pytest.approx(((targets - guess) ** 2).mean().sqrt().item(), rel=1e-6)
    assert f"mae {baseline['mae'][0]:.0f}, rmse {baseline['rmse'][0]:.0f}" in ended.out
    assert f"R² {found['r2'][0]:.4f}, rmse {found['rmse'][0]:.0f}" in ended.out


def test_the_unit_of_the_targets_changes_nothing_but_the_unit(workdir: Path) -> None:
    found = {}
    for name, factor in (("euros", 1.0), ("cents", 100.0)):
        table(workdir, 200_000 * factor, 80_000 * factor)
        result = run("metric=[mae,rmse,r2]", folder=name)
        found[name] = result.metrics
    for key, factor in (("test/mae", 100), ("test/rmse", 100), ("test/r2", 1), ("test/loss", 1)):
        assert found["cents"][key] == pytest.approx(factor * found["euros"][key], rel=1e-3), key


def test_the_coefficients_are_those_of_the_data(workdir: Path) -> None:
    table(workdir)
    coefficients = results_of(run("model=linear", "epochs=60", "optimizer.lr=0.05").folder)["coefficients"]
    assert coefficients["w"] == pytest.approx(80_000 * SLOPES, abs=2_000)
    assert coefficients["b"] == pytest.approx(200_000, rel=0.01)


def test_numbers_far_from_0_keep_their_digits(workdir: Path) -> None:
    """Seconds since 1970: as float32 they are all the same one or two numbers."""
    x, y = table(workdir, 1_700_000_000.0, 30.0)
    result = run("optimizer=adam", "optimizer.lr=0.01", "metric=[mae,r2]", "epochs=20")
    assert result.metrics["test/r2"] > 0.9 and result.metrics["test/mae"] < 8
    assert results_of(result.folder)["r2"][0] == pytest.approx(result.metrics["test/r2"], abs=1e-6)
    answers = api.load(result.folder)(torch.from_numpy(x).float())
    assert answers.dtype == torch.float64 and (answers[:, 0] - torch.from_numpy(y)).abs().mean() < 8


def test_each_column_has_its_own_unit(workdir: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 5))
    y = np.stack([1e6 + 1e5 * x[:, 0], 0.001 * x[:, 1], -3 + x[:, 2]], axis=1)
    np.savez(workdir / "table.npz", x=x, y=y)
    found = results_of(run("optimizer=adam", "optimizer.lr=0.01", "epochs=20").folder)
    assert min(found["r2"]) > 0.9, found
    assert found["mae"][0] > 1_000 and found["mae"][1] < 0.001


def test_a_run_that_is_no_better_than_the_mean_says_so(cli, workdir: Path) -> None:
    table(workdir, y=np.random.default_rng(1).normal(50.0, 3.0, 300))
    ended = cli(*TABLE, "optimizer=adam", "optimizer.lr=0.05", "epochs=30", "hydra.run.dir=run")
    assert ended.code == 0 and "warning: the model is no better than guessing the mean" in ended.out


@pytest.mark.parametrize("words", [[], ["criterion=hinge"], ["model=linear"]])
def test_a_run_that_diverges_says_so_once_with_a_rate(cli, workdir: Path, words: Sequence[str]) -> None:
    """It ended with a test loss of 1.6e31, and not a word."""
    ended = cli("optimizer.lr=100", "epochs=4", "scheduler=constant", "data.points_per_class=100", *SHORT, *words)
    assert ended.code == 0 and ended.out.count("warning: the training diverges: it began with a loss of") == 1, ended
    assert "Try optimizer.lr=0.1" in ended.out and "nothing is being learnt" not in ended.out


def test_a_regression_that_diverges_says_so(cli, workdir: Path) -> None:
    """Gradient descent on all samples at once, below and above the rate at which it grows for ever."""
    table(workdir)
    words = [*TABLE, "model=linear", "optimizer.momentum=0", "optimizer.nesterov=false", "scheduler=constant"]
    for rate, diverges in ((0.15, 0), (1.5, 1)):
        ended = cli(*words, f"optimizer.lr={rate}", "batch_size=240", "data.val_size=0", "epochs=30")
        assert ended.code == 0 and ended.out.count("warning: the training diverges") == diverges, ended


@pytest.mark.parametrize("criterion", ["HuberLoss", "L1Loss", "SmoothL1Loss"])
def test_losses_of_differences_are_standardised_too(workdir: Path, own: Path, criterion: str) -> None:
    table(workdir)
    result = run("--config-dir", "own", f"criterion={criterion}", "optimizer=adam", "optimizer.lr=0.02", "epochs=20")
    assert results_of(result.folder)["r2"][0] > 0.9


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["criterion=PoissonNLLLoss"], "the loss asks for more than their difference from the outputs"),
        (["model=positive"], "the model ends in Relu"),
        (["model=shares"], "the model ends in Sigmoid"),
    ],
)
def test_what_another_unit_would_change_is_learnt_as_it_is(
    cli, workdir: Path, own: Path, words: Sequence[str], told: str
) -> None:
    table(workdir, 5.0, 1.0)
    ended = cli("--config-dir", "own", *TABLE, "epochs=1", "hydra.run.dir=run", *words)
    assert ended.code == 0 and told in ended.out, ended
    assert "targets" not in json.loads(Path("run/data.json").read_text(encoding="utf-8"))["normalisation"]
    insisted = cli("--config-dir", "own", *TABLE, "epochs=1", "hydra.run.dir=other", *words, "task.standardise=true")
    assert "targets are standardised" in insisted.out


def test_what_is_asked_for_holds(workdir: Path) -> None:
    table(workdir, 3.0, 2.0)
    raw = run("task.standardise=false", "epochs=1", folder="raw")
    facts = json.loads((raw.folder / "data.json").read_text(encoding="utf-8"))
    assert "targets" not in facts["normalisation"] and results_of(raw.folder)["baseline"]["rmse"][0] > 1
    stated = assemble(compose([*TABLE, "data.fields={targets: {kind: plain}}"]).config)
    assert stated.task.units is None
    assert assemble(compose(["data=linear", "data.num_points=50"]).config).task.units is None, "a book's own figures"
    with pytest.raises(UserError, match="criterion=bce reads outputs as logits of probabilities, and task=regression"):
        run("criterion=bce", folder="logits")
    with pytest.raises(UserError, match="task.standardise=true is about the numbers of task=regression"):
        check(compose(["data=spiral", "task.standardise=true"]).config)


def test_classes_are_the_same_cell_as_before() -> None:
    config = compose(["data=spiral"]).config
    before = {**config, "task": {key: value for key, value in config["task"].items() if key != "standardise"}}
    assert cell(config) == cell(before)


@pytest.mark.parametrize("words", [["model=mlp"], ["model=mlp", "augment=mixup", "accumulate=2", "metric=[r2,mae]"]])
def test_it_is_resumed_to_the_bit(every_state_is_kept: None, workdir: Path, words: Sequence[str]) -> None:
    table(workdir, count=100)
    resumes_exactly([*TABLE, "batch_size=16", "epochs=2", *words], workdir, steps=[3, 7])


def test_a_run_of_an_older_version_is_what_it_was(every_state_is_kept: None, workdir: Path) -> None:
    x, y = table(workdir, 3.0, 2.0, count=100)
    folder = run("task.standardise=false", "batch_size=16", "epochs=2").folder
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    before = api.load(folder)(torch.from_numpy(x).float())
    del config["task"]["standardise"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert torch.equal(api.load(folder)(torch.from_numpy(x).float()), before)
    longer = api.run([f"resume={folder}", "epochs=3"])
    assert "targets" not in json.loads((longer.folder / "data.json").read_text(encoding="utf-8"))["normalisation"]


def test_weights_of_another_unit_are_pointed_out(cli, workdir: Path) -> None:
    table(workdir, count=100)
    run("epochs=1", folder="first")
    quiet = cli(*TABLE, "epochs=1", "init_from=first", "hydra.run.dir=same")
    assert quiet.code == 0 and "answers begin" not in quiet.out
    ended = cli(
        *TABLE, "epochs=1", "init_from=first", "task.standardise=false", "hydra.run.dir=raw", "optimizer.lr=1e-9"
    )
    assert "task.standardise=true learns them as it did" in ended.out
    table(workdir, 100.0, 1.0, count=100)
    assert "had another mean or deviation" in cli(*TABLE, "epochs=1", "init_from=first", "hydra.run.dir=other").out


OWN = """
import torch
from torch import nn
from dlexp.data.splits import Split, Splits
from dlexp.methods.method import Method
from dlexp.metric import Metric
from dlexp.tasks.regression import Regression

class Relative(Regression):
    metrics = {"relative": Metric(unit="", higher_is_better=False)}

    def __init__(self, *, targets):
        super().__init__(targets=targets)

    def measure(self, outputs, batch):
        return {"relative": ((outputs - batch["targets"]) / batch["targets"]).abs().sum()}

def ends_in(*, shape, num_outputs, last):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0], 8), nn.ReLU(), nn.Linear(8, num_outputs), last)

class Stored:
    def __init__(self, split):
        self.split = split
    def __len__(self):
        return len(self.split[0])
    def __getitem__(self, row):
        return {"inputs": self.split[0][row], "targets": self.split[1][row]}

def shaped(*, kind, stored):
    x = torch.randn(240, 5, generator=torch.Generator().manual_seed(0))
    y = 1000 + 50 * x[:, :4]
    y = {"one": y[:, 0], "table": y, "series": y[:, :, None].expand(-1, -1, 3), "map": y.view(-1, 1, 2, 2)}[kind]
    if stored:
        return Splits(train=Split(Stored((x[:200], y[:200]))), test=Split(Stored((x[200:], y[200:]))))
    return Splits(train=Split(x[:200], y[:200]), test=Split(x[200:], y[200:]))

class Shaped(nn.Module):
    def __init__(self, *, sizes):
        super().__init__()
        self.sizes, self.layer = sizes, nn.Linear(5, max(1, torch.Size(sizes).numel()))
    def forward(self, inputs):
        return self.layer(inputs).view(len(inputs), *self.sizes)

class Taught(Method):
    def __init__(self, *, teacher):
        super().__init__()
        self.folder = teacher
    def setup(self, start):
        self.teacher, self.undone = start.load(self.folder), start.undone
    def loss(self, task, model, batch, moment):
        outcome = super().loss(task, model, batch, moment)
        with torch.no_grad():
            wanted = self.teacher(**self.undone(batch))
        return outcome._replace(loss=(outcome.outputs - wanted).square().mean())
"""


@pytest.fixture
def own(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of options of one's own: criteria of torch, models, data of many shapes, a task, a method."""
    (workdir / "my_numbers.py").write_text(OWN, encoding="utf-8")
    ends = "_target_: my_numbers.ends_in\nshape: ${data.shape}\nnum_outputs: ${data.num_outputs}\n"
    ends += "last: {_target_: torch.nn.%s}\n"
    options = {
        **{f"criterion/{name}": f"_target_: torch.nn.{name}\n" for name in ("HuberLoss", "L1Loss", "SmoothL1Loss")},
        "criterion/PoissonNLLLoss": "_target_: torch.nn.PoissonNLLLoss\n",
        "model/positive": ends % "ReLU",
        "model/shares": ends % "Sigmoid",
        "model/shaped": "_target_: my_numbers.Shaped\nsizes: ${data.fields.targets.shape}\n",
        "task/relative": "_target_: my_numbers.Relative\ntargets: values\n",
        "method/taught": "_target_: my_numbers.Taught\nteacher: null\n",
        "data/shaped": "_target_: my_numbers.shaped\nkind: table\nstored: false\nshape: [5]\nnum_outputs: 1\n"
        "class_names: null\nmean: null\nstd: null\nfields: {targets: {shape: [4], dtype: float32}}\n",
    }
    for name, text in options.items():
        (workdir / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (workdir / "own" / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "my_numbers")
    return workdir


@pytest.mark.parametrize("stored", ["false", "true"])
@pytest.mark.parametrize(
    ("kind", "shape", "figures"), [("one", "[]", 1), ("table", "[4]", 4), ("series", "[4,3]", 1), ("map", "[1,2,2]", 1)]
)
def test_any_shape_is_standardised(workdir: Path, own: Path, kind: str, shape: str, figures: int, stored: str) -> None:
    words = ["data=shaped", f"data.kind={kind}", f"data.fields.targets.shape={shape}", f"data.stored={stored}"]
    words += ["model=shaped", "task=regression", "criterion=mse", "optimizer.lr=0.05", "epochs=8", "batch_size=32"]
    result = api.run(["--config-dir", "own", *words, *SHORT], folder="run")
    facts = json.loads((result.folder / "data.json").read_text(encoding="utf-8"))["normalisation"]["targets"]
    assert len(facts["mean"]) == len(facts["std"]) == figures and facts["mean"][0] == pytest.approx(1000, abs=15)
    assert result.metrics["test/mae"] < 10 and min(results_of(result.folder)["r2"]) > 0.9


def test_a_task_of_ones_own_measures_in_the_data_s_unit(workdir: Path, own: Path) -> None:
    table(workdir)
    words = [word for word in TABLE if not word.startswith("task=")]
    result = api.run(["--config-dir", "own", "task=relative", *words], folder="run")
    assert 0.01 < result.metrics["test/relative"] < 0.3 and result.metrics["test/loss"] < 0.2


def test_a_teacher_answers_as_the_student_learns(workdir: Path, own: Path) -> None:
    table(workdir)
    for name, word in (("standardised", "auto"), ("raw", "false")):
        teacher = run("model=linear", "epochs=20", folder=name) if word == "auto" else None
        if teacher is None:
            table(workdir, 3.0, 2.0)
            teacher = run("model=linear", "epochs=20", "task.standardise=false", "optimizer.lr=0.05", folder=name)
        words = ["--config-dir", "own", "method=taught", f"method.teacher={teacher.folder}", "epochs=20"]
        assert results_of(run(*words, folder=f"of-{name}").folder)["r2"][0] > 0.9


def test_steps_that_pass_a_bound_on() -> None:
    outputs: Tensor = nn.Linear(3, 2)(torch.randn(4, 3))
    assert _bound(outputs) is None and _bound(outputs.view(8)) is None and _bound(2 * outputs + 1) is None
    assert _bound((2 * outputs.sigmoid() + 1).squeeze()) == "Sigmoid"
    assert _bound(nn.Sequential(nn.ReLU(), nn.Linear(2, 1))(outputs)) is None
    assert _bound(outputs.clamp(min=0)) == "Clamp" and _bound(outputs.detach()) is None
