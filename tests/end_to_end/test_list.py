"""`list`: what was trained, from the files of the runs alone."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import child_environment
from made_answers import plan_of, tuned_comparison
from made_runs import made_run, made_sweep

from dlexp.console.tables import width_of
from dlexp.machine.lock_file import locked
from dlexp.records.folder import LOCK, METRICS, RECORD
from dlexp.report.reading.listing import read_list
from dlexp.report.reading.plan import write_plan


def lines(ended) -> list[str]:
    assert ended.code == 0 and ended.err == "", ended
    assert max(map(width_of, ended.out.splitlines())) <= 80
    return ended.out.splitlines()


def test_runs_and_sweeps_stand_with_state_value_time_and_what_differs(cli, workdir: Path) -> None:
    made_run(Path("outputs/mlp-spiral-sgd"), 0.9, settings={"epochs": 7}, note="too short, so=again")
    made_run(Path("outputs/late"), 0.5, state="stopped", curve=[0.5, 0.75, 0.6], started="2026-11-02T10:00:00+00:00")
    arms = {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam", "model.width": 8}}
    made_sweep(Path("outputs/sweep-x"), arms, {"sgd": [0.8, "failed"], "adam": [0.95, 0.96]}, note="all of them")
    found = lines(cli("list"))
    assert found[0].split() == ["run", "when", "state", "val/accuracy", "time", "MB"]
    (row,) = [line for line in found if line.startswith("mlp-spiral-sgd")]
    assert row.split()[3:6] == ["done", "89.50", "%"] and "10 s" in row
    assert "    epochs=7  “too short, so=again”" in found, (
        "the words that the folder's name does not tell, and the note"
    )
    (head,) = [line for line in found if line.startswith("outputs/sweep-x/")]
    assert "4 runs, 3 done" in head and "“all of them”" in head
    (failed,) = [place for place, line in enumerate(found) if line.startswith("  sgd_seed-1")]
    assert " failed " in found[failed] and "RuntimeError: no such thing" in found[failed + 1]
    (adam,) = [place for place, line in enumerate(found) if line.startswith("  adam_seed-0")]
    assert found[adam + 1] == "      model.width=8", "the name tells the optimizer"
    assert found[-1].startswith("late") and " stopped " in found[-1] and "75.00 %" in found[-1], (
        "the newest, best so far"
    )


def test_a_name_that_tells_what_varied_is_not_explained(workdir: Path) -> None:
    for rate in (0.1, 0.01):
        settings = {"optimizer": "adam", "optimizer.lr": rate, "epochs": 9}
        made_run(Path(f"outputs/sweep-lr/lr-{rate}"), 0.9, settings=settings)
    entries, _ = read_list(Path("outputs"))
    assert [each.words for each in entries] == [[], []], "the name tells the rate, and all share the others"


def test_repeats_stand_together_and_other_data_is_told(cli, workdir: Path) -> None:
    made_run(Path("outputs/a"), 0.9, started="2026-11-01T10:00:00+00:00", data="old")
    made_run(Path("outputs/b"), 0.8, started="2026-11-02T10:00:00+00:00", settings={"epochs": 5})
    made_run(Path("outputs/a-2"), 0.91, started="2026-11-03T10:00:00+00:00", data="new")
    made_run(Path("outputs/a-3"), 0.91, started="2026-11-04T10:00:00+00:00", data="new")
    entries, _ = read_list(Path("outputs"))
    told = [(each.run.name, each.state, each.repeats) for each in entries]
    assert told == [
        ("b", "done", None),
        ("a", "other data", None),
        ("a-2", "done", "a"),
        ("a-3", "done", "a"),
    ]
    assert "  a-2" in cli("list").out and "again a" in cli("list").out


def test_a_run_that_lives_and_one_that_was_killed(workdir: Path) -> None:
    made_run(Path("outputs/lives"), state="died")
    made_run(Path("outputs/was-killed"), state="died", seed=1)
    with locked(Path("outputs/lives") / LOCK):
        code = f"import fcntl; fcntl.flock(open({str(Path('outputs/lives') / LOCK)!r}), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode != 0, "it is held"
        entries, _ = read_list(Path("outputs"))
    assert {each.run.name: each.state for each in entries} == {"lives": "running", "was-killed": "died"}


def test_conditions_and_order(cli, workdir: Path) -> None:
    for number, (rate, value) in enumerate(((0.1, 0.8), (0.2, 0.9), (0.3, 0.85))):
        made_run(Path(f"outputs/sweep-lr/lr-{rate}"), value, seed=number, settings={"optimizer.lr": rate})
    made_run(Path("outputs/other"), 0.7, settings={"optimizer": "adam"})
    best_first = [each.run.name for each in read_list(Path("outputs"), sort="accuracy")[0]]
    assert best_first == ["lr-0.2", "lr-0.3", "lr-0.1", "other"]
    entries, _ = read_list(Path("outputs"), ["optimizer=sgd", "optimizer.lr=2e-1,0.3"], "test/accuracy")
    assert [(each.run.name, each.value) for each in entries] == [("lr-0.2", 0.9), ("lr-0.3", 0.85)]
    failed = {"state": "failed", "curve": [0.99], "seconds": 0.1}
    made_run(Path("outputs/best-but-failed"), settings={"optimizer.lr": 9}, **failed)
    made_run(Path("outputs/fast"), 0.1, settings={"optimizer.lr": 8}, seconds=1.0)
    names = [each.run.name for each in read_list(Path("outputs"), sort="accuracy")[0]]
    assert names[0] == "lr-0.2" and names[-2:] == ["fast", "best-but-failed"]
    for word in ("seconds", "time"):
        names = [each.run.name for each in read_list(Path("outputs"), sort=word)[0]]
        assert names[0] == "fast" and names[-1] == "best-but-failed"
    for words, piece in (
        (["--where", "optimizer=muon"], "leaves no run"),
        (["--where", "optimiser=sgd"], "Did you mean 'optimizer'?"),
        (["--where", "lr"], "KEY=VALUE"),
        (["--sort", "acuracy"], "no run has the metric acuracy. Did you mean"),
        (["--sort", "MB"], "no run has the metric MB. Runs are sorted by seconds, time, test/"),
        (["nowhere"], "there is no folder nowhere"),
        (["--sorted", "loss"], "--sort"),
    ):
        ended = cli("list", *words)
        assert ended.code == 1 and piece in ended.err and "Traceback" not in ended.err, (words, ended)


def test_nothing_there(cli, workdir: Path) -> None:
    assert "there is no folder outputs" in cli("list").err
    Path("outputs").mkdir()  # where nothing lies
    ended = cli("list")
    assert ended.code == 1 and "no run lies in outputs" in ended.err


def test_what_can_not_be_read_is_named_below(cli, workdir: Path) -> None:
    made_run(Path("outputs/good"), 0.9)
    made_run(Path("outputs/bad"), state="damaged")
    made_run(Path("outputs/old"), state="older")
    assert lines(cli("list"))[-2:] == [
        "outputs/bad has a run.json that is damaged",
        "outputs/old was written by an older version of dlexp",
    ]


def test_a_finished_run_without_a_curve_is_named(cli, workdir: Path) -> None:
    (made_run(Path("outputs/emptied"), 0.9) / METRICS).write_bytes(b"")
    (made_run(Path("outputs/gone"), 0.8, seed=1) / METRICS).unlink()
    (made_run(Path("outputs/young"), state="died", seed=2) / METRICS).unlink()
    assert lines(cli("list"))[-2:] == [f"outputs/{name} has lost its metrics.jsonl" for name in ("emptied", "gone")]
    assert "outputs/emptied/metrics.jsonl holds no epoch" in " ".join(cli("report", "outputs").out.split())


def test_a_longer_word_in_a_name_does_not_tell_a_shorter_one(workdir: Path) -> None:
    made_run(Path("outputs/after-adamw"), 0.9, settings={"optimizer": "adam", "init_from": "outputs/x"})
    assert read_list(Path("outputs"))[0][0].words == ["optimizer=adam", "init_from=outputs/x"]


def test_a_comparison_says_what_it_asks_and_where_its_runs_are(cli, workdir: Path) -> None:
    folder = tuned_comparison(Path("outputs/compare-x"))
    made_run(Path("outputs/sweep-y/sgd_seed-1"), 0.9, seed=1, settings={"epochs": 4})
    names = {"sgd": {"1": "../sweep-y/sgd_seed-1"}}
    Path("outputs/compare-x-2").mkdir()
    other = replace(plan_of(folder), runs=names, trials={}, command="python -m dlexp compare x=y")
    write_plan(Path("outputs/compare-x-2"), other)
    write_plan(Path("outputs/sweep-y"), replace(plan_of(folder), runs={"sgd": {"1": "sgd_seed-1"}}, trials={}))
    found = lines(cli("list"))
    (asked,) = [place for place, line in enumerate(found) if line.startswith("outputs/sweep-y/  1 run, 1 done")]
    assert found[asked + 1 : asked + 3] == [
        '    compare optimizer=sgd,adam,adamw tune=optimizer.lr hypothesis="adam beats',
        '    sgd"',
    ]
    assert found[-3:] == [
        "outputs/compare-x-2/  a comparison of runs that were there",
        "    compare x=y",
        "    1 final run of it lies in outputs/sweep-y",
    ]


def test_long_chinese_and_hostile_names_fit(cli, workdir: Path) -> None:
    made_run(Path("outputs/sweep-长/" + "学习率" * 20), 0.9, note="因为" * 60)
    made_run(Path("outputs/esc"), 0.9, note="\x1b[2J\u202egone", settings={"model.activation": "x" * 90})
    text = cli("list").out
    assert max(width_of(line) for line in text.splitlines() if "学" not in line) <= 80
    assert "  " + "学习率" * 20 in text.splitlines(), "a name is never cut, so that it can be copied"
    assert "\x1b" not in text and "\u202e" not in text
    assert "".join(text.split()).count("因为") == 60


def test_json_is_for_programs(cli, workdir: Path) -> None:
    made_run(Path("outputs/sweep-x/a"), 0.9, note="why", parent={"by": "init_from", "folder": "../b", "cell": None})
    (found,) = json.loads(cli("list", "--json").out)
    assert (found["folder"], found["group"], found["state"]) == ("outputs/sweep-x/a", "outputs/sweep-x", "done")
    assert (found["metric"], found["value"], found["seconds"], found["note"]) == ("val/accuracy", 0.895, 10.0, "why")
    assert found["parent"]["folder"] == "../b" and found["megabytes"] > 0


def test_two_names_of_one_file_are_counted_once(workdir: Path) -> None:
    folder = made_run(Path("outputs/a"), 0.9)
    (before,) = read_list(Path("outputs"))[0]
    (folder / "weights").mkdir()
    (folder / "weights" / "best.pt").write_bytes(b"0" * 1_000_000)
    (folder / "weights" / "last.pt").hardlink_to(folder / "weights" / "best.pt")
    (after,) = read_list(Path("outputs"))[0]
    assert after.megabytes - before.megabytes == pytest.approx(1.0)


def test_it_needs_nothing_heavy(workdir: Path) -> None:
    made_run(Path("outputs/a"), 0.9)
    heavy = ("torch", "scipy", "matplotlib", "numpy", "hydra", "omegaconf", "rich")
    code = f"""
import sys
sys.modules |= dict.fromkeys({heavy})
from dlexp.__main__ import main
sys.exit(main(["list", "--where", "seed=0", "--sort", "loss"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=child_environment())
    assert done.returncode == 0 and "outputs/a" in done.stdout, done


def test_a_run_folder_itself_is_listed(workdir: Path) -> None:
    folder = made_run(Path("outputs/a"), 0.9)
    (entry,) = read_list(folder)[0]
    assert entry.run.name == "a" and entry.group is None and (folder / RECORD).exists()
