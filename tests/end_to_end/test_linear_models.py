"""Linear models: one score of two classes, weights in closed form and by a solver, what is told and drawn of them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from matplotlib.figure import Figure
from resuming import SHORT, resumes_exactly

import dlexp
from dlexp import api
from dlexp.config.cell import cell
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.experiment.assemble import assemble
from dlexp.experiment.curvature import largest_curvature, too_fast
from dlexp.records import checkpoints
from dlexp.records.folder import saved_states
from dlexp.records.metrics import read_epochs

BLOBS = ["model=linear", "data=blobs", "data.spread=1.5", "data.points_per_class=50", "epochs=2", *SHORT]
LINE = ["model=linear", "data=linear", "data.num_points=200", "data.noise=0.5", "data.val_size=0", *SHORT]
MARGIN = ["criterion=hinge", "criterion.outputs=1", "data.val_size=0"]


def told(folder: Path, name: str = "results.json") -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "words", [["bce"], ["perceptron"], ["hinge", "criterion.outputs=1"], ["mse", "criterion.outputs=1"]]
)
def test_one_score_of_two_classes_is_trained_and_loaded(workdir: Path, words: Sequence[str]) -> None:
    words = [
        *BLOBS,
        f"criterion={words[0]}",
        *words[1:],
        f"metric=[accuracy,auc{',ece' * (words[0] == 'bce')}]",
        "optimizer.lr=0.1",
    ]
    result = api.run(words, folder="run")
    model, tested = api.load("run"), assemble(compose(words).config).test
    assert tested is not None and result.metrics["test/accuracy"] > 0.9
    inputs, targets = tested.split.inputs, tested.split.targets
    answers = model(inputs)
    assert answers.shape == (100, 2) and model.model.output.out_features == 1
    assert float((answers.argmax(1) == targets).float().mean()) == pytest.approx(result.metrics["test/accuracy"])
    shares = told(result.folder)["per_class_accuracy"]
    assert sum(shares.values()) / 2 == pytest.approx(result.metrics["test/accuracy"])
    found = told(result.folder)["coefficients"]
    border = inputs.double() @ torch.tensor(found["w"], dtype=torch.float64) + found["b"]
    assert torch.equal(border > 0, answers.argmax(1) == 1), "w and b are those of the data's own unit"


@pytest.mark.parametrize("criterion", ["perceptron", "bce", "hinge"])
def test_one_score_of_more_classes_is_one_sentence(workdir: Path, criterion: str) -> None:
    words = ["data=spiral", f"criterion={criterion}", *["criterion.outputs=1"] * (criterion == "hinge")]
    with pytest.raises(UserError, match="takes one score a sample, which tells two classes apart.* has 3") as error:
        check(compose(words).config)
    assert len(error.value.problems) == 1


def test_any_model_gets_one_output(workdir: Path) -> None:
    (workdir / "own" / "model").mkdir(parents=True)
    own = "_target_: dlexp.models.linear.linear\nshape: ${data.shape}\nnum_outputs: ${data.num_outputs}\nbias: true\n"
    (workdir / "own" / "model" / "mine.yaml").write_text(f"# A model of one's own.\n{own}", encoding="utf-8")
    for model in ("mine", "mlp"):
        config = compose(["--config-dir", "own", f"model={model}", "data=blobs", "criterion=bce"]).config
        assert config["model"]["num_outputs"] == 1 and config["data"]["num_outputs"] == 2
        check(config)
    labels = ["data=fake", "task=multi_label", "criterion=bce", "model=mlp"]
    assert compose(labels).config["model"]["num_outputs"] == 10, "of labels each has its own"
    with pytest.raises(UserError, match="data.num_outputs=2 asks for N×2"):
        check(compose(["data=blobs", "model=linear", "model.num_outputs=1"]).config)


def test_what_was_trained_before_there_was_one_score_is_the_same(workdir: Path) -> None:
    config = compose([*BLOBS, "criterion=hinge"]).config
    before = {**config, "criterion": {key: value for key, value in config["criterion"].items() if key != "outputs"}}
    assert cell(config) == cell(before) != cell(compose([*BLOBS, *MARGIN[:2]]).config)
    folder = api.run([*BLOBS, "criterion=hinge"], folder="run").folder
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    del config["criterion"]["outputs"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert api.load(folder)(torch.zeros(1, 2)).shape == (1, 2)


def test_one_score_is_swept_beside_two(cli, workdir: Path) -> None:
    ended = cli("-m", *BLOBS, "criterion=bce,cross_entropy", "hydra.sweep.dir=sweep", "n_jobs=1")
    assert ended.code == 0, ended
    by_name = {run["criterion"]: run for run in dlexp.runs("sweep")}
    assert {name: run["model.num_outputs"] for name, run in by_name.items()} == {"bce": 1, "cross_entropy": 2}


@pytest.mark.parametrize(
    "words", [["criterion=bce", "augment=mixup"], ["watch=path", *MARGIN], ["method=support_vectors", *MARGIN]]
)
def test_it_is_resumed_to_the_bit(every_state_is_kept: None, workdir: Path, words: Sequence[str]) -> None:
    steps = [1] if "method=support_vectors" in words else [2, 7]
    resumes_exactly([*BLOBS, "optimizer.weight_decay=0.01", *words], workdir, steps=steps)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_least_squares_is_the_minimum_of_what_is_descended(workdir: Path, decay: float) -> None:
    words = [*LINE, f"optimizer.weight_decay={decay}"]
    solved = api.run([*words, "method=least_squares"], folder="solved")
    descended = ["optimizer.lr=0.3", "optimizer.momentum=0", "optimizer.nesterov=false", "scheduler=constant"]
    slow = api.run([*words, *descended, "epochs=80", "batch_size=200", "scheduler.warmup=0"], folder="slow")
    one, other = told(solved.folder)["coefficients"], told(slow.folder)["coefficients"]
    assert one["w"] == pytest.approx(other["w"], abs=1e-4) and one["b"] == pytest.approx(other["b"], abs=1e-4)
    train = assemble(compose(words).config).train.split
    rows = np.hstack([train.inputs.numpy(), np.ones((200, 1))]).astype(np.float64)
    said = Path("solved/log.txt").read_text(encoding="utf-8")
    assert ("besides: method.weight_decay=0.3, by itself optimizer.weight_decay" in said) is bool(decay)
    if not decay:
        assert [*one["w"], one["b"]] == pytest.approx(np.linalg.lstsq(rows, train.targets.numpy())[0][:, 0], abs=1e-5)
    assert [each["epoch"] for each in solved.history] == [1] and told(solved.folder, "run.json")["status"] == "finished"
    assert (workdir / "solved" / "weights" / "last.pt").is_file()


def test_least_squares_takes_what_depends_on_each_other_and_classes(workdir: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3))
    y = x @ np.array([[1.0, -2.0], [0.5, 1.0], [0.0, 3.0]]) + 5
    np.savez("table.npz", x=np.hstack([x, x[:, :1], 0 * x[:, :1]]), y=y)  # a column twice, and one of zeros
    words = ["data=arrays", "data.file=table.npz", "task=regression", "criterion=mse", "model=linear", *SHORT]
    result = api.run([*words, "method=least_squares", "data.val_size=0"], folder="run")
    assert min(told(result.folder)["r2"]) > 1 - 1e-6
    classes = api.run([*BLOBS, "criterion=mse", "method=least_squares", "data.val_size=0"], folder="two")
    one = api.run(
        [*BLOBS, "criterion=mse", "criterion.outputs=1", "method=least_squares", "data.val_size=0"], folder="one"
    )
    assert classes.metrics["test/accuracy"] == one.metrics["test/accuracy"] > 0.9
    both = [torch.tensor(told(each.folder)["coefficients"]["w"]) for each in (classes, one)]
    assert torch.allclose(both[0], both[1], atol=1e-5), "±1 of one score is the difference of two"


def test_support_vectors_are_those_of_gradients(workdir: Path) -> None:
    words = [*BLOBS, *MARGIN, "optimizer=sgd_weights", "optimizer.weight_decay=0.01", "optimizer.lr=0.3"]
    solved = api.run([*words, "method=support_vectors"], folder="solved")
    descended = api.run([*words, "scheduler=linear", "batch_size=100", "epochs=300", "val_every=300"], folder="slow")
    one, other = told(solved.folder)["coefficients"], told(descended.folder)["coefficients"]
    assert one["margin"] == pytest.approx(other["margin"], rel=0.01)
    assert solved.metrics["train/loss"] == pytest.approx(descended.metrics["train/loss"], rel=0.01)
    assert "not yet at its minimum" not in Path("slow/log.txt").read_text(encoding="utf-8")
    api.run([*words, "scheduler=linear", "batch_size=100", "epochs=10", "val_every=10"], folder="short")
    said = Path("short/log.txt").read_text(encoding="utf-8")
    assert "not yet at its minimum: " in said and "more epochs or a higher optimizer.lr" in said
    api.run([*words, "scheduler=linear", "batch_size=100", "epochs=10", "val_every=10", "l1=0.01"], folder="other")
    said = Path("other/log.txt").read_text(encoding="utf-8")
    assert "not yet at its minimum" not in said, "what l1 adds has another minimum"


def test_the_hard_margin_touches_both_classes(workdir: Path) -> None:
    words = [*BLOBS, *MARGIN, "data.spread=0.5", "method=support_vectors", "data.mean=[0,0]", "data.std=[1,1]"]
    found = told(api.run(words, folder="run").folder)["coefficients"]
    split = assemble(compose(words).config).train.split
    sides = 2 * split.targets - 1
    w = torch.tensor(found["w"], dtype=torch.float64)
    distances = sides * (split.inputs.double() @ w + found["b"]) / w.norm()
    for side in (-1, 1):
        assert float(distances[sides == side].min()) == pytest.approx(found["margin"], rel=1e-4)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([*BLOBS, *MARGIN, "data.spread=3", "method=support_vectors"], "no line or plane separates all"),
        ([*BLOBS, "criterion=hinge", "method=support_vectors"], "minimises criterion=hinge criterion.outputs=1"),
        ([*BLOBS, *MARGIN, "model.bias=false", "method=support_vectors"], "has a bias"),
        (
            [*BLOBS, "data.centres=[[0,0],[1,1],[2,0]]", "criterion=hinge", "method=support_vectors"],
            "is for two classes, and the data has 3: method=plain",
        ),
        ([*LINE, "model=mlp", "method=least_squares"], "one linear layer, and this model is another"),
        ([*LINE, "criterion=huber", "method=least_squares"], "minimises criterion=mse, not Huber"),
        ([*LINE, "freeze=[*bias]", "method=least_squares"], "freeze= keeps some"),
        ([*LINE, "ema=ema", "method=least_squares"], "not about an average"),
        ([*LINE, "l1=0.1", "method=least_squares"], "minimises without l1, which is for steps by gradients: l1=null"),
        ([*BLOBS, *MARGIN, "data.sampling=balanced", "method=support_vectors"], ": data.sampling=null"),
        ([*LINE, "data.weight_file=weights.txt", "method=least_squares"], "data.weight_file=weights.txt draws some"),
        (
            ["data=fake", "data.shape=[1,8,8]", "model=pca", "model.code=2", "augment=[crop_flip]"],
            "and augment changes them (crop, flip): augment=none",
        ),
        (
            ["data=arrays", "data.file=weighed.npz", "criterion=mse", "model=linear", "method=least_squares"],
            "takes all training samples once, and this data weighs them",
        ),
        ([*LINE, "watch=path", "watch.path.weights=[0,3]"], "each below 3"),
    ],
)
def test_what_can_t_be_solved_is_a_sentence(cli, workdir: Path, words: Sequence[str], sentence: str) -> None:
    (workdir / "weights.txt").write_text("1\n2\n" * 100, encoding="utf-8")
    np.savez(workdir / "weighed.npz", x=np.eye(20, dtype=np.float32), y=np.arange(20) % 2, weights=np.ones(20))
    ended = cli(*words, "hydra.run.dir=run")
    assert ended.code == 1 and sentence in ended.err and ended.err.count("error:") == 1, ended
    assert not (workdir / "run").exists()


def test_scikit_learn_may_be_missing(cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.svm", None)
    ended = cli(*BLOBS, *MARGIN, "method=support_vectors", "optimizer.weight_decay=0.1")
    assert ended.code == 1 and "pip install 'dlexp[sklearn]'" in ended.err, ended


def test_the_path_lies_on_the_surface_of_the_chosen_weights(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of images weights lie in another order in memory; with an average its weights are the chosen ones."""
    drawn: list[Any] = []

    def weight_path(loss: Any, path: torch.Tensor, *others: Any) -> Figure:
        drawn.append((path, [loss(*place) for place in ((0.0, 0.0), (1.0, -1.0))]))
        return Figure()

    monkeypatch.setattr("dlexp.pictures.surface.weight_path", weight_path)
    words = ["data=fake", "data.shape=[3,8,8]", "data.num_samples=60", "data.val_size=0", "model=cnn", "epochs=2",
             "model.widths=[4]", "batch_size=20", "ema=ema", "watch=path", "watch.path.weights=[1,30]"]  # fmt: skip
    words += [*SHORT, "optimizer.lr=0.5"]
    result = api.run(words, folder="run")
    run, model = assemble(compose(words).config), api.load(result.folder).model
    ((path, losses),) = drawn
    last = checkpoints.load(saved_states(result.folder)[0])["model"]["conv1_1.weight"].flatten()[[1, 30]]
    assert torch.equal(path[-1], last) and not torch.equal(last, model.conv1_1.weight.flatten()[[1, 30]])
    with torch.no_grad():
        weight, batch = model.conv1_1.weight, run.train.spread(60)
        for place, loss in zip(((0.0, 0.0), (1.0, -1.0)), losses, strict=True):
            weight[0, 0, 0, 1], weight[1, 0, 1, 0] = place
            assert loss == pytest.approx(float(run.task.loss(model.eval()(batch["inputs"]), batch)), rel=1e-4)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, "false"), (0.8, "false"), (0.8, "true")])
