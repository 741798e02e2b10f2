"""What a run began from, and a person's note on it: recorded, and without effect on any result."""

import shutil
from pathlib import Path

from dlexp import api
from dlexp.records.run_json import read_json

TINY = ["data.points_per_class=40", "epochs=2", "batch_size=32", "pictures=false", "threads=1"]


def entry_of(folder: str) -> dict:
    found: dict = read_json(Path(folder) / "run.json")
    return found


def test_a_run_names_the_one_it_began_from(workdir: Path) -> None:
    api.run(TINY, folder="all/first")
    first = entry_of("all/first")
    assert first["parent"] is None and first["note"] is None and first["varied"] == {}
    shutil.copy("all/first/weights/best.pt", "elsewhere.pt")
    for folder, source in (("one", "all/first"), ("two", "all/first/weights/best.pt"), ("three", "elsewhere.pt")):
        api.run([*TINY, f"init_from={source}", "seed=1"], folder=f"all/{folder}")
    for folder in ("one", "two"):
        assert entry_of(f"all/{folder}")["parent"] == {"by": "init_from", "folder": "../first", "cell": first["cell"]}
    assert entry_of("all/three")["parent"] is None, "a file of nobody's"

    api.run(["resume=all/one", "epochs=3", "note=longer, as it was still falling"])
    again = entry_of("all/one")
    assert again["parent"]["folder"] == "../first" and again["note"] == "longer, as it was still falling"
    assert again["resumed"][0]["cell"] != again["cell"], "that of the run until then"
    api.run([*TINY, "method=distillation", "method.teacher=all/one"], folder="all/taught")
    told = {"by": "method.teacher", "folder": "../one", "cell": again["cell"]}
    assert entry_of("all/taught")["parent"] == told
    shutil.rmtree("all/first")
    api.run(["resume=all/two/", "epochs=3"])
    assert entry_of("all/two")["parent"]["folder"] == "../first", "what is gone stays told"


def test_a_note_makes_no_other_run(workdir: Path, cli) -> None:
    text = "lr=0.1 was too high, “it's 真的” #2"
    assert cli(*TINY, f"note={text}", "hydra.run.dir=noted").code == 0
    api.run(TINY, folder="plain")
    noted, plain = entry_of("noted"), entry_of("plain")
    assert noted["note"] == text and noted["cell"] == plain["cell"] and noted["metrics"] == plain["metrics"]
    config = Path("plain/config.yaml")  # a run from before there were notes
    config.write_text(config.read_text(encoding="utf-8").replace("note: null\n", ""), encoding="utf-8")
    api.run(["resume=plain", "epochs=3", r"note=of ${x}"])
    assert entry_of("plain")["note"] == "of ${x}"
    assert f"“{text}”" in cli("list", ".").out
