"""Which trial of a search is the best."""

from pathlib import Path

from made_runs import made_run

from dlexp.sweep.found import ranked
from dlexp.sweep.trials import Trial


def test_of_equal_trials_the_lower_loss_decides(tmp_path: Path) -> None:
    """As between the trials of a comparison, and the epochs of a run."""
    trials = []
    for name, accuracy, loss in (("a", 0.9, 0.3), ("b", 0.9, 0.1), ("c", 0.8, 0.01), ("d", 0.9, 0.1), ("e", 0.9, None)):
        metrics = {"val/accuracy": accuracy, "val/loss": loss}
        trials.append(Trial({"lr": name}, [made_run(tmp_path / name, metrics=metrics)]))
    assert [each.proposal["lr"] for each in ranked(trials)] == ["b", "d", "a", "e", "c"]
