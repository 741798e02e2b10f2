"""A person's own task with another metric: a class and a YAML; what chooses, compares, says and draws it follows."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Ended

from dlexp import pictures
from dlexp.records import run_json
from dlexp.records.metrics import read_epochs

# What training makes greater, so that this metric chooses another epoch than the loss does.
MODULE = """\
from dlexp.metric import Metric
from dlexp.tasks.classification import Classification
from dlexp.tasks.task import Task

class Certainty(Classification):
    metric = "certainty"
    metrics = {"certainty": Metric(unit="%", higher_is_better=False, title="share of the answer")}
    def measure(self, outputs, batch):
        return {"certainty": outputs.softmax(dim=1).amax(dim=1).sum()}

class Gap(Task):
    metric, metrics, targets = "gap", {"gap": Metric(unit="", higher_is_better=True)}, "classes"
    def __init__(self, *, targets: str = "") -> None:
        super().__init__()
    def measure(self, outputs, batch):
        return {"gap": outputs.std(dim=1).sum()}
"""
YAML = """\
_target_: my_tasks.Certainty
class_names: ${data.class_names}
num_outputs: ${data.num_outputs}
targets: classes
ignore_index: null
"""
WORDS = ["--config-dir", "my_options", "allow=my_tasks", "data.points_per_class=60", "threads=1", "epochs=4"]


@pytest.fixture
def own(workdir: Path) -> Path:
    folder = workdir / "my_options" / "task"
    folder.mkdir(parents=True)
    (workdir / "my_tasks.py").write_text(MODULE, encoding="utf-8")
    (folder / "certainty.yaml").write_text(YAML, encoding="utf-8")
    (folder / "gap.yaml").write_text("_target_: my_tasks.Gap\ntargets: classes\n", encoding="utf-8")
    yield workdir
    sys.modules.pop("my_tasks", None)


def finished(ended: Ended, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    assert ended.code == 0, ended
    return run_json.read_json(folder / "run.json"), read_epochs(folder)


def percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:.{digits}f} %"


def test_a_run_follows_its_metric(cli, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.text import Text

    drawn: dict[str, Any] = {}
    curves = pictures.curves
    monkeypatch.setattr(pictures, "curves", lambda *args: drawn.update(curves(*args)) or drawn)
    words = ["task=certainty", "optimizer=adam", "optimizer.lr=0.01", "hydra.run.dir=run"]
    ended = cli(*WORDS, *words)
    entry, history = finished(ended, own / "run")

    chosen = min(history, key=lambda row: row["val/certainty"])
    assert entry["chosen_epoch"] == chosen["epoch"] != min(history, key=lambda row: row["val/loss"])["epoch"]
    assert entry["metric"] == "val/certainty"
    assert entry["measures"] == {
        "loss": {"unit": "", "higher_is_better": False, "title": ""},
        "certainty": {"unit": "%", "higher_is_better": False, "title": "share of the answer"},
    }
    metrics, last = entry["metrics"], history[-1]
    closing = f"test certainty {percent(metrics['test/certainty'])}, test loss {metrics['test/loss']:.4g} (weights of"
    assert closing in ended.out
    assert (
        f"train loss {last['train/loss']:.4g}  certainty {percent(last['train/certainty'], 1)}  val loss" in ended.out
    )
    texts = {text.get_text() for text in drawn["certainty"].findobj(Text)}
    assert {"Share of the answer", f"test  {percent(metrics['test/certainty'])}"} <= texts
    (axes,) = drawn["certainty"].axes
    assert all(label.get_text().endswith(" %") for label in axes.get_yticklabels())
    again = cli("allow=my_tasks", "resume=run")
    assert (
        f"is finished: val loss {metrics['val/loss']:.4g}  certainty {percent(metrics['val/certainty'], 1)}"
        in again.out
    )


def test_a_plain_number_and_nothing_but_what_is_owed(cli, own: Path) -> None:
    ended = cli(*WORDS, "task=gap", "hydra.run.dir=run")
    entry, history = finished(ended, own / "run")
    assert entry["chosen_epoch"] == max(history, key=lambda row: row["val/gap"])["epoch"]
    assert f"test gap {entry['metrics']['test/gap']:.4g}, test loss " in ended.out
    assert run_json.read_json(own / "run" / "results.json") == {"split": "test", "coefficients": None}


def test_a_sweep_compares_it(cli, own: Path) -> None:
    ended = cli("-m", *WORDS, "task=certainty,gap", "pictures=false", "hydra.sweep.dir=sweep")
    assert ended.code == 0, ended
    rows = ended.out.splitlines()
    (head,) = [index for index, row in enumerate(rows) if row.startswith("task ")]
    assert rows[head].split() == ["task", "val", "test", "time", "status"]
    entries = {name: run_json.read_json(own / "sweep" / f"task-{name}" / "run.json") for name in ("certainty", "gap")}
    from dlexp.records.result import objective_of

    for name, row in zip(entries, rows[head + 2 :], strict=False):
        value = entries[name]["metrics"][f"val/{name}"]
        assert f"{name} {percent(value) if name == 'certainty' else f'{value:.4g}'}" in row
        assert objective_of(entries[name]) == value


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            '    metric = "certainty"\n',
            '    metric = "sureness"\n',
            "metric is 'sureness', which is neither loss nor one of",
        ),
        ('return {"certainty"', 'return {"sureness"', "measure gives sureness, but its metrics are certainty"),
        ("Metric(unit=", "dict(unit=", "metrics must name each metric with a Metric of dlexp.metric"),
        ('unit="%"', 'unit="mm"', "the unit 'mm' of certainty must be '%'"),
        ('{"certainty": Metric', '{"loss": Metric', "'loss' is what the criterion gives"),
        (".sum()}\n\nclass Gap", "}\n\nclass Gap", "the sum of certainty has the shape [2]"),
        ("class Certainty(Classification)", "class Certainty(object)", "Certainty"),
    ],
)
def test_a_task_that_is_none_is_a_sentence(cli, own: Path, before: str, after: str, sentence: str) -> None:
    assert before in MODULE
    (own / "my_tasks.py").write_text(MODULE.replace(before, after, 1), encoding="utf-8")
    ended = cli(*WORDS, "task=certainty")
    assert ended.code == 1 and sentence in ended.err and "Traceback" not in ended.err, ended
    assert not (own / "outputs").exists()


def test_the_example_of_the_documents(cli, workdir: Path) -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"^```(?:python|yaml)\n# (my_\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        (workdir / name).parent.mkdir(parents=True, exist_ok=True)
        (workdir / name).write_text(content, encoding="utf-8")
    words = ["data.points_per_class=60", "epochs=2", "threads=1", "pictures=false"]
    ended = cli("--config-dir", "my_conf", "allow=my_tasks", "task=mistakes", *words)
    sys.modules.pop("my_tasks", None)
    assert ended.code == 0 and "test error" in ended.out and " %, test loss" in ended.out, ended
    ended = cli(
        "--config-dir", "my_conf", "allow=my_spread", "metric=[accuracy,confidence]", *words, "task.metric=confidence"
    )
    sys.modules.pop("my_spread", None)
    assert ended.code == 0 and "test confidence" in ended.out and "test accuracy" in ended.out, ended


def test_a_class_of_any_kind_is_told_what_it_owes(cli, own: Path) -> None:
    text = MODULE.replace("    metric, metrics, targets = ", "    metric, other, targets = ")
    (own / "my_tasks.py").write_text(text, encoding="utf-8")
    ended = cli(*WORDS, "task=gap")
    assert "task my_tasks.Gap has no metrics; a class that inherits from" in ended.err, ended
    (own / "my_options" / "task" / "gap.yaml").write_text("_target_: my_tasks.Gap\n", encoding="utf-8")
    assert "task.targets is missing in the config" in cli(*WORDS, "task=gap").err
