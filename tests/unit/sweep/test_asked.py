"""What the words of a search ask for: the jobs of a trial, and which runs are trials of it."""

import pytest

from dlexp.config import words
from dlexp.errors import UserError
from dlexp.ranges import Interval
from dlexp.sweep.asked import Asked, asked

TYPED = ["search=tpe", "trials=4", "optimizer.lr=tag(log,interval(1e-3,1))", "model.activation=relu,tanh", "epochs=5",
         "n_jobs=2", "data.points_per_class=60"]  # fmt: skip
POINT = {"optimizer.lr": "0.1", "model.activation": "relu"}


def read(*more: str, without: str = "-") -> Asked:
    return asked(words.read(["-m", *(word for word in TYPED if not word.startswith(without)), *more]))


def test_the_space_and_the_jobs_of_a_trial() -> None:
    search = read("seed=3,4", "data.folds=2", "data.fold=0,1", "model.width=interval(4,9.5)")
    lr, width = Interval(1e-3, 1.0, is_log=True), Interval(4, 9, is_whole=True)
    assert search.space == {"optimizer.lr": lr, "model.activation": ("relu", "tanh"), "model.width": width}
    assert search.trials == 4 and search.repeats == 4 and search.is_sealed
    jobs = search.jobs({**POINT, "model.width": "5"})
    assert [(job.varied["seed"], job.varied["data.fold"]) for job in jobs] == [
        ("3", "0"), ("3", "1"), ("4", "0"), ("4", "1"),
    ]  # fmt: skip
    assert jobs[0].name == "lr-0.1_activation-relu_width-5_seed-3_fold-0"
    assert jobs[0].overrides == [
        "search=tpe", "trials=4", "optimizer.lr=0.1", "model.activation=relu", "epochs=5", "n_jobs=2",
        "data.points_per_class=60", "seed=3", "data.folds=2", "data.fold=0", "model.width=5", "test=false",
    ]  # fmt: skip


def test_a_mistyped_key_is_told_with_all_its_values() -> None:
    for word in ("optimizer.lrr=interval(0.1,1)", "optimzer.lr=interval(0.1,1)", "optimizer.lrr=0.1,1"):
        with pytest.raises(UserError) as caught:
            read(word)
        values = word.partition("=")[2]
        assert f"Did you mean 'optimizer.lr={values}'?" in str(caught.value), word


def test_a_short_trial_is_another_one() -> None:
    (job,) = read("test=true").jobs(POINT, epochs=2)
    assert "epochs=5" not in job.overrides and job.overrides[-1] == "epochs=2" and job.name.endswith("_epochs-2")
    assert "test=false" not in job.overrides, "typed"


def test_which_runs_are_trials_of_a_search() -> None:
    search = read()
    (job,) = search.jobs(POINT)
    assert search.proposal_of(job.overrides, None) == POINT
    others = ["n_jobs=7", "trials=90", "note=again", "search=qmc"]
    assert search.proposal_of([*reversed(job.overrides), *others], None) == POINT, "what changes no result counts not"
    for changed in (
        [*job.overrides, "model.width=9"],
        [word for word in job.overrides if not word.startswith("data.")],
        [word for word in job.overrides if not word.startswith("model.activation")],
        [word for word in job.overrides if word != "test=false"],
        [word.replace("epochs=5", "epochs=6") for word in job.overrides],
    ):
        assert search.proposal_of(changed, None) is None, changed
    (short,) = search.jobs(POINT, epochs=2)
    assert search.proposal_of(short.overrides, 2) == POINT and search.proposal_of(short.overrides, None) is None
    assert search.proposal_of(job.overrides, 2) is None


def test_a_run_of_any_of_the_seeds_belongs_to_its_trial() -> None:
    search = read("seed=3,4")
    assert [search.proposal_of(job.overrides, None) for job in search.jobs(POINT)] == [POINT, POINT]


def test_what_is_not_trained_again() -> None:
    finished, pruned = {"status": "finished"}, {"status": "pruned"}
    diverged = {"status": "failed", "error": "the loss became nan in epoch 1 at step 3 (learning rate 1)"}
    failed = {"status": "failed", "error": "No space left on device"}
    plain, prunes = read(), read("search.prune=asha")
    assert [plain.is_done(each) for each in (None, finished, pruned, diverged, failed)] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert prunes.is_done(pruned)


@pytest.mark.parametrize(
    "searched", [["criterion=mse,huber"], ["criterion=huber", "criterion.delta=interval(0.1,2)"]], ids=" ".join
)
def test_a_search_does_not_choose_the_loss_that_is_smallest_by_definition(searched: list[str]) -> None:
    typed = ["-m", "search=qmc", "trials=4", "data=linear", *searched]
    with pytest.raises(UserError, match="judged by losses that can't be compared; task.metric=mae judges all alike"):
        asked(words.read(typed))
    assert asked(words.read([*typed, "task.metric=mae"])).trials == 4
