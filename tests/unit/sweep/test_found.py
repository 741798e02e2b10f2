"""Which trial of a search is the best."""

from pathlib import Path
from typing import Any

import pytest
from made_runs import made_run

from dlexp.config import words
from dlexp.records.run_json import read_json, write_json
from dlexp.sweep import search_pictures
from dlexp.sweep.asked import asked
from dlexp.sweep.found import ranked
from dlexp.sweep.search import top_of
from dlexp.sweep.trials import Trial


def test_of_equal_trials_the_lower_loss_decides(tmp_path: Path) -> None:
    """As between the trials of a comparison, and the epochs of a run."""
    trials = []
    for name, accuracy, loss in (("a", 0.9, 0.3), ("b", 0.9, 0.1), ("c", 0.8, 0.01), ("d", 0.9, 0.1), ("e", 0.9, None)):
        metrics = {"val/accuracy": accuracy, "val/loss": loss}
        trials.append(Trial({"lr": name}, [made_run(tmp_path / name, metrics=metrics)]))
    assert [each.proposal["lr"] for each in ranked(trials)] == ["b", "d", "a", "e", "c"]


def test_of_equal_trials_that_trained_whole_before_stays(tmp_path: Path) -> None:
    typed = ["search=random", "search.epochs=1", "search.top=2", "optimizer.lr=interval(0.1,1)", "epochs=2"]
    search = asked(words.read(["-m", *typed, "trials=4"]))
    trials = []
    for lr, accuracy, loss in (("0.1", 0.9, 0.3), ("0.2", 0.9, 0.1), ("0.3", 0.95, 0.5), ("0.4", 0.8, 0.0)):
        metrics = {"val/accuracy": accuracy, "val/loss": loss}
        trials.append(Trial({"optimizer.lr": lr}, [made_run(tmp_path / lr, metrics=metrics)]))

    def top() -> list[str]:
        return [each["optimizer.lr"] for each in top_of(search, trials, tmp_path)]

    assert top() == ["0.3", "0.2"]
    for lr, epochs, expected in (("0.1", 1, "0.2"), ("0.1", None, "0.1"), ("0.4", None, "0.1")):
        record = made_run(tmp_path / f"{lr}-{epochs}") / "run.json"
        (job,) = search.jobs({"optimizer.lr": lr}, epochs)
        write_json(record, {**read_json(record), "overrides": job.overrides})
        assert top() == ["0.3", expected], (lr, epochs)


def test_the_trial_that_the_words_name_is_ringed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(search_pictures, "over_setting", lambda series, **_: drawn.extend(series))
    search = asked(words.read(["-m", "search=random", "optimizer.lr=interval(0.1,1)", "trials=3"]))

    def trial(name: str, lr: str, accuracy: float, loss: float) -> Trial:
        metrics = {"val/accuracy": accuracy, "val/loss": loss}
        return Trial({"optimizer.lr": lr}, [made_run(tmp_path / name, metrics=metrics)])

    trials = [trial("a", "0.1", 0.9, 0.3), trial("b", "0.2", 0.9, 0.1), trial("c", "0.3", 0.8, 0.0)]
    reports = {each.folders[0]: read_json(each.folders[0] / "run.json") for each in trials}
    search_pictures.draw_search(tmp_path, search, trials, [], reports)
    search_pictures.draw_search(tmp_path, search, trials, [trial("d", "0.3", 0.95, 0.1)], reports)
    rings = [each.chosen for each in drawn if each.chosen is not None]
    assert rings == [(0.2, 90.0), (0.3, 80.0)], "of equal ones the lower loss; then the best that was trained whole"
