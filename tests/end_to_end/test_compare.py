"""Comparisons: tuning, wider ranges, fresh seeds, a report; and a plan that stands."""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_answers import plan_of

from dlexp.config.composed import Composed
from dlexp.errors import UserError
from dlexp.records import run_json
from dlexp.report.reading.plan import write_plan
from dlexp.sweep.launchers import job_process

pytestmark = pytest.mark.usefixtures("known_pace", "undrawn")
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")
SHORT = ["data.points_per_class=60", "epochs=2", "pictures=false", "threads=1"]
ARMS = ["optimizer=sgd,adam", "model.width=8"]
TUNED = ["tune=optimizer.lr", "trials=2", "seeds=2"]
NAME = "compare-mlp-spiral-sgd-adam"


def statuses(folder: Path) -> dict[str, str]:
    return {path.parent.name: run_json.read_json(path)["status"] for path in folder.glob("*/run.json")}


@pytest.mark.slow
def test_arms_are_tuned_and_compared(cli, workdir: Path) -> None:
    """In ranges that end too early, so that each grows once."""
    words = ["compare", *ARMS, *SHORT, *TUNED, "margin=0.5", "hypothesis=Adam beats SGD"]
    words += ["epochs=4", "optimizer.lr=tag(log,interval(1e-7,1e-5))"]
    ended = cli(*words)
    assert ended.code == 0 and ended.err == "", ended
    folder = workdir / "outputs" / NAME
    plan = plan_of(folder)
    assert plan.arms == {"sgd": ["optimizer=sgd"], "adam": ["optimizer=adam"]} and plan.reference == "sgd"
    assert plan.seeds == [1, 2] and plan.looks == [[1, 2]] and plan.margin == 0.5 and plan.departures == []
    assert plan.hypothesis == "Adam beats SGD" and plan.metric == "test/accuracy"
    tuning = plan.tuning
    assert tuning is not None and tuning.further == 1 and tuning.widened
    for arm, its in tuning.widened.items():
        assert its["optimizer.lr"] != tuning.spaces[arm]["optimizer.lr"]
    assert [len(plan.trials[arm]) for arm in plan.arms] == [3, 3], "the other arm gets as many more"
    told = "lay at the edge of what was tried, so each arm gets 1 more trial, which makes 10 trainings: "
    assert told in ended.out and "1 trials" not in ended.out
    for arm, keys in tuning.edges.items():
        assert keys == ["optimizer.lr"] and f"{arm}: its best optimizer.lr lies at the" in ended.out
    for names in plan.trials.values():
        for name in names:
            entry = run_json.read_json(folder / name / "run.json")
            assert entry["seed"] == 0 and not any(key.startswith("test/") for key in entry["metrics"])
            assert not (folder / name / "weights").exists() and "test=false" in entry["overrides"]
    for arm, runs in plan.runs.items():
        for seed, name in runs.items():
            entry = run_json.read_json(folder / name / "run.json")
            assert str(entry["seed"]) == seed and "test/accuracy" in entry["metrics"]
            assert set(tuning.chosen[arm]) <= set(entry["overrides"]) and len(tuning.chosen[arm]) == 1
    assert "10]" in ended.out and "test set sealed" in ended.out
    assert {"report.md", "table.csv"} <= {path.name for path in (folder / "report").iterdir()}
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/metrics.jsonl")}
    texts = {path: path.read_bytes() for path in [*(folder / "report").iterdir(), folder / "compare.json"]}
    again = cli(*words)
    assert again.code == 0 and "4 of them there already" in again.out
    assert "nothing is left to train: all 10 trainings are there\n" in again.out and " took" not in again.out
    assert "nothing is left" not in ended.out and "measured on short trainings just now" in ended.out
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/metrics.jsonl")} == before
    assert {path: path.read_bytes() for path in texts} == texts, "the same report to the byte"