def test_the_rate_at_which_descent_diverges(workdir: Path, momentum: float, nesterov: str) -> None:
    words = [*LINE, f"optimizer.momentum={momentum}", f"optimizer.nesterov={nesterov}", "batch_size=200"]
    run = assemble(compose(words).config)
    curvature = largest_curvature(run)
    assert curvature is not None
    bound = 2 * (1 + momentum) / (1 + 2 * momentum * (nesterov == "true")) / curvature
    for factor, diverges in ((0.98, False), (1.02, True)):
        config = compose([*words, f"optimizer.lr={factor * bound}"]).config
        assert (too_fast(run, config) is not None) is diverges
        weight = torch.nn.Parameter(torch.ones((), dtype=torch.float64))
        settings = {"momentum": momentum, "nesterov": nesterov == "true"}
        optimizer = torch.optim.SGD([weight], lr=factor * bound, **settings)
        for _ in range(200):
            weight.grad = curvature * weight.detach()
            optimizer.step()
        assert (abs(float(weight.detach())) > 1) is diverges
    assert too_fast(run, {**config, "grad_clip": 1.0}) is None, "what is clipped goes nowhere far"


def test_a_rate_that_diverges_is_told_beforehand(cli, workdir: Path) -> None:
    words = [*LINE, "optimizer.momentum=0", "optimizer.nesterov=false", "batch_size=200", "epochs=1"]
    ended = cli(*words, "optimizer.lr=1.2", "hydra.run.dir=run")
    assert ended.code == 0 and "optimizer.lr=1.2 is not below" in ended.out and "2/λmax" in ended.out, ended
    assert "λmax" not in cli(*words, "optimizer.lr=0.4", "hydra.run.dir=other").out


