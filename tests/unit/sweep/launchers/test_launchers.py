"""What a sweep asks of a launcher: ours fulfil it, and a person's own is one module and one YAML."""

import inspect
from pathlib import Path

import pytest

from dlexp.records import run_json
from dlexp.sweep.launchers.launcher import Launcher
from dlexp.sweep.launchers.local import Local
from dlexp.sweep.launchers.slurm import Slurm

MODULE = '''
from dlexp.sweep.launchers.job_process import train_job

class OneByOne:
    """Trains in the sweep's own process, but for the jobs that `later` names."""
    is_here = True
    def __init__(self, settings, *, later: list[str]) -> None:
        self.later = later
    def begin(self) -> None:
        pass
    def underway(self, folders):
        return ["pending" if folder.name in self.later else None for folder in folders]
    def launch(self, jobs, folders, num_cells):
        for job, folder, state in zip(jobs, folders, self.underway(folders)):
            if state is None:
                folder.mkdir(exist_ok=True)
                train_job(job, folder)
        return [None] * len(jobs)
'''


@pytest.mark.parametrize("kind", [Local, Slurm])
def test_each_has_the_methods_of_the_protocol(kind: type) -> None:
    for name in ("begin", "underway", "launch"):
        theirs, ours = (inspect.signature(getattr(each, name)) for each in (Launcher, kind))
        assert ours == theirs, name


def test_a_launcher_of_ones_own(cli, workdir: Path) -> None:
    (workdir / "my_launchers.py").write_text(MODULE, encoding="utf-8")
    (workdir / "own" / "launcher").mkdir(parents=True)
    node = "_target_: my_launchers.OneByOne\nlater: []\n"
    (workdir / "own" / "launcher" / "one_by_one.yaml").write_text(node, encoding="utf-8")
    short = ["data.points_per_class=60", "max_steps=2", "pictures=false", "threads=1"]
    words = ["-m", "--config-dir", "own", "launcher=one_by_one", "seed=1,2", *short]
    refused = cli(*words)
    assert refused.code == 1 and "allow=my_launchers" in refused.err and not (workdir / "outputs").exists()
    ended = cli(*words, "allow=my_launchers", "launcher.later=[seed-2]")
    assert ended.code == 0 and "  finished\n" in ended.out and "  pending\n" in ended.out, ended
    assert [path.parent.name for path in workdir.glob("outputs/*/*/run.json")] == ["seed-1"]
    told = cli(*words, "allow=my_launchers", "launcher.later=[seed-2]", "dry_run=true")
    assert told.code == 0 and "nothing is left to do" in told.out and "  pending\n" in told.out, told
    ended = cli(*words, "allow=my_launchers")
    assert ended.code == 0 and "2 jobs, 1 of them done already" in ended.out and ended.out.count("  finished\n") == 2
    entries = [run_json.read_json(path) for path in workdir.glob("outputs/*/*/run.json")]
    assert sorted(entry["seed"] for entry in entries) == [1, 2]
    alone = [word for word in words if not word.startswith(("-m", "seed"))]
    assert cli(*alone, "allow=my_launchers").code == 0, "jobs of it run here, so a single run needs none"
