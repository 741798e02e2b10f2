"""Metrics chosen by name: they replace the task's own, and `task.metric` says which of them leads."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
import yaml
from conftest import ROOT
from resuming import resumes_exactly

from dlexp import api
from dlexp.config.build import build_each, build_task, load_data, prepared
from dlexp.config.check import check
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.records import run_json
from dlexp.records.metrics import read_epochs
from dlexp.records.result import objective_of

SPIRAL = ["data.points_per_class=60", "threads=1", "pictures=false"]
FAKE = ["data=fake", "data.num_samples=48", "data.num_test_samples=24", "data.shape=[5]", "data.num_outputs=6"]
NAMES = "metric=[macro_f1,ece]"


def test_those_named_are_measured_and_one_leads(workdir: Path) -> None:
    words = [*SPIRAL, "epochs=6", "optimizer=adam", "optimizer.lr=0.01", NAMES]
    for metric, leads in (("null", "macro_f1"), ("ece", "ece"), ("loss", "loss")):
        result = api.run([*words, f"task.metric={metric}"], folder=workdir / metric)
        entry = run_json.read_json(result.folder / "run.json")
        assert list(entry["measures"]) == ["loss", "macro_f1", "ece"] and entry["metric"] == f"val/{leads}"
        history = read_epochs(result.folder)
        better = max if leads == "macro_f1" else min
        chosen = better(history, key=lambda row: row[f"val/{leads}"])
        assert entry["chosen_epoch"] == chosen["epoch"] or chosen[f"val/{leads}"] == entry["metrics"][f"val/{leads}"]
        assert objective_of(entry) == entry["metrics"][f"val/{leads}"] == result.objective
        assert "test/accuracy" not in result.metrics


def test_the_metric_of_a_task_goes_on_to_lead_where_it_is_named(workdir: Path) -> None:
    result = api.run([*SPIRAL, "epochs=1", "metric=[ece,accuracy]"], folder=workdir / "run")
    assert run_json.read_json(result.folder / "run.json")["metric"] == "val/accuracy"


@pytest.mark.slow
def test_a_sweep_is_ordered_by_it(cli, workdir: Path) -> None:
    ended = cli("-m", *SPIRAL, "epochs=1,2", NAMES, "task.metric=ece", "hydra.sweep.dir=sweep")
    assert ended.code == 0, ended
    (head,) = [row for row in ended.out.splitlines() if row.startswith("epochs ")]
    assert head.split() == ["epochs", "val/ece", "test/ece", "time", "status"]


def test_sums_of_an_epoch_are_resumed_in_its_middle(every_state_is_kept: None, workdir: Path) -> None:
    resumes_exactly(
        [*FAKE, "metric=[accuracy,macro_f1,ece,auc]", "batch_size=8", "epochs=2", "threads=1", "pictures=false"],
        workdir,
        steps=[3, 7],
    )


def test_the_same_metrics_whatever_the_batch(workdir: Path) -> None:
    names = "metric=[macro_f1,ece,auc,balanced_accuracy]"
    first = api.run([*SPIRAL, names, "epochs=1"], folder=workdir / "first")
    model = api.load(first.folder)
    splits = load_data(compose([*SPIRAL, names]).config["data"])
    measures = build_each(compose([*SPIRAL, names]).config["metric"])
    for name, measure in measures.items():
        sums: dict[str, Any] = {}
        for rows in torch.arange(len(splits.test)).split(7):
            found = measure.sums(model(splits.test.inputs[rows]), {"targets": splits.test.targets[rows]})
            sums = {key: sums[key] + each if key in sums else each for key, each in found.items()}
        assert measure.conclude(sums, len(splits.test)) == pytest.approx(first.metrics[f"test/{name}"], abs=1e-6)


def test_r2_of_large_values_is_that_of_scikit_learn(workdir: Path) -> None:
    """Training, validation and test sum from a target that the training has seen, in whatever batches."""
    from sklearn.metrics import r2_score

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 3, generator=generator)
    y = 1e6 + 0.5 * x[:, 0] + 0.5 * torch.randn(300, generator=generator)
    numpy.savez(workdir / "table.npz", x=x.numpy(), y=y.numpy())
    words = ["data=arrays", "data.file=table.npz", "task=regression", "criterion=mse", "model=linear", "metric=r2"]
    words.append("task.standardise=false")
    result = api.run([*words, "epochs=3", "batch_size=7", "threads=1", "pictures=false"], folder=workdir / "run")
    config = compose(words).config
    test = prepared(load_data(config["data"]), config["data"], build_task(config)).test
    outputs = api.load(result.folder)(test.inputs)
    truth = r2_score(test.targets.double().numpy(), outputs.double().numpy())
    assert result.metrics["test/r2"] == pytest.approx(truth, rel=1e-6) and truth < -1000


METRICS = [
    name
    for file in sorted((ROOT / "conf" / "metric").glob("*.yaml"))
    for name in yaml.safe_load(file.read_text(encoding="utf-8")) or {}
]


@pytest.mark.slow
def test_every_metric_is_measured_by_a_run_of_its_kind_or_refused(workdir: Path) -> None:
    """Of each kind of task all that measure it at once; every other one is refused in a sentence."""
    assert len(METRICS) >= 22
    measured: set[str] = set()
    for task in ("classification", "regression"):
        words = [*FAKE, f"task={task}", *(["criterion=mse"] if task == "regression" else []), "epochs=1", "threads=1"]
        fitting = []
        for name in METRICS:
            try:
                check(compose([*words, f"metric={name}"]).config)
                fitting.append(name)
            except UserError as error:
                assert f"metric={name} measures " in str(error) and f"learns {error}"[:6] == "learns", error
        metrics = api.run([*words, "pictures=false", f"metric=[{','.join(fitting)}]"], folder=workdir / task).metrics
        assert {f"test/{name}" for name in fitting} < set(metrics)
        measured |= set(fitting)
    assert set(METRICS) - measured <= {"subset_accuracy"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["metric=mae"],
            "metric=mae measures values, and task dlexp.tasks.classification.Classification learns classes",
        ),
        (["task.metric=macro_f1"], "measured (accuracy, loss); 'metric=[accuracy,macro_f1]' measures it"),
        (["task.metric=f1"], "task.metric=f1 is none of what is measured (accuracy, loss); 'metric=[accuracy,macro_f1"),
        (["task.metric=acuracy"], "task.metric=acuracy is none of what is measured (accuracy, loss). Did you mean 'ac"),
        ([NAMES, "task.metric=accuracy"], "'metric=[macro_f1,ece,accuracy]' measures it"),
        (["task.metric=3"], "task.metric=3 must be a text"),
        (["criterion.weight=[1,2]"], "criterion.weight lists 2 weights for 3 classes"),
        (["metric=torchmetrics", "metric.torchmetrics.name=MulticlassAUROC"], "keeps preds, target, which can't be"),
        (
            ["criterion=hinge", "metric=nll"],
            "metric=nll measures probabilities, and Hinge teaches scores, of which",
        ),
        (["criterion=mse", NAMES], "metric=ece measures probabilities, and "),
        (
            ["criterion._target_=torch.nn.MultiMarginLoss", "~criterion.label_smoothing", "metric=brier"],
            "MultiMarginLoss teaches scores",
        ),
        (["metric=top5"], "the right class is always among the 5 likeliest of 3"),
    ],
)
def test_what_does_not_go_is_a_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        check(compose([*SPIRAL, *words]).config)
    assert sentence in str(error.value)


def test_a_metric_that_depends_on_the_batch_is_refused() -> None:
    pytest.importorskip("torchmetrics")
    words = ["task=segmentation", "model=unet", "data=fake", "data.shape=[3,16,16]", "metric=torchmetrics"]
    with pytest.raises(UserError, match="metric torchmetrics depends on how samples are put into batches"):
        check(compose([*words, "metric.torchmetrics.name=GeneralizedDiceScore"]).config)


def test_they_replace_what_a_task_of_ones_own_measures(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workdir / "my_gap.py").write_text(
        "from dlexp.metric import Metric\n"
        "from dlexp.tasks.classification import Classification\n"
        "class Gap(Classification):\n"
        "    metric, metrics = 'gap', {'gap': Metric(unit='', higher_is_better=True)}\n"
        "    def measure(self, outputs, batch):\n"
        "        return {'gap': outputs.std(dim=1).sum()}\n"
        "    def conclude(self, sums, count):\n"
        "        return {'gap': float(sums['gap']) / count}\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(workdir)
    words = [*SPIRAL, "epochs=1", "task._target_=my_gap.Gap"]
    monkeypatch.setenv("DLEXP_ALLOW", "my_gap")
    assert "test/gap" in api.run(words, folder=workdir / "own").metrics
    chosen = api.run([*words, "metric=[auc,torchmetrics]"], folder=workdir / "chosen").metrics
    assert {"test/auc", "test/torchmetrics"} < set(chosen) and "test/gap" not in chosen


@pytest.mark.slow
def test_ignored_classes_count_nowhere(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the answers is unknown: loss and accuracy are those of the others."""
    (workdir / "my_unknown.py").write_text(
        "import torch\n"
        "from dlexp.data.splits import Split, Splits\n"
        "def unknown(*, number: int) -> Splits:\n"
        "    x = torch.randn(90, 2, generator=torch.Generator().manual_seed(0))\n"
        "    y = (x[:, 0] > 0).long()\n"
        "    y[::3] = number\n"
        "    return Splits(train=Split(x, y), test=Split(x, y))\n",
        encoding="utf-8",
    )
    (workdir / "my_options" / "data").mkdir(parents=True)
    (workdir / "my_options" / "data" / "unknown.yaml").write_text(
        "_target_: my_unknown.unknown\nnumber: -1\n"
        "shape: [2]\nnum_outputs: 2\nclass_names: null\nmean: null\nstd: null\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(workdir)
    monkeypatch.setenv("DLEXP_ALLOW", "my_unknown")
    words = ["--config-dir", "my_options", "data=unknown", "epochs=2", "threads=1"]
    with pytest.raises(UserError, match="are numbered -1 to 1"):
        api.run(words, folder=workdir / "refused")
    for number in (-1, 255):
        named = [*words, f"data.number={number}", f"task.ignore_index={number}"]
        result = api.run([*named, "optimizer=adam", "optimizer.lr=0.1"], folder=workdir / f"run{number}")
        assert result.metrics["test/accuracy"] > 0.9, "of 90 samples only 60 could be right"
        shares = run_json.read_json(result.folder / "results.json")["per_class_accuracy"]
        assert min(shares.values()) > 0.8
    assert api.run([*named, "overfit_batches=1"], folder=workdir / "overfit").metrics


def test_the_order_of_metrics_is_another_experiment() -> None:
    from dlexp.config.cell import cell
    from dlexp.config.compose import compose

    cells = {cell(compose([f"metric=[{names}]"]).config) for names in ("macro_f1,ece", "ece,macro_f1")}
    assert len(cells) == 2


def test_a_resume_with_another_metric_chooses_anew(workdir: Path) -> None:
    from dlexp import api
    from dlexp.experiment import resume

    words = ["data.points_per_class=60", "epochs=2", "pictures=false", "threads=1", "task.metric=loss"]
    folder = api.run(words, folder="run").folder
    longer = resume.resume(folder, ["task.metric=accuracy", "epochs=5", resume.CONSENT])
    best = max(range(2, 5), key=lambda epoch: longer.history[epoch]["val/accuracy"])
    assert longer.objective == longer.history[best]["val/accuracy"]
