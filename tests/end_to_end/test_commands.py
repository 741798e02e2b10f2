"""The commands with their words in any order, and of a sweep's folder for each of its runs."""

from pathlib import Path

import pytest

from dlexp import api
from dlexp.__main__ import take_command
from dlexp.records import run_json

TINY = ["data.points_per_class=40", "epochs=2", "pictures=false", "threads=1"]


@pytest.mark.parametrize(
    "words, command, others",
    [
        ("verify run", "verify", "run"),
        ("--config-dir own verify run", "verify", "--config-dir own run"),
        ("-cd own verify run", "verify", "-cd own run"),
        ("--config-dir=own verify run", "verify", "--config-dir=own run"),
        ("verify run --config-dir own", "verify", "run --config-dir own"),
        ("--config-dir own model=cnn", "train", "--config-dir own model=cnn"),
        ("--config-dir verify model=cnn", "train", "--config-dir verify model=cnn"),
        ("--config-dir own verfy run", "verfy", "--config-dir own run"),
        ("--steps 5 find lr model=cnn", "find", "--steps 5 lr model=cnn"),
        ("data.root=x download mnist", "download", "data.root=x mnist"),
        ("--help verify", "verify", "--help"),
        ("--cfg job", "train", "--cfg job"),
        ("~data epochs=1", "train", "~data epochs=1"),
        ("", "train", ""),
    ],
)
def test_a_command_is_found_wherever_it_stands(words: str, command: str, others: str) -> None:
    assert take_command(words.split()) == (command, others.split())


RINGS = """\
import torch
from dlexp.data.splits import Split, Splits

def rings(*, num_points: int) -> Splits:
    points = torch.randn(num_points, 2, generator=torch.Generator().manual_seed(0))
    split = Split(points, (points.norm(dim=1) > 1).long())
    return Splits(train=split, test=split)
"""
OPTION = (
    "_target_: my_rings.rings\nnum_points: 60\nshape: [2]\nnum_outputs: 2\nclass_names: null\nmean: null\nstd: null\n"
)


def test_own_options_go_with_every_command(cli, workdir: Path) -> None:
    (workdir / "my_rings.py").write_text(RINGS, encoding="utf-8")
    (workdir / "own" / "data").mkdir(parents=True)
    (workdir / "own" / "data" / "rings.yaml").write_text(OPTION, encoding="utf-8")
    own = ["allow=my_rings", "--config-dir", "own"]
    words = ["data=rings", "epochs=1", "pictures=false", "threads=1", "hydra.run.dir=run"]
    assert cli(*own, *words).code == 0
    for line in ([*own, "verify", "run"], ["verify", *own, "run"], ["verify", "run", *own]):
        assert "is bit-identical to its record" in cli(*line).out
    assert "bit for bit" in cli(*own, "diff", "run", "run").out
    assert "rings is complete: 60 train, 60 test" in cli(*own, "download", "rings").out
    assert (
        "learning rates: 30 steps"
        in cli(*own, "--steps", "30", "find", "data=rings", "lr", "batch_size=10", "threads=1").out
    )
    ended = cli("--config-dir", "elsewhere", "verify", "run")
    assert ended.code == 1 and "--config-dir elsewhere: there is no such folder" in ended.err
    ended = cli(*own, "verfy", "run")
    assert ended.code == 1 and "Did you mean 'verify'?" in ended.err


def test_a_sweep_is_verified_and_compared_run_by_run(cli, workdir: Path) -> None:
    for place, seed in (("one/a", 1), ("one/b", 2), ("other/b", 3), ("other/c", 1)):
        api.run([*TINY, f"seed={seed}"], folder=place)
    ended = cli("verify", "one")
    assert ended.code == 0 and "2 of 2 runs are as their records say" in ended.out, ended
    lines = (workdir / "one" / "b" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    changed = [line.replace('"fingerprint/weights": "', '"fingerprint/weights": "x') for line in lines]
    (workdir / "one" / "b" / "metrics.jsonl").write_text("\n".join(changed) + "\n", encoding="utf-8")
    run_json.write_json(workdir / "other" / "c" / "run.json", {"format_version": 1})
    assert cli("verify", "one").code == 1 and "1 of 2 runs are" in cli("verify", "one").out
    ended = cli("verify", "other")
    assert ended.code == 1 and "b: epoch" in ended.out and "c: not replayed: other/c was written by" in ended.out

    ended = cli("diff", "one", "other")
    assert ended.code == 0 and "only in one: a" in ended.out and "only in other: c" in ended.out, ended
    assert "b:\n" in ended.out and "seed: 2 → 3" in ended.out
    ended = cli("diff", "one", "one/a")
    assert ended.code == 1 and "one holds several runs, and one/a is one: take one/a, one/b" in ended.err
    assert "nowhere is not the folder of a run" in cli("diff", "nowhere", "one").err
    (workdir / "one" / "b").rename(workdir / "one" / "d")
    assert "type the folders of two runs" in cli("diff", "one", "other").err
