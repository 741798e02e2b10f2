"""What began from what: children below the run whose weights they took, and what was changed for them."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run

from dlexp.report.making import make_answer
from dlexp.report.page.layout import page
from dlexp.report.terminal import of_tree
from dlexp.report.tree import branches


def child(folder: Path, parent: str, **facts: Any) -> None:
    settings = {"init_from": parent, **facts.pop("settings", {})}
    made_run(folder, settings=settings, parent={"by": "init_from", "folder": f"../{parent}", "cell": "x"}, **facts)


def test_children_stand_below_their_parents_with_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made_run(Path("outputs/first"), 0.8)
    made_run(Path("outputs/alone"), settings={"model": "linear"})
    child(Path("outputs/b"), "first", value=0.9, settings={"optimizer.lr": 0.003, "note": "a smaller rate"})
    child(Path("outputs/c"), "b", value=0.91, settings={"optimizer.lr": 0.003, "epochs": 4})
    child(Path("outputs/d"), "gone", settings={"epochs": 5})
    child(Path("outputs/e"), "first", settings={"epochs": 6})
    answer = make_answer([Path("outputs")])
    told = [of_tree(branch, answer) for branch in branches(answer)]
    assert told == [
        "outputs/first  80.00",
        "├─ outputs/b  optimizer.lr=0.003  90.00  “a smaller rate”",
        "│  └─ outputs/c  epochs=4  91.00",
        "└─ outputs/e  epochs=6  90.00",
        "outputs/gone",
        "└─ outputs/d  90.00",
    ]


def test_the_page_shows_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made_run(Path("outputs/first"), 0.8)
    child(Path("outputs/b"), "first", value=0.9, settings={"optimizer.lr": 0.003, "note": "a <smaller> rate"})
    child(Path("outputs/c"), "b", value=0.91, settings={"optimizer.lr": 0.003, "epochs": 4})
    html = page(make_answer([Path("outputs")]))
    lines = re.findall(r'<li class="depth-(\d)">(.*?)</li>', html)
    told = [(depth, re.sub(r"<.*?>", "", line)) for depth, line in lines]
    assert told == [
        ("0", "outputs/first 80.00 %"),
        ("1", "outputs/b 90.00 % optimizer.lr=0.003 “a &lt;smaller&gt; rate”"),
        ("2", "outputs/c 91.00 % epochs=4"),
    ]


def test_without_a_parent_there_is_no_tree(tmp_path: Path) -> None:
    for seed in range(2):
        made_run(tmp_path / f"{seed}", seed=seed)
    assert branches(make_answer([tmp_path])) == []


def test_a_stranger_draws_no_circle(tmp_path: Path) -> None:
    child(tmp_path / "a", "b", settings={"epochs": 4})
    child(tmp_path / "b", "a", settings={"epochs": 5})
    child(tmp_path / "c", "c", settings={"epochs": 6})
    made_run(tmp_path / "d", settings={"epochs": 7}, parent={"by": 1, "folder": "a\0b"})
    made_run(tmp_path / "e", settings={"epochs": 8}, parent=None)
    found = branches(make_answer([tmp_path]))
    assert {os.path.basename(each.folder) for each in found} <= {"a", "b", "c"} and len(found) <= 3


def test_a_long_chain_is_no_recursion(tmp_path: Path) -> None:
    made_run(tmp_path / "0")
    answer = make_answer([tmp_path])
    (arm,) = answer.arms
    runs = [
        replace(
            arm.runs[0],
            folder=tmp_path / str(number),
            entry={**arm.runs[0].entry, "parent": {"folder": f"../{number - 1}"} if number else None},
        )
        for number in range(1100)
    ]
    answer = replace(answer, arms=[replace(arm, runs=runs)])
    found = branches(answer)
    assert [each.depth for each in found] == list(range(1100))
    assert max(of_tree(each, answer).index("└") for each in found[1:]) < 40, "a line has room for what it tells"


def test_a_parent_that_no_file_system_can_hold_is_none(tmp_path: Path) -> None:
    made_run(tmp_path / "a", parent={"by": "init_from", "folder": "\ud800"})
    assert branches(make_answer([tmp_path])) == []
