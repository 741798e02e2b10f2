"""Runs in folders with odd names."""

from pathlib import Path

import pytest


def test_a_run_folder_with_an_equals_sign(cli, workdir: Path) -> None:
    small = ["max_steps=1", "data.points_per_class=20", "pictures=false"]
    for name in ("runs/lr=0.1, wd=0", "runs/[a] b (c)", "runs/数据"):
        ended = cli(f"hydra.run.dir={name}", *small)
        assert ended.code == 0, ended
        assert (workdir / name / "run.json").is_file() and (workdir / name / "log.txt").is_file()
    assert not (workdir / "outputs").exists()
    ended = cli(f"hydra.run.dir={workdir / 'absolute'}", *small)
    assert ended.code == 0 and (workdir / "absolute" / "run.json").is_file()


def test_the_current_folder_may_have_any_name(workdir: Path, cli, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = workdir / "深度 学习 [a=b], (x)"
    odd.mkdir()
    monkeypatch.chdir(odd)
    ended = cli("max_steps=1", "data.points_per_class=20", "pictures=false")
    assert ended.code == 0 and (odd / "outputs" / "mlp-spiral-sgd" / "run.json").is_file()
