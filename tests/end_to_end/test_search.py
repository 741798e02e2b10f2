"""-m search=…: trials on the command line, the best trained whole, those that lag ended, and what is said of all."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, child_environment, start

from dlexp.api import run_sweep
from dlexp.records import run_json

TINY = ["data.points_per_class=60", "epochs=2", "pictures=false", "threads=1"]
RATE = "optimizer.lr=tag(log,interval(1e-3,1))"
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals are sent as on Linux and macOS")


def entries(workdir: Path) -> dict[str, dict[str, Any]]:
    return {path.parent.name: run_json.read_json(path) for path in sorted(workdir.glob("outputs/*/*/run.json"))}


def test_more_trials_go_on_with_the_sequence(cli, workdir: Path) -> None:
    words = ["-m", "search=qmc", RATE, "model.activation=relu,tanh", *TINY]
    ended = cli(*words, "trials=2")
    assert ended.code == 0, ended
    first = entries(workdir)
    assert list(first) == ["lr-0.023_activation-relu", "lr-0.36_activation-tanh"]
    assert all(
        "test=false" in entry["overrides"] and "test/accuracy" not in entry["metrics"] for entry in first.values()
    )
    told = cli(*words, "trials=3", "dry_run=true")
    assert "1 job to do" in told.out and "trials=4, which goes on with these" in told.out, told
    ended = cli(*words, "trials=3")
    assert "3 jobs, 2 of them done already" in ended.out and "test/accuracy" not in ended.out
    after = entries(workdir)
    assert len(after) == 3 and {name: after[name] for name in first} == first
    assert len(list((workdir / "outputs").glob("*/"))) == 1
    best = max(after.values(), key=lambda entry: entry["metrics"]["val/accuracy"])
    (typed,) = re.findall(r"^train it +python -m dlexp (.*)$", ended.out, re.MULTILINE)
    assert {*typed.split()[:2]} <= {*best["overrides"]} and "test=false" not in typed and "trials" not in typed
    assert re.search(r"^new seeds .* seed=1,2,3$", ended.out, re.MULTILINE) and "too good by itself" in ended.out
    tested = cli(*typed.split())
    assert tested.code == 0 and "test accuracy" in tested.out, "what is printed can be typed"


def test_an_edge_is_named(cli, workdir: Path) -> None:
    ended = cli("-m", "search=random", "trials=2", "optimizer.lr=tag(log,interval(1e-9,1e-6))", *TINY)
    assert ended.code == 0 and "best of 2 trials: val/accuracy" in ended.out
    ended = cli("-m", "search=random", "trials=3", "model.width=interval(1,2)", *TINY)
    assert re.search(
        r"the best model.width=[12] lies at the (upper|lower) edge of what was tried of 1 to 2: widen", ended.out
    )
    assert "the space holds 2 points, and each is tried once\n" in ended.out, ended


def test_short_trials_then_the_best_whole_each_on_two_seeds(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = ["search=random", "trials=3", RATE, "seed=0,1", "search.epochs=1", "search.top=1", "n_jobs=2", *TINY]
    results = run_sweep(words)
    assert len(results) == 8 and all(len(each.history) == 1 + (n >= 6) for n, each in enumerate(results))
    trials = [sum(each.objective or 0 for each in results[n : n + 2]) / 2 for n in (0, 2, 4)]
    best = max(range(3), key=lambda n: trials[n])
    names = [each.folder.name for each in results]
    assert [f"{name}_epochs-1" for name in names[6:]] == names[2 * best : 2 * best + 2]
    mean = sum(each.objective or 0 for each in results[6:]) / 2
    assert f"best of 3 trials, trained whole: val/accuracy {100 * mean:.2f} %, the mean over 2 runs" in caplog.text
    assert re.search(
        r"^new seeds .* seed=2,3,4$", caplog.messages[-3] + "\n" + "\n".join(caplog.messages), re.MULTILINE
    )
    told = [message for message in caplog.messages if message.startswith("expected best")]
    assert not told, "of three trials half is one"
    before = entries(workdir)
    run_sweep(words)
    assert entries(workdir) == before, "nothing is trained again"


def test_where_all_short_trials_fail_none_is_trained_whole(cli, workdir: Path) -> None:
    words = ["-m", "search=qmc", "trials=2", "search.epochs=1", "search.top=1", "optimizer.lr=interval(1e30,1e31)"]
    ended = cli(*words, *TINY)
    assert ended.code == 1 and "of 2 trials 0 gave a value, 2 failed\nno trial gave a value to choose by" in ended.out
    assert all("the loss became" in entry["error"] for entry in entries(workdir).values())
    before = entries(workdir)
    assert cli(*words, *TINY).code == 1 and entries(workdir) == before, "what diverged would once more"


@pytest.mark.slow
def test_tpe_and_a_search_that_goes_on(cli, workdir: Path) -> None:
    words = ["-m", "search=tpe", RATE, "model.width=int(interval(4,32))", "epochs=1", *TINY[:1], *TINY[2:], "n_jobs=2"]
    told = cli(*words, "trials=12", "dry_run=true")
    assert "2 further jobs are proposed from the results of those below" in told.out
    assert "12 jobs to do, 2 of them not proposed yet" in told.out
    assert "all of trials=4 are points that the search begins with" in cli(*words, "trials=4", "dry_run=true").out
    ended = cli(*words, "trials=12")
    assert ended.code == 0 and "[12/12]" in ended.out and "best of 12 trials" in ended.out, ended
    before = entries(workdir)
    assert len(before) == 12 and "expected best" not in ended.out
    told = cli(*words, "trials=12", "dry_run=true").out
    assert "nothing is left to do" in told and "further jobs" not in told and told.count("  done") == 12
    told = cli(*words, "trials=14", "dry_run=true").out
    assert "2 jobs to do, 2 of them not proposed yet" in told and "nothing is left" not in told
    again = cli(*words, "trials=12")
    assert again.code == 0 and entries(workdir) == before and "best of 12 trials" in again.out, again
    more = cli(*words, "trials=13")
    assert "13 jobs, 12 of them done already" in more.out and more.out.count("[13/13]") == 2 and "[1/" not in more.out
    after = entries(workdir)
    assert more.code == 0 and len(after) == 13 and {name: after[name] for name in before} == before


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("sampler", ["qmc", "tpe"])
def test_after_a_kill_only_what_is_missing_is_trained(cli, workdir: Path, sampler: str) -> None:
    words = ["-m", f"search={sampler}", "trials=12", RATE, *TINY]
    process = start(words, workdir)
    deadline = time.monotonic() + 200
    while sum(each["status"] == "finished" for each in entries(workdir).values()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = {name: entry for name, entry in entries(workdir).items() if entry["status"] == "finished"}
    assert 2 <= len(before) < 12
    ended = cli(*words)
    after = entries(workdir)
    assert ended.code == 0 and len(after) == 12 and all(each["status"] == "finished" for each in after.values()), ended
    assert {name: after[name] for name in before} == before


LONG = [
    "data.points_per_class=400",
    "epochs=400",
    "batch_size=64",
    "pictures=false",
    "threads=1",
    "checkpoint.keep=resume",
]


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("prune", ["asha", "median"])
def test_what_lags_is_pruned_and_goes_on_when_asked(cli, workdir: Path, prune: str) -> None:
    """A rate that learns nothing is held against one that does, and ends soon after it has begun."""
    words = ["-m", "search=qmc", "trials=2", "optimizer.lr=1e-9,0.3", "optimizer=sgd", *LONG]
    kind = "search.prune_keep=2" if prune == "asha" else "search.prune_least=1"
    settings = [f"search.prune={prune}", "search.prune_from=2", kind]
    ended = cli(*words, *settings)
    after = entries(workdir)
    good, bad = after["lr-0.3"], after["lr-1e-09"]
    assert ended.code == 0 and good["status"] == "finished", ended
    assert bad["status"] == "pruned" and "other trial" in bad["error"] and "pruned, " in ended.out
    assert "of 2 trials 1 gave a value, 1 ended early" in ended.out and "optimizer.lr=0.3" in ended.out
    again = cli(*words, *settings)
    assert again.code == 0 and entries(workdir) == after, "the same command leaves it alone"
    folder = next(workdir.glob("outputs/*/lr-1e-09"))
    went_on = cli(f"resume={folder.relative_to(workdir)}")
    assert went_on.code == 0 and entries(workdir)["lr-1e-09"]["status"] == "finished", went_on


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        (["search=qmc", RATE], ["search=qmc takes trials=N", "trials=16 is a start"]),
        (["search=qmc", "trials=4"], ["has nothing to choose", "'optimizer.lr=tag(log,interval(1e-4,1))'"]),
        (["search=qmc", "trials=0", RATE], ["trials=0 must be ≥ 1"]),
        (["search=qcm", "trials=4", RATE], ["no search 'qcm'", "'qmc'?"]),
        (["search=qmc", "trials=4", "optimizer.lrr=interval(0,1)"], ["no setting 'optimizer.lrr'", "optimizer.lr="]),
        (["search=qmc", "trials=4", "optimizer.lr=tag(log,interval(0,1))"], ["has no logarithm"]),
        (["search=qmc", "trials=4", "seed=interval(0,9)"], ["seed is no setting to choose", "seed=0,1,2"]),
        (["search=qmc", "trials=4", RATE, "n_jobs=1,2"], ["n_jobs changes no result"]),
        (["search=qmc", "trials=4", RATE, "test=true,false"], ["differ in test", "can't be compared"]),
        (["search=qmc", "trials=4", "data=spiral,mnist"], ["differ in data", "can't be compared"]),
        (["search=qmc", "trials=4", RATE, "data.val_size=0"], ["chooses by validation, which data.val_size=0"]),
        (["search=qmc", "trials=4", RATE, "search.epochs=1"], ["search.epochs and search.top go together"]),
        (["search=qmc", "trials=4", RATE, "search.epochs=2", "search.top=1"], ["is no shorter than", "epochs=2"]),
        (["search=qmc", "trials=4", RATE, "search.epochs=1", "search.top=4"], ["search.top=4 leaves none of trials=4"]),
        (["search=qmc", "trials=4", RATE, "search.prune=hyperband"], ["must be one of none, asha, median"]),
        (["search=qmc", "trials=4", RATE, "search.prune=asha", "search.prune_from=2"], ["has nothing to end early"]),
        (["search=qmc", "trials=4", RATE, "search.prune=asha", "seed=0,1"], ["compares single runs"]),
        (["search=qmc", "trials=4", RATE, "search.prune_keep=2"], ["has no effect with search.prune=none"]),
        (["search=qmc", "trials=4", RATE, "optimizer.lr=0.1"], ["optimizer.lr is named more than once"]),
        (["search=qmc", "trials=4", "model=mlp,linear", "model.width=interval(4,9)"], ["no setting 'model.width'"]),
        (["trials=4", "seed=0,1"], ["trials=4 goes with a search"]),
        (["search.epochs=4", "seed=0,1"], ["search=qmc or random or tpe has it"]),
        ([RATE], ["a grid needs values: optimizer.lr=a,b,c", "search=qmc trials=16"]),
    ],
    ids=lambda each: " ".join(each),
)
def test_mistakes_of_a_search(cli, workdir: Path, words: list[str], pieces: list[str]) -> None:
    ended = cli("-m", *words, *TINY)
    assert ended.code == 1 and all(piece in ended.err for piece in pieces), ended
    assert "no job was started" in ended.err and "Traceback" not in ended.err
    assert not list(workdir.iterdir()), "nothing is left"


def test_a_range_without_a_search(cli, workdir: Path) -> None:
    ended = cli(RATE)
    assert ended.code == 1 and "which a search tries: add -m search=qmc trials=16" in ended.err, ended
    ended = cli("search.seed=1", "search=qmc", "dry_run=true", *TINY)
    assert "search.seed=1 search=qmc has no effect without -m" in ended.out, ended


MODULE = """
class Known:
    is_here = True
    def __init__(self, settings): pass
    def begin(self): pass
    def underway(self, folders): return [None] * len(folders)
    def launch(self, jobs, folders, num_cells): return [None] * len(jobs)
