"""Hydra's other launchers and sweepers, each from its package: they train, skip what is done, and report failures."""

from pathlib import Path

import pytest
import yaml
from conftest import start

from dlexp.records import run_json

pytestmark = pytest.mark.slow
TINY = ["epochs=1", "data.points_per_class=60", "pictures=false", "threads=1"]

FRAGILE = """
import os
import time
from pathlib import Path

from torch import nn

class Fragile(nn.Linear):
    def forward(self, x):
        if self.training and self.is_killed and x.device.type == "cpu":
            # joblib ends every job that is still running when one dies, so the first must have ended
            for _ in range(600):
                if any('"finished"' in path.read_text() for path in Path("outputs").glob("*/seed-1/run.json")):
                    break
                time.sleep(0.1)
            os._exit(9)
        return super().forward(x)

def fragile(*, num_outputs: int, seed: int) -> nn.Module:
    layer = Fragile(2, num_outputs)
    layer.is_killed = seed == 2
    return layer
"""


def dlexp(workdir: Path, *words: str) -> tuple[int, str]:
    process = start([*words, *TINY], workdir)
    out, _ = process.communicate(timeout=240)
    return process.returncode, out


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("hydra_plugins.hydra_joblib_launcher", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]),
        ("hydra_plugins.hydra_submitit_launcher", ["hydra/launcher=submitit_local"]),
    ],
)
def test_a_launcher_trains_and_skips(workdir: Path, module: str, words: list[str]) -> None:
    pytest.importorskip(module)
    code, out = dlexp(workdir, "-m", *words, "seed=1,2")
    assert code == 0 and out.count(" finished") == 2, out
    code, out = dlexp(workdir, "-m", *words, "seed=1,2,3")
    assert code == 0 and "3 jobs, 2 of them done already" in out and out.count(" finished") == 3, out
    entries = [run_json.read_json(path) for path in workdir.glob("outputs/*/*/run.json")]
    assert sorted(entry["seed"] for entry in entries) == [1, 2, 3]
    assert all(entry["status"] == "finished" and entry["resumed"] == [] for entry in entries)


@pytest.mark.parametrize(
    ("launcher", "words", "finished"), [("joblib", ["hydra.launcher.n_jobs=2"], 1), ("submitit_local", [], 2)]
)
def test_a_killed_job_has_its_row(workdir: Path, launcher: str, words: list[str], finished: int) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    (workdir / "fragile.py").write_text(FRAGILE, encoding="utf-8")
    (workdir / "conf" / "model").mkdir(parents=True)
    node = {"_target_": "fragile.fragile", "num_outputs": "${data.num_outputs}", "seed": "${seed}"}
    (workdir / "conf" / "model" / "fragile.yaml").write_text(yaml.safe_dump(node), encoding="utf-8")
    own = ["--config-dir", "conf", "allow=fragile", "model=fragile"]
    code, out = dlexp(workdir, "-m", *own, "seed=1,2,3", f"hydra/launcher={launcher}", *words)
    assert code == 1 and "the launcher lost its jobs" in out and "2     -" in out, out
    assert out.count(" finished") >= finished, out


def test_optuna(workdir: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    words = ["-m", "hydra/sweeper=optuna", "hydra.sweeper.direction=maximize", "hydra.sweeper.sampler.seed=1",
             "hydra.sweeper.n_trials=3", "optimizer.lr=tag(log,interval(0.01,0.3))"]  # fmt: skip
    code, out = dlexp(workdir, *words)
    assert code == 0, out
    entries = [run_json.read_json(path) for path in workdir.glob("outputs/*/*/run.json")]
    found = yaml.safe_load(next(workdir.glob("outputs/*/optimization_results.yaml")).read_text(encoding="utf-8"))
    assert len(entries) == 3 and found["best_value"] == max(entry["metrics"]["val/accuracy"] for entry in entries)
    code, out = dlexp(workdir, *words)
    assert code == 0 and out.count("is finished already") == 3, out
    code, out = dlexp(workdir, *words, "optimizer.lrr=3")
    assert code == 1 and "there is no setting 'optimizer.lrr'" in out, out
