"""Tuning in a comparison: equal trials for all arms, ranges that can't grow, and what no validation can choose."""

from pathlib import Path
from typing import Any

import pytest
from made_answers import plan_of

from dlexp.compare import course
from dlexp.search.space import Space

pytestmark = pytest.mark.usefixtures("known_pace", "undrawn")
SHORT = ["model.width=8", "data.points_per_class=60", "epochs=1", "pictures=false", "threads=1"]
ARMS = ["optimizer=sgd,adam"]
FOLDER = Path("outputs") / "compare-mlp-spiral-sgd-adam"


def at_the_lower_edge(own: Space, *others: Any) -> dict[str, str]:
    """Stands for `edges`."""
    return dict.fromkeys(own, "lower")


@pytest.mark.slow
def test_a_range_does_not_grow_to_what_cannot_be_trained(cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "edges", at_the_lower_edge)
    words = ["tune=optimizer.weight_decay", "optimizer.weight_decay=interval(0,0.1)", "trials=2", "seeds=2"]
    ended = cli("compare", *ARMS, *SHORT, *words)
    assert ended.code == 0, ended
    found = plan_of(FOLDER).tuning
    assert found is not None and found.widened == {} and found.further == 0
    assert found.edges == {"sgd": ["optimizer.weight_decay"], "adam": ["optimizer.weight_decay"]}
    assert "adam: its best optimizer.weight_decay lies at the lower edge" in ended.out


@pytest.mark.slow
def test_every_arm_gets_as_many_trials_as_the_one_with_the_fewest_settings(cli, workdir: Path) -> None:
    ended = cli("compare", *ARMS, *SHORT, "tune=batch_size", "batch_size=16,32", "trials=8", "seeds=2")
    assert ended.code == 0, ended
    assert "there are 2 settings of batch_size to try in arm sgd, so every arm gets 2 trials, not 8" in ended.out
    assert "× 2 trials of batch_size" in ended.out and "8 trainings" in ended.out and "[8/8]" in ended.out
    plan = plan_of(FOLDER)
    assert plan.tuning is not None and plan.tuning.trials == 2
    assert [len(names) for names in plan.trials.values()] == [2, 2]
    assert "more trial" not in ended.out, "values to choose from have no edge"
    assert "each had two trials of batch_size" in " ".join(ended.out.split())


def test_all_there_is_was_trained_on(cli, workdir: Path) -> None:
    words = ["compare", "data=gates", "model.width=2,4", "seeds=2", "epochs=1", "pictures=false", "threads=1"]
    ended = cli(*words)
    assert ended.code == 0 and "compared on the samples they were trained on, which says nothing" in ended.out, ended
    assert "of samples that training has seen" in " ".join(ended.out.split())
    (folder,) = (workdir / "outputs").glob("compare-*")
    assert plan_of(folder).metric == "trained_on/accuracy" and plan_of(folder).departures == []


@pytest.mark.slow
def test_what_chose_is_not_what_is_compared(cli, workdir: Path) -> None:
    study = workdir / "conf" / "study"
    study.mkdir(parents=True)
    text = "question: Which?\narms: {a: [optimizer=sgd, test=false], b: [optimizer=adam]}\n"
    (study / "mine.yaml").write_text(text, encoding="utf-8")
    for words, told in (
        ([*ARMS, "data.folds=3", "data.fold=0,1", "tune=optimizer.lr"], "chooses on the held-out part of a fold"),
        (["data.val_size=0.1,0", "tune=optimizer.lr"], "data.val_size=0 leaves out in val_size 0: data.val_size=0.1"),
        (["mine", "--config-dir", "conf"], "test=false in a and not in the other arms"),
    ):
        ended = cli("compare", *words, *SHORT)
        assert ended.code == 1 and told in ended.err and "Traceback" not in ended.err, (words, ended)
    ended = cli("compare", *ARMS, *SHORT, "tune=optimizer.lr", "test=false", "dry_run=true")
    assert ended.code == 0 and "compared on the validation samples that chose their settings" in ended.out, ended
    assert not (workdir / "outputs").exists()