"""


def test_a_launcher_of_known_jobs_takes_no_search_that_chooses_while_they_run(cli, workdir: Path) -> None:
    (workdir / "my_known_jobs.py").write_text(MODULE, encoding="utf-8")
    (workdir / "own" / "launcher").mkdir(parents=True)
    node = "_target_: my_known_jobs.Known\n"
    (workdir / "own" / "launcher" / "known.yaml").write_text(node, encoding="utf-8")
    words = ["-m", "--config-dir", "own", "allow=my_known_jobs", "launcher=known", "trials=2", RATE, *TINY]
    for kind in (["search=tpe"], ["search=qmc", "search.prune=median"]):
        ended = cli(*words, *kind)
        assert ended.code == 1 and "search=qmc search.prune=none goes with every launcher" in ended.err, ended
        assert not (workdir / "outputs").exists()
    assert "not started" in cli(*words, "search=qmc").out


OWN = """
from dataclasses import dataclass
from dlexp.search.settings import Search

@dataclass(kw_only=True)
class Corners(Search):
    start: int
    def first(self, space, trials):
        return [{key: str(self.start + trial) for key in space} for trial in range(trials)]
"""


def test_a_search_of_ones_own(cli, workdir: Path) -> None:
    (workdir / "my_search.py").write_text(OWN, encoding="utf-8")
    (workdir / "own" / "search").mkdir(parents=True)
    common = (ROOT / "conf" / "search" / "qmc.yaml").read_text(encoding="utf-8").partition("\nseed")[2]
    node = f"_target_: my_search.Corners\nstart: 3\nseed{common}"
    (workdir / "own" / "search" / "corners.yaml").write_text(node, encoding="utf-8")
    words = ["-m", "--config-dir", "own", "allow=my_search", "search=corners", "trials=2", "model.width=interval(2,9)"]
    ended = cli(*words, *TINY, "search.start=5")
    assert ended.code == 0 and list(entries(workdir)) == ["width-5", "width-6"], ended
    (typed,) = re.findall(r"^train it +python -m dlexp (.*)$", ended.out, re.MULTILINE)
    assert typed.startswith("--config-dir own allow=my_search model.width=")
    (workdir / "my_search.py").write_text(
        "class Corners:\n    def __init__(self, **settings): pass\n", encoding="utf-8"
    )
    code = f"import sys; from dlexp.__main__ import main; sys.exit(main({[*words, *TINY]!r}))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=child_environment())
    assert told.returncode == 1 and "its class derives from dlexp.search.settings.Search" in told.stderr, told


def test_commands_leave_out_what_is_for_the_search(cli, workdir: Path) -> None:
    words = ["-m", "search=qmc", "search.seed=3", "trials=1", "model.width=interval(2,9)", "seed=4", "launcher=local"]
    ended = cli(*words, *TINY, "hydra.sweep.dir=here", "n_jobs=2")
    width = re.search(r"with model.width=(\d)", ended.out)
    assert ended.code == 0 and width, ended
    tiny = " ".join(TINY)
    assert f"train it     python -m dlexp model.width={width[1]} seed=4 {tiny}\n" in ended.out
    assert "\ncompare it   python -m dlexp report here\n" in ended.out
    assert f"new seeds    python -m dlexp -m model.width={width[1]} {tiny} seed=0,1,2\n" in ended.out


DOCUMENT = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```bash search\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_document_shows_is_right(cli, workdir: Path, command: str) -> None:
    words = [word for word in shlex.split(command)[3:] if word not in ("model=cnn", "data=mnist")]
    fewer = [re.sub("^trials=(16|30)$", "trials=5", word) for word in words]
    ended = cli(*fewer, "data.points_per_class=60", "threads=1", "dry_run=true")
    assert len(COMMANDS) == 3 and fewer != words and ended.code == 0, ended
    assert re.search("^5 jobs to do", ended.out, re.MULTILINE), ended
    assert ("then 4 whole trainings of the best" in ended.out) == ("search.top=4" in words)


def test_help_tells_of_searches(cli, workdir: Path) -> None:
    told = cli("--help", "search")
    assert all(f"  {name}: " in told.out for name in ("grid", "qmc", "random", "tpe")) and "prune_least=4" in told.out
    told = cli("--help", "search=tpe")
    assert (
        "needs pip install\n    'dlexp[search]'" in told.out
        and "search.epochs" in told.out
        and "trials" in cli("--help").out
    )