@pytest.mark.slow
def test_named_arms_folds_and_one_seed(cli, workdir: Path) -> None:
    (workdir / "conf" / "study").mkdir(parents=True)
    text = "question: Wide or narrow?\narms: {wide one: [model.width=16], narrow one: [model.width=4]}\nseeds: 1\n"
    (workdir / "conf" / "study" / "mine.yaml").write_text(text, encoding="utf-8")
    listed = cli("compare", "--config-dir", "conf")
    assert listed.code == 0 and "mine" in listed.out and "Wide or narrow?" in listed.out and "activation" in listed.out
    ended = cli("compare", "mine", "--config-dir", "conf", *SHORT)
    assert ended.code == 0 and "warning: one seed an arm tells nothing of chance" in ended.out, ended
    folder = workdir / "outputs" / "compare-mine-small"
    plan = plan_of(folder)
    assert list(plan.arms) == ["wide one", "narrow one"] and plan.question == "Wide or narrow?" and plan.looks == []
    assert set(statuses(folder)) == {"wide-one_seed-1", "narrow-one_seed-1"}
    one = cli("compare", *ARMS, *SHORT, "data.folds=2", "data.fold=0", "seeds=1", "hydra.sweep.dir=outputs/one")
    assert one.code == 0, one
    folds = cli("compare", *ARMS, *SHORT, "data.folds=2", "data.fold=0,1")
    assert folds.code == 0 and "folds are no seeds" in folds.out, folds
    plan = plan_of(workdir / "outputs" / NAME)
    assert plan.runs["sgd"] == {"1 fold 0": "../one/sgd_seed-1", "1 fold 1": "sgd_seed-1_fold-1"} and plan.looks == []
    assert plan.folds == ["data.fold=0", "data.fold=1"] and plan_of(workdir / "outputs" / "one").folds == []


def test_a_dry_run_leaves_nothing(cli, workdir: Path) -> None:
    ended = cli("compare", *ARMS, *SHORT, *TUNED, "dry_run=true")
    assert ended.code == 0 and "8 trainings" in ended.out and "standard deviations" in ended.out, ended
    assert "  sgd: optimizer.lr=tag(log,interval(0.0033,3))\n" in ended.out and "the test set sealed" in ended.out
    assert "  adam: optimizer.lr=tag(log,interval(0.00033,0.3))\n" in ended.out
    words = [*ARMS, *SHORT, "dry_run=true"]
    ended = cli("compare", *words, "hypothesis=Adam beats SGD", "data.test_size=0", *TUNED)
    assert "hypothesis “Adam beats SGD”: it is judged, adam against sgd\n" in ended.out and "sealed" not in ended.out
    assert "the data has no test split, so the arms are compared on the validation samples that chose" in ended.out
    ended = cli("compare", *words, "hypothesis=all will be well")
    assert ended.code == 0 and "it stands as typed and is not judged" in ended.out, ended
    assert list(workdir.iterdir()) == []


