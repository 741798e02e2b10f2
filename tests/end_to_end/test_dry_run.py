"""dry_run=true: every job checked, what it would take, and not a file, byte or step of it done."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlexp import run
from dlexp.config.compose import compose
from dlexp.errors import UserError
from dlexp.records import run_json
from dlexp.sweep import forecast

SHORT = ["data.points_per_class=60", "pictures=false", "threads=1"]


def table(out: str) -> list[dict[str, str]]:
    """Returns the rows of the table by the heads of their columns."""
    (block,) = [each for each in out.strip().split("\n\n") if "\n---" in each]
    lines = block.splitlines()
    under = next(index for index, line in enumerate(lines) if line.startswith("---"))
    heads, *rows = [re.split(r"  +", line) for line in [lines[under - 1], *lines[under + 1 :]]]
    return [dict(zip(heads, row, strict=True)) for row in rows]


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_sweep_is_told_and_nothing_is_done(cli, workdir: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(workdir / "cache"))
    ended = cli("-m", "dry_run=true", "model.width=8,16", "optimizer=sgd,adam", "epochs=7", "batch_size=10", *SHORT)
    assert ended.code == 0 and ended.err == "", ended
    rows = table(ended.out)
    assert [(row["model.width"], row["optimizer"]) for row in rows] == [
        ("8", "sgd"), ("8", "adam"), ("16", "sgd"), ("16", "adam"),
    ]  # fmt: skip
    assert {row["steps"] for row in rows} == {str(7 * (162 // 10))} and {row["time"] for row in rows} == {"?"}
    assert {row["status"] for row in rows} == {"to do"} and len({row["disk"] for row in rows}) == 4
    assert "4 jobs to do: " in ended.out and "dry run: nothing was trained, fetched or written" in ended.out
    assert "times are unknown where no finished run under outputs/ had such a model" in ended.out
    assert files(workdir) == {}


def test_a_single_run(cli, workdir: Path) -> None:
    ended = cli("dry_run=true", "max_steps=50", "patience=3", *SHORT)
    (row,) = table(ended.out)
    assert (
        ended.code == 0 and row["run"] == "mlp-spiral-sgd" and row["steps"] == "≤ 50" and row["parameters"] == "17,283"
    )
    assert files(workdir) == {}
    result = run(["dry_run=true", *SHORT])
    assert result.metrics == {} and result.history == [] and files(workdir) == {}


def test_mistakes_are_told_as_ever(cli, workdir: Path) -> None:
    ended = cli("-m", "dry_run=true", "model.width=8,wide", *SHORT)
    assert ended.code == 1 and "model.width=wide must be" in ended.err and files(workdir) == {}
    ended = cli("dry_run=true", "freeze=[conv*]", *SHORT)
    assert ended.code == 1 and "freeze=conv* matches none of the parameters" in ended.err and files(workdir) == {}
    for words, told in (
        (["data=blobs", "data.centres=[[0,0],[1]]"], "data.centres=[[0,0],[1]] must list a point for each of at least"),
        (["data=blobs", "data.centres=[0,1]"], "data.centres=[0,1] must be a list in which each is a list like [1,2]"),
        (["data=blobs", "data.centres=[]"], "data.centres=[] must list a point"),
        (["data=arrays", "data.file=nothere.csv"], "data.file=nothere.csv cannot be read"),
        (["data.val_size=999999"], "data.val_size=999999 would leave nothing of the 3000 training samples"),
        (["-m", "data.val_size=999999,0.1"], "0 for no validation. (in data.val_size=999999)"),
    ):
        ended = cli("dry_run=true", *words)
        assert ended.code == 1 and ended.err.startswith("error: ") and told in ended.err, ended
        assert "to do" not in ended.out and files(workdir) == {}
    ended = cli("dry_run=true", "resume=auto", *SHORT)
    assert ended.code == 1 and "dry_run= tells of new runs" in ended.err


def test_the_ledger_is_read_and_earlier_runs_tell_the_time(cli, workdir: Path) -> None:
    words = ["-m", "epochs=3", *SHORT]
    assert cli(*words, "seed=1").code == 0
    (
        workdir / "outputs" / "sweep-mlp-spiral" / "mlp-spiral-sgd" / "weights" / "last.pt"
    ).unlink()  # no file is needed for it
    before = files(workdir)
    ended = cli(*words, "seed=1,2", "dry_run=true")
    assert [row["status"] for row in table(ended.out)] == ["done", "to do"], ended
    assert (
        re.search("1 job to do: .* one after the other, starts not counted, ", ended.out) and files(workdir) == before
    )
    assert all("?" not in row["time"] for row in table(ended.out))
    longer = cli("epochs=300000", "dry_run=true", *SHORT)
    assert re.search("min|h|days", table(longer.out)[0]["time"]), "a hundred thousand times as many epochs"
    other = cli("epochs=3", "batch_size=50", "dry_run=true", *SHORT)
    assert table(other.out)[0]["time"] == "?"
    entry = run_json.read_json(workdir / "outputs" / "sweep-mlp-spiral" / "mlp-spiral-sgd" / "environment.json")
    entry["cpu"]["name"] = "another machine"
    run_json.write_json(workdir / "outputs" / "sweep-mlp-spiral" / "mlp-spiral-sgd" / "environment.json", entry)
    assert table(cli("epochs=3", "dry_run=true", *SHORT).out)[0]["time"] == "?"
    cluster = cli("-m", "epochs=3", "launcher=slurm", "dry_run=true", *SHORT)
    assert cluster.code == 0 and table(cluster.out)[0]["time"] != "?", "a cluster's jobs run elsewhere anyway"


def test_a_set_that_is_not_there_is_not_fetched(cli, workdir: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(workdir / "cache"))
    monkeypatch.delenv("DLEXP_DATA", raising=False)
    raw = workdir / "here" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images", "train-labels", "t10k-images", "t10k-labels"):  # archives would be unpacked
        (raw / f"{name}-idx{3 if 'images' in name else 1}-ubyte.gz").write_bytes(b"archive")
    before = files(workdir)
    ended = cli("dry_run=true", "model=cnn", "data=mnist", "data.root=here")
    (row,) = table(ended.out)
    assert ended.code == 0 and row["steps"] == row["time"] == "?" and files(workdir) == before
    assert "steps are unknown where mnist is not on this machine yet" in ended.out
    ended = cli("dry_run=true", "model=cnn", "data=medmnist", "data.url=http://127.0.0.1:9/")
    assert "steps are unknown where medmnist is not on this machine yet" in ended.out and "Downl" not in ended.out
    assert ended.code == 0 and files(workdir) == before


def test_own_code_is_not_run_but_what_it_gave_before_is_known(cli, workdir: Path) -> None:
    (workdir / "my_sets.py").write_text(
        "from pathlib import Path\nimport torch\nfrom dlexp.data.splits import Split, Splits\n\n"
        "def rings(*, num_points: int) -> Splits:\n"
        "    Path('ran').touch()\n"
        "    x = torch.randn(num_points, 2)\n"
        "    return Splits(Split(x, (x.norm(dim=1) > 1).long()), Split(x, (x.norm(dim=1) > 1).long()))\n",
        encoding="utf-8",
    )
    (workdir / "own" / "data").mkdir(parents=True)
    facts = "shape: [2]\nnum_outputs: 2\nclass_names: null\nmean: null\nstd: null\n"
    node = f"_target_: my_sets.rings\nnum_points: 100\n{facts}"
    (workdir / "own" / "data" / "rings.yaml").write_text(node, encoding="utf-8")
    words = ["--config-dir", "own", "allow=my_sets", "data=rings", "batch_size=10", "epochs=2", "pictures=false"]
    ended = cli(*words, "dry_run=true")
    assert table(ended.out)[0]["steps"] == "?" and "my_sets is your own: it would have to run" in ended.out
    assert not (workdir / "ran").exists()
    assert cli(*words).code == 0
    (workdir / "ran").unlink()
    assert table(cli(*words, "dry_run=true").out)[0]["steps"] == "18" and not (workdir / "ran").exists()


def test_files_are_counted_where_they_lie(workdir: Path) -> None:
    for number in range(20):
        folder = workdir / "photos" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / f"{number}.png")
    np.savez(workdir / "table.npz", x=np.zeros((50, 3), np.float32), y=np.arange(50) % 2)
    for words, expected in [
        (["data=image_folder", "data.folder=photos"], 14),
        (["data=image_folder", "data.folder=photos", "data.limit=5", "data.val_size=2"], 5),
        (["data=arrays", "data.file=table.npz", "data.val_size=0"], 40),
        (["data=fake", "data.num_samples=64"], 58),
        (["data=linear"], 900),
        (["data=fake", "data.num_samples=64", "data.labelled=10"], 10),
        (["data=fake", "data.num_samples=64", "data.labelled=10", "task.ignore_index=9"], 58),
        (["data=fake", "data.num_samples=64", "data.labelled=10", "model=autoencoder"], 58),
    ]:
        assert len(forecast.splits_of(compose(words).config).train) == expected, words


@pytest.mark.parametrize(
    ("words", "steps", "epochs"),
    [
        ([], 10 * 7, 10),
        (["accumulate=2"], 10 * 4, 10),
        (["max_steps=15"], 15, 3),
        (["batch_size=1000"], 10, 10),
        (["overfit_batches=2"], 500, 250),
    ],
)
def test_steps(words: list[str], steps: int, epochs: int) -> None:
    config = compose(["epochs=10", "batch_size=128", *words]).config
    assert forecast.num_steps(config, 1000) == (steps, epochs)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], marks=pytest.mark.slow),
        pytest.param(["optimizer=adam"], marks=pytest.mark.slow),
        pytest.param(["optimizer=rmsprop", "ema=ema"], marks=pytest.mark.slow),
        pytest.param(["optimizer=adagrad", "data.val_size=0"], marks=pytest.mark.slow),
        pytest.param(["optimizer.momentum=0", "optimizer.nesterov=false"], marks=pytest.mark.slow),
        pytest.param(["checkpoint.every_epochs=1"], marks=pytest.mark.slow),
        ["optimizer=adamw", "freeze=[linear1.*]", "ema=ema"],
        ["model=cnn", "optimizer=muon", "data=fake", "data.shape=[1,8,8]", "data.num_samples=200"],
    ],
)
def test_the_disk_is_what_a_run_keeps(cli, workdir: Path, words: list[str]) -> None:
    clock = ["checkpoint.every_minutes=null"]  # else two states are kept, should it take longer than ten minutes
    typed = ["epochs=2", "model.width=256", *clock, *words, "pictures=false", "test=false", "threads=1"]
    typed = [word for word in typed if "model=cnn" not in words or not word.startswith("model.width")]
    told = table(cli("dry_run=true", *typed).out)[0]["disk"]
    assert cli(*typed, "hydra.run.dir=here").code == 0
    kept: Any = sum(path.stat().st_size for path in workdir.glob("here/*/*.pt"))
    number, unit = told.split()
    assert float(number) * {"kB": 1e3, "MB": 1e6}[unit] == pytest.approx(kept, rel=0.06), (told, kept)


def test_a_data_set_that_is_wrong_is_said(workdir: Path) -> None:
    config = compose(["data.val_size=999999"]).config
    with pytest.raises(UserError, match="would leave nothing of the 3000 training samples"):
        forecast.splits_of(config)