def test_a_line_is_told_and_drawn_with_its_margin_and_its_path(cli, workdir: Path) -> None:
    words = [word for word in BLOBS if word != "pictures=false"]
    ended = cli(*words, *MARGIN, "watch=path", "hydra.run.dir=run")
    found = told(workdir / "run")["coefficients"]
    assert ended.code == 0 and f"b = {found['b']:.4f}, margin {found['margin']:.4g} on each side" in ended.out
    assert {"separating_line.png", "weight_path.png"} <= {each.name for each in (workdir / "run" / "plots").iterdir()}


def test_without_test_and_validation_the_samples_trained_on_are_looked_at(cli, workdir: Path) -> None:
    words = [word for word in BLOBS if word != "pictures=false"]
    ended = cli(*words, *MARGIN, "data.val_size=0", "test=false", "hydra.run.dir=run")
    assert "learnt: w = [" in ended.out and "accuracy on the training samples" in ended.out, ended
    assert (workdir / "run" / "plots" / "separating_line.png").is_file()


def test_that_chance_decided_is_told(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    words = ["model=mlp", "model.depth=0", "epochs=2", "init=zeros", *SHORT]
    for data, is_told in (["data=gates"], True), (["data=gates", "data.gate=and"], False):
        caplog.clear()
        api.run([*data, *words])
        assert ("w is 0 up to rounding: all samples have one score, and rounding decides" in caplog.text) is is_told


@pytest.mark.parametrize("words", [[], ["task.standardise=true"]])
def test_the_path_ends_at_the_weights_that_are_told(words: list[str], cli, workdir: Path, monkeypatch: Any) -> None:
    """In the data's own units, though features and targets are normalised; the loss there is that of the training."""
    drawn: list[Any] = []

    def weight_path(loss: Any, path: torch.Tensor, names: list[str], title: str, beside: Any) -> Figure:
        drawn.append((loss(*path[-1].tolist()), path[-1].tolist(), names, title))
        return Figure()

    monkeypatch.setattr("dlexp.pictures.surface.weight_path", weight_path)
    ended = cli(*LINE, *words, "method=least_squares", "watch=path", "hydra.run.dir=run")
    ((loss, end, names, title),) = drawn
    assert ended.code == 0 and end == pytest.approx(told(workdir / "run")["coefficients"]["w"][:2], rel=1e-4)
    assert names == ["w1", "w2"] and title.endswith("\n1 step")
    assert loss == pytest.approx(read_epochs(workdir / "run")[-1]["train/loss"], rel=1e-3)
    assert "linear on linear with least_squares" in ended.out


@pytest.mark.slow
def test_paths_of_other_runs_are_drawn_beside(cli, workdir: Path, monkeypatch: Any) -> None:
    """Also where the run goes on when the others are gone; those of other data are left out, and it is said."""
    drawn: list[tuple[torch.Tensor, dict[str, torch.Tensor]]] = []

    def weight_path(loss: Any, path: torch.Tensor, names: list[str], title: str, beside: Any) -> Figure:
        drawn.append((path, dict(beside)))
        return Figure()

    words = [*LINE, "watch=path", "max_steps=2"]
    for name, more in (("whole", ["batch_size=200"]), ("single", ["batch_size=1"]), ("else", ["data.data_seed=5"])):
        assert cli(*words, *more, f"hydra.run.dir=outputs/{name}").code == 0
    assert cli(*LINE, "max_steps=2", "hydra.run.dir=bare").code == 0
    for beside, told in (
        ("bare", "bare has no path of the weights [0, 1]"),
        ("nowhere", "nowhere is not the folder of a run: there is no such folder\n"),
        ("outputs/whol", "there is no such folder. Did you mean 'outputs/whole'?"),
    ):
        ended = cli(*words, f"watch.path.beside=[{beside}]", "hydra.run.dir=refused")
        assert ended.code == 1 and told in ended.err and "Traceback" not in ended.err, ended
    ended = cli(*words, "watch.path.weights=[0,2]", "watch.path.beside=[outputs/whole]", "hydra.run.dir=refused")
    assert ended.code == 1 and "whole has no path of the weights [0, 2]" in ended.err

    monkeypatch.setattr("dlexp.pictures.surface.weight_path", weight_path)
    for name in ("whole", "single"):
        assert (
            cli(*words, f"batch_size={200 if name == 'whole' else 1}", "rerun=true", f"hydra.run.dir=alone/{name}").code
            == 0
        )
    (whole, _), (single, _) = drawn
    beside = "watch.path.beside=[outputs/whole,outputs/single,outputs/else]"
    ended = cli(*words, beside, "hydra.run.dir=run")
    assert ended.code == 0 and "outputs/else learnt other data, so its path is not drawn" in ended.out, ended
    assert drawn[-1][1].keys() == {"outputs/whole", "outputs/single"}
    assert torch.equal(drawn[-1][1]["outputs/whole"], whole) and torch.equal(drawn[-1][1]["outputs/single"], single)
    shutil.move("outputs/single", "moved")
    assert cli("resume=run", "max_steps=4").code == 0
    assert len(drawn[-1][0]) == 5 and torch.equal(drawn[-1][1]["outputs/single"], single)