@pytest.mark.slow
def test_mistakes_are_sentences_and_leave_nothing(cli, workdir: Path) -> None:
    for words, told in (
        ([*ARMS, "tune=model.dropuot"], "tune=model.dropuot: there is no such setting. Did you mean 'model.dropout'?"),
        ([*ARMS, "tune=model.xyz"], "error: tune=model.xyz: there is no such setting; model has shape, "),
        ([*ARMS, "tune=optimizer.rl"], "tune=optimizer.rl: there is no such setting. Did you mean 'optimizer.lr'?\n"),
        ([*ARMS, "tune=model.activation"], "error: tune=model.activation: it is relu before tuning"),
        ([*ARMS, "tune=model.activation"], "such as model.activation=relu,leaky_relu\n"),
        (["model.width=4,8", "tune=optimizer"], "it is sgd before tuning, from which no range follows; type one, such"),
        ([*ARMS, "tune=optimizer.momentum"], "there is no such setting"),
        ([*ARMS, "tune=optimizer.weight_decay"], "type one, such as 'optimizer.weight_decay=tag(log"),
        (["model.width=8,4", "model.dropout=0.5", "tune=model.dropout"], "the range of arm width 8: model.dropout"),
        ([*ARMS, "seeds=[0,1]", "tune=optimizer.lr"], "seed 0 is that of the tuning"),
        ([*ARMS, "tune=optimizer.lr", "data.val_size=0"], "tune= chooses in validation"),
        ([*ARMS, "data.folds=2", "data.fold=0,1", "seeds=3"], "folds are compared at one seed"),
        (["threads=1,2"], "are one experiment"),
        (
            [*ARMS, "optimzer.lr=1,2"],
            "error: there is no setting 'optimzer.lr'. Did you mean 'optimizer.lr=1,2'?\n",
        ),
        ([*ARMS, "tune=model.dropout"], "such as 'model.dropout=interval(0,0.5)'\n"),
        (["optimizer=sgd,adma"], "Did you mean 'adam'?"),
        ([*ARMS, "hypothesis=Adma beats SGD"], "there is no arm 'Adma'. Did you mean 'adam'? Arms: sgd, adam\n"),
        (["optimizer=sgd,adam", "epochs=0"], "epochs=0 must be"),
        ([*ARMS, "hydra.run.dir=x"], "hydra.run.dir= is the folder of one run"),
        (["--sgd"], "--sgd"),
    ):
        ended = cli("compare", *words, *(word for word in SHORT if word[:3] not in {each[:3] for each in words}))
        assert ended.code == 1 and told in ended.err and "Traceback" not in ended.err, (words, ended)
    assert list(workdir.iterdir()) == []


@pytest.mark.slow
def test_runs_of_sweeps_are_taken_where_they_are(cli, workdir: Path) -> None:
    words = [*ARMS, *SHORT, "epochs=9"]
    assert cli("-m", *words, "seed=1,2").code == 0
    (sweep,) = (path for path in (workdir / "outputs").iterdir() if path.is_dir())
    told = cli("compare", *words, "seeds=2", "dry_run=true")
    assert "nothing is left to train: all 4 trainings are there, all in other folders\n" in told.out, told
    ended = cli("compare", *words, "seeds=2")
    assert ended.code == 0 and "4 final runs, 4 of them there already" in ended.out, ended
    assert "Exploratory: 4 of 4 final runs were there apart from this plan" in " ".join(ended.out.split())
    assert statuses(workdir / "outputs" / NAME) == {} and (workdir / "outputs" / NAME / "report").is_dir()
    ended = cli("compare", *words, "seeds=3")
    assert ended.code == 0 and "6 final runs, 4 of them there already" in ended.out, ended
    assert "4 of the trainings are there, all in other folders; 2 are left\n" in ended.out
    assert "points on, 8 times in 10, if runs scatter as those of this comparison that have finished do" in ended.out
    assert "final runs: two runs an arm, seeds 1 and 2; 6 finished; seed 3 added" in " ".join(ended.out.split())
    folder = workdir / "outputs" / NAME
    plan = plan_of(folder)
    assert plan.runs["adam"] == {
        "1": f"../{sweep.name}/optimizer-adam_seed-1",
        "2": f"../{sweep.name}/optimizer-adam_seed-2",
        "3": "adam_seed-3",
    }
    assert set(statuses(folder)) == {"sgd_seed-3", "adam_seed-3"}
    assert plan.departures == [
        "seed 3 added after a verdict on seeds 1, 2 was shown",
        "4 of 6 final runs were not trained for this plan, but found in another folder",
    ]
    report = run_json.read_json(folder / "report" / "report.json")
    assert [len(arm["runs"]) for arm in report["arms"]] == [3, 3]
    assert plan.known == {"sgd": ["1", "2"], "adam": ["1", "2"]} and plan.late == [3]
    anew = cli("compare", *words, "seeds=1", "rerun=true")
    assert anew.code == 0 and "there already" not in anew.out
    assert plan_of(workdir / "outputs" / f"{NAME}-2").known == {"sgd": ["1"], "adam": ["1"]}, "the same numbers again"
    assert set(statuses(workdir / "outputs" / f"{NAME}-2")) == {"sgd_seed-1", "adam_seed-1"}
    more = cli("-m", *words, "seed=3")
    assert more.code == 0 and "2 jobs, 2 of them done already" in more.out, "and a sweep finds those of a comparison"


