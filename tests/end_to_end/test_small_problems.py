"""Gates, a curve and a spiral as a course has them: trained and reported on all points, resumed, swept and loaded."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Ended
from resuming import resumes_exactly

from dlexp import api

Cli = Callable[..., Ended]
PLAIN = ["threads=1", "pictures=false"]


def metrics(folder: str) -> dict[str, float]:
    found = json.loads((Path(folder) / "run.json").read_text(encoding="utf-8"))["metrics"]
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_xor_is_solved_drawn_and_loaded(cli: Cli, workdir: Path) -> None:
    ended = cli("experiment=gates", "epochs=150", "model.width=8", "threads=1", "hydra.run.dir=run")
    assert ended.code == 0 and "solved on the training samples 100.00 %" in ended.out
    assert (Path("run/plots/output_plane.png").is_file(), Path("run/plots/decision_regions.png").is_file()) == (
        True,
    ) * 2
    rows = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    assert api.load("run")(rows).argmax(dim=1).tolist() == [0, 1, 1, 0]


def test_one_neuron_has_and_and_not_and_not_xor(cli: Cli, workdir: Path) -> None:
    for gate, is_solved in (("and", 1.0), ("not", 1.0), ("xor", 0.0)):
        words = [f"data.gate={gate}", "model.depth=0", "epochs=300", *PLAIN, f"hydra.run.dir={gate}"]
        assert cli("experiment=gates", *words).code == 0
        assert metrics(gate)["trained_on/solved"] == is_solved
    refused = cli("experiment=gates", "data.gate=xorr")
    assert refused.code != 0 and "must be one of and, or, nand, not, xor, xnor" in refused.err


def test_a_sweep_over_seeds_tells_the_share_that_solves(cli: Cli, workdir: Path) -> None:
    ended = cli("-m", "experiment=gates", "seed=range(2)", "model.width=1,8", "epochs=150", *PLAIN)
    assert ended.code == 0, ended.err
    told = cli("report", *map(str, Path("outputs").glob("sweep-gates-*"))).out
    assert "width 8: 100.00 %, width 1: 0.00 %" in " ".join(told.split())


@pytest.mark.parametrize("name", ["curve_linear", "curve_mlp", "spiral_mlp"])
def test_the_courses_settings_report_all_points(name: str, cli: Cli, workdir: Path) -> None:
    assert cli(f"experiment={name}", "epochs=3", *PLAIN, "hydra.run.dir=run").code == 0
    found = metrics("run")
    assert found and {key.partition("/")[0] for key in found} == {"train", "trained_on"}


@pytest.mark.parametrize("name", ["curve_mlp", "gates"])
def test_they_resume_to_the_bit(name: str, every_state_is_kept: None, workdir: Path) -> None:
    resumes_exactly([f"experiment={name}", "epochs=4", *PLAIN], workdir, [2])


def test_few_training_samples_and_a_whole_test(cli: Cli, workdir: Path) -> None:
    assert cli("data.train_limit=30", "epochs=1", *PLAIN, "hydra.run.dir=run").code == 0
    sizes = json.loads(Path("run/data.json").read_text(encoding="utf-8"))["sizes"]
    assert sizes == {"train": 30, "val": 300, "test": 3000}
    told = cli("data.train_limit=2", "epochs=1", *PLAIN).out
    assert "data.train_limit=2 leaves them out" in told