@pytest.mark.slow
def test_a_stored_plan_stands(cli, workdir: Path) -> None:
    words = ["compare", *ARMS, *SHORT]
    assert cli(*words, "seeds=2", "margin=0.5").code == 0
    folder = workdir / "outputs" / NAME
    ended = cli(*words, "seeds=2", "margin=3", "hypothesis=Adam wins", "n_jobs=2")
    assert "margin=3.0 was typed after" in ended.out and "hypothesis=Adam wins was typed after" in ended.out
    assert ended.code == 0 and "4 of them there already" in ended.out
    plan = plan_of(folder)
    assert (
        plan.margin == 0.5
        and plan.hypothesis is None
        and plan.departures
        == [
            "margin=3.0 was typed after runs were there; 0.5 was planned, which stands",
            "hypothesis=Adam wins was typed after runs were there; none was planned, which stands",
        ]
    )
    ended = cli(*words, "seeds=3")
    plan = plan_of(folder)
    assert ended.code == 0 and plan.seeds == [1, 2, 3] and plan.looks == [[1, 2], [1, 2, 3]]
    assert plan.departures[-1] == "seed 3 added after a verdict on seeds 1, 2 was shown"
    assert "xploratory" in ended.out and plan.known == {}, ended
    assert cli(*words).code == 0 and plan_of(folder) == plan, "without a number of seeds that of the plan is meant"
    fewer = cli(*words, "seeds=1")
    assert fewer.code == 0 and plan_of(folder) == plan, "a reading of less departs from nothing"
    assert "seed 1 typed after a verdict on seeds 1, 2, 3 was shown: the plan stands, with seeds 1, 2, 3" in fewer.out
    assert len(list((workdir / "outputs").glob("*/compare.json"))) == 1
    another = cli("compare", "optimizer=sgd,muon", "model.width=8", *SHORT, f"hydra.sweep.dir={folder}")
    assert another.code == 1 and "holds another comparison (sgd, adam)" in another.err


class Killed(BaseException):
    """Stands for a kill -9: nothing answers to it."""


@pytest.mark.slow
@pytest.mark.parametrize("at", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 2, 3))])
def test_a_kill_before_the_first_run_leaves_one_folder(
    cli, workdir: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    write, written = run_json.write_json, []

    def dies(file: Path, data: Any) -> None:
        if len(written) == at:
            raise Killed
        written.append(file.name)
        write(file, data)

    words = ["compare", *ARMS, *SHORT, "seeds=1", "epochs=1"]
    if at < 3:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(run_json, "write_json", dies)
            cli(*words)
        assert written == ["compare.json", "sweep.json", "compare.json"][:at]
        assert cli(*words).code == 0
    else:
        assert cli(*words).code == 0
        folder, whole = workdir / "outputs" / NAME, plan_of(workdir / "outputs" / NAME)
        for place in folder.glob("*/"):
            place.rename(workdir / "outputs" / place.name)  # all runs lie elsewhere
        with monkeypatch.context() as patch:
            patch.setattr("dlexp.compare.course.Course.opened", refuses)
            assert cli(*words).code == 1
        assert plan_of(folder) == whole, "a plan that was there stays there"
    assert [path.name for path in (workdir / "outputs").glob("compare-*")] == [NAME]


def refuses(*_: Any) -> None:
    """Stands for a launcher that starts no job."""
    raise UserError("no job was started")


def killed_at_the_second(job: Composed, folder: Path, *others: Any) -> None:
    """Stands for `run_child`: the second run of sgd is killed; no run begins before its plan is stored."""
    planned = [name for its in plan_of(folder.parent).runs.values() for name in its.values()]
    if folder.name not in planned or {"seed=2", "optimizer=sgd"} <= set(job.words):
        os.kill(os.getpid(), signal.SIGKILL)
    job_process.run_child(job, folder, *others)


@pytest.mark.slow
@POSIX
def test_seeds_are_not_changed_unsaid_once_a_final_run_ended(
    cli, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["compare", *ARMS, *SHORT]
    with monkeypatch.context() as patch:
        patch.setattr(job_process, "run_child", killed_at_the_second)
        assert cli(*words, "seeds=3").code == 1
        anew = cli(*words, "seeds=2", "rerun=true")
        assert anew.code == 1 and f"with hydra.sweep.dir=outputs/{NAME}-2 goes on" in anew.out, anew
    anew = cli(*words, "seeds=2", "rerun=true", f"hydra.sweep.dir=outputs/{NAME}-2")
    assert anew.code == 0 and len(statuses(workdir / "outputs" / f"{NAME}-2")) == 4, anew
    shutil.rmtree(workdir / "outputs" / f"{NAME}-2")
    assert sorted(statuses(workdir / "outputs" / NAME)) == [
        "adam_seed-1",
        "adam_seed-2",
        "adam_seed-3",
        "sgd_seed-1",
        "sgd_seed-3",
    ]
    fewer = cli(*words, "seeds=1")
    plan = plan_of(workdir / "outputs" / NAME)
    assert fewer.code == 0 and plan.seeds == [1, 2, 3] and plan.known == {}, fewer
    assert "seed 1 typed after final runs had ended: the plan stands, with seeds 1, 2, 3\n" in fewer.out
    report = run_json.read_json(workdir / "outputs" / NAME / "report" / "report.json")
    assert not plan.departures and report["exploratory"] is None


@pytest.mark.slow
def test_comparisons_begun_together_share_a_folder(cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["compare", *ARMS, *SHORT, "seeds=2", "epochs=1"]
    assert cli(*words).code == 0
    monkeypatch.setattr("dlexp.compare.compare.stored", lambda *_: None)  # as if the other one had not begun yet
    (workdir / "outputs" / NAME / "adam_seed-2" / "run.json").unlink()
    again = cli(*words)
    # The other one has come further than planning, so what it knows is not lost by this one's plan.
    assert again.code == 1 and "goes on in" in again.err and "type the command again" in again.err, again
    plan = plan_of(workdir / "outputs" / NAME)
    write_plan(workdir / "outputs" / NAME, replace(plan, runs={}, looks=[]))
    again = cli(*words)
    assert again.code == 0 and "4 final runs, 3 of them there already" in again.out, again
    assert [path.name for path in (workdir / "outputs").iterdir() if path.is_dir()] == [NAME]


def test_a_run_that_diverges_is_a_result(cli, workdir: Path) -> None:
    words = ["compare", "optimizer.lr=0.1,1e30", "model.width=8", *SHORT, "seeds=2"]
    ended = cli(*words)
    assert ended.code == 0 and "failed, the loss became" in ended.out, ended
    (folder,) = (workdir / "outputs").glob("compare-*")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/run.json")}
    assert cli(*words).code == 0
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/run.json")} == before, "it is not trained again"


@pytest.mark.parametrize(
    ("words", "apart"),
    [
        (["criterion=mse,huber"], "criterion"),
        pytest.param(["criterion=huber", "criterion.delta=0.5,1"], "criterion", marks=pytest.mark.slow),
        pytest.param(["task.standardise=true,false"], "task.standardise", marks=pytest.mark.slow),
        pytest.param(
            ["optimizer=sgd,adam", "criterion=huber", "tune=criterion.delta"], "criterion.delta", marks=pytest.mark.slow
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each),
)
def test_losses_that_are_different_measures_are_not_compared(words: list[str], apart: str, cli, workdir: Path) -> None:
    words = ["compare", "data=linear", "dry_run=true", "threads=1", *words]
    refused = cli(*words)
    assert refused.code == 1 and f"by their loss, and {apart} makes that another one in each" in refused.err, refused
    assert "task.metric=mae measures all alike" in refused.err
    assert cli(*words, "task.metric=mae").code == 0, "and that is true"
    assert not list(workdir.iterdir())
